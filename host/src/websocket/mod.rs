//! WebSocket (RFC 6455) as pure functions: bytes in, bytes out.
//!
//! Nothing here knows a socket, a clock or tokio. Frame headers are read and written by
//! `tungstenite`; what they mean, and all that a frame may do wrong, is decided here:
//!
//! - [`handshake`]: whether a request head may become a WebSocket, and the value that accepts it;
//! - [`origin`]: which pages of which hosts may ask;
//! - [`decode`]: messages and control frames out of wire bytes, wherever those were cut;
//! - [`encode`]: frames into a buffer;
//! - [`close`]: the codes of Close frames.
//!
//! Section numbers in this module are those of RFC 6455. No extension is spoken.

pub mod close;
pub mod decode;
pub mod encode;
pub mod handshake;
pub mod origin;
mod utf8;

/// The longest payload of a control frame, in bytes (section 5.5).
pub const MAX_CONTROL: usize = 125;

/// What a message is made of (section 5.6).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// UTF-8, checked.
    Text,
    /// Any bytes.
    Binary,
}

/// The payload of a control frame: at most [`MAX_CONTROL`] bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Control {
    bytes: [u8; MAX_CONTROL],
    length: u8,
}

impl Control {
    /// Nothing.
    pub const EMPTY: Self = Self { bytes: [0; MAX_CONTROL], length: 0 };

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length.into()]
    }

    /// Puts bytes behind those that are there, as many as fit.
    fn extend(&mut self, bytes: &[u8]) {
        let begin = usize::from(self.length);
        let more = bytes.len().min(MAX_CONTROL - begin);
        self.bytes[begin..begin + more].copy_from_slice(&bytes[..more]);
        // At most 125.
        self.length += more as u8;
    }
}
