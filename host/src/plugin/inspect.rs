//! What is in a file, for `wasmplex inspect`.

use wasmtime::ExternType;

use super::abi::export;
use super::check::{LoadError, initial_memory, show_signature};
use super::code::{Digest, compile, is_component, link};
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
    /// Whether it would be served.
    pub verdict: Result<(), LoadError>,
}

/// Looks at a file as [`super::Code::load`] would, and tells all that it sees.
#[must_use]
pub fn inspect(engine: &Engine, bytes: &[u8], limits: &Limits) -> Inspection {
    let mut inspection = Inspection {
        kind: if is_component(bytes) { "component" } else { "unknown" },
        version: Digest::of(bytes).version().into(),
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
    inspection.verdict = link(engine, &module).and_then(|_| check_size(initial_memory(&module), limits));
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
