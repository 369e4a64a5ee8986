//! Goes over one JSON text (RFC 8259) and finds the chosen fields in it. Nothing is built
//! and nothing is copied: a field is found as a place in the text.

use core::ops::Range;

use wasmplex_plugin::find_where;

/// What is looked for, level by level.
pub(crate) trait Wanted {
    /// The field of this name in an object; the name is as it is written, without its quotes.
    fn field(&self, object: usize, name: &[u8]) -> Option<usize>;

    /// Whether fields of the object that this field may be are looked for.
    fn goes_on(&self, field: usize) -> bool;

    /// The field stands there. What was found of it or in it before does not count.
    fn found(&mut self, field: usize, value: Range<usize>);
}

/// The text is not a JSON object.
#[derive(Debug, PartialEq)]
pub(crate) struct NotAnObject;

/// Looks at all of a text. What was found is of use only if it is an object.
pub(crate) fn look_through(text: &[u8], wanted: &mut impl Wanted, root: usize) -> Result<(), NotAnObject> {
    core::str::from_utf8(text).map_err(|_| NotAnObject)?;
    let mut reader = Reader { text, place: 0, wanted };
    reader.blanks();
    reader.object(Some(root), MAX_DEPTH)?;
    reader.blanks();
    if reader.place == text.len() { Ok(()) } else { Err(NotAnObject) }
}

/// The most objects and lists within each other: each takes some of the stack.
const MAX_DEPTH: usize = 128;

struct Reader<'a, W> {
    text: &'a [u8],
    place: usize,
    wanted: &'a mut W,
}

type Outcome = Result<(), NotAnObject>;

impl<W: Wanted> Reader<'_, W> {
    /// A value, perhaps an object in which fields are looked for.
    fn value(&mut self, object: Option<usize>, depth: usize) -> Outcome {
        match self.peek() {
            Some(b'"') => self.string().map(drop),
            Some(b'{') => self.object(object, depth),
            Some(b'[') => self.list(depth),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            _ => Err(NotAnObject),
        }
    }

    fn object(&mut self, object: Option<usize>, depth: usize) -> Outcome {
        let depth = depth.checked_sub(1).ok_or(NotAnObject)?;
        self.sign(b'{')?;
        self.blanks();
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            let name = self.string()?;
            self.blanks();
            self.sign(b':')?;
            self.blanks();
            self.field(object, name, depth)?;
            self.blanks();
            if !self.take(b',') {
                return self.sign(b'}');
            }
            self.blanks();
        }
    }

    fn field(&mut self, object: Option<usize>, name: Range<usize>, depth: usize) -> Outcome {
        let Some(field) = object.and_then(|object| self.wanted.field(object, &self.text[name])) else {
            return self.value(None, depth);
        };
        let start = self.place;
        // Before what is in it, so that what an earlier field of that name had is gone.
        self.wanted.found(field, 0..0);
        self.value(self.wanted.goes_on(field).then_some(field), depth)?;
        if !self.wanted.goes_on(field) {
            self.wanted.found(field, start..self.place);
        }
        Ok(())
    }

    fn list(&mut self, depth: usize) -> Outcome {
        let depth = depth.checked_sub(1).ok_or(NotAnObject)?;
        self.sign(b'[')?;
        self.blanks();
        if self.take(b']') {
            return Ok(());
        }
        loop {
            self.value(None, depth)?;
            self.blanks();
            if !self.take(b',') {
                return self.sign(b']');
            }
            self.blanks();
        }
    }

    /// A string; where it stands, without its quotes.
    fn string(&mut self) -> Result<Range<usize>, NotAnObject> {
        self.sign(b'"')?;
        let start = self.place;
        loop {
            let rest = &self.text[self.place..];
            let len = find_where(rest, |byte| (byte == b'"') | (byte == b'\\') | (byte < 0x20));
            self.place += len.ok_or(NotAnObject)?;
            if self.take(b'"') {
                return Ok(start..self.place - 1);
            }
            self.escape()?;
        }
    }

    fn escape(&mut self) -> Outcome {
        self.sign(b'\\')?;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.place += 1,
            Some(b'u') => {
                let digits = self.text.get(self.place + 1..self.place + 5).ok_or(NotAnObject)?;
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return Err(NotAnObject);
                }
                self.place += 5;
            }
            _ => return Err(NotAnObject),
        }
        Ok(())
    }

    fn number(&mut self) -> Outcome {
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        Ok(())
    }

    /// One digit or more.
    fn digits(&mut self) -> Outcome {
        let len = self.text[self.place..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.place += len;
        if len > 0 { Ok(()) } else { Err(NotAnObject) }
    }

    fn word(&mut self, word: &[u8]) -> Outcome {
        if !self.text[self.place..].starts_with(word) {
            return Err(NotAnObject);
        }
        self.place += word.len();
        Ok(())
    }

    fn sign(&mut self, sign: u8) -> Outcome {
        if self.take(sign) { Ok(()) } else { Err(NotAnObject) }
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.place += usize::from(is_there);
        is_there
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.place += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.place).copied()
    }
}

