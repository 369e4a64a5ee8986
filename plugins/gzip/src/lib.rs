//! gzip: the body compressed while it arrives, so that all of it that was sent can be
//! decompressed at once.
//!
//! ```text
//! $ curl -sN -T . http://127.0.0.1:8080/gzip | gunzip
//! ```
//!
//! After each chunk what is in the compressor is flushed (a sync flush of deflate, some 5
//! bytes). So the compressed bytes depend on how the body was cut into chunks; what they
//! decompress to does not.
//!
//! `config` in the manifest, all optional:
//!
//! - `"level": 6`: 1 (quick) to 9 (small).
//! - `"flush": "chunk"`, or `"none"` for a smaller result that comes in large pieces, and
//!   not while the client waits for it.
//! - `"as": "file"`: the answer is a file of the type `application/gzip`. With
//!   `"transfer"` it is the body, compressed on its way (`content-encoding: gzip`) for
//!   clients that accept that; to others it goes as it is.

use crc32fast::Hasher;
use miniz_oxide::DataFormat;
use miniz_oxide::deflate::core::{CompressorOxide, TDEFLFlush, TDEFLStatus, compress_to_output};
use wasmplex_plugin::{
    End, Next, Open, Plugin, Response, config, config_parsed, emit, log_panics, request_lists,
};

/// Compresses a stream to one gzip member.
struct Gzip {
    deflate: Box<CompressorOxide>,
    flush: TDEFLFlush,
    /// Of what came in.
    sum: Hasher,
    len: u32,
}

/// No name, no time, from no system in particular (RFC 1952, 2.3).
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
const DEFAULT_LEVEL: u8 = 6;

impl Default for Gzip {
    fn default() -> Self {
        log_panics!();
        let mut deflate = Box::<CompressorOxide>::default();
        deflate.set_format_and_level(DataFormat::Raw, DEFAULT_LEVEL);
        Self { deflate, flush: TDEFLFlush::Sync, sum: Hasher::new(), len: 0 }
    }
}

impl Plugin for Gzip {
    fn on_open(&mut self) -> Open {
        match self.configure().and_then(|()| head()) {
            Ok(true) => {
                emit(&HEADER);
                Open::GoOn
            }
            Ok(false) => Open::Pass,
            Err(reason) => Open::rejected(500, reason),
        }
    }

    fn on_chunk(&mut self, chunk: &mut [u8]) -> Next {
        self.sum.update(chunk);
        // As the trailer has it: modulo 2 to the 32.
        self.len = self.len.wrapping_add(chunk.len() as u32);
        match self.compress(chunk, self.flush) {
            TDEFLStatus::Okay => Next::GoOn,
            _ => Next::rejected(500, "the compressor failed"),
        }
    }

    fn on_end(&mut self) -> End {
        let status = self.compress(b"", TDEFLFlush::Finish);
        emit(&self.sum.clone().finalize().to_le_bytes());
        emit(&self.len.to_le_bytes());
        match status {
            TDEFLStatus::Done => End::Done,
            _ => End::rejected(500, "the compressor failed"),
        }
    }
}

impl Gzip {
    fn configure(&mut self) -> Result<(), &'static str> {
        match config_parsed("level") {
            None => {}
            Some(Ok(level @ 1..=9)) => self.deflate.set_format_and_level(DataFormat::Raw, level),
            Some(_) => return Err("config.level is a number from 1 to 9"),
        }
        match config("flush", &mut [0; 8]) {
            None | Some(Ok("chunk")) => {}
            Some(Ok("none")) => self.flush = TDEFLFlush::None,
            Some(_) => return Err("config.flush is chunk or none"),
        }
        Ok(())
    }

    /// Emits what the compressor makes of it, and takes all of it in.
    fn compress(&mut self, bytes: &[u8], flush: TDEFLFlush) -> TDEFLStatus {
        let (status, _) = compress_to_output(&mut self.deflate, bytes, flush, |out| {
            emit(out);
            true
        });
        status
    }
}

/// Sets the response's fields; whether the body is to be compressed.
fn head() -> Result<bool, &'static str> {
    let (is_wanted, head) = match config("as", &mut [0; 16]) {
        None | Some(Ok("file")) => (true, Response::new().content_type("application/gzip")),
        Some(Ok("transfer")) => {
            let head = Response::new().field("vary", "accept-encoding");
            let is_accepted = request_lists("accept-encoding", "gzip");
            (is_accepted, if is_accepted { head.field("content-encoding", "gzip") } else { head })
        }
        Some(_) => return Err("config.as is file or transfer"),
    };
    head.done().map(|()| is_wanted).map_err(|refused| refused.name())
}

wasmplex_plugin::export!(Gzip);

#[cfg(test)]
mod tests;
