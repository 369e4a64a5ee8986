//! Where two outputs part, for people to look at.

use std::fmt;

/// How many bytes before the first difference are shown, and from there on.
const AROUND: (usize, usize) = (24, 24);

/// How many bytes are in a row of a dump.
const ROW: usize = 16;

/// The first place at which two byte strings differ, with what is around it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Difference {
    /// How many bytes before it are the same.
    pub offset: usize,
    /// Both from 1, of the expected text.
    line: usize,
    column: usize,
    expected: Side,
    got: Side,
}

/// What one of the two has around the place.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Side {
    length: usize,
    before: Vec<u8>,
    from: Vec<u8>,
    /// Where its row of a dump begins, and the row.
    row: (usize, Vec<u8>),
}

impl Difference {
    /// `None`: they are the same.
    #[must_use]
    pub fn between(expected: &[u8], got: &[u8]) -> Option<Self> {
        if expected == got {
            return None;
        }
        let offset = expected.iter().zip(got).take_while(|(one, other)| one == other).count();
        let before = &expected[..offset];
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        Some(Self {
            offset,
            line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
            column: offset - line_start + 1,
            expected: Side::of(expected, offset),
            got: Side::of(got, offset),
        })
    }
}

impl Side {
    fn of(bytes: &[u8], offset: usize) -> Self {
        let start = offset.saturating_sub(AROUND.0);
        let row = offset / ROW * ROW;
        let end = |length: usize| bytes.len().min(offset + length);
        Self {
            length: bytes.len(),
            before: bytes[start..offset].to_vec(),
            from: bytes[offset..end(AROUND.1)].to_vec(),
            row: (row, bytes[row..bytes.len().min(row + ROW)].to_vec()),
        }
    }

    /// The bytes in quotes, and how many characters of that come before the difference.
    fn text(&self, starts_at_0: bool, is_text: bool) -> (String, usize) {
        let show = |bytes: &[u8]| match std::str::from_utf8(bytes) {
            Ok(text) if is_text => text.chars().map(escaped).collect(),
            _ => bytes.iter().map(|byte| escaped_byte(*byte)).collect::<String>(),
        };
        let before = format!("{}\"{}", if starts_at_0 { "" } else { "…" }, show(&self.before));
        let is_all =
            self.before.len() + self.from.len() + if starts_at_0 { 0 } else { usize::MAX / 2 } >= self.length;
        let end = if is_all && self.ends() { "" } else { "…" };
        (format!("{before}{}\"{end}", show(&self.from)), before.chars().count())
    }

    /// Whether `from` reaches to the end.
    fn ends(&self) -> bool {
        self.from.len() < AROUND.1
    }

    fn dump(&self) -> String {
        let (start, row) = &self.row;
        let digits: Vec<String> = row.iter().map(|byte| format!("{byte:02x}")).collect();
        let shown: String = row
            .iter()
            .map(|byte| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' })
            .collect();
        format!("{start:08x}  {:width$}  {shown}", digits.join(" "), width = ROW * 3 - 1)
    }
}

/// A character as it stands between double quotes.
fn escaped(next: char) -> String {
    if next == '\'' { next.to_string() } else { next.escape_debug().to_string() }
}

/// The same of a byte.
fn escaped_byte(byte: u8) -> String {
    if byte == b'\'' { "'".to_owned() } else { byte.escape_ascii().to_string() }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offset, line, column, expected, got } = self;
        writeln!(
            f,
            "differs at byte {offset} (line {line}, column {column}); expected {} bytes, got {}",
            expected.length, got.length
        )?;
        let starts_at_0 = *offset <= AROUND.0;
        let is_text = [expected, got]
            .iter()
            .all(|side| std::str::from_utf8(&side.before).is_ok() && std::str::from_utf8(&side.from).is_ok());
        let (text, before) = expected.text(starts_at_0, is_text);
        writeln!(f, "  expected  {text}")?;
        writeln!(f, "  got       {}", got.text(starts_at_0, is_text).0)?;
        writeln!(f, "            {}^", " ".repeat(before))?;
        writeln!(f, "  expected  {}", expected.dump())?;
        write!(f, "  got       {}", got.dump())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_shown_in_text_and_in_bytes() {
        assert_eq!(Difference::between(b"same", b"same"), None);
        let difference = Difference::between(b"one\ntwo three", b"one\ntwo Three").unwrap();
        assert_eq!(
            difference.to_string(),
            r#"differs at byte 8 (line 2, column 5); expected 13 bytes, got 13
  expected  "one\ntwo three"
  got       "one\ntwo Three"
                      ^
  expected  00000000  6f 6e 65 0a 74 77 6f 20 74 68 72 65 65           one.two three
  got       00000000  6f 6e 65 0a 74 77 6f 20 54 68 72 65 65           one.two Three"#
        );
    }

    #[test]
    fn an_end_is_a_difference_too() {
        let difference = Difference::between(&[b'x'; 100], &[b'x'; 99]).unwrap();
        let text = difference.to_string();
        assert!(
            text.starts_with("differs at byte 99 (line 1, column 100); expected 100 bytes, got 99\n"),
            "{text}"
        );
        assert!(text.contains("  got       …\"xxxxxxxxxxxxxxxxxxxxxxxx\"\n"), "{text}");
        assert_eq!(Difference::between(b"", b"a").unwrap().offset, 0);
    }

    #[test]
    fn bytes_that_are_no_text_are_escaped() {
        let text = Difference::between(b"\xff\x00a", b"\xff\x00b").unwrap().to_string();
        assert!(text.contains(r#"  expected  "\xff\x00a""#), "{text}");
        let text = Difference::between("grün".as_bytes(), "gröb".as_bytes()).unwrap().to_string();
        assert!(text.contains("grün") || text.contains("gr\\xc3"), "{text}");
    }
}
