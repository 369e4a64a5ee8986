//! Response heads and wire chunks into a buffer (RFC 9112 sections 4 and 7.1).

use std::io::Write as _;

use super::framing::parse_length;
use super::grammar::is_token;

/// How the response body's end is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ResponseFraming {
    /// Wire chunks, ended by the terminating chunk.
    Chunked,
    /// Exactly so many bytes, as the Content-Length field says.
    Length(u64),
    /// All until the connection closes: HTTP/1.0.
    Close,
    /// No body, whatever is emitted: the answer to HEAD, 204 and 304 (RFC 9110 section 6.4.1).
    Empty,
}

/// The field that names the exchange, as the host's log does.
pub const EXCHANGE_FIELD: &str = "wasmplex-exchange";

/// Fields that only the host may set: they decide framing and connection, or are its own.
const FRAMING_FIELDS: [&str; 12] = [
    "connection",
    "date",
    "keep-alive",
    "proxy-connection",
    "sec-websocket-accept",
    "sec-websocket-extensions",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    EXCHANGE_FIELD,
    "http2-settings",
];

/// The largest payload of one wire chunk, in bytes: five hexadecimal digits hold its size.
pub const MAX_WIRE_CHUNK: usize = 0xf_ffff;

/// Room that [`begin_chunk`] leaves for size and CRLF.
const CHUNK_HEAD: usize = 5 + 2;

/// What ends a chunked body without trailers.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Whether a plugin may set this response field. `content-length` is allowed if it is a length, and
/// enforced.
#[must_use]
pub fn is_settable_field(name: &[u8], value: &[u8]) -> bool {
    let is_framing = FRAMING_FIELDS.iter().any(|field| name.eq_ignore_ascii_case(field.as_bytes()));
    !name.is_empty()
        && name.iter().copied().all(is_token)
        && !is_framing
        && value.iter().all(|&byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f))
        && value.trim_ascii() == value
        && (!name.eq_ignore_ascii_case(b"content-length") || parse_length(value).is_some())
}

/// Appends a response head.
///
/// `date` is the Date field's value (RFC 9110 section 6.6.1). `fields` are sent as they are;
/// framing and connection fields are added here. `close` says that the connection ends after this
/// response.
pub fn response_head<'a>(
    buffer: &mut Vec<u8>,
    status: u16,
    date: &str,
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    framing: ResponseFraming,
    close: bool,
) {
    put(buffer, &[b"HTTP/1.1 "]);
    decimal(buffer, status.into());
    put(buffer, &[b" ", reason_phrase(status).as_bytes(), b"\r\ndate: ", date.as_bytes(), b"\r\n"]);
    for (name, value) in fields {
        put(buffer, &[name, b": ", value, b"\r\n"]);
    }
    match framing {
        ResponseFraming::Chunked => put(buffer, &[b"transfer-encoding: chunked\r\n"]),
        ResponseFraming::Length(length) => {
            put(buffer, &[b"content-length: "]);
            decimal(buffer, length);
            put(buffer, &[b"\r\n"]);
        }
        ResponseFraming::Close | ResponseFraming::Empty => {}
    }
    if close {
        put(buffer, &[b"connection: close\r\n"]);
    }
    put(buffer, &[b"\r\n"]);
}

/// Appends the head that says that the connection goes over to `protocol` (RFC 9110 section 15.2.2).
pub fn switching_head<'a>(
    buffer: &mut Vec<u8>,
    date: &str,
    protocol: &str,
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) {
    put(buffer, &[b"HTTP/1.1 101 Switching Protocols\r\ndate: ", date.as_bytes()]);
    put(buffer, &[b"\r\nconnection: upgrade\r\nupgrade: ", protocol.as_bytes(), b"\r\n"]);
    for (name, value) in fields {
        put(buffer, &[name, b": ", value, b"\r\n"]);
    }
    put(buffer, &[b"\r\n"]);
}

/// A whole answer with a one-line text body, for everything that the host says itself. Where `line`
/// is empty there is nothing to say: content-length is 0, and there is no content-type.
pub fn text_response(
    buffer: &mut Vec<u8>,
    status: u16,
    date: &str,
    line: &str,
    extra: &[(&str, &str)],
    close: bool,
    with_body: bool,
) {
    let text = (!line.is_empty()).then_some((&b"content-type"[..], &b"text/plain; charset=utf-8"[..]));
    let extra = extra.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let length = if line.is_empty() { 0 } else { line.len() as u64 + 1 };
    response_head(buffer, status, date, extra.chain(text), ResponseFraming::Length(length), close);
    if with_body && !line.is_empty() {
        put(buffer, &[line.as_bytes(), b"\n"]);
    }
}

/// Opens a wire chunk at the end of `buffer` and returns its mark for [`seal_chunk`]. The payload
/// is then appended by the caller, at most [`MAX_WIRE_CHUNK`] bytes.
pub fn begin_chunk(buffer: &mut Vec<u8>) -> usize {
    let mark = buffer.len();
    put(buffer, &[&[b'0'; CHUNK_HEAD]]);
    mark
}

