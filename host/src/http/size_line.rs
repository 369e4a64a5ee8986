//! The line in front of a wire chunk's data: its size and its extensions (RFC 9112 sections 7.1 and
//! 7.1.1), a byte at a time.
//!
//! Extensions mean nothing here, but where they end decides what is data: a parser that only looks
//! for the line's end and one that knows about quotes disagree on the same bytes.

use super::decode::BodyError;
use super::grammar::{is_text, is_token};

/// The most bytes of one wire chunk's extensions, blanks included. Nobody sends any; RFC 9112 section
/// 7.1.1 asks for a bound.
pub(super) const MAX_EXTENSION: usize = 4 * 1024;

/// The most digits of a chunk size: 64 bits in hexadecimal.
const MAX_SIZE_DIGITS: u8 = 16;

/// The most digits that [`plain`] reads: sizes up to 4 GiB, in a line that costs less framing than a
/// wire chunk is excused.
const MAX_PLAIN_DIGITS: usize = 8;

/// Size and length of the line at the front of `input`, if all of it is there, it has no extensions,
/// and is not the last one.
pub(super) fn plain(input: &[u8]) -> Option<(u64, usize)> {
    let mut size = 0;
    for (place, &byte) in input.iter().take(MAX_PLAIN_DIGITS + 1).enumerate() {
        match byte {
            b'0'..=b'9' => size = size << 4 | u64::from(byte - b'0'),
            b'a'..=b'f' => size = size << 4 | u64::from(byte - b'a' + 10),
            b'A'..=b'F' => size = size << 4 | u64::from(byte - b'A' + 10),
            b'\r' if size > 0 && input.get(place + 1) == Some(&b'\n') => return Some((size, place + 2)),
            _ => return None,
        }
    }
    None
}

/// A size line, as far as it has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct SizeLine {
    value: u64,
    /// Bytes so far; [`MAX_EXTENSION`] bounds it.
    length: u16,
    digits: u8,
    part: Part,
}

/// What the last byte belonged to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Part {
    Size,
    /// Blanks behind the size: an extension must follow.
    SizeGap,
    /// `;`, and blanks behind it.
    NameStart,
    Name,
    /// Blanks behind a name: `=` or `;` must follow.
    NameGap,
    /// `=`, and blanks behind it.
    ValueStart,
    Value,
    Quoted,
    /// A backslash in a quoted string.
    Escaped,
    /// The quote that ends a quoted string.
    Closed,
    /// Blanks behind a value: another extension must follow.
    Gap,
    Return,
    Done,
}

impl SizeLine {
    pub(super) const fn new() -> Self {
        Self { value: 0, length: 0, digits: 0, part: Part::Size }
    }

    /// Whether nothing of it has come.
    pub(super) const fn is_new(&self) -> bool {
        self.length == 0
    }

    /// Size of the data and length of this line, its CRLF included, once it is complete.
    pub(super) fn finished(&self) -> Option<(u64, u64)> {
        (self.part == Part::Done).then_some((self.value, self.length.into()))
    }

    /// The line with one byte more.
    pub(super) fn step(self, byte: u8) -> Result<Self, BodyError> {
        let length = self.length + 1;
        if self.part == Part::Size && byte.is_ascii_hexdigit() {
            let (digits, value) = (self.digits + 1, self.value << 4 | nibble(byte));
            let line = Self { value, length, digits, part: Part::Size };
            return if digits > MAX_SIZE_DIGITS { Err(BodyError::ChunkSize) } else { Ok(line) };
        }
        let part = self.part.next(byte, self.digits > 0)?;
        let is_extension = !matches!(part, Part::Return | Part::Done);
        if is_extension && usize::from(length) > usize::from(self.digits) + MAX_EXTENSION {
            return Err(BodyError::ExtensionTooLong);
        }
        Ok(Self { length, part, ..self })
    }
}

