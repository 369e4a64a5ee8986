//! How response bytes are dressed for the wire.

use super::outbound::Plan;
use crate::http::encode::ResponseFraming;
use crate::http::head::{Method, Version};

/// How bytes are dressed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Dress {
    /// As they are.
    Raw,
    /// In wire chunks.
    Chunked,
    /// As they are, and so many more. The last byte is held back until the end is said: a client
    /// that counts would otherwise take a response for whole whose plugin fails after it.
    Length { total: u64, left: u64, held: Option<u8> },
    /// In WebSocket messages, one for each emit: see [`super::speech`].
    Messages,
    /// Not at all.
    Discard,
}

/// The framing of a response (RFC 9112 section 6.3), and how its bytes are dressed.
pub(super) fn choose(plan: &Plan, status: u16, length: Option<u64>) -> (ResponseFraming, Dress) {
    match (plan.method, status, length) {
        (Method::Head, ..) | (_, 204 | 304, _) => (ResponseFraming::Empty, Dress::Discard),
        // RFC 9110 section 15.3.6: no content.
        (_, 205, _) => (ResponseFraming::Length(0), Dress::Discard),
        (.., Some(total)) => {
            (ResponseFraming::Length(total), Dress::Length { total, left: total, held: None })
        }
        _ if plan.version == Version::Http10 => (ResponseFraming::Close, Dress::Raw),
        _ => (ResponseFraming::Chunked, Dress::Chunked),
    }
}
