//! What must hold of those parts that need all of the host, whatever the bytes are.
//!
//! As in `wire`: a `property` each, a plain function of bytes (and of a server's address, in `connection`).

pub mod capsule;
pub mod connection;
pub mod manifest;
pub mod module;
pub mod routes;
pub mod wat;
