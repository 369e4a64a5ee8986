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

/// What the interfaces of WASI begin with.
const WASI: &str = "wasi:";

/// An interface of WASI that no plugin gets. (Sockets are there, since Python's components import them
/// whether they use them or not; but every use is denied.)
const NEVER_GRANTED: &str = "wasi:http/";

const OPENED: [&str; 4] = ["go-on", "finish", "pass", "hold"];
const NEXT: [&str; 3] = ["go-on", "finish", "pass"];

/// Where the exports are, looked up once.
pub(super) struct ComponentExports {
    pub(super) on_chunk: ComponentExportIndex,
    /// The others, which the world `plugin` has and the world `filter` has not.
    pub(super) plugin: Option<PluginExports>,
}

/// The exports that only the world `plugin` has.
pub(super) struct PluginExports {
    pub(super) on_open: ComponentExportIndex,
    pub(super) on_end: ComponentExportIndex,
    pub(super) on_timer: ComponentExportIndex,
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
    let index = |name: &str| {
        let index = component.get_export_index(None, name);
        index.ok_or_else(|| LoadError::new(format!("its export {name} cannot be found")))
    };
    let on_chunk = index(name::ON_CHUNK)?;
    let others = [
        (name::ON_OPEN, Some(&OPENED[..]), "func() -> result<opened, string>"),
        (name::ON_END, None, "func() -> result<_, string>"),
        (name::ON_TIMER, Some(&NEXT[..]), "func() -> result<next, string>"),
    ];
    for (name, ok, expected) in others {
        match function(name)? {
            Some(_) if is_filter => {
                return Err(LoadError::new(format!(
                    "it exports {name}, which belongs to the world plugin, and an on-chunk of the world filter"
                )));
            }
            None if is_filter => {}
            None => {
                return Err(LoadError::new(format!("it does not export {name}, as the world plugin must")));
            }
            Some(function) if parameters(&function).is_empty() && answers(&function, ok) => {}
            Some(_) => return Err(wrong(name, expected)),
        }
    }
    if is_filter {
        return Ok(ComponentExports { on_chunk, plugin: None });
    }
    let [on_open, on_end, on_timer] = [name::ON_OPEN, name::ON_END, name::ON_TIMER].map(index);
    let plugin = PluginExports { on_open: on_open?, on_end: on_end?, on_timer: on_timer? };
    Ok(ComponentExports { on_chunk, plugin: Some(plugin) })
}

fn check_import(import: &str) -> Result<(), LoadError> {
    if import.starts_with(NEVER_GRANTED) {
        return Err(LoadError::new(format!("it imports {import}, which no plugin is granted")));
    }
    let Some(interface) = import.strip_prefix(PACKAGE) else {
        return if import.starts_with(WASI) {
            Ok(())
        } else {
            Err(LoadError::new(format!("it imports {import}, which this host does not have")))
        };
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
