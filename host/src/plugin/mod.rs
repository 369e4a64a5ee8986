//! The plugin runtime: from a `.wasm` file to calls of its exports, on wasmtime.
//!
//! Nothing here knows HTTP, the server or a socket. An instance speaks to the outside through two
//! traits declared here, [`Outlet`] (where emitted bytes go) and [`Request`] (what it may ask
//! about the request); the server fulfils them, and so does `wasmplex run`.
//!
//! - [`abi`]: names, codes and sizes of ABI version 1;
//! - [`Engine`]: what is made once: wasmtime's engine, its instance pool, the linker, the ticker;
//! - [`Code`]: what is made once per file: checked and compiled, or taken from the [`CodeCache`];
//! - [`Plugin`]: code under a name, with limits, grants and configuration;
//! - [`Instance`]: what is made once per exchange;
//! - [`Account`]: what an exchange uses, and may use;
//! - [`CallError`]: how a call can end other than well.
//!
//! There are three kinds of plugin ([`Kind`]), and an [`Instance`] hides which one it is: core modules with
//! `on_chunk` (`core_module.rs`), commands, whose one call is driven as a coroutine (`command.rs`), and
//! components (`component.rs`).

pub mod abi;
mod cache;
mod cache_folder;
mod calls;
mod check;
mod code;
mod command;
mod compiled;
mod component;
mod component_check;
mod core_module;
mod engine;
mod failure;
mod grants;
mod hostcalls;
mod inspect;
mod instance;
mod limits;
mod memory;
mod meter;
mod module;
mod outlet;
mod precompiled;
mod preview2;
mod probe;
mod state;
mod stdin;
mod tape;
#[cfg(test)]
mod testing;
mod ticker;
mod usage;
mod wasi;
mod wasi_files;
mod wasi_stdin;

pub use cache::CodeCache;
pub use check::LoadError;
pub use code::{Code, Digest, Kind};
pub use engine::{Engine, EngineOptions};
pub use failure::{CallError, Deadline, Failure};
pub use grants::{DirGrant, Grants};
pub use hostcalls::printable;
pub use inspect::{Inspection, inspect};
pub use instance::{Instance, Wiring};
pub use limits::{Limit, Limits, MAX_STAGES};
pub use module::{Plugin, Settings};
pub use outlet::{NoRequest, Outlet, OutletError, Request, Response};
pub use probe::{Nowhere, probe};
pub use tape::{Entry, Full, Happening, Recorder, Recording, Tape};
pub use ticker::{TICK, Ticker, take_large, ticks_of_this_thread};
pub use usage::{Account, CallTimes, Count, ExchangeId, TIME_BUCKETS, Tally, Usage, Waiting, time_bucket};
