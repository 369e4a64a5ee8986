//! How the request body's length is known, decided once from the head (RFC 9112 section 6).

use super::Refusal;
use super::head::{RequestHead, Version};
use super::upgrade::{self, Protocol};

/// The framing of a request body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Framing {
    /// No body at all: neither Content-Length nor Transfer-Encoding.
    None,
    /// Exactly so many bytes.
    Length(u64),
    /// Wire chunks, then a trailer section.
    Chunked,
}

/// What the head says about the exchange beyond its target.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Manner {
    /// How the body is framed.
    pub framing: Framing,
    /// The client waits for `100 Continue` before it sends the body (RFC 9110 section 10.1.1).
    pub expects_continue: bool,
    /// The client lets the connection live on (RFC 9112 section 9.3). Never for HTTP/1.0: its
    /// answers end with the connection here.
    pub keep_alive: bool,
    /// The protocol that the client wants to go over to, if it is known here.
    pub upgrade: Option<Protocol>,
}

/// Decides the framing, the expectation and the connection's future.
///
/// # Errors
///
/// 400 where sender and recipient could disagree on where the body ends (RFC 9112 section 6.3),
/// 501 for a transfer coding other than `chunked`, 417 for an unknown expectation.
pub fn decide(head: &RequestHead) -> Result<Manner, Refusal> {
    let framing = body_framing(head)?;
    Ok(Manner {
        framing,
        expects_continue: expects_continue(head)?,
        keep_alive: head.version() == Version::Http11 && !has_token(head, b"connection", b"close"),
        upgrade: upgrade::asked(head, framing)?,
    })
}

fn body_framing(head: &RequestHead) -> Result<Framing, Refusal> {
    let chunked = transfer_coding(head)?;
    let length = content_length(head)?;
    match (chunked, length) {
        (true, Some(_)) => {
            Err(Refusal::bad_request("Transfer-Encoding and Content-Length together are refused"))
        }
        (true, None) => Ok(Framing::Chunked),
        (false, Some(length)) => Ok(Framing::Length(length)),
        (false, None) => Ok(Framing::None),
    }
}

/// Whether the body is chunked. Only the one coding `chunked`, once and without parameters, is
/// understood. Empty list elements are refused, too, although a recipient may skip them (RFC 9110
/// section 5.6.1): a party that takes the first or the last element would see another framing.
fn transfer_coding(head: &RequestHead) -> Result<bool, Refusal> {
    let mut values = head.values(b"transfer-encoding");
    let Some(first) = values.next() else {
        return Ok(false);
    };
    if head.version() == Version::Http10 {
        return Err(Refusal::bad_request("Transfer-Encoding in HTTP/1.0 is refused"));
    }
    if first.eq_ignore_ascii_case(b"chunked") && values.next().is_none() {
        return Ok(true);
    }
    match list(head, b"transfer-encoding").next() {
        Some(coding) if !coding.eq_ignore_ascii_case(b"chunked") => {
            Err(Refusal::new(501, "the only transfer coding known here is chunked"))
        }
        _ => Err(Refusal::bad_request("Transfer-Encoding must be chunked, once")),
    }
}

/// Content-Length, which may be repeated when all values are equal (RFC 9112 section 6.3, item 5).
fn content_length(head: &RequestHead) -> Result<Option<u64>, Refusal> {
    let invalid = || Refusal::bad_request("invalid Content-Length");
    let mut found = None;
    for value in head.values(b"content-length") {
        for part in value.split(|&byte| byte == b',') {
            let length = parse_length(part.trim_ascii()).ok_or_else(invalid)?;
            if found.is_some_and(|earlier| earlier != length) {
                return Err(Refusal::bad_request("two different Content-Length values"));
            }
            found = Some(length);
        }
    }
    Ok(found)
}

