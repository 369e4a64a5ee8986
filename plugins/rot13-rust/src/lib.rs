//! rot13: every ASCII letter moves 13 places along the alphabet, all other bytes stay.
//!
//! ```text
//! curl -sN -T . http://127.0.0.1:8080/rot13-rust
//! ```
#![cfg_attr(target_arch = "wasm32", no_std)]

use wasmplex_plugin::{Next, Plugin, emit};

/// Has no state: no byte depends on the bytes around it, so it does not matter where
/// the body is cut into chunks.
#[derive(Default)]
struct Rot13;

impl Plugin for Rot13 {
    /// In place in the chunk buffer, and from there to the client in one emit.
    fn on_chunk(&mut self, chunk: &mut [u8]) -> Next {
        // Nothing in this loop depends on the byte before: the compiler makes vector
        // instructions of it, 16 bytes at a time.
        for byte in chunk.iter_mut() {
            *byte = rot13(*byte);
        }
        emit(chunk);
        Next::GoOn
    }
}

/// Selects instead of branches, as vector instructions have no others.
fn rot13(byte: u8) -> u8 {
    // 0 to 25 for letters, small or capital; anything else for all other bytes.
    let place = (byte | 0x20).wrapping_sub(b'a');
    let distance = if place < 13 { 13 } else { 13_u8.wrapping_neg() };
    let moved = byte.wrapping_add(distance);
    if place < 26 { moved } else { byte }
}

wasmplex_plugin::export!(Rot13);
wasmplex_plugin::panic_handler!();

#[cfg(test)]
mod tests {
    use wasmplex_plugin::testing::{golden, run};

    use super::{Rot13, rot13};

    #[test]
    fn golden_cases() {
        golden::<Rot13>("tests");
    }

    #[test]
    fn letters_change_places_and_all_else_stays() {
        let alphabet = b"abcdefghijklmnopqrstuvwxyz";
        let moved = b"nopqrstuvwxyzabcdefghijklm";
        for (from, to) in alphabet.iter().zip(moved) {
            assert_eq!((rot13(*from), rot13(from.to_ascii_uppercase())), (*to, to.to_ascii_uppercase()));
        }
        for byte in (0..=255).filter(|byte: &u8| !byte.is_ascii_alphabetic()) {
            assert_eq!(rot13(byte), byte);
        }
    }

    #[test]
    fn one_emit_for_each_chunk() {
        let outcome = run::<Rot13>(&[b"hel", b"lo"]);
        assert_eq!((outcome.emitted.as_slice(), outcome.emits), (b"uryyb".as_slice(), 2));
    }
}
