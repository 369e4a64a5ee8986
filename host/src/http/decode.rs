//! Request body octets out of wire bytes (RFC 9112 sections 6.2 and 7.1).
//!
//! The decoder takes whatever has arrived and gives back whatever of it is body: a wire chunk that
//! has arrived in part is handed on in part. It never looks ahead and never keeps payload.

use super::framing::Framing;
use super::grammar::{is_text, is_token};
use super::size_line::{self, SizeLine};
use crate::copy::copy;

/// The most bytes of a trailer section, line ends included. Trailers are checked and dropped.
pub const MAX_TRAILERS: usize = 8 * 1024;

/// The most framing of one body beyond what its data excuses, in bytes: [`OVERHEAD_PER_CHUNK`] for each
/// wire chunk and [`OVERHEAD_PER_BYTE`] for each byte of data. A byte at a time is a proper stream; ten
/// thousand extensions around ten bytes are work for nothing (CVE-2023-39326).
pub const MAX_OVERHEAD: u64 = 16 * 1024;

/// A byte in a wire chunk of its own costs 5 bytes of framing; longer sizes and an extension now and
/// then cost a little more.
const OVERHEAD_PER_CHUNK: u64 = 16;

/// Whoever sends data may spend more on framing.
const OVERHEAD_PER_BYTE: u64 = 2;

/// What is wrong with a body. One line each, for the log and (before the head) the client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BodyError {
    ChunkSize,
    ChunkExtension,
    ChunkEnd,
    ExtensionTooLong,
    Overhead,
    Trailer,
    TrailersTooLong,
}

impl std::fmt::Display for BodyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ChunkSize => "malformed chunk size",
            Self::ChunkExtension => "malformed chunk extension",
            Self::ChunkEnd => "chunk data does not end with CRLF",
            Self::ExtensionTooLong => "chunk extension beyond 4 KiB",
            Self::Overhead => "more framing than wire chunks need",
            Self::Trailer => "malformed trailer section",
            Self::TrailersTooLong => "trailer section beyond 8 KiB",
        })
    }
}

impl std::error::Error for BodyError {}

/// What one call of [`BodyDecoder::decode`] did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Progress {
    /// Bytes of the input that are done with.
    pub consumed: usize,
    /// Body bytes written to the output.
    pub produced: usize,
}

/// The state of one request body.
#[derive(Clone, Debug)]
pub struct BodyDecoder {
    state: State,
    /// Framing that no data excuses, so far. `overhead <= MAX_OVERHEAD`.
    overhead: u64,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Bytes of a Content-Length body, or of a body that ends with its stream (`u64::MAX`).
    Plain {
        left: u64,
    },
    Size(SizeLine),
    Data {
        left: u64,
    },
    DataReturn,
    DataLineFeed,
    TrailerStart {
        length: usize,
    },
    TrailerName {
        length: usize,
    },
    TrailerValue {
        length: usize,
    },
    TrailerLineFeed {
        length: usize,
    },
    LastLineFeed,
    Done,
    Failed(BodyError),
}

