//! Access tokens, known by what stands in front of them, in any case:
//!
//! - `bearer` as a word and 1 to 8 blanks: `Authorization: Bearer eyJhbGciOi.x.y`,
//! - a name that ends in `token`, and `:`, `=` or `=>`: `"access_token": "x"`,
//!   `?token=x&`, `X-Auth-Token: x`. Where the name is in quotes, the value must be, too.
//!
//! A token itself may have any length: it is masked when it begins and then left away
//! until its last byte.

use crate::text::{Found, Text};

/// The most blanks between the parts.
const MAX_BLANKS: usize = 8;
/// The longest name of a parameter as in `Bearer realm="x"`, which is no token.
const MAX_PARAMETER: usize = 20;

/// A byte of a token (RFC 6750, 2.1), or of one that is percent-encoded.
pub(crate) fn is_part(byte: u8) -> bool {
    is_first(byte) || byte == b'='
}

fn is_first(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'%')
}

/// A token behind what begins at `start`. Its end is not looked for: it is that of its
/// first byte.
pub(crate) fn behind(text: Text<'_>, start: usize) -> Found {
    let mut reader = Reader { text, place: start };
    let found = match text.at(start) {
        Some(b'b' | b'B') if text.is_word_start(start) => reader.bearer(),
        Some(b't' | b'T') => reader.named(),
        _ => Err(Stop::No),
    };
    match found {
        Ok(()) => Found::Yes { start: reader.place, end: reader.place + 1 },
        Err(Stop::No) => Found::No,
        Err(Stop::Open) => Found::Open,
    }
}

/// Goes over what stands in front of a token.
struct Reader<'a> {
    text: Text<'a>,
    place: usize,
}

/// Why there is no token.
enum Stop {
    /// It is something else.
    No,
    /// The text is still to come.
    Open,
}

impl Reader<'_> {
    fn bearer(&mut self) -> Result<(), Stop> {
        self.word(b"bearer")?;
        if self.blanks()? == 0 || !is_first(self.peek()?) {
            return Err(Stop::No);
        }
        self.no_parameter()
    }

    fn named(&mut self) -> Result<(), Stop> {
        self.word(b"token")?;
        let name_quote = self.quote()?;
        self.blanks()?;
        match self.peek()? {
            b':' => self.place += 1,
            b'=' => {
                self.place += 1;
                self.skip_one(|byte| byte == b'>')?;
            }
            _ => return Err(Stop::No),
        }
        self.blanks()?;
        let value_quote = self.quote()?;
        if (name_quote.is_some() && value_quote.is_none()) || !is_first(self.peek()?) {
            return Err(Stop::No);
        }
        // In `"token": "Bearer x"` it is x that is to be masked.
        let scheme = Reader { ..*self }.bearer();
        if let Err(Stop::No) = scheme { Ok(()) } else { scheme.and(Err(Stop::No)) }
    }

    /// Whether what comes is a token, and not `realm="x"` as a server asks for one.
    fn no_parameter(&mut self) -> Result<(), Stop> {
        let mut ahead = Reader { ..*self };
        for _ in 0..MAX_PARAMETER {
            match ahead.peek()? {
                b'a'..=b'z' | b'_' => ahead.place += 1,
                b'=' => {
                    ahead.place += 1;
                    return if ahead.peek()? == b'"' { Err(Stop::No) } else { Ok(()) };
                }
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    fn peek(&self) -> Result<u8, Stop> {
        self.text.at(self.place).ok_or(Stop::Open)
    }

    /// These letters, in any case.
    fn word(&mut self, letters: &[u8]) -> Result<(), Stop> {
        for letter in letters {
            if !self.peek()?.eq_ignore_ascii_case(letter) {
                return Err(Stop::No);
            }
            self.place += 1;
        }
        Ok(())
    }

    /// How many blanks there are, no more than may be.
    fn blanks(&mut self) -> Result<usize, Stop> {
        for count in 0..=MAX_BLANKS {
            if !self.skip_one(|byte| byte == b' ' || byte == b'\t')? {
                return Ok(count);
            }
        }
        Err(Stop::No)
    }

    /// A quote, perhaps with the backslash that it has within a string.
    fn quote(&mut self) -> Result<Option<u8>, Stop> {
        let is_escaped = self.skip_one(|byte| byte == b'\\')?;
        match self.peek()? {
            quote @ (b'"' | b'\'') => {
                self.place += 1;
                Ok(Some(quote))
            }
            _ if is_escaped => Err(Stop::No),
            _ => Ok(None),
        }
    }

    fn skip_one(&mut self, is_it: impl Fn(u8) -> bool) -> Result<bool, Stop> {
        let is_it = is_it(self.peek()?);
        self.place += usize::from(is_it);
        Ok(is_it)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line from the first byte of its token on.
    fn token(line: &str) -> Option<&str> {
        let text = Text { bytes: line.as_bytes(), before: *b"\n\n", is_last: true };
        (0..line.len()).find_map(|place| match behind(text, place) {
            Found::Yes { start, .. } => Some(&line[start..]),
            Found::No => None,
            Found::Open => panic!("open at the end"),
        })
    }

    #[test]
    fn what_a_token_stands_behind() {
        for line in [
            "Authorization: Bearer SECRET",
            "authorization: bEARER   \t SECRET",
            "bearer SECRET",
            r#""x\nBearer SECRET"#,
            "x-bearer SECRET",
            "\"access_token\":\"SECRET\"",
            "\"refreshToken\" : \"SECRET\"",
            r#"{\"id_token\": \"SECRET\"}"#,
            "'csrf_token' => 'SECRET'",
            "token=SECRET",
            "?a=b&token=SECRET",
            "X-Auth-Token: SECRET",
            "\"token\": \"Bearer SECRET\"",
            "token: bearer SECRET",
        ] {
            let found = token(line).unwrap_or_else(|| panic!("{line}"));
            assert!(found.starts_with("SECRET"), "{line}: {found}");
        }
    }

    #[test]
    fn what_is_no_token() {
        for line in [
            "bearer",
            "bearer:x",
            "forbearer x",
            "Bearer \"x\"",
            "Bearer\nx",
            "Bearer          x",
            "WWW-Authenticate: Bearer realm=\"x\"",
            "Bearer error_description=\"x\"",
            "token x",
            "max_tokens: 4096",
            "\"token\": null",
            "\"token\": \"\"",
            "token == x",
            "token\\x: y",
            "token:\nx",
        ] {
            assert_eq!(token(line), None, "{line}");
        }
    }

    #[test]
    fn short_words_are_tokens_too() {
        assert_eq!(token("Bearer abc"), Some("abc"));
        assert_eq!(token("Bearer abc="), Some("abc="));
        assert_eq!(token(&format!("Bearer {}", "a".repeat(30))).map(str::len), Some(30));
    }

    #[test]
    fn open_as_long_as_it_may_go_on() {
        let line = "token\\\" : \\\"Bearer realm=";
        for len in 1..=line.len() {
            let text = Text { bytes: &line.as_bytes()[..len], before: *b"\n\n", is_last: false };
            assert_eq!(behind(text, 0), Found::Open, "{len}");
        }
    }
}
