//! The request head: start line and fields (RFC 9112 sections 2 to 5).
//!
//! `httparse` finds the pieces; this module adds what a security boundary needs and `httparse`
//! leaves to its caller: line ends must be CRLF, the target must be plain ASCII of a known form,
//! Host must be there exactly once in HTTP/1.1, and everything has a bound.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::Refusal;
pub use super::method::{ALLOW, Method};

/// The longest request target, in bytes. RFC 9112 section 3 asks for at least 8,000; signed URLs
/// with long queries need a little more.
pub const MAX_TARGET: usize = 16 * 1024;

/// The largest head, in bytes, start line and blank line included. Fits the largest target and
/// the cookies and tokens that proxies let pass.
pub const MAX_HEAD: usize = 32 * 1024;

/// The most fields of a head. Common servers stop at 100.
pub const MAX_FIELDS: usize = 100;

/// Up to this many bytes the head is parsed at every arrival, so that a client that speaks
/// another protocol (TLS, most likely) hears of it at once; beyond, only complete lines are.
const EARLY_LOOK: usize = 64;

/// So many bytes of empty lines before a request line are too many. RFC 9112 section 2.2 asks for
/// one line to be forgiven.
const MAX_EMPTY: usize = 16;

/// The two versions that are spoken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Version {
    Http10,
    Http11,
}

impl Version {
    /// `HTTP/1.0` or `HTTP/1.1`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
        }
    }
}

/// One request head: its own copy of the bytes and the places of its parts.
#[derive(Clone, Debug)]
pub struct RequestHead {
    bytes: Box<[u8]>,
    method: Method,
    version: Version,
    path: Range<u32>,
    query: Option<Range<u32>>,
    fields: Box<[Field]>,
}

#[derive(Clone, Debug)]
struct Field {
    name: Range<u32>,
    value: Range<u32>,
}

impl RequestHead {
    #[must_use]
    pub const fn method(&self) -> Method {
        self.method
    }

    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The path of the target, with its leading slash, as sent (percent-encoding kept). `*` for
    /// `OPTIONS *`.
    #[must_use]
    pub fn path(&self) -> &str {
        std::str::from_utf8(self.slice(&self.path)).unwrap_or_default()
    }

    /// What follows the `?` of the target, if there is one.
    #[must_use]
    pub fn query(&self) -> Option<&[u8]> {
        self.query.as_ref().map(|range| self.slice(range))
    }

    /// The first segment of the path: the plugin's name, not yet checked against anything.
    #[must_use]
    pub fn first_segment(&self) -> &str {
        let path = self.path();
        let rest = path.strip_prefix('/').unwrap_or(path);
        rest.split('/').next().unwrap_or(rest)
    }

    /// All fields, in order: names as sent, values without outer blanks.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields.iter().map(|field| (self.slice(&field.name), self.slice(&field.value)))
    }

    /// The values of all fields called `name` (any case), in order, outer blanks removed.
    pub fn values<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.fields
            .iter()
            .filter(move |field| self.slice(&field.name).eq_ignore_ascii_case(name))
            .map(|field| self.slice(&field.value))
    }

    fn slice(&self, range: &Range<u32>) -> &[u8] {
        &self.bytes[range.start as usize..range.end as usize]
    }
}

/// Parses the head at the start of `input`.
///
/// `seen` is how many bytes of `input` an earlier call has looked at without finding an end (0 at
/// first): it keeps a client that sends a byte at a time from making this quadratic.
///
/// Returns the head and its length in bytes, or `None` when more bytes are needed.
///
/// # Errors
///
/// A [`Refusal`]: 400, 405, 414, 431, 501 or 505. The connection cannot be kept after one.
pub fn parse(input: &[u8], seen: usize) -> Result<Option<(RequestHead, usize)>, Refusal> {
    if input.len() >= MAX_EMPTY && input[..MAX_EMPTY].iter().all(|byte| b"\r\n".contains(byte)) {
        return Err(Refusal::bad_request("empty lines in place of a request"));
    }
    let fresh = &input[seen.min(input.len())..];
    if input.len() > EARLY_LOOK && !fresh.contains(&b'\n') {
        return check_bounds(input).map(|()| None);
    }
    let mut fields = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(input, &mut fields) {
        Ok(httparse::Status::Complete(length)) => {
            refuse_bare_line_feeds(&input[..length])?;
            if length > MAX_HEAD {
                return Err(too_large());
            }
            build(&input[..length], &request).map(|head| Some((head, length)))
        }
        Ok(httparse::Status::Partial) => {
            refuse_bare_line_feeds(input)?;
            check_bounds(input).map(|()| None)
        }
        Err(error) => Err(refusal_of(error, input)),
    }
}

