//! What is wrong with a head, and which of several faults is told.
//!
//! It is the one that comes first in the stream. So the answer to some bytes is the same whether they
//! came in one piece or one by one; where it is not, somebody else's view of a stream can be made to
//! differ from ours by how it is cut.

use std::mem::MaybeUninit;

use super::Refusal;
use super::head::{MAX_FIELDS, MAX_HEAD, MAX_TARGET};

/// Up to this many bytes a head is looked at as it arrives, so that a client that speaks another
/// protocol (TLS, most likely) hears of it at once; beyond, only complete lines are.
pub(super) const EARLY_LOOK: usize = 64;

/// The longest request line, in bytes: the largest target, the longest method, the version, and what
/// separates them.
const MAX_LINE: usize = MAX_TARGET + 64;

/// So many bytes of empty lines before a request line are too many. RFC 9112 section 2.2 asks for
/// one line to be forgiven.
const MAX_EMPTY: usize = 16;

/// How many bytes of empty lines there are in front of the request line (RFC 9112 section 2.2).
///
/// # Errors
///
/// 400 when there are too many.
pub(super) fn empty_lines(input: &[u8]) -> Result<usize, Refusal> {
    let mut rest = input;
    while let Some(behind) = rest.strip_prefix(b"\r\n") {
        rest = behind;
        if input.len() - rest.len() >= MAX_EMPTY {
            return Err(Refusal::bad_request("empty lines in place of a request"));
        }
    }
    Ok(input.len() - rest.len())
}

/// Whether a head that `input` does not complete is beyond the bounds.
pub(super) fn is_too_long(input: &[u8]) -> bool {
    input.len() > MAX_HEAD || is_line_too_long(input)
}

/// What `httparse` let pass in a head that is complete.
pub(super) fn in_whole(head: &[u8]) -> Option<Refusal> {
    let (place, refusal) = beyond_grammar(head)?;
    // Perhaps what stands before it is malformed, too: then that is what it is refused for.
    Some(in_grammar(&head[..place]).unwrap_or(refusal))
}

/// What is wrong with the beginning of a head; `None` if nothing is, or it cannot be said yet.
pub(super) fn in_part(input: &[u8]) -> Option<Refusal> {
    let is_too_long = is_too_long(input);
    let looked_at = if is_too_long {
        &input[..input.len().min(MAX_HEAD)]
    } else {
        let lines = input.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
        &input[..lines.max(input.len().min(EARLY_LOOK))]
    };
    in_whole(looked_at)
        .or_else(|| in_grammar(looked_at))
        .or_else(|| is_too_long.then_some(const { too_large() }))
}

pub(super) const fn too_long() -> Refusal {
    Refusal::new(414, "the request target is too long (at most 16 KiB)")
}

const fn too_large() -> Refusal {
    Refusal::new(431, "the head is too large (at most 32 KiB and 100 fields)")
}

fn is_line_too_long(input: &[u8]) -> bool {
    input.len() > MAX_LINE && !input[..MAX_LINE].contains(&b'\n')
}

/// The first place where `head` breaks a rule that `httparse` does not know.
///
/// RFC 9112 section 2.2 lets a recipient take a bare LF as a line end. We refuse it: where two
/// parties disagree on that, requests are smuggled.
fn beyond_grammar(head: &[u8]) -> Option<(usize, Refusal)> {
    if is_line_too_long(head) {
        return Some((MAX_LINE, too_long()));
    }
    // Without branches, as nearly every head has none: this looks at every byte of every head.
    let pairs = head.iter().zip(head.iter().skip(1));
    let is_bare = |before: u8, byte: u8| (byte == b'\n') & (before != b'\r');
    let is_any_bare =
        pairs.fold(is_bare(0, *head.first()?), |any, (&before, &byte)| any | is_bare(before, byte));
    if !is_any_bare {
        return None;
    }
    let place = (0..head.len()).find(|&at| is_bare(if at == 0 { 0 } else { head[at - 1] }, head[at]))?;
    Some((place, Refusal::bad_request("a line of the head does not end with CRLF")))
}

/// What `httparse` says of the beginning of a head.
fn in_grammar(beginning: &[u8]) -> Option<Refusal> {
    let mut fields = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut []);
    let error = request.parse_with_uninit_headers(beginning, &mut fields).err()?;
    let malformed = |reason| Some(Refusal::bad_request(reason));
    match error {
        // What becomes of a version that is not spoken here depends on the whole of its line.
        httparse::Error::Version if !beginning.contains(&b'\n') => None,
        httparse::Error::Version if names_a_version(beginning) => {
            Some(Refusal::new(505, "only HTTP/1.1 and HTTP/1.0 are spoken here"))
        }
        httparse::Error::TooManyHeaders => Some(too_large()),
        httparse::Error::HeaderName => malformed("malformed field name"),
        httparse::Error::HeaderValue => malformed("malformed field value"),
        httparse::Error::NewLine => malformed("malformed line end"),
        httparse::Error::Version | httparse::Error::Token | httparse::Error::Status => {
            malformed("malformed request line")
        }
    }
}

