//! What must hold of the pure parts, whatever the bytes are.
//!
//! Each module has one `property`: a plain function of bytes that panics where something does not hold. Fuzz
//! targets and the stable tests run the same ones; both give them the code under test as
//! `super::subject`.

pub mod body;
mod cuts;
pub mod framing;
pub mod head;
pub mod response;
pub mod websocket;

use super::subject;
