//! The modules of the host that are pure functions of bytes, compiled from its own sources: what fuzzes
//! them builds in seconds, where the whole host takes minutes.

#[path = "../../../host/src/http/mod.rs"]
pub mod http;
#[path = "../../../host/src/websocket/mod.rs"]
pub mod websocket;
