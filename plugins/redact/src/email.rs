//! E-mail addresses: 1 to 64 letters, digits, `.`, `_`, `%`, `+` or `-`, an `@` (or
//! `%40`, as in a URL), and a host name of at most 253 bytes, of two labels or more, whose
//! last one has two characters or more and begins with a letter. ASCII only.
//!
//! In front of the `@` the last 64 bytes count, as no local part is longer: of a megabyte
//! of letters with an `@` behind it the last 64 are masked, and the others have left long
//! before.

use crate::text::{Found, Text};

/// The longest local part, in bytes (RFC 5321, 4.5.3.1.1).
pub(crate) const MAX_LOCAL: usize = 64;
/// The longest host name, in bytes (RFC 1035, 2.3.4, as it is written).
const MAX_DOMAIN: usize = 253;
const MAX_LABEL: usize = 63;

/// What stands for an `@` in a URL.
const ENCODED: &[u8] = b"%40";
/// The most bytes that are held back.
pub(crate) const MAX_HELD: usize = MAX_LOCAL + ENCODED.len() + MAX_DOMAIN;

/// The address around the `@` or `%40` at a place, of bytes from `from` on.
pub(crate) fn around(text: Text<'_>, at: usize, from: usize) -> Found {
    let sign = if text.bytes[at..].starts_with(ENCODED) {
        ENCODED.len()
    } else if text.bytes[at] == b'@' {
        1
    } else {
        return Found::No;
    };
    let start = local_start(text, at, from);
    if start == at {
        return Found::No;
    }
    match domain_end(text, at + sign) {
        None => Found::Open,
        Some(None) => Found::No,
        Some(Some(end)) => Found::Yes { start, end },
    }
}

/// Where the bytes begin that are part of an address if an `@` follows at `end`.
fn local_start(text: Text<'_>, end: usize, from: usize) -> usize {
    let start = run_start(text, end, from);
    if text.before(start, 1) == b'\\' && text.before(start, 2) != b'\\' {
        // In "\nann@example.com", as JSON writes it, the n is not Ann's.
        return start + escape_len(&text.bytes[start..end]);
    }
    start
}

/// How much of it belongs to the escape sequence that a backslash in front of it begins.
fn escape_len(bytes: &[u8]) -> usize {
    match bytes {
        [b'u', digits @ ..] => 1 + digits.iter().take(4).take_while(|byte| byte.is_ascii_hexdigit()).count(),
        _ => bytes.len().min(1),
    }
}

/// Where the bytes at the end of the text begin that are part of an address if an `@` or
/// the rest of a `%40` follows.
pub(crate) fn open_start(text: Text<'_>, from: usize) -> usize {
    let bytes = &text.bytes[from..];
    let begun = (1..ENCODED.len()).rev().find(|len| bytes.ends_with(&ENCODED[..*len]));
    run_start(text, text.bytes.len() - begun.unwrap_or(0), from)
}

/// Where the bytes in front of `end` begin that may stand in a local part, 64 at most.
pub(crate) fn run_start(text: Text<'_>, end: usize, from: usize) -> usize {
    let earliest = from.max(end.saturating_sub(MAX_LOCAL));
    let run = text.bytes[earliest..end].iter().rev().take_while(|byte| is_local(**byte)).count();
    end - run
}

pub(crate) fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-')
}

/// The end of the longest host name that begins there and can be that of an address:
/// `None` as long as it is open.
fn domain_end(text: Text<'_>, start: usize) -> Option<Option<usize>> {
    let mut end = None;
    let mut label = start;
    for place in start..start + MAX_DOMAIN {
        let byte = text.at(place)?;
        let len = place - label;
        if byte == b'.' && len > 0 && text.bytes[place - 1] != b'-' {
            label = place + 1;
        } else if byte.is_ascii_alphanumeric() && len < MAX_LABEL {
            if label > start && len > 0 && text.bytes[label].is_ascii_alphabetic() {
                end = Some(place + 1);
            }
        } else if byte != b'-' || len == 0 || len == MAX_LABEL {
            break;
        }
    }
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str, is_last: bool) -> Found {
        let text = Text { bytes: line.as_bytes(), before: *b"\n\n", is_last };
        around(text, line.find("%40").or(line.find('@')).unwrap(), 0)
    }

    /// The address around the first `@` of a line.
    fn address(line: &str) -> Option<&str> {
        match found(line, true) {
            Found::Yes { start, end } => Some(&line[start..end]),
            Found::No => None,
            Found::Open => panic!("open at the end"),
        }
    }

    #[test]
    fn addresses_and_where_they_end() {
        for (line, expected) in [
            ("ann@example.com", "ann@example.com"),
            ("<a.b_c%d+e-1@x-y.z9.museum>", "a.b_c%d+e-1@x-y.z9.museum"),
            ("to ann@example.com.", "ann@example.com"),
            ("ann@example.com-", "ann@example.com"),
            ("ann@example.com..de", "ann@example.com"),
            ("ann@example.c0m/x", "ann@example.c0m"),
            ("ann@example.com.1", "ann@example.com"),
            ("ann@xn--e1afmkfd.xn--p1ai", "ann@xn--e1afmkfd.xn--p1ai"),
            ("mailto:ann@example.com?x", "ann@example.com"),
            ("?to=ann@example.com&x", "ann@example.com"),
            ("j\u{fc}rgen@example.com", "rgen@example.com"),
            (r"\nann@example.com", "ann@example.com"),
            (r"\u00e9ann@example.com", "ann@example.com"),
            (r"C:\users@example.com", "sers@example.com"),
            (r"C:\\users@example.com", "users@example.com"),
            ("to=ann%40example.com&x", "ann%40example.com"),
            ("to=a%2Bb%40example.com&x", "a%2Bb%40example.com"),
        ] {
            assert_eq!(address(line), Some(expected), "{line}");
        }
    }

    #[test]
    fn what_is_no_address() {
        for line in [
            "@example.com",
            "a b@",
            "ann@localhost",
            "ann@1.2.3.4",
            "ann@x.y",
            "ann@.com",
            "ann@-x.com",
            "ann@x-.com",
            "ann@x.-com",
            "ann @example.com",
            "ann@ example.com",
            r"\n@example.com",
            r"\u00e9@example.com",
        ] {
            assert_eq!(address(line), None, "{line}");
        }
    }

    #[test]
    fn lengths_are_bounded() {
        let local = "l".repeat(70) + "@example.com";
        assert_eq!(address(&local), Some(&local[6..]));
        let label = "d".repeat(63);
        assert!(address(&format!("a@{label}.com")).is_some_and(|address| address.ends_with(".com")));
        assert_eq!(address(&format!("a@{label}d.com")), None);
        let top = format!("a@b.{label}d");
        assert_eq!(address(&top), Some(&top[..top.len() - 1]));
        let long = "a@".to_owned() + &"ab.".repeat(100);
        // The 253rd byte is the first of a label, and one is too short for the last label.
        assert_eq!(address(&long).map(str::len), Some(2 + 251));
    }

    #[test]
    fn open_until_the_host_name_has_its_end() {
        for line in ["ann@", "ann@example", "ann@example.com", "ann@example.com.", "ann@example.com-"] {
            assert_eq!(found(line, false), Found::Open, "{line}");
        }
        assert_eq!(found("ann@example.com\n", false), Found::Yes { start: 0, end: 15 });
        assert_eq!(found("@", false), Found::No);
    }
}
