//! A plugin: a module that was checked against the ABI and compiled, ready to be instantiated.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use wasmtime::{ExternType, FuncType, InstancePre, Module, ModuleExport, ValType};

use super::abi::export;
use super::engine::Engine;
use super::limits::Limits;
use super::state::State;
use super::ticker::Ticker;

/// How many hexadecimal digits of the digest make a version: enough to tell any two apart, and
/// short enough for a log line.
const VERSION_DIGITS: usize = 12;

/// One plugin, compiled.
pub struct Plugin {
    name: Box<str>,
    version: Box<str>,
    pub(super) pre: InstancePre<State>,
    pub(super) exports: Exports,
    pub(super) limits: Limits,
    /// The manifest's `config`.
    pub(super) config: BTreeMap<String, String>,
    pub(super) ticker: Arc<Ticker>,
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

impl Exports {
    pub(super) const fn has_timer(&self) -> bool {
        self.on_timer.is_some()
    }
}

/// Why a file is not a plugin, in a line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LoadError(String);

impl LoadError {
    fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LoadError {}

impl Plugin {
    /// Checks and compiles `bytes`, a module in binary or text form. This takes processor time by
    /// the second for large modules: not on a thread that serves.
    ///
    /// # Errors
    ///
    /// [`LoadError`] with the reason, for the plugin's author.
    pub fn load(engine: &Engine, name: &str, bytes: &[u8], limits: Limits) -> Result<Arc<Self>, LoadError> {
        let module = compile(engine, bytes)?;
        let (exports, pre) = link(engine, &module, &limits)?;
        Ok(Arc::new(Self {
            name: name.into(),
            version: version(bytes),
            pre,
            exports,
            limits,
            config: BTreeMap::new(),
            ticker: engine.ticker(),
        }))
    }

