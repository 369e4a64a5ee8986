//! What is in a file, for `wasmplex inspect`.

use std::sync::Arc;

use wasmtime::{ExternType, ImportType, Module};

use super::abi::export;
use super::check::{LoadError, initial_memory, show_signature};
use super::code::{Code, Digest, compile, is_component};
use super::engine::Engine;
use super::limits::Limits;
use super::module::check_size;

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
    /// Its code, if it has all that is asked of a plugin.
    pub verdict: Result<Arc<Code>, LoadError>,
}

/// Looks at a file as [`Code::load`] would, and tells all that it sees.
#[must_use]
pub fn inspect(engine: &Engine, bytes: &[u8], limits: &Limits) -> Inspection {
    let digest = Digest::of(bytes);
    let unknown = if is_component(bytes) { "component" } else { "unknown" };
    let compiled = compile(engine, bytes);
    let module = compiled.as_ref().ok();
    Inspection {
        kind: module.map_or(unknown, |_| "core module"),
        version: digest.version().into(),
        size: bytes.len(),
        exports: module.map(exports).unwrap_or_default(),
        imports: module.map(imports).unwrap_or_default(),
        memory: module.and_then(memory),
        verdict: compiled.and_then(|module| {
            let code = Code::of(engine, bytes.len(), digest, &module)?;
            check_size(initial_memory(&module), limits)?;
            Ok(Arc::new(code))
        }),
    }
}

fn exports(module: &Module) -> Vec<(String, String)> {
    module.exports().map(|export| (export.name().to_owned(), describe(&export.ty()))).collect()
}

fn imports(module: &Module) -> Vec<(String, String, String)> {
    let import = |import: ImportType<'_>| {
        (import.module().to_owned(), import.name().to_owned(), describe(&import.ty()))
    };
    module.imports().map(import).collect()
}

/// Initial and largest size in bytes.
fn memory(module: &Module) -> Option<(u64, Option<u64>)> {
    let Some(ExternType::Memory(memory)) = module.get_export(export::MEMORY) else {
        return None;
    };
    let bytes = |pages: u64| pages.saturating_mul(memory.page_size());
    Some((bytes(memory.minimum()), memory.maximum().map(bytes)))
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
