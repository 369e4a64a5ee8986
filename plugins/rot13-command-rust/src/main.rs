//! rot13 as a plain program: standard input to standard output. No SDK, nothing of
//! wasmplex in it; it runs natively as well, and the tests do that.
//!
//! ```text
//! echo hello | cargo run -q
//! curl -sN -T . http://127.0.0.1:8080/rot13-command-rust
//! ```
//!
//! As a plugin (built for `wasm32-wasip1`) its standard input is the body of the
//! request, its standard output the body of the response, and the exit code 0 says
//! that the response is whole.

use std::io::{self, ErrorKind, Read, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    match rot13_stream(io::stdin().lock(), io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rot13: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Passes on what each read brings before the next one is made: a read waits when there
/// is nothing, and what stayed in a buffer meanwhile would be late.
fn rot13_stream(mut from: impl Read, mut to: impl Write) -> io::Result<()> {
    // As large as the largest piece that a plugin is given, and larger than the buffer
    // of `Stdin`, which a read of this size goes past.
    let mut buffer = vec![0; 65_536];
    loop {
        let piece = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(len) => &mut buffer[..len],
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        for byte in piece.iter_mut() {
            *byte = rot13(*byte);
        }
        to.write_all(piece)?;
        // `Stdout` holds back what follows the last newline.
        to.flush()?;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that brings one piece at a time, and is interrupted before each.
    struct Pieces<'a>(std::slice::Chunks<'a, u8>, bool);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(ErrorKind::Interrupted.into());
            }
            let piece = self.0.next().unwrap_or_default();
            buffer[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    /// Notes how much was written before each flush.
    #[derive(Default)]
    struct Flushes {
        written: Vec<u8>,
        flushed: Vec<usize>,
    }

    impl Write for Flushes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.written.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            self.flushed.push(self.written.len());
            Ok(())
        }
    }

    #[test]
    fn each_piece_is_out_before_the_next_is_read() {
        let text = b"Hello, World!";
        let mut to = Flushes::default();
        rot13_stream(Pieces(text.chunks(5), false), &mut to).unwrap();
        assert_eq!(to.written, b"Uryyb, Jbeyq!");
        assert_eq!(to.flushed, [5, 10, 13]);
    }

    #[test]
    fn a_failed_write_is_an_error() {
        let mut room = [0; 3];
        let error = rot13_stream(b"hello".as_slice(), room.as_mut_slice()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WriteZero);
    }
}
