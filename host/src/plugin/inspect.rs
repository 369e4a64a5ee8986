//! What is in a file, for `wasmplex inspect`.

use std::sync::Arc;

use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;
use wasmtime::{ExternType, ImportType, Module};

use super::abi::export;
use super::check::{LoadError, show_signature};
use super::code::{Code, Digest};
use super::compiled::{Compiled, is_component};
use super::engine::Engine;
use super::limits::Limits;
use super::module::check_size;

/// What `wasmplex inspect` shows of a file.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The kind of plugin; of what is none, `core module` or `component`, or `unknown` when it does not
    /// even parse.
    pub kind: String,
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
    let compiled = Compiled::of(engine, bytes);
    let layer = match &compiled {
        Ok(Compiled::Module(_)) => "core module",
        Ok(Compiled::Component(_)) => "component",
        Err(_) if is_component(bytes) => "component",
        Err(_) => "unknown",
    };
    let (mut exported, mut imported, mut used) = (Vec::new(), Vec::new(), None);
    match &compiled {
        Ok(Compiled::Module(module)) => {
            (exported, imported, used) = (exports(module), imports(module), memory(module));
        }
        Ok(Compiled::Component(component)) => (exported, imported) = component_items(engine, component),
        Err(_) => {}
    }
    let verdict = compiled.and_then(|compiled| {
        let code = Code::of(engine, bytes.len(), digest, &compiled)?;
        check_size(code.initial_memory(), limits)?;
        Ok(Arc::new(code))
    });
    Inspection {
        kind: verdict.as_ref().map_or_else(|_| layer.to_owned(), |code| code.kind().to_string()),
        version: digest.version().into(),
        size: bytes.len(),
        exports: exported,
        imports: imported,
        memory: used,
        verdict,
    }
}

/// What a component exports and imports. Functions within an interface are not listed.
#[expect(clippy::type_complexity, reason = "the two fields of Inspection")]
fn component_items(
    engine: &Engine,
    component: &Component,
) -> (Vec<(String, String)>, Vec<(String, String, String)>) {
    let ty = component.component_type();
    let exported = ty.exports(&engine.wasmtime);
    let imported = ty.imports(&engine.wasmtime);
    (
        exported.map(|(name, item)| (name.to_owned(), describe_item(&item.ty).to_owned())).collect(),
        imported
            .map(|(name, item)| (String::new(), name.to_owned(), describe_item(&item.ty).to_owned()))
            .collect(),
    )
}

const fn describe_item(item: &ComponentItem) -> &'static str {
    match item {
        ComponentItem::ComponentFunc(_) => "function",
        ComponentItem::CoreFunc(_) => "core function",
        ComponentItem::Module(_) => "module",
        ComponentItem::Component(_) => "component",
        ComponentItem::ComponentInstance(_) => "interface",
        ComponentItem::Type(_) => "type",
        ComponentItem::Resource(_) => "resource",
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