/// Closes the wire chunk that began at `mark`: writes its size and the CRLF after the payload.
///
/// Returns how many bytes at `mark` are only leading zeros of the size. They are valid (RFC 9112
/// section 7.1: `1*HEXDIG`), and may be skipped when nothing stands before them in the buffer. A
/// chunk without payload is removed: on the wire it would mean the end.
pub fn seal_chunk(buffer: &mut Vec<u8>, mark: usize) -> usize {
    let payload = buffer.len() - mark - CHUNK_HEAD;
    debug_assert!(payload <= MAX_WIRE_CHUNK);
    if payload == 0 {
        buffer.truncate(mark);
        return 0;
    }
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (index, place) in buffer[mark..mark + 5].iter_mut().enumerate() {
        *place = DIGITS[payload >> (4 * (4 - index)) & 0xf];
    }
    buffer[mark + 5] = b'\r';
    buffer[mark + 6] = b'\n';
    let zeros = buffer[mark..mark + 4].iter().take_while(|&&byte| byte == b'0').count();
    put(buffer, &[b"\r\n"]);
    zeros
}

/// Appends the terminating chunk.
pub fn last_chunk(buffer: &mut Vec<u8>) {
    put(buffer, &[LAST_CHUNK]);
}

/// The interim response that asks for the body (RFC 9110 section 15.2.1).
pub fn continue_response(buffer: &mut Vec<u8>) {
    put(buffer, &[b"HTTP/1.1 100 Continue\r\n\r\n"]);
}

fn put(buffer: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        buffer.extend_from_slice(part);
    }
}

fn decimal(buffer: &mut Vec<u8>, number: u64) {
    // Writing into a Vec cannot fail.
    let _ = write!(buffer, "{number}");
}

/// The reason phrase of the registered status codes that a plugin is likely to send; empty for
/// others, which RFC 9112 section 4 allows.
#[must_use]
pub const fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::decode::BodyDecoder;
    use crate::http::framing::Framing;

    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    #[test]
    fn heads_say_their_framing() {
        let mut buffer = Vec::new();
        let field = (&b"content-type"[..], &b"text/plain"[..]);
        response_head(&mut buffer, 200, DATE, [field].into_iter(), ResponseFraming::Chunked, false);
        let expected = format!(
            "HTTP/1.1 200 OK\r\ndate: {DATE}\r\ncontent-type: text/plain\r\n\
             transfer-encoding: chunked\r\n\r\n"
        );
        assert_eq!(String::from_utf8(buffer).unwrap(), expected);

        let mut buffer = Vec::new();
        response_head(&mut buffer, 599, DATE, [].into_iter(), ResponseFraming::Length(7), true);
        let expected =
            format!("HTTP/1.1 599 \r\ndate: {DATE}\r\ncontent-length: 7\r\nconnection: close\r\n\r\n");
        assert_eq!(String::from_utf8(buffer).unwrap(), expected);
    }

    #[test]
    fn the_host_says_a_line_or_nothing() {
        let answer = |line: &str, with_body: bool| {
            let mut buffer = Vec::new();
            text_response(&mut buffer, 404, DATE, line, &[("allow", "GET")], false, with_body);
            String::from_utf8(buffer).unwrap()
        };
        let head = format!("HTTP/1.1 404 Not Found\r\ndate: {DATE}\r\nallow: GET\r\n");
        let text = "content-type: text/plain; charset=utf-8\r\ncontent-length: 3\r\n\r\n";
        assert_eq!(answer("no", true), format!("{head}{text}no\n"));
        assert_eq!(answer("no", false), format!("{head}{text}"));
        assert_eq!(answer("", true), format!("{head}content-length: 0\r\n\r\n"));
    }

    #[test]
    fn chunks_decode_to_themselves() {
        for length in [1, 9, 15, 16, 255, 256, 4_096, 65_536, MAX_WIRE_CHUNK] {
            let payload: Vec<u8> = (0..length).map(|index| index as u8).collect();
            let mut buffer = Vec::new();
            let mark = begin_chunk(&mut buffer);
            buffer.extend_from_slice(&payload);
            let zeros = seal_chunk(&mut buffer, mark);
            last_chunk(&mut buffer);
            assert_ne!(buffer[zeros], b'0');
            for wire in [&buffer[..], &buffer[zeros..]] {
                let mut decoder = BodyDecoder::new(Framing::Chunked);
                let mut output = vec![0; length];
                let first = decoder.decode(wire, &mut output).unwrap();
                assert_eq!((first.consumed, first.produced), (wire.len(), length));
                assert!(decoder.is_done());
                assert_eq!(output, payload);
            }
        }
    }

    #[test]
    fn an_empty_chunk_leaves_no_trace() {
        let mut buffer = b"before".to_vec();
        let mark = begin_chunk(&mut buffer);
        assert_eq!(seal_chunk(&mut buffer, mark), 0);
        assert_eq!(buffer, b"before");
    }

    #[test]
    fn fields_that_a_plugin_may_set() {
        for (name, value, expected) in [
            (&b"x-a"[..], &b"1"[..], true),
            (b"Content-Length", b"5", true),
            (b"content-length", b"+5", false),
            (b"content-length", b"", false),
            (b"x-a", b"", true),
            (b"x-a", b"caf\xc3\xa9", true),
            (b"", b"1", false),
            (b"x a", b"1", false),
            (b"x:", b"1", false),
            (b"x-a", b"1\r\nb: c", false),
            (b"x-a", b"\0", false),
            (b"x-a", b" 1", false),
            (b"Transfer-Encoding", b"chunked", false),
            (b"connection", b"close", false),
        ] {
            assert_eq!(is_settable_field(name, value), expected, "{}", name.escape_ascii());
        }
    }
}
