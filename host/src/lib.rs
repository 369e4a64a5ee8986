//! wasmplex: full-duplex streams through sandboxed WebAssembly plugins, on plain HTTP/1.1.
//!
//! # Layout
//!
//! - [`http`]: heads, framing, body decoding and encoding; pure functions of bytes
//! - [`websocket`]: handshake and frames; pure functions of bytes
//! - [`plugin`]: the plugin runtime on wasmtime; knows no socket and no HTTP
//! - [`exchange`]: a body on its way through an instance, both directions at once
//! - [`registry`]: name to plugin, swapped whole; watches the folder
//! - [`metrics`]: what happened and what goes on, counted
//! - [`server`]: accept, keep-alive, the hijack
//! - [`admin`]: the operators' listener
//! - [`project`]: a plugin's sources: their language, how to build them, new ones
//! - [`golden`]: a plugin's tests: cases, cuts, comparison
//! - [`capsule`]: what made a plugin fail, in a file
//! - [`replay`]: an exchange out of such a file
//! - [`cli`]: one file per subcommand
//! - [`config`]: sizes and times as people write them
//! - `copy`: copies that take the same time wherever the bytes lie
//!
//! The binary is the product; the library is there for its tests and benchmarks and promises no
//! stable interface.

pub mod admin;
mod background;
pub mod capsule;
pub mod cli;
pub mod config;
mod copy;
pub mod exchange;
pub mod golden;
pub mod http;
pub mod metrics;
pub mod plugin;
pub mod project;
pub mod registry;
pub mod replay;
pub mod server;
pub mod websocket;
