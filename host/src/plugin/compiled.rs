//! What the compiler makes of a file: a core module or a component.

use std::borrow::Cow;
use std::fmt;

use wasmtime::component::Component;
use wasmtime::{Module, Precompiled};

use super::check::LoadError;
use super::engine::Engine;

/// Compiled code, of either layer of the binary format.
#[derive(Clone)]
pub(super) enum Compiled {
    Module(Module),
    Component(Component),
}

impl Compiled {
    /// Compiles `bytes`, in binary or text form.
    ///
    /// # Errors
    ///
    /// [`LoadError`] with the reason, for the plugin's author.
    pub(super) fn of(engine: &Engine, bytes: &[u8]) -> Result<Self, LoadError> {
        if wasmtime::Engine::detect_precompiled(bytes).is_some() {
            return Err(LoadError::new("this is precompiled code; a plugin is a .wasm or .wat file"));
        }
        if bytes.is_empty() {
            return Err(LoadError::new("the file is empty"));
        }
        if !bytes.starts_with(b"\0asm") && std::str::from_utf8(bytes).is_err() {
            return Err(LoadError::new("not WebAssembly: it neither begins with \\0asm nor is it text"));
        }
        let binary = wat::parse_bytes(bytes).map_err(|error| invalid("module", &error))?;
        if is_component(&binary) {
            let component = Component::from_binary(&engine.wasmtime, &binary);
            component.map(Self::Component).map_err(|error| invalid("component", &Chain(&error)))
        } else {
            let module = Module::from_binary(&engine.wasmtime, &binary);
            module.map(Self::Module).map_err(|error| invalid("module", &Chain(&error)))
        }
    }

    /// The compiled code as bytes, which [`super::precompiled`] alone turns back.
    pub(super) fn serialize(&self) -> wasmtime::Result<Vec<u8>> {
        match self {
            Self::Module(module) => module.serialize(),
            Self::Component(component) => component.serialize(),
        }
    }

    /// Which of the two such bytes are.
    pub(super) fn is_component_code(code: &[u8]) -> bool {
        matches!(wasmtime::Engine::detect_precompiled(code), Some(Precompiled::Component))
    }
}

/// An error with what led to it.
struct Chain<'a>(&'a wasmtime::Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

fn invalid(what: &str, error: &dyn fmt::Display) -> LoadError {
    LoadError::new(format!("not a valid {what}: {}", one_line(&error.to_string())))
}

/// Whether bytes, in binary or text form, are a component: layer 1 of the binary format (component
/// model, `Binary.md`).
pub(super) fn is_component(bytes: &[u8]) -> bool {
    let binary = if bytes.starts_with(b"\0asm") {
        Cow::Borrowed(bytes)
    } else {
        wat::parse_bytes(bytes).unwrap_or_default()
    };
    binary.starts_with(b"\0asm") && binary.get(6) == Some(&1)
}

/// The first line of wasmtime's texts says it; what follows are excerpts.
pub(super) fn one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.take(3).collect::<Vec<_>>().join("; ")
}
