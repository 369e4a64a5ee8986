//! The plugin runtime: from a `.wasm` file to calls of its exports, on wasmtime.
//!
//! Nothing here knows HTTP, the server or a socket. An instance speaks to the outside through two
//! traits declared here, [`Outlet`] (where emitted bytes go) and [`Request`] (what it may ask
//! about the request); the server fulfils them, and so does `wasmplex run`.
//!
//! - [`abi`]: names, codes and sizes of ABI version 1;
//! - [`Engine`]: what is made once: wasmtime's engine, its instance pool, the linker, the ticker;
//! - [`Plugin`]: what is made once per file: checked and compiled;
//! - [`Instance`]: what is made once per exchange;
//! - [`CallError`]: how a call can end other than well.
//!
//! Only core modules with `on_chunk` run today. Commands (`_start`) and components are told apart
//! in `module.rs` and refused by name there; an [`Instance`] hides what kind it is, so that they
//! can join without a change outside of this folder.

pub mod abi;
mod engine;
mod failure;
mod hostcalls;
mod instance;
mod limits;
mod memory;
mod module;
mod outlet;
mod state;
mod ticker;
mod wasi;

pub use engine::{Engine, EngineOptions};
pub use failure::{CallError, Deadline, Failure};
pub use instance::{Instance, Wiring};
pub use limits::Limits;
pub use module::{Inspection, LoadError, Plugin, inspect};
pub use outlet::{Outlet, OutletError, Request, Response};
pub use ticker::{TICK, Ticker};