fn check_bounds(input: &[u8]) -> Result<(), Refusal> {
    let line = input.iter().position(|&byte| byte == b'\n').unwrap_or(input.len());
    if line > MAX_TARGET + EARLY_LOOK {
        return Err(Refusal::new(414, "the request target is too long (at most 16 KiB)"));
    }
    if input.len() > MAX_HEAD { Err(too_large()) } else { Ok(()) }
}

const fn too_large() -> Refusal {
    Refusal::new(431, "the head is too large (at most 32 KiB and 100 fields)")
}

/// RFC 9112 section 2.2 lets a recipient take a bare LF as a line end. We refuse it: where two
/// parties disagree on that, requests are smuggled.
fn refuse_bare_line_feeds(head: &[u8]) -> Result<(), Refusal> {
    let mut before = 0;
    for &byte in head {
        if byte == b'\n' && before != b'\r' {
            return Err(Refusal::bad_request("a line of the head does not end with CRLF"));
        }
        before = byte;
    }
    Ok(())
}

fn refusal_of(error: httparse::Error, input: &[u8]) -> Refusal {
    match error {
        httparse::Error::TooManyHeaders => too_large(),
        httparse::Error::Version if names_a_version(input) => {
            Refusal::new(505, "only HTTP/1.1 and HTTP/1.0 are spoken here")
        }
        httparse::Error::HeaderName => Refusal::bad_request("malformed field name"),
        httparse::Error::HeaderValue => Refusal::bad_request("malformed field value"),
        httparse::Error::NewLine => Refusal::bad_request("malformed line end"),
        httparse::Error::Version | httparse::Error::Token | httparse::Error::Status => {
            Refusal::bad_request("malformed request line")
        }
    }
}

/// Whether the request line ends in something of the form `HTTP/2.0`.
fn names_a_version(input: &[u8]) -> bool {
    let line = input
        .split(|&byte| byte == b'\n')
        .map(<[u8]>::trim_ascii_end)
        .find(|line| !line.is_empty())
        .unwrap_or_default();
    let mut words = line.split(|&byte| byte == b' ');
    let (Some(_), Some(_), Some(word), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return false;
    };
    word.strip_prefix(b"HTTP/").is_some_and(|version| {
        version.first().is_some_and(u8::is_ascii_digit)
            && version.iter().all(|&byte| byte.is_ascii_digit() || byte == b'.')
    })
}

fn build(input: &[u8], request: &httparse::Request<'_, '_>) -> Result<RequestHead, Refusal> {
    let malformed = || Refusal::bad_request("malformed request line");
    let target = request.path.ok_or_else(malformed)?;
    if target.len() > MAX_TARGET {
        return Err(Refusal::new(414, "the request target is too long (at most 16 KiB)"));
    }
    let version = match request.version.ok_or_else(malformed)? {
        0 => Version::Http10,
        _ => Version::Http11,
    };
    let method = Method::parse(request.method.ok_or_else(malformed)?)?;
    let place = |part: &[u8]| {
        // The parts are slices of `input`; heads are far below 4 GiB.
        let start = part.as_ptr().addr() - input.as_ptr().addr();
        start as u32..(start + part.len()) as u32
    };
    let (path, query) = split_target(target, method)?;
    let fields = request
        .headers
        .iter()
        .map(|field| Field { name: place(field.name.as_bytes()), value: place(field.value) })
        .collect();
    let head = RequestHead {
        bytes: input.into(),
        method,
        version,
        path: place(path.as_bytes()),
        query: query.map(|query| place(query.as_bytes())),
        fields,
    };
    check_host(&head)?;
    Ok(head)
}

/// Path and query of a target in origin form or absolute form (RFC 9112 section 3.2).
fn split_target(target: &str, method: Method) -> Result<(&str, Option<&str>), Refusal> {
    if !target.bytes().all(|byte| byte.is_ascii_graphic()) || target.contains('#') {
        return Err(Refusal::bad_request("the request target has a byte that does not belong"));
    }
    let local = if target.starts_with('/') || (target == "*" && method == Method::Options) {
        target
    } else {
        let scheme = target.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("http://"));
        let rest = scheme.and(target.get(7..)).filter(|rest| !rest.is_empty());
        let rest = rest.ok_or_else(|| Refusal::bad_request("the request target has no known form"))?;
        let authority = rest.find(['/', '?']).unwrap_or(rest.len());
        &rest[authority..]
    };
    Ok(match local.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (local, None),
    })
}

