//! plugin-name: each word gets a capital.
#![cfg_attr(target_arch = "wasm32", no_std)]

use wasmplex_plugin::{Next, Plugin, emit};

/// The host makes one for every exchange, and calls it for each chunk of the body while the
/// upload is still open. Where a chunk begins and ends means nothing: what must last from one to
/// the next is a field.
#[derive(Default)]
struct Title {
    /// Whether the byte before this one belongs to a word.
    in_word: bool,
}

impl Plugin for Title {
    fn on_chunk(&mut self, chunk: &mut [u8]) -> Next {
        for byte in chunk.iter_mut() {
            let is_of_word = is_of_word(*byte);
            if !self.in_word {
                byte.make_ascii_uppercase();
            }
            self.in_word = is_of_word;
        }
        emit(chunk);
        Next::GoOn
    }
}

/// Letters, digits, the apostrophe, and all bytes of characters beyond ASCII.
fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'\'' || !byte.is_ascii()
}

wasmplex_plugin::export!(Title);
wasmplex_plugin::panic_handler!();

/// These run natively, without a host: `cargo test`.
#[cfg(test)]
mod tests {
    use wasmplex_plugin::testing::Request;

    #[test]
    fn each_word_however_the_body_is_cut() {
        let outcome = Request::new().assert_cuts_agree::<super::Title>(b"full duplex, in wasm");
        assert_eq!(outcome.emitted, b"Full Duplex, In Wasm");
    }
}
