//! Whether a compiled core module has what ABI version 1 asks for, or is a command.

use std::fmt;

use wasmtime::{ExternType, FuncType, Module, ModuleExport, ValType};

use super::abi::export;
use super::hostcalls::printable;

/// What a core module is.
pub(super) enum Shape {
    CoreModule(Exports),
    Command(CommandExports),
}

/// Where the exports of a command are, looked up once.
pub(super) struct CommandExports {
    pub(super) memory: ModuleExport,
    pub(super) start: ModuleExport,
}

/// Where the exports are, looked up once.
pub(super) struct Exports {
    pub(super) memory: ModuleExport,
    pub(super) chunk_buffer: ModuleExport,
    pub(super) on_chunk: ModuleExport,
    pub(super) initialize: Option<ModuleExport>,
    pub(super) on_open: Option<ModuleExport>,
    pub(super) on_end: Option<ModuleExport>,
    pub(super) on_timer: Option<ModuleExport>,
}

/// The longest reason, in bytes: the names that it quotes may be long.
const MAX_REASON: usize = 1024;

/// Why a file is not a plugin, in a line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LoadError(String);

impl LoadError {
    /// Names out of the file may stand in `reason`: control characters are escaped.
    pub(super) fn new(reason: impl AsRef<str>) -> Self {
        Self(printable(reason.as_ref().as_bytes(), MAX_REASON))
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LoadError {}

/// Looks at kind, memory and signatures.
///
/// # Errors
///
/// [`LoadError`] with the first thing that is missing or wrong.
pub(super) fn check(module: &Module) -> Result<Shape, LoadError> {
    let has = |name: &str| module.get_export(name).is_some();
    let required = |name: &str| {
        module.get_export_index(name).ok_or_else(|| LoadError::new(format!("it does not export {name}")))
    };
    match (has(export::ON_CHUNK), has(export::START)) {
        (true, _) => {
            check_memory(module)?;
            check_exports(module, &PLUGIN_EXPORTS)?;
            Ok(Shape::CoreModule(Exports {
                memory: required(export::MEMORY)?,
                chunk_buffer: required(export::CHUNK_BUFFER)?,
                on_chunk: required(export::ON_CHUNK)?,
                initialize: module.get_export_index(export::INITIALIZE),
                on_open: module.get_export_index(export::ON_OPEN),
                on_end: module.get_export_index(export::ON_END),
                on_timer: module.get_export_index(export::ON_TIMER),
            }))
        }
        (false, true) => {
            check_memory(module)?;
            check_exports(module, &COMMAND_EXPORTS)?;
            Ok(Shape::Command(CommandExports {
                memory: required(export::MEMORY)?,
                start: required(export::START)?,
            }))
        }
        (false, false) => Err(LoadError::new("it exports neither on_chunk nor _start")),
    }
}

/// The initial size of its memory, in bytes.
pub(super) fn initial_memory(module: &Module) -> u64 {
    match module.get_export(export::MEMORY) {
        Some(ExternType::Memory(memory)) => memory.minimum().saturating_mul(memory.page_size()),
        _ => 0,
    }
}

fn check_memory(module: &Module) -> Result<(), LoadError> {
    let memory = match module.get_export(export::MEMORY) {
        Some(ExternType::Memory(memory)) => memory,
        Some(_) => return Err(LoadError::new("its export memory is not a memory")),
        None => return Err(LoadError::new("it does not export memory")),
    };
    if memory.is_64() {
        return Err(LoadError::new("its memory is 64-bit; the ABI needs a 32-bit one"));
    }
    if memory.is_shared() {
        return Err(LoadError::new("its memory is shared; the ABI needs one of its own"));
    }
    let resources = module.resources_required();
    if resources.num_memories > 1 {
        return Err(LoadError::new("it has more than one memory; the ABI needs exactly one"));
    }
    Ok(())
}

/// The name of an export, the number of its parameters, and what it returns.
type Signature = (&'static str, usize, Reply);

const PLUGIN_EXPORTS: [Signature; 6] = [
    (export::CHUNK_BUFFER, 1, Reply::Value),
    (export::INITIALIZE, 0, Reply::Nothing),
    (export::ON_CHUNK, 2, Reply::Either),
    (export::ON_END, 0, Reply::Value),
    (export::ON_OPEN, 0, Reply::Value),
    (export::ON_TIMER, 0, Reply::Value),
];

const COMMAND_EXPORTS: [Signature; 1] = [(export::START, 0, Reply::Nothing)];

/// The signatures of the known exports.
fn check_exports(module: &Module, known: &[Signature]) -> Result<(), LoadError> {
    for &(name, parameters, result) in known {
        match module.get_export(name) {
            None => {}
            Some(ExternType::Func(signature)) if fits(&signature, parameters, result) => {}
            Some(ExternType::Func(signature)) => {
                let expected = expected_signature(parameters, result);
                return Err(LoadError::new(format!(
                    "its export {name} has the wrong signature: {}; expected {expected}",
                    show_signature(&signature)
                )));
            }
            Some(_) => return Err(LoadError::new(format!("its export {name} is not a function"))),
        }
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Reply {
    Nothing,
    Value,
    Either,
}

fn fits(signature: &FuncType, parameters: usize, result: Reply) -> bool {
    let i32_only =
        |mut types: Box<dyn Iterator<Item = ValType> + '_>| types.all(|ty| matches!(ty, ValType::I32));
    let results = signature.results().len();
    signature.params().len() == parameters
        && i32_only(Box::new(signature.params()))
        && i32_only(Box::new(signature.results()))
        && match result {
            Reply::Nothing => results == 0,
            Reply::Value => results == 1,
            Reply::Either => results <= 1,
        }
}

pub(super) fn show_signature(signature: &FuncType) -> String {
    let list = |types: Vec<String>| types.join(", ");
    let parameters = list(signature.params().map(|ty| ty.to_string()).collect());
    let results = list(signature.results().map(|ty| ty.to_string()).collect());
    if results.is_empty() { format!("({parameters})") } else { format!("({parameters}) -> {results}") }
}

fn expected_signature(parameters: usize, result: Reply) -> String {
    let parameters = vec!["i32"; parameters].join(", ");
    match result {
        Reply::Nothing => format!("({parameters})"),
        Reply::Value | Reply::Either => format!("({parameters}) -> i32"),
    }
}