/// RFC 9112 section 3.2: a server MUST answer 400 to an HTTP/1.1 request without Host, and to any
/// request with more than one.
fn check_host(head: &RequestHead) -> Result<(), Refusal> {
    match head.values(b"host").count() {
        1 => Ok(()),
        0 if head.version == Version::Http10 => Ok(()),
        0 => Err(Refusal::bad_request("Host is missing")),
        _ => Err(Refusal::bad_request("Host is there more than once")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(input: &[u8]) -> Result<Option<(RequestHead, usize)>, Refusal> {
        parse(input, 0)
    }

    /// Feeds `input` cut into `pieces`, as a connection would.
    fn in_pieces(input: &[u8], cuts: impl Iterator<Item = usize>) -> Result<Option<usize>, Refusal> {
        let mut seen = 0;
        for end in cuts.chain([input.len()]) {
            if let Some((_, length)) = parse(&input[..end], seen)? {
                return Ok(Some(length));
            }
            seen = end;
        }
        Ok(None)
    }

    fn status(input: &[u8]) -> u16 {
        match whole(input) {
            Err(refusal) => refusal.status,
            Ok(Some(_)) => 200,
            Ok(None) => 100,
        }
    }

    #[test]
    fn reads_the_parts() {
        let input = b"POST /rot13/a%20b?x=1&y HTTP/1.1\r\nHost: h\r\nX-A:  1 \r\nx-a: 2\r\n\r\nbody";
        let (head, length) = whole(input).unwrap().unwrap();
        assert_eq!(&input[length..], b"body");
        assert_eq!(head.method(), Method::Post);
        assert_eq!(head.version(), Version::Http11);
        assert_eq!(head.path(), "/rot13/a%20b");
        assert_eq!(head.query(), Some(&b"x=1&y"[..]));
        assert_eq!(head.first_segment(), "rot13");
        assert_eq!(head.values(b"X-a").collect::<Vec<_>>(), [b"1", b"2"]);
        assert_eq!(head.values(b"y").count(), 0);
    }

    #[test]
    fn any_segmentation_gives_the_same() {
        let long = format!("GET /a HTTP/1.1\r\nHost: h\r\nA: {}\r\n\r\n", "x".repeat(300));
        let cases: [&[u8]; 5] = [
            b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n",
            long.as_bytes(),
            b"GET /a HTTP/1.1\r\nHost: h\nB: c\r\n\r\n",
            b"GET /a HTTP/3.0\r\nHost: h\r\n\r\n",
            b"GET /a HTTP/1.1\r\nHost : h\r\n\r\n",
        ];
        for input in cases {
            let expected = whole(input).map(|found| found.map(|(_, length)| length));
            assert_eq!(in_pieces(input, 1..input.len()), expected, "{:?}", input.escape_ascii().to_string());
            for cut in 1..input.len() {
                assert_eq!(in_pieces(input, cut..=cut), expected, "cut at {cut}");
            }
        }
    }

    #[test]
    fn refuses_what_is_malformed() {
        for (input, expected) in [
            (&b"GET / HTTP/1.1\r\n\r\n"[..], 400),
            (b"GET / HTTP/1.0\r\n\r\n", 200),
            (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
            (b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400),
            (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            (b"GET / HTTP/1.1\nHost: a\n\n", 400),
            (b"GET / HTTP/1.1\r\nHost: a\r\n b: c\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: a\r\nb c: d\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: a\r\nb: d\0\r\n\r\n", 400),
            (b"GET /#f HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            (b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            (b"GET foo HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            (b"GET http://h/x HTTP/1.1\r\nHost: a\r\n\r\n", 200),
            (b"GET http:// HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 200),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
            (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
            (b"GET / FOO\r\nHost: a\r\n\r\n", 400),
            (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            (b"get / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
            (b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
            (b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
            (b"CONNECT h:80 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
            (b"\x16\x03\x01\x02\x00\x01\x00", 400),
            (b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 200),
            (b"GET / HTTP/1.1\r\nHost: a\r\n", 100),
        ] {
            assert_eq!(status(input), expected, "{}", input.escape_ascii());
        }
    }

    #[test]
    fn bounds_hold() {
        let target = |n: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(n));
        assert_eq!(status(target(8_000).as_bytes()), 200);
        assert_eq!(status(target(MAX_TARGET).as_bytes()), 414);
        assert_eq!(status("G".repeat(MAX_TARGET + 100).as_bytes()), 414);
        let fields = |n: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "b: c\r\n".repeat(n));
        assert_eq!(status(fields(90).as_bytes()), 200);
        assert_eq!(status(fields(101).as_bytes()), 431);
        let field = |n: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nb: {}\r\n\r\n", "c".repeat(n));
        assert_eq!(status(field(6 * 1024).as_bytes()), 200);
        assert_eq!(status(field(MAX_HEAD).as_bytes()), 431);
        let endless = format!("GET / HTTP/1.1\r\nHost: a\r\nb: {}", "c".repeat(MAX_HEAD));
        assert_eq!(status(endless.as_bytes()), 431);
    }
}
