//! The request head: start line and fields (RFC 9112 sections 2 to 5).
//!
//! `httparse` finds the pieces; this module adds what a security boundary needs and `httparse`
//! leaves to its caller: line ends must be CRLF, the target must be plain ASCII of a known form,
//! Host must be valid and there exactly once in HTTP/1.1, and everything has a bound. What is said
//! of a head depends on its bytes only, never on how they arrived: of several faults it is the one
//! that comes first in the stream.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::authority::Authority;
pub use super::method::{ALLOW, Method};
use super::target::Target;
use super::{Refusal, faults};

/// The longest request target, in bytes. RFC 9112 section 3 asks for at least 8,000; signed URLs
/// with long queries need a little more.
pub const MAX_TARGET: usize = 16 * 1024;

/// The largest head, in bytes, start line and blank line included. Fits the largest target and
/// the cookies and tokens that proxies let pass.
pub const MAX_HEAD: usize = 32 * 1024;

/// The most fields of a head. Common servers stop at 100.
pub const MAX_FIELDS: usize = 100;

const HOST: &[u8] = b"host";

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
    /// In a target in absolute form the authority is the value of Host, whatever the client wrote
    /// there (RFC 9112 section 3.2.2).
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

    /// The path of the target, with its leading slash, as sent (percent-encoding kept); `/` where
    /// the absolute form has none. `*` for a request that [is server-wide](Self::is_server_wide).
    #[must_use]
    pub fn path(&self) -> &str {
        match std::str::from_utf8(self.slice(&self.path)).unwrap_or_default() {
            "" if self.is_server_wide() => "*",
            "" => "/",
            path => path,
        }
    }

    /// Whether this is `OPTIONS *`: about the server, not about anything that it has (RFC 9110
    /// section 9.3.7). A proxy may write it as an absolute form without path and query (RFC 9112
    /// section 3.2.4).
    #[must_use]
    pub fn is_server_wide(&self) -> bool {
        let is_bare = || matches!(self.slice(&self.path), b"" | b"*") && self.query.is_none();
        self.method == Method::Options && is_bare()
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

    /// All fields, in order: names as sent, values without outer blanks. Host is the one that
    /// holds: of a target in absolute form it is the target's.
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
    let skipped = faults::empty_lines(input)?;
    let input = &input[skipped..];
    let seen = seen.saturating_sub(skipped).min(input.len());
    if seen >= faults::EARLY_LOOK && !faults::is_too_long(input) && !input[seen..].contains(&b'\n') {
        return Ok(None);
    }
    let window = &input[..input.len().min(MAX_HEAD)];
    let mut fields = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut []);
    if let Ok(httparse::Status::Complete(length)) = request.parse_with_uninit_headers(window, &mut fields) {
        let head = &window[..length];
        return match faults::in_whole(head) {
            Some(refusal) => Err(refusal),
            None => build(head, &request).map(|head| Some((head, skipped + length))),
        };
    }
    faults::in_part(input).map_or(Ok(None), Err)
}

/// Whether `input` is the beginning of a HEAD request: its answer has no body, even if it says what
/// is wrong with the head (RFC 9110 section 9.3.2).
#[must_use]
pub fn asks_for_head(input: &[u8]) -> bool {
    input.trim_ascii_start().starts_with(b"HEAD ")
}

fn build(input: &[u8], request: &httparse::Request<'_, '_>) -> Result<RequestHead, Refusal> {
    let malformed = || Refusal::bad_request("malformed request line");
    let target = request.path.ok_or_else(malformed)?;
    if target.len() > MAX_TARGET {
        return Err(faults::too_long());
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
    let target = Target::parse(target, method)?;
    let mut bytes: Box<[u8]> = input.into();
    let fields = request.headers.iter();
    let mut fields: Vec<Field> =
        fields.map(|field| Field { name: place(field.name.as_bytes()), value: place(field.value) }).collect();
    let host = check_host(request.headers, version)?;
    if let Some(authority) = target.authority {
        let value = place(authority.as_bytes());
        if let Some(index) = host {
            fields[index].value = value;
        } else {
            // HTTP/1.0 need not send Host: its name has no place in what was sent.
            let name = input.len() as u32..(input.len() + HOST.len()) as u32;
            bytes = [input, HOST].concat().into();
            fields.push(Field { name, value });
        }
    }
    Ok(RequestHead {
        bytes,
        method,
        version,
        path: place(target.path.as_bytes()),
        query: target.query.map(|query| place(query.as_bytes())),
        fields: fields.into(),
    })
}

/// RFC 9112 section 3.2: a server MUST answer 400 to an HTTP/1.1 request without Host, and to any
/// request with more than one, or with one that is invalid. Says which field it is.
fn check_host(fields: &[httparse::Header<'_>], version: Version) -> Result<Option<usize>, Refusal> {
    let is_host = |field: &httparse::Header<'_>| field.name.as_bytes().eq_ignore_ascii_case(HOST);
    let Some(index) = fields.iter().position(is_host) else {
        return match version {
            Version::Http10 => Ok(None),
            Version::Http11 => Err(Refusal::bad_request("Host is missing")),
        };
    };
    if fields[index + 1..].iter().any(is_host) {
        return Err(Refusal::bad_request("Host is there more than once"));
    }
    if Authority::parse(fields[index].value).is_none() {
        return Err(Refusal::bad_request("Host is invalid"));
    }
    Ok(Some(index))
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
            (b"GET http://h/x HTTP/1.1\r\n\r\n", 400),
            (b"GET http://h/x HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
            (b"GET / HTTP/1.0\r\nHost: a@b\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 200),
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
    fn an_absolute_form_overrides_host() {
        let hosts = |input: &str| {
            let (head, _) = whole(input.as_bytes()).unwrap().unwrap();
            let hosts: Vec<_> = head.values(b"host").map(<[u8]>::to_vec).collect();
            let fields: Vec<_> = head.fields().map(|(name, _)| name.to_vec()).collect();
            (hosts.concat(), fields.concat(), head.path().to_owned())
        };
        let expected =
            |host: &str, fields: &str, path: &str| (host.into(), fields.as_bytes().into(), path.to_owned());
        let said = "GET HTTPS://b:1/c HTTP/1.1\r\nX: y\r\nHost: a\r\n\r\n";
        assert_eq!(hosts(said), expected("b:1", "XHost", "/c"));
        assert_eq!(hosts("GET http://b?c HTTP/1.0\r\nX: y\r\n\r\n"), expected("b", "Xhost", "/"));
        assert_eq!(hosts("GET /c HTTP/1.1\r\nHost: a\r\n\r\n"), expected("a", "Host", "/c"));
    }

    #[test]
    fn what_is_about_the_server() {
        for (line, expected) in [
            ("OPTIONS *", Some("*")),
            ("OPTIONS http://a", Some("*")),
            ("OPTIONS http://a/", None),
            ("OPTIONS http://a?b", None),
            ("OPTIONS /", None),
            ("GET http://a", None),
        ] {
            let input = format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n");
            let (head, _) = whole(input.as_bytes()).unwrap().unwrap();
            assert_eq!(head.is_server_wide().then_some(head.path()), expected, "{line}");
        }
        assert!(asks_for_head(b"HEAD /") && asks_for_head(b"\r\nHEAD /") && !asks_for_head(b"GET /"));
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