impl BodyDecoder {
    /// A decoder for a body with this framing.
    #[must_use]
    pub const fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::None | Framing::Length(0) => State::Done,
            Framing::Length(left) => State::Plain { left },
            Framing::Chunked => State::Size(SizeLine::new()),
        };
        Self { state, overhead: 0 }
    }

    /// A decoder for a body that ends with its stream: it is never done by itself.
    #[must_use]
    pub const fn until_end() -> Self {
        Self { state: State::Plain { left: u64::MAX }, overhead: 0 }
    }

    /// Whether the body is complete, trailers included.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Takes wire bytes from `input` and writes the body bytes among them to `output`, until one
    /// of them is used up or the body is complete. Bytes of `input` beyond the consumed ones
    /// belong to what follows.
    ///
    /// # Errors
    ///
    /// [`BodyError`] at the first byte that breaks the grammar, and no sooner than the body bytes
    /// before it were given out: an error comes with nothing produced, and stays.
    pub fn decode(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, BodyError> {
        let mut done = Progress::default();
        while done.consumed < input.len() && !self.is_done() {
            let rest = &input[done.consumed..];
            if let State::Plain { left } | State::Data { left } = &mut self.state {
                let room = output.len() - done.produced;
                let piece = rest.len().min(room).min(usize::try_from(*left).unwrap_or(usize::MAX));
                if piece == 0 {
                    break;
                }
                copy(&mut output[done.produced..done.produced + piece], &rest[..piece]);
                *left -= piece as u64;
                done.consumed += piece;
                done.produced += piece;
                self.after_data();
                continue;
            }
            let usual = self.take_usual(rest);
            if usual > 0 {
                done.consumed += usual;
                continue;
            }
            match self.step(rest[0]) {
                Ok(()) => done.consumed += 1,
                Err(_) if done.produced > 0 => break,
                Err(error) => {
                    // What was consumed before it in this call was not said: only failing can follow.
                    self.state = State::Failed(error);
                    return Err(error);
                }
            }
        }
        Ok(done)
    }

    /// Takes framing that looks as it nearly always does, in one go, and says how many bytes that
    /// were: a size line without extensions, or the CRLF behind data. A byte at a time would give the
    /// same.
    fn take_usual(&mut self, rest: &[u8]) -> usize {
        match self.state {
            State::Size(line) if line.is_new() => {
                let Some((size, length)) = size_line::plain(rest) else {
                    return 0;
                };
                // It costs less than is excused for it: this cannot fail.
                self.overhead = self.overhead_with(size, length as u64).unwrap_or(self.overhead);
                self.state = State::Data { left: size };
                length
            }
            State::DataReturn if rest.starts_with(b"\r\n") => {
                self.state = State::Size(SizeLine::new());
                2
            }
            _ => 0,
        }
    }

    /// Takes one byte of framing, or changes nothing.
    fn step(&mut self, byte: u8) -> Result<(), BodyError> {
        let next = self.state.step(byte)?;
        self.state = match next {
            State::Size(line) => match line.finished() {
                Some((size, length)) => {
                    self.overhead = self.overhead_with(size, length)?;
                    if size == 0 { State::TrailerStart { length: 0 } } else { State::Data { left: size } }
                }
                None => next,
            },
            _ => next,
        };
        Ok(())
    }

    /// The overhead with one wire chunk more: `size` bytes of data behind a line of `length`.
    fn overhead_with(&self, size: u64, length: u64) -> Result<u64, BodyError> {
        const CRLF_BEHIND_DATA: u64 = 2;
        let excused = size.saturating_mul(OVERHEAD_PER_BYTE).saturating_add(OVERHEAD_PER_CHUNK);
        let overhead = (self.overhead + length + CRLF_BEHIND_DATA).saturating_sub(excused);
        if overhead > MAX_OVERHEAD { Err(BodyError::Overhead) } else { Ok(overhead) }
    }

    fn after_data(&mut self) {
        match self.state {
            State::Plain { left: 0 } => self.state = State::Done,
            State::Data { left: 0 } => self.state = State::DataReturn,
            _ => {}
        }
    }
}

impl State {
    /// The state after one byte of framing.
    fn step(self, byte: u8) -> Result<Self, BodyError> {
        match self {
            Self::Size(line) => line.step(byte).map(Self::Size),
            Self::DataReturn if byte == b'\r' => Ok(Self::DataLineFeed),
            Self::DataLineFeed if byte == b'\n' => Ok(Self::Size(SizeLine::new())),
            Self::DataReturn | Self::DataLineFeed => Err(BodyError::ChunkEnd),
            Self::LastLineFeed if byte == b'\n' => Ok(Self::Done),
            Self::LastLineFeed => Err(BodyError::Trailer),
            Self::TrailerStart { length }
            | Self::TrailerName { length }
            | Self::TrailerValue { length }
            | Self::TrailerLineFeed { length } => self.trailer(length, byte),
            Self::Failed(error) => Err(error),
            Self::Plain { .. } | Self::Data { .. } | Self::Done => Ok(self),
        }
    }