/// A decimal number of digits only; `None` for anything else or beyond 64 bits.
#[must_use]
pub fn parse_length(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn expects_continue(head: &RequestHead) -> Result<bool, Refusal> {
    let mut expects = false;
    for expectation in list(head, b"expect") {
        if !expectation.eq_ignore_ascii_case(b"100-continue") {
            return Err(Refusal::new(417, "the only expectation known here is 100-continue"));
        }
        expects = true;
    }
    // RFC 9110 section 10.1.1: an HTTP/1.0 client cannot mean it.
    Ok(expects && head.version() == Version::Http11)
}

pub(crate) fn has_token(head: &RequestHead, name: &[u8], token: &[u8]) -> bool {
    list(head, name).any(|item| item.eq_ignore_ascii_case(token))
}

/// The members of a comma-separated field, over all its lines, empty ones left out.
pub(crate) fn list<'a>(head: &'a RequestHead, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    head.values(name)
        .flat_map(|value| value.split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::head;

    fn manner(version: &str, fields: &str) -> Result<Manner, u16> {
        let text = format!("POST /x HTTP/{version}\r\nHost: h\r\n{fields}\r\n");
        let (head, _) = head::parse(text.as_bytes(), 0).unwrap().unwrap();
        decide(&head).map_err(|refusal| refusal.status)
    }

    fn framing(fields: &str) -> Result<Framing, u16> {
        manner("1.1", fields).map(|manner| manner.framing)
    }

    #[test]
    fn framing_is_decided() {
        for (fields, expected) in [
            ("", Ok(Framing::None)),
            ("Content-Length: 0\r\n", Ok(Framing::Length(0))),
            ("Content-Length: 18446744073709551615\r\n", Ok(Framing::Length(u64::MAX))),
            ("Content-Length: 18446744073709551616\r\n", Err(400)),
            ("Content-Length: 5, 5\r\ncontent-length: 5\r\n", Ok(Framing::Length(5))),
            ("Content-Length: 5\r\nContent-Length: 6\r\n", Err(400)),
            ("Content-Length: +5\r\n", Err(400)),
            ("Content-Length: -5\r\n", Err(400)),
            ("Content-Length: 5 5\r\n", Err(400)),
            ("Content-Length: 0x5\r\n", Err(400)),
            ("Content-Length:\r\n", Err(400)),
            ("Content-Length: 5,\r\n", Err(400)),
            ("Transfer-Encoding: chunked\r\n", Ok(Framing::Chunked)),
            ("Transfer-Encoding: CHUNKED\r\n", Ok(Framing::Chunked)),
            ("Transfer-Encoding: gzip, chunked\r\n", Err(501)),
            ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", Err(501)),
            ("Transfer-Encoding: chunked, gzip\r\n", Err(400)),
            ("Transfer-Encoding: chunked,\r\n", Err(400)),
            ("Transfer-Encoding: ,chunked\r\n", Err(400)),
            ("Transfer-Encoding: chunked, chunked\r\n", Err(400)),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n", Err(400)),
            ("Transfer-Encoding: chunked;a=b\r\n", Err(501)),
            ("Transfer-Encoding: \"chunked\"\r\n", Err(501)),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Err(400)),
            ("Transfer-Encoding: identity\r\n", Err(501)),
            ("Transfer-Encoding: xchunked\r\n", Err(501)),
            ("Transfer-Encoding:\r\n", Err(400)),
            ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", Err(400)),
        ] {
            assert_eq!(framing(fields), expected, "{fields:?}");
        }
        assert_eq!(manner("1.0", "Transfer-Encoding: chunked\r\n"), Err(400));
    }

    #[test]
    fn expectation_and_connection() {
        let ask = "Expect: 100-Continue\r\n";
        assert!(manner("1.1", ask).unwrap().expects_continue);
        assert!(!manner("1.0", ask).unwrap().expects_continue);
        assert_eq!(manner("1.1", "Expect: 200-ok\r\n"), Err(417));
        assert!(manner("1.1", "").unwrap().keep_alive);
        assert!(!manner("1.1", "Connection: x, Close\r\n").unwrap().keep_alive);
        assert!(!manner("1.0", "Connection: keep-alive\r\n").unwrap().keep_alive);
    }
}