impl Part {
    /// What a byte that is no digit of the size belongs to.
    fn next(self, byte: u8, has_size: bool) -> Result<Self, BodyError> {
        Ok(match (self, byte) {
            (Self::Size, _) if !has_size => return Err(BodyError::ChunkSize),
            (Self::Size | Self::SizeGap, b' ' | b'\t') => Self::SizeGap,
            (Self::Size | Self::SizeGap, b';') => Self::NameStart,
            (Self::Name | Self::NameGap | Self::Value | Self::Closed | Self::Gap, b';') => Self::NameStart,
            (Self::Size | Self::Name | Self::Value | Self::Closed, b'\r') => Self::Return,
            (Self::Return, b'\n') => Self::Done,
            (Self::NameStart, b' ' | b'\t') => Self::NameStart,
            (Self::NameStart | Self::Name, _) if is_token(byte) => Self::Name,
            (Self::Name | Self::NameGap, b' ' | b'\t') => Self::NameGap,
            (Self::Name | Self::NameGap, b'=') => Self::ValueStart,
            (Self::ValueStart, b' ' | b'\t') => Self::ValueStart,
            (Self::ValueStart, b'"') => Self::Quoted,
            (Self::ValueStart | Self::Value, _) if is_token(byte) => Self::Value,
            (Self::Value | Self::Closed | Self::Gap, b' ' | b'\t') => Self::Gap,
            (Self::Quoted, b'"') => Self::Closed,
            (Self::Quoted, b'\\') => Self::Escaped,
            (Self::Quoted | Self::Escaped, _) if is_text(byte) => Self::Quoted,
            (Self::Size | Self::SizeGap | Self::Return | Self::Done, _) => {
                return Err(BodyError::ChunkSize);
            }
            _ => return Err(BodyError::ChunkExtension),
        })
    }
}

/// The value of a hexadecimal digit.
fn nibble(digit: u8) -> u64 {
    char::from(digit).to_digit(16).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &[u8]) -> Result<Option<(u64, u64)>, BodyError> {
        line.iter().try_fold(SizeLine::new(), |line, &byte| line.step(byte)).map(|line| line.finished())
    }

    #[test]
    fn sizes() {
        for (digits, value) in [
            ("0", 0),
            ("000", 0),
            ("a", 10),
            ("fF", 255),
            ("0000000000000001", 1),
            ("ffffffffffffffff", u64::MAX),
        ] {
            let line = format!("{digits}\r\n");
            assert_eq!(read(line.as_bytes()), Ok(Some((value, line.len() as u64))), "{digits}");
            assert_eq!(read(digits.as_bytes()), Ok(None), "{digits}");
        }
        for line in ["\r", ";", " 1", "\t", "g", "-", "+", "0x", "1 \r", "1\n", "1\r1", "1\r\r", "1_", "1."] {
            assert_eq!(read(line.as_bytes()), Err(BodyError::ChunkSize), "{line:?}");
        }
        assert_eq!(read(b"00000000000000001"), Err(BodyError::ChunkSize));
    }

    #[test]
    fn plain_lines_are_read_alike() {
        for line in ["1\r\n", "aBc\r\nX", "00ff\r\n", "ffffffff\r\n", "10000000\r\n"] {
            let (size, length) = plain(line.as_bytes()).unwrap();
            assert_eq!(read(&line.as_bytes()[..length]), Ok(Some((size, length as u64))), "{line:?}");
        }
        for line in
            ["", "1", "1\r", "\r\n", "0\r\n", "1;a\r\n", "1 \r\n", "1\n", "1\rX", "g\r\n", "100000000\r\n"]
        {
            assert_eq!(plain(line.as_bytes()), None, "{line:?}");
        }
    }

    #[test]
    fn extensions() {
        for line in [
            "1;a\r\n",
            "1;a=b\r\n",
            "1 \t; a = b ;c\r\n",
            "1;a;b;c=d\r\n",
            "1;a=\"\"\r\n",
            "1;a=\"b;c=d\"\r\n",
            "1;a=\"\\\"\\\\\"\r\n",
            "1;a=\"b\tc\" ;d\r\n",
            "1;a=\"caf\u{e9}\"\r\n",
        ] {
            assert_eq!(read(line.as_bytes()), Ok(Some((1, line.len() as u64))), "{line:?}");
        }
        for line in [
            "1;\r",
            "1; \r",
            "1;;",
            "1;=",
            "1;a=\r",
            "1;a= \r",
            "1;a=;",
            "1;a==",
            "1;a \r",
            "1;a b",
            "1;a=b \r",
            "1;a=b c",
            "1;a=b=",
            "1;a=\"b\r",
            "1;a=\"b\n",
            "1;a=\"\\\r",
            "1;a=\"b\0",
            "1;a=\"b\u{7f}",
            "1;a=\"b\"c",
            "1;a=\"b\" \r",
            "1;a=b\"",
            "1;a\n",
            "1;\u{1}",
            "1;a=caf\u{e9}",
        ] {
            assert_eq!(read(line.as_bytes()), Err(BodyError::ChunkExtension), "{line:?}");
        }
    }

    #[test]
    fn extensions_are_bounded() {
        let line = |n: usize| format!("1;{}\r\n", "a".repeat(n)).into_bytes();
        assert!(read(&line(MAX_EXTENSION - 1)).is_ok());
        assert_eq!(read(&line(MAX_EXTENSION)), Err(BodyError::ExtensionTooLong));
        let blanks = format!("1{}", " ".repeat(MAX_EXTENSION + 1));
        assert_eq!(read(blanks.as_bytes()), Err(BodyError::ExtensionTooLong));
    }
}
