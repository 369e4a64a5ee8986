//! ABI version 1: names, codes and sizes that plugins rely on. This version only grows.

use wasmtime::component::{ComponentType, Lift};

/// The module that plugins import from. An incompatible ABI would be called `wasmplex2`.
pub const IMPORT_MODULE: &str = "wasmplex";

/// What `chunk_buffer` is asked for, in bytes, and so the largest chunk of a call.
pub const CHUNK_CAPACITY: usize = 65_536;

/// The exports with a meaning.
pub mod export {
    pub const CHUNK_BUFFER: &str = "chunk_buffer";
    pub const INITIALIZE: &str = "_initialize";
    pub const MEMORY: &str = "memory";
    pub const ON_CHUNK: &str = "on_chunk";
    pub const ON_END: &str = "on_end";
    pub const ON_OPEN: &str = "on_open";
    pub const ON_TIMER: &str = "on_timer";
    pub const START: &str = "_start";
}

/// What `on_open` decided; `opened` in the package's interface `types`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
pub enum Opened {
    /// 0: send the head and go on.
    #[component(name = "go-on")]
    GoOn,
    /// 1: finish without reading the body.
    #[component(name = "finish")]
    Finish,
    /// 2: copy the body through unchanged.
    #[component(name = "pass")]
    Pass,
    /// 3: hold the head until the first emit or the end.
    #[component(name = "hold")]
    Hold,
}

/// What `on_chunk` or `on_timer` decided; `next` in the package's interface `types`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
pub enum Next {
    /// 0: go on.
    #[component(name = "go-on")]
    GoOn,
    /// 1: finish the response now.
    #[component(name = "finish")]
    Finish,
    /// 2: copy the rest of the body through unchanged.
    #[component(name = "pass")]
    Pass,
}

impl Opened {
    /// The meaning of a non-negative code, if version 1 gives it one.
    #[must_use]
    pub const fn from_code(code: i32) -> Option<Self> {
        Some(match code {
            0 => Self::GoOn,
            1 => Self::Finish,
            2 => Self::Pass,
            3 => Self::Hold,
            _ => return None,
        })
    }
}

impl Next {
    /// The meaning of a non-negative code, if version 1 gives it one.
    #[must_use]
    pub const fn from_code(code: i32) -> Option<Self> {
        Some(match code {
            0 => Self::GoOn,
            1 => Self::Finish,
            2 => Self::Pass,
            _ => return None,
        })
    }
}