/// Whether a name as it is written stands for this one.
pub(crate) fn is_name(written: &[u8], name: &str) -> bool {
    if written.len() <= name.len() {
        return written == name.as_bytes();
    }
    // With an escape in it, and an escape is longer than what it stands for.
    written.contains(&b'\\') && unescaped(written).eq(name.encode_utf16())
}

/// The UTF-16 units of a string that has passed [`look_through`] as far as its end.
fn unescaped(written: &[u8]) -> impl Iterator<Item = u16> {
    let text = core::str::from_utf8(written).unwrap_or_default();
    let mut chars = text.chars();
    let mut second = None;
    core::iter::from_fn(move || {
        if let Some(unit) = second.take() {
            return Some(unit);
        }
        let char = chars.next()?;
        if char != '\\' {
            let mut units = [0; 2];
            let units = char.encode_utf16(&mut units);
            second = units.get(1).copied();
            return Some(units[0]);
        }
        Some(match chars.next()? {
            'b' => 0x08,
            'f' => 0x0c,
            'n' => 0x0a,
            'r' => 0x0d,
            't' => 0x09,
            'u' => {
                let digits = chars.as_str().get(..4)?;
                chars = chars.as_str()[4..].chars();
                u16::from_str_radix(digits, 16).ok()?
            }
            // A quote, a slash or a backslash, of one unit.
            other => other as u16,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wants nothing.
    struct Nothing;

    impl Wanted for Nothing {
        fn field(&self, _: usize, _: &[u8]) -> Option<usize> {
            None
        }
        fn goes_on(&self, _: usize) -> bool {
            false
        }
        fn found(&mut self, _: usize, _: Range<usize>) {}
    }

    fn is_object(text: impl AsRef<[u8]>) -> bool {
        look_through(text.as_ref(), &mut Nothing, 0).is_ok()
    }

    #[test]
    fn objects() {
        for text in [
            "{}",
            " { } \r",
            r#"{"a":1,"b":[],"c":{},"d":"","e":true,"f":false,"g":null}"#,
            r#"{ "a" : [ 1 , [ ] , { "b" : [ -0 , 0.5 , 10e3 , 1E+2 , 1.25e-07 ] } ] }"#,
            r#"{"":"\"\\\/\b\f\n\r\t\u00e9\ud83e\udd80 é 🦀"}"#,
            "{\"a long enough string for vectors\":\"and another one, and \\u0041 in it\"}",
        ] {
            assert!(is_object(text), "{text}");
            for len in 0..text.trim_end().len() {
                assert!(!is_object(&text.as_bytes()[..len]), "{len} of {text}");
            }
        }
    }

    #[test]
    fn all_else() {
        for text in [
            "",
            "[]",
            "1",
            "\"a\"",
            "null",
            "{}{}",
            "{},",
            "{a:1}",
            "{'a':1}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{,}",
            "{\"a\":1 \"b\":2}",
            "{\"a\":[1,]}",
            "{\"a\":[,]}",
            "{\"a\":[1 2]}",
            "{\"a\":01}",
            "{\"a\":-}",
            "{\"a\":1.}",
            "{\"a\":.5}",
            "{\"a\":1e}",
            "{\"a\":+1}",
            "{\"a\":0x1}",
            "{\"a\":NaN}",
            "{\"a\":tru}",
            "{\"a\":truex}",
            "{\"a\":\"\t\"}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\\u12g4\"}",
            "{\"a\":\"\\u123\"}",
            "{\"a\":\"\\\"}",
            "\u{feff}{}",
            "{\"a\":1}]",
            "{\"a\":{]}",
            "\u{b}{}",
        ] {
            assert!(!is_object(text), "{text}");
        }
        assert!(!is_object(b"{\"a\":\"\xff\"}"));
        assert!(!is_object(b"{\"a\":\"\0\"}"));
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        assert!(is_object(nested(MAX_DEPTH)) && !is_object(nested(MAX_DEPTH + 1)));
        let list = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(is_object(list(MAX_DEPTH - 1)) && !is_object(list(MAX_DEPTH)));
        assert!(!is_object(list(1_000_000)));
    }

    #[test]
    fn names_in_any_writing() {
        for (written, name) in [
            ("abc", "abc"),
            (r"\u0061b\u0063", "abc"),
            (r#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{c}\n\r\t"),
            (r"\ud83e\udd80 🦀", "🦀 🦀"),
            ("\u{e9}", "\u{e9}"),
        ] {
            assert!(is_name(written.as_bytes(), name), "{written}");
        }
        for (written, name) in
            [("abc", "ab"), ("ab", "abc"), (r"\u0061", "A"), (r"a\n", "a"), (r"\ud83e", "\u{fffd}")]
        {
            assert!(!is_name(written.as_bytes(), name), "{written}");
        }
    }
}