/// Whether the request line ends in something of the form `HTTP/2.0` or `HTTP/2`.
fn names_a_version(input: &[u8]) -> bool {
    let line = input.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let mut words = line.strip_suffix(b"\r").unwrap_or(line).split(|&byte| byte == b' ');
    let (Some(_), Some(_), Some(word), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return false;
    };
    let is_number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    word.strip_prefix(b"HTTP/").is_some_and(|version| version.splitn(2, |&byte| byte == b'.').all(is_number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::head::parse;

    /// Refused for this reason, whole and byte by byte.
    fn refused(input: &[u8], status: u16, reason: &str) {
        let told = |found: Result<_, Refusal>| {
            let refusal = found.map(|_: Option<(_, usize)>| ()).expect_err("refused");
            (refusal.status, refusal.reason.into_owned())
        };
        let expected = (status, reason.to_owned());
        let shown = input[..input.len().min(60)].escape_ascii();
        assert_eq!(told(parse(input, 0)), expected, "{shown}");
        let mut seen = 0;
        let early = (1..=input.len()).find_map(|end| {
            let found = parse(&input[..end], seen);
            seen = end;
            found.is_err().then_some(found)
        });
        assert_eq!(told(early.expect("refused byte by byte")), expected, "{shown}");
    }

    #[test]
    fn the_first_of_several_faults_is_told() {
        let host = "Host: a\r\n";
        let get = "GET / HTTP/1.1\r\n";
        let fields = "b: c\r\n".repeat(101);
        let line_end = "a line of the head does not end with CRLF";
        let large = "the head is too large (at most 32 KiB and 100 fields)";
        let long = "the request target is too long (at most 16 KiB)";
        for (input, status, reason) in [
            (format!("{get}Host: a\n{fields}\r\n"), 400, line_end),
            (format!("{get}{host}{fields}a: b\n\r\n"), 431, large),
            (format!("{get}{host}a b: c\r\nd: e\n\r\n"), 400, "malformed field name"),
            (format!("{get}{host}a: b\nc d: e\r\n\r\n"), 400, line_end),
            (format!("{get}{host}a: b\0c\nd: e\r\n\r\n"), 400, "malformed field value"),
            (format!("GET /{} HTTP/1.1\r\n\0", "a".repeat(MAX_LINE)), 414, long),
            (format!("GET /\0{} HTTP/1.1\r\n", "a".repeat(MAX_LINE)), 400, "malformed request line"),
            (format!("{get}{host}b: {}\0\r\n\r\n", "c".repeat(MAX_HEAD)), 431, large),
            (format!("{get}{host}b: \0{}\r\n\r\n", "c".repeat(MAX_HEAD)), 400, "malformed field value"),
            (
                format!("GET / HTTP/2.0\r\n{host}a: b\n\r\n"),
                505,
                "only HTTP/1.1 and HTTP/1.0 are spoken here",
            ),
            ("GET / HTTP/2 x\r\n\r\n".to_owned(), 400, "malformed request line"),
            ("GET / HTTP/2x\r\n\r\n".to_owned(), 400, "malformed request line"),
            ("GET / HTTP/1.\r\n\r\n".to_owned(), 400, "malformed request line"),
            ("GET / HTTP/2.0.0\r\n\r\n".to_owned(), 400, "malformed request line"),
            ("GET / HTTP/2.0\n\r\n".to_owned(), 400, line_end),
            ("\r\n".repeat(8), 400, "empty lines in place of a request"),
        ] {
            refused(input.as_bytes(), status, reason);
        }
    }

    #[test]
    fn another_protocol_hears_of_it_at_once() {
        let hello = [&b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"[..], &[0x55; 500]].concat();
        refused(&hello, 400, "malformed request line");
        assert!(parse(&hello[..1], 0).is_err());
    }

    #[test]
    fn an_unfinished_line_is_waited_for() {
        for input in ["", "\r", "\r\n", "G", "GET / HTTP/", "GET / HTTP/2", "GET / HTTP/1.1\r\nHost: a\r\n\r"]
        {
            assert!(matches!(parse(input.as_bytes(), 0), Ok(None)), "{input:?}");
        }
    }
}
