//! upper: the body in upper case. ASCII letters only, all other bytes stay.
//!
//! ```text
//! curl -sN -T . http://127.0.0.1:8080/upper
//! ```
#![cfg_attr(target_arch = "wasm32", no_std)]

use wasmplex_plugin::{Next, Open, Plugin, emit, response_field};

/// Has no state: a byte's upper case does not depend on the bytes around it, so it
/// does not matter where the body is cut into chunks.
#[derive(Default)]
struct Upper;

impl Plugin for Upper {
    /// The response head leaves when this returns, before the first byte is read.
    fn on_open(&mut self) -> Open {
        match response_field("content-type", "text/plain") {
            Ok(()) => Open::GoOn,
            Err(_) => Open::Reject,
        }
    }

    /// In place in the chunk buffer, and from there to the client in one emit.
    fn on_chunk(&mut self, chunk: &mut [u8]) -> Next {
        // No branch: bit 5 is what lower case has and upper case has not. So the
        // compiler makes vector instructions of it, 16 bytes at a time.
        for byte in chunk.iter_mut() {
            *byte ^= u8::from(byte.is_ascii_lowercase()) << 5;
        }
        emit(chunk);
        Next::GoOn
    }
}

wasmplex_plugin::export!(Upper);
wasmplex_plugin::panic_handler!();

#[cfg(test)]
mod tests {
    use wasmplex_plugin::testing::{Ending, Request, golden, run};

    use super::Upper;

    #[test]
    fn golden_cases() {
        golden::<Upper>("tests");
    }

    #[test]
    fn every_byte_value() {
        let all: Vec<u8> = (0..=255).collect();
        let outcome = Request::new().assert_cuts_agree::<Upper>(&all);
        assert_eq!(outcome.emitted, all.to_ascii_uppercase());
        assert_eq!(outcome.field("content-type"), Some(b"text/plain".as_slice()));
        assert_eq!(outcome.ending, Ending::Clean);
    }

    #[test]
    fn one_emit_for_each_chunk() {
        let outcome = run::<Upper>(&[b"hel", b"lo"]);
        assert_eq!((outcome.emitted.as_slice(), outcome.emits), (b"HELLO".as_slice(), 2));
    }
}
