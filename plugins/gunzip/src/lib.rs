//! gunzip: gzip in, what it was made of out, while it arrives.
//!
//! ```text
//! $ gzip -c README.md | curl -sN --data-binary @- http://127.0.0.1:8080/gunzip
//! ```
//!
//! All that the bytes so far decide is out when they have been read. Several members one
//! after the other (`cat a.gz b.gz`) are one stream, as RFC 1952 has it; zeros may follow
//! the last one. Checksums and lengths are checked, those of headers too.
//!
//! The response head is held until there is something to send. So what does not begin as
//! gzip, and a request without a body, gets an answer with the status 400. What turns out
//! to be broken later, or ends too early, ends in a cut connection: a client never takes
//! it for whole.
//!
//! A kilobyte of gzip can be a megabyte. The plugin itself needs no more memory for that,
//! as it emits 32 KiB at a time, and `emit` waits for the client; how much may come out of
//! one exchange is said by the limit `emitted` of the manifest.
#![cfg_attr(target_arch = "wasm32", no_std)]

use crc32fast::Hasher;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags::TINFL_FLAG_HAS_MORE_INPUT};
use wasmplex_plugin::{End, Next, Open, Plugin, emit};

mod header;

use header::Header;

/// Decompresses a stream of gzip members.
struct Gunzip {
    at: At,
    inflate: DecompressorOxide,
    /// The last 32 KiB, round and round: later bytes may repeat them.
    window: [u8; WINDOW],
    window_at: usize,
    /// Of what has come out of this member.
    sum: Hasher,
    len: u32,
}

/// As far back as deflate can refer.
const WINDOW: usize = 32 * 1024;

/// The part of a member that is next.
enum At {
    Header(Header),
    Body,
    /// Checksum and length, and how many bytes of them there are.
    Trailer([u8; 8], usize),
    /// After a member: the next one, zeros, or the end.
    Between,
    /// After the last member.
    Zeros,
}

impl Default for Gunzip {
    fn default() -> Self {
        Self {
            at: At::Header(Header::default()),
            inflate: DecompressorOxide::new(),
            window: [0; WINDOW],
            window_at: 0,
            sum: Hasher::new(),
            len: 0,
        }
    }
}

impl Plugin for Gunzip {
    fn on_open(&mut self) -> Open {
        Open::Hold
    }

    fn on_chunk(&mut self, chunk: &mut [u8]) -> Next {
        let mut rest = &*chunk;
        while !rest.is_empty() {
            match self.part(rest) {
                Ok(used) => rest = &rest[used..],
                // 400 if the head is not out yet, and a cut otherwise.
                Err(reason) => return Next::rejected(400, reason),
            }
        }
        Next::GoOn
    }

    fn on_end(&mut self) -> End {
        match self.at {
            At::Between | At::Zeros => End::Done,
            _ => End::rejected(400, "the gzip stream ends too early"),
        }
    }
}

impl Gunzip {
    /// Takes bytes that are of one part, at least one, and returns how many.
    fn part(&mut self, bytes: &[u8]) -> Result<usize, &'static str> {
        match &mut self.at {
            At::Header(header) => {
                if header.push(bytes[0])? {
                    self.begin_body();
                }
                Ok(1)
            }
            At::Body => self.body(bytes),
            At::Trailer(trailer, len) => {
                trailer[*len] = bytes[0];
                *len += 1;
                if *len == trailer.len() {
                    self.check()?;
                    self.at = At::Between;
                }
                Ok(1)
            }
            At::Between if bytes[0] != 0 => {
                self.at = At::Header(Header::default());
                Ok(0)
            }
            At::Between | At::Zeros if bytes[0] == 0 => {
                self.at = At::Zeros;
                Ok(1)
            }
            At::Between | At::Zeros => Err("there is something behind the gzip stream"),
        }
    }

    fn begin_body(&mut self) {
        self.at = At::Body;
        self.inflate.init();
        self.sum = Hasher::new();
        self.len = 0;
    }

    /// Decompresses what is there and emits it, a window at most at a time.
    fn body(&mut self, bytes: &[u8]) -> Result<usize, &'static str> {
        let mut used = 0;
        loop {
            let (status, read, written) = decompress(
                &mut self.inflate,
                &bytes[used..],
                &mut self.window,
                self.window_at,
                TINFL_FLAG_HAS_MORE_INPUT,
            );
            used += read;
            let out = &self.window[self.window_at..][..written];
            self.sum.update(out);
            // As the trailer has it: modulo 2 to the 32.
            self.len = self.len.wrapping_add(written as u32);
            emit(out);
            self.window_at = (self.window_at + written) % WINDOW;
            match status {
                TINFLStatus::HasMoreOutput => {}
                TINFLStatus::NeedsMoreInput => return Ok(used),
                TINFLStatus::Done => {
                    self.at = At::Trailer([0; 8], 0);
                    return Ok(used);
                }
                _ => return Err("the gzip stream is broken"),
            }
        }
    }

    fn check(&self) -> Result<(), &'static str> {
        let At::Trailer([a, b, c, d, e, f, g, h], _) = self.at else { return Ok(()) };
        if u32::from_le_bytes([a, b, c, d]) != self.sum.clone().finalize() {
            return Err("the gzip stream's checksum is wrong");
        }
        if u32::from_le_bytes([e, f, g, h]) != self.len {
            return Err("the gzip stream's length is wrong");
        }
        Ok(())
    }
}

wasmplex_plugin::export!(Gunzip);
wasmplex_plugin::panic_handler!();

#[cfg(test)]
mod tests;