    /// The name in its route.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first digits of the file's SHA-256.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The budgets of its instances.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.name)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

fn version(bytes: &[u8]) -> Box<str> {
    let digest = Sha256::digest(bytes);
    let text: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    text[..VERSION_DIGITS].into()
}

fn compile(engine: &Engine, bytes: &[u8]) -> Result<Module, LoadError> {
    if wasmtime::Engine::detect_precompiled(bytes).is_some() {
        return Err(LoadError::new("this is precompiled code; a plugin is a .wasm or .wat module"));
    }
    if is_component(bytes) {
        return Err(LoadError::new("this is a component; only core modules are supported so far"));
    }
    if bytes.is_empty() {
        return Err(LoadError::new("the file is empty"));
    }
    if !bytes.starts_with(b"\0asm") && std::str::from_utf8(bytes).is_err() {
        return Err(LoadError::new("not a WebAssembly module: it neither begins with \\0asm nor is it text"));
    }
    Module::new(&engine.wasmtime, bytes).map_err(|error| {
        let reason = format!("{error:#}");
        LoadError::new(format!("not a valid module: {}", one_line(&reason)))
    })
}

/// Layer 1 of the binary format: a component (component model, `Binary.md`).
fn is_component(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\0asm") && bytes.get(6) == Some(&1)
}

/// The first line of wasmtime's texts says it; what follows are excerpts.
fn one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.take(3).collect::<Vec<_>>().join("; ")
}

fn link(
    engine: &Engine,
    module: &Module,
    limits: &Limits,
) -> Result<(Exports, InstancePre<State>), LoadError> {
    let exports = check(module, limits)?;
    let pre = engine.linker.instantiate_pre(module).map_err(|error| link_error(&error))?;
    Ok((exports, pre))
}

fn link_error(error: &wasmtime::Error) -> LoadError {
    LoadError::new(one_line(&format!("{error:#}")))
}

/// Whether the module has what ABI version 1 asks for.
fn check(module: &Module, limits: &Limits) -> Result<Exports, LoadError> {
    check_kind(module)?;
    check_memory(module, limits)?;
    check_exports(module)?;
    let required = |name: &str| {
        module.get_export_index(name).ok_or_else(|| LoadError::new(format!("it does not export {name}")))
    };
    Ok(Exports {
        memory: required(export::MEMORY)?,
        chunk_buffer: required(export::CHUNK_BUFFER)?,
        on_chunk: required(export::ON_CHUNK)?,
        initialize: module.get_export_index(export::INITIALIZE),
        on_open: module.get_export_index(export::ON_OPEN),
        on_end: module.get_export_index(export::ON_END),
        on_timer: module.get_export_index(export::ON_TIMER),
    })
}

fn check_kind(module: &Module) -> Result<(), LoadError> {
    let has = |name: &str| module.get_export(name).is_some();
    match (has(export::ON_CHUNK), has(export::START)) {
        (true, _) => Ok(()),
        (false, true) => {
            Err(LoadError::new("it exports _start and no on_chunk: commands are not supported so far"))
        }
        (false, false) => Err(LoadError::new("it exports neither on_chunk nor _start")),
    }
}

fn check_memory(module: &Module, limits: &Limits) -> Result<(), LoadError> {
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
    let initial = memory.minimum().saturating_mul(memory.page_size());
    if initial > limits.memory as u64 {
        return Err(LoadError::new(format!(
            "its initial memory of {initial} bytes is beyond the limit of {} (--memory)",
            limits.memory
        )));
    }
    Ok(())
}

/// The signatures of the known exports.
fn check_exports(module: &Module) -> Result<(), LoadError> {
    for (name, parameters, result) in [
        (export::CHUNK_BUFFER, 1, Reply::Value),
        (export::INITIALIZE, 0, Reply::Nothing),
        (export::ON_CHUNK, 2, Reply::Either),
        (export::ON_END, 0, Reply::Value),
        (export::ON_OPEN, 0, Reply::Value),
        (export::ON_TIMER, 0, Reply::Value),
    ] {
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

fn show_signature(signature: &FuncType) -> String {
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

/// What `wasmplex inspect` shows of a file.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// `core module` or `component`; `unknown` when it does not even parse.
    pub kind: &'static str,
    /// The first digits of its SHA-256.
    pub version: String,
    /// Size of the file in bytes.
    pub size: usize,
    /// Name and type.
    pub exports: Vec<(String, String)>,
    /// Module, name and type.
    pub imports: Vec<(String, String, String)>,
    /// Initial and largest size of the memory in bytes.
    pub memory: Option<(u64, Option<u64>)>,
    /// Whether it would be served.
    pub verdict: Result<(), LoadError>,
}

/// Looks at a file as [`Plugin::load`] would, and tells all that it sees.
#[must_use]
pub fn inspect(engine: &Engine, bytes: &[u8], limits: &Limits) -> Inspection {
    let mut inspection = Inspection {
        kind: if is_component(bytes) { "component" } else { "unknown" },
        version: version(bytes).into(),
        size: bytes.len(),
        exports: Vec::new(),
        imports: Vec::new(),
        memory: None,
        verdict: Ok(()),
    };
    let module = match compile(engine, bytes) {
        Ok(module) => module,
        Err(error) => return Inspection { verdict: Err(error), ..inspection },
    };
    inspection.kind = "core module";
    inspection.exports =
        module.exports().map(|export| (export.name().to_owned(), describe(&export.ty()))).collect();
    inspection.imports = module
        .imports()
        .map(|import| (import.module().to_owned(), import.name().to_owned(), describe(&import.ty())))
        .collect();
    if let Some(ExternType::Memory(memory)) = module.get_export(export::MEMORY) {
        let bytes = |pages: u64| pages.saturating_mul(memory.page_size());
        inspection.memory = Some((bytes(memory.minimum()), memory.maximum().map(bytes)));
    }
    inspection.verdict = link(engine, &module, limits).map(drop);
    inspection
}

fn describe(ty: &ExternType) -> String {
    match ty {
        ExternType::Func(signature) => show_signature(signature),
        ExternType::Global(global) => format!("global {}", global.content()),
        ExternType::Memory(memory) => format!("memory of {} pages", memory.minimum()),
        ExternType::Table(table) => format!("table of {} elements", table.minimum()),
        ExternType::Tag(_) => "tag".to_owned(),
    }
}
