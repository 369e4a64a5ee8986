//! HTTP/1.1 as pure functions: bytes in, bytes out.
//!
//! Nothing here knows a socket, a clock, tokio or wasmtime; `httparse` is the only crate. Time
//! (the Date field) and randomness are arguments. The parts follow a request's life:
//!
//! - [`head`]: the start line and the fields, strictly, with bounds; [`method`], [`authority`] and
//!   [`trace`] are some of its values;
//! - [`framing`]: how the request body's length is known, decided once; and in [`upgrade`] whether
//!   the connection is to go over to another protocol;
//! - [`decode`]: request body octets out of wire bytes, at whatever place they were cut;
//! - [`encode`]: response heads and wire chunks into a buffer;
//! - [`grammar`]: classes of bytes that they share.
//!
//! Section numbers in this module are those of RFC 9110 (semantics) and RFC 9112 (HTTP/1.1).

pub mod authority;
pub mod decode;
pub mod encode;
mod faults;
pub mod framing;
pub mod grammar;
pub mod head;
pub mod method;
mod size_line;
mod target;
pub mod trace;
pub mod upgrade;

use std::borrow::Cow;

/// Why a request is not served, with the status that says so.
///
/// Produced by everything in [`crate::http`] that can refuse; the server writes it as a one-line
/// answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// The response status, 400 to 599.
    pub status: u16,
    /// One line for the client: what was wrong with what it sent.
    pub reason: Cow<'static, str>,
}

impl Refusal {
    /// A refusal with `status` and a fixed `reason`.
    #[must_use]
    pub const fn new(status: u16, reason: &'static str) -> Self {
        Self { status, reason: Cow::Borrowed(reason) }
    }

    /// 400 with `reason`: the client broke the grammar.
    #[must_use]
    pub const fn bad_request(reason: &'static str) -> Self {
        Self::new(400, reason)
    }
}