    /// One byte of the trailer section: field lines, then an empty line. No folding.
    fn trailer(self, length: usize, byte: u8) -> Result<Self, BodyError> {
        if length >= MAX_TRAILERS {
            return Err(BodyError::TrailersTooLong);
        }
        let length = length + 1;
        match (self, byte) {
            (Self::TrailerStart { .. }, b'\r') => Ok(Self::LastLineFeed),
            (Self::TrailerStart { .. } | Self::TrailerName { .. }, _) if is_token(byte) => {
                Ok(Self::TrailerName { length })
            }
            (Self::TrailerName { .. }, b':') => Ok(Self::TrailerValue { length }),
            (Self::TrailerValue { .. }, b'\r') => Ok(Self::TrailerLineFeed { length }),
            (Self::TrailerValue { .. }, _) if is_text(byte) => Ok(Self::TrailerValue { length }),
            (Self::TrailerLineFeed { .. }, b'\n') => Ok(Self::TrailerStart { length }),
            _ => Err(BodyError::Trailer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a body turned out to be: its octets, and how it ended.
    #[derive(Debug, Eq, PartialEq)]
    enum End {
        Done { rest: Vec<u8> },
        More,
        Wrong(BodyError),
    }

    fn run(framing: Framing, pieces: &[&[u8]], room: usize) -> (Vec<u8>, End) {
        let mut decoder = BodyDecoder::new(framing);
        let mut body = Vec::new();
        let mut pending = Vec::new();
        let mut output = vec![0; room];
        for piece in pieces {
            pending.extend_from_slice(piece);
            loop {
                match decoder.decode(&pending, &mut output) {
                    Err(error) => return (body, End::Wrong(error)),
                    Ok(progress) => {
                        body.extend_from_slice(&output[..progress.produced]);
                        pending.drain(..progress.consumed);
                        if progress == Progress::default() {
                            break;
                        }
                    }
                }
            }
        }
        let end = if decoder.is_done() { End::Done { rest: pending } } else { End::More };
        (body, end)
    }

    fn agree(framing: Framing, input: &[u8]) -> (Vec<u8>, End) {
        let whole = run(framing, &[input], 64);
        let bytes: Vec<&[u8]> = input.chunks(1).collect();
        assert_eq!(run(framing, &bytes, 64), whole, "byte by byte: {}", input.escape_ascii());
        assert_eq!(run(framing, &[input], 1), whole, "output of one byte");
        for cut in 0..=input.len() {
            let (a, b) = input.split_at(cut);
            assert_eq!(run(framing, &[a, b], 7), whole, "cut at {cut}: {}", input.escape_ascii());
        }
        whole
    }

    #[test]
    fn plain_bodies() {
        let done = |rest: &[u8]| End::Done { rest: rest.to_vec() };
        assert_eq!(agree(Framing::None, b"GET"), (vec![], done(b"GET")));
        assert_eq!(agree(Framing::Length(0), b""), (vec![], done(b"")));
        assert_eq!(agree(Framing::Length(3), b"abcGET"), (b"abc".to_vec(), done(b"GET")));
        assert_eq!(agree(Framing::Length(9), b"abc"), (b"abc".to_vec(), End::More));
    }

    #[test]
    fn chunked_bodies() {
        let done = |body: &[u8], rest: &[u8]| (body.to_vec(), End::Done { rest: rest.to_vec() });
        for (input, expected) in [
            (&b"0\r\n\r\n"[..], done(b"", b"")),
            (b"3\r\nabc\r\n0\r\n\r\nGET", done(b"abc", b"GET")),
            (b"3\r\nabc\r\nA\r\n0123456789\r\n000\r\n\r\n", done(b"abc0123456789", b"")),
            (b"1;a=b\r\nx\r\n0;c=\"d e\"\r\n\r\n", done(b"x", b"")),
            (b"1;a=\"\\\";b\"\r\nx\r\n0\r\n\r\n", done(b"x", b"")),
            (b"1 ;a\r\nx\r\n0\r\n\r\n", done(b"x", b"")),
            (b"1\r\nx\r\n0\r\nA: b\r\nC:\r\n\r\nrest", done(b"x", b"rest")),
            (b"0000000000000001\r\nx\r\n0\r\n\r\n", done(b"x", b"")),
            (b"3\r\nab", (b"ab".to_vec(), End::More)),
            (b"3\r\nabc\r\n0\r\n", (b"abc".to_vec(), End::More)),
        ] {
            assert_eq!(agree(Framing::Chunked, input), expected, "{}", input.escape_ascii());
        }
    }

    #[test]
    fn malformed_bodies_give_what_came_before() {
        for (input, body, error) in [
            (&b"\r\n"[..], &b""[..], BodyError::ChunkSize),
            (b"g\r\n", b"", BodyError::ChunkSize),
            (b"-1\r\n", b"", BodyError::ChunkSize),
            (b"0x1\r\nx", b"", BodyError::ChunkSize),
            (b" 1\r\nx", b"", BodyError::ChunkSize),
            (b"1\nx", b"", BodyError::ChunkSize),
            (b"1\r\rx", b"", BodyError::ChunkSize),
            (b"1 \r\nx", b"", BodyError::ChunkSize),
            (b"00000000000000001\r\nx", b"", BodyError::ChunkSize),
            (b"1;\x01\r\nx", b"", BodyError::ChunkExtension),
            (b"1;a\nx", b"", BodyError::ChunkExtension),
            (b"1;a=\"\r\nx\r\n0\r\n\r\n", b"", BodyError::ChunkExtension),
            (b"1\r\nxy\r\n", b"x", BodyError::ChunkEnd),
            (b"1\r\nx\n0\r\n\r\n", b"x", BodyError::ChunkEnd),
            (b"2\r\nab\r\n1\r\nx\r\nZ", b"abx", BodyError::ChunkSize),
            (b"0\r\n a: b\r\n\r\n", b"", BodyError::Trailer),
            (b"0\r\na b: c\r\n\r\n", b"", BodyError::Trailer),
            (b"0\r\na\r\n\r\n", b"", BodyError::Trailer),
            (b"0\r\n: a\r\n\r\n", b"", BodyError::Trailer),
            (b"0\r\na: b\n\r\n", b"", BodyError::Trailer),
            (b"0\r\n\rX", b"", BodyError::Trailer),
        ] {
            let expected = (body.to_vec(), End::Wrong(error));
            assert_eq!(agree(Framing::Chunked, input), expected, "{}", input.escape_ascii());
        }
    }

    #[test]
    fn framing_without_data_is_bounded() {
        let chunks = |size: usize, extension: usize, count: usize| {
            let (data, extension) = ("x".repeat(size), "a".repeat(extension));
            let chunk = format!("{size:x};{extension}\r\n{data}\r\n");
            format!("{}0\r\n\r\n", chunk.repeat(count)).into_bytes()
        };
        let end = |wire: &[u8]| run(Framing::Chunked, &[wire], 64).1;
        // 1 + 1 + 200 + 4 bytes of framing for a byte of data, 18 of which are excused.
        let most = (MAX_OVERHEAD / (206 - 18)) as usize;
        assert_eq!(end(&chunks(1, 200, most)), End::Done { rest: vec![] });
        let wire = chunks(1, 200, most + 1);
        let told = ("x".repeat(most).into_bytes(), End::Wrong(BodyError::Overhead));
        for pieces in [wire.len(), 1, 7, 205, 206, 207] {
            let pieces: Vec<&[u8]> = wire.chunks(pieces).collect();
            assert_eq!(run(Framing::Chunked, &pieces, 64), told);
        }
        // A byte at a time, and long extensions where there is data for them, may go on for ever.
        let byte = [b"1\r\nx\r\n".repeat(50_000), b"0\r\n\r\n".to_vec()].concat();
        assert_eq!(end(&byte), End::Done { rest: vec![] });
        assert_eq!(end(&chunks(2_000, 4_000, 500)), End::Done { rest: vec![] });
    }

    #[test]
    fn an_error_stays() {
        let mut decoder = BodyDecoder::new(Framing::Chunked);
        // The size line is understood up to the fault, and the call does not say so.
        for input in [&b"1;\x01"[..], b"1;\x01", b"\r\nx\r\n0\r\n\r\n"] {
            assert_eq!(decoder.decode(input, &mut [0; 8]), Err(BodyError::ChunkExtension));
        }
        assert!(!decoder.is_done());
    }

    #[test]
    fn bounds_hold() {
        let run_whole = |input: &[u8]| run(Framing::Chunked, &[input], 64).1;
        let trailer = |n: usize| format!("0\r\na:{}\r\n\r\n", "b".repeat(n)).into_bytes();
        assert_eq!(run_whole(&trailer(MAX_TRAILERS - 10)), End::Done { rest: vec![] });
        assert_eq!(run_whole(&trailer(MAX_TRAILERS)), End::Wrong(BodyError::TrailersTooLong));
        let many = format!("0\r\n{}", "a:b\r\n".repeat(MAX_TRAILERS)).into_bytes();
        assert_eq!(run_whole(&many), End::Wrong(BodyError::TrailersTooLong));
    }
}
