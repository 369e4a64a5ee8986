//! Whether a compiled component is one of package `wasmplex:plugin`: what it imports is there, and what
//! it exports has the right types.

use wasmtime::component::types::{ComponentFunc, ComponentItem, Type};
use wasmtime::component::{Component, ComponentExportIndex};

use super::check::LoadError;
use super::engine::Engine;

/// The package and its version, as in `plugin-sdk/wit`.
const PACKAGE: &str = "wasmplex:plugin/";
const VERSION: &str = "1.0.0";

/// Names in the world.
pub(super) mod name {
    pub(in super::super) const OUTPUT: &str = "wasmplex:plugin/output@1.0.0";
    pub(in super::super) const HOST: &str = "wasmplex:plugin/host@1.0.0";
    pub(in super::super) const TYPES: &str = "wasmplex:plugin/types@1.0.0";
    pub(in super::super) const ON_CHUNK: &str = "on-chunk";
    pub(in super::super) const ON_OPEN: &str = "on-open";
    pub(in super::super) const ON_END: &str = "on-end";
    pub(in super::super) const ON_TIMER: &str = "on-timer";
}

/// Interfaces of WASI that no plugin gets.
const NEVER_GRANTED: [&str; 2] = ["wasi:sockets/", "wasi:http/"];

const OPENED: [&str; 4] = ["go-on", "finish", "pass", "hold"];
const NEXT: [&str; 3] = ["go-on", "finish", "pass"];

/// Where the exports are, looked up once.
pub(super) struct ComponentExports {
    pub(super) on_chunk: ComponentExportIndex,
    /// World `filter`: `on-chunk` has no result.
    pub(super) is_filter: bool,
    pub(super) on_open: Option<ComponentExportIndex>,
    pub(super) on_end: Option<ComponentExportIndex>,
    pub(super) on_timer: Option<ComponentExportIndex>,
}

/// Looks at imports and exports.
///
/// # Errors
///
/// [`LoadError`] with the first thing that is missing or wrong.
pub(super) fn check_component(engine: &Engine, component: &Component) -> Result<ComponentExports, LoadError> {
    let ty = component.component_type();
    for (import, _) in ty.imports(&engine.wasmtime) {
        check_import(import)?;
    }
    let function = |name: &str| match ty.get_export(&engine.wasmtime, name).map(|item| item.ty) {
        None => Ok(None),
        Some(ComponentItem::ComponentFunc(function)) => Ok(Some(function)),
        Some(_) => Err(LoadError::new(format!("its export {name} is not a function"))),
    };
    let Some(chunk) = function(name::ON_CHUNK)? else {
        return Err(LoadError::new(
            "it does not export on-chunk: a plugin is a component of the world filter or plugin of \
             wasmplex:plugin@1.0.0",
        ));
    };
    let is_filter = chunk.results().len() == 0;
    let takes_bytes = matches!(parameters(&chunk)[..], [Type::List(ref list)] if list.ty() == Type::U8);
    if !takes_bytes || !(is_filter || answers(&chunk, Some(&NEXT))) {
        return Err(wrong(
            name::ON_CHUNK,
            "func(chunk: list<u8>), or with a result<next, string> in the world plugin",
        ));
    }
    let index = |name: &str| component.get_export_index(None, name);
    let optional = |name: &str, ok: Option<&[&str]>, expected: &str| match function(name)? {
        Some(function) if parameters(&function).is_empty() && answers(&function, ok) => Ok(index(name)),
        Some(_) => Err(wrong(name, expected)),
        None => Ok(None),
    };
    Ok(ComponentExports {
        on_chunk: index(name::ON_CHUNK).ok_or_else(|| LoadError::new("its export on-chunk is missing"))?,
        is_filter,
        on_open: optional(name::ON_OPEN, Some(&OPENED), "func() -> result<opened, string>")?,
        on_end: optional(name::ON_END, None, "func() -> result<_, string>")?,
        on_timer: optional(name::ON_TIMER, Some(&NEXT), "func() -> result<next, string>")?,
    })
}

fn check_import(import: &str) -> Result<(), LoadError> {
    if NEVER_GRANTED.iter().any(|never| import.starts_with(never)) {
        return Err(LoadError::new(format!(
            "it imports {import}, which no plugin is granted: build it without sockets and HTTP"
        )));
    }
    let Some(interface) = import.strip_prefix(PACKAGE) else {
        return Ok(());
    };
    // Another version of the same major one: the linker knows what of it there is.
    let version = interface.split_once('@').map_or("", |(_, version)| version);
    if version.split('.').next() != VERSION.split('.').next() {
        return Err(LoadError::new(format!(
            "it imports {import}, and this host has version {VERSION} of wasmplex:plugin"
        )));
    }
    Ok(())
}

fn parameters(function: &ComponentFunc) -> Vec<Type> {
    function.params().map(|(_, ty)| ty).collect()
}

/// Whether it returns a `result<ok, string>`, where `ok` is an enum of these cases or nothing.
fn answers(function: &ComponentFunc, ok: Option<&[&str]>) -> bool {
    let results: Vec<Type> = function.results().collect();
    let [Type::Result(result)] = &results[..] else {
        return false;
    };
    let fits = match (result.ok(), ok) {
        (None, None) => true,
        (Some(Type::Enum(cases)), Some(expected)) => cases.names().eq(expected.iter().copied()),
        _ => false,
    };
    fits && result.err() == Some(Type::String)
}

fn wrong(name: &str, expected: &str) -> LoadError {
    LoadError::new(format!("its export {name} has the wrong type; expected {expected}"))
}
