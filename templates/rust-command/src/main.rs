//! plugin-name: each word gets a capital.
//!
//! An ordinary program: what it reads from standard input is the body, what it writes to standard
//! output is the response. A read gives what has arrived, and waits only while there is nothing.

use std::io::{self, Read, Write};

fn main() -> io::Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut bytes = vec![0; 64 * 1024];
    // Whether the byte before this one belongs to a word.
    let mut in_word = false;
    loop {
        let length = input.read(&mut bytes)?;
        if length == 0 {
            return Ok(());
        }
        let piece = &mut bytes[..length];
        for byte in piece.iter_mut() {
            let is_of_word = is_of_word(*byte);
            if !in_word {
                byte.make_ascii_uppercase();
            }
            in_word = is_of_word;
        }
        output.write_all(piece)?;
        // What follows the last newline would stay in standard output's buffer.
        output.flush()?;
    }
}

/// Letters, digits, the apostrophe, and all bytes of characters beyond ASCII.
fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'\'' || !byte.is_ascii()
}
