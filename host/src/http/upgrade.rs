//! From HTTP to another protocol on the same connection (RFC 9110 section 7.8).

use super::Refusal;
use super::framing::{Framing, has_token, list};
use super::head::{RequestHead, Version};

/// A protocol that a connection can go over to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// `wasmplex`: raw bytes in both directions, without any framing.
    Raw,
    /// `websocket`: messages (RFC 6455).
    WebSocket,
}

impl Protocol {
    const ALL: [Self; 2] = [Self::Raw, Self::WebSocket];

    /// Its name in the Upgrade field.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "wasmplex",
            Self::WebSocket => "websocket",
        }
    }
}

/// The protocol that the client asks for, the first one of its list that is known here. Others are
/// ignored, as the request is without them; so is what an HTTP/1.0 client asks for.
///
/// # Errors
///
/// 400 where a body would stand between the request and the new protocol.
pub fn asked(head: &RequestHead, framing: Framing) -> Result<Option<Protocol>, Refusal> {
    if head.version() == Version::Http10 || !has_token(head, b"connection", b"upgrade") {
        return Ok(None);
    }
    let known = |name: &[u8]| {
        Protocol::ALL.into_iter().find(|protocol| name.eq_ignore_ascii_case(protocol.as_str().as_bytes()))
    };
    let protocol = list(head, b"upgrade").find_map(known);
    if protocol.is_some() && !matches!(framing, Framing::None | Framing::Length(0)) {
        return Err(Refusal::bad_request("a request for another protocol must not have a body"));
    }
    Ok(protocol)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{framing, head};

    fn asked_by(version: &str, fields: &str) -> Result<Option<Protocol>, u16> {
        let text = format!("GET /x HTTP/{version}\r\nHost: h\r\n{fields}\r\n");
        let (head, _) = head::parse(text.as_bytes(), 0).unwrap().unwrap();
        framing::decide(&head).map(|manner| manner.upgrade).map_err(|refusal| refusal.status)
    }

    #[test]
    fn what_is_asked_for() {
        for (fields, expected) in [
            ("Connection: Upgrade\r\nUpgrade: wasmplex\r\n", Ok(Some(Protocol::Raw))),
            ("Connection: keep-alive, upgrade\r\nUpgrade: h2c, WASMPLEX\r\n", Ok(Some(Protocol::Raw))),
            ("Connection: Upgrade\r\nUpgrade: wasmplex\r\nContent-Length: 0\r\n", Ok(Some(Protocol::Raw))),
            ("Connection: Upgrade\r\nUpgrade: wasmplex\r\nContent-Length: 1\r\n", Err(400)),
            ("Connection: Upgrade\r\nUpgrade: wasmplex\r\nTransfer-Encoding: chunked\r\n", Err(400)),
            ("Connection: Upgrade\r\nUpgrade: WebSocket\r\n", Ok(Some(Protocol::WebSocket))),
            ("Connection: Upgrade\r\nUpgrade: websocket, wasmplex\r\n", Ok(Some(Protocol::WebSocket))),
            ("Connection: Upgrade\r\nUpgrade: wasmplex, websocket\r\n", Ok(Some(Protocol::Raw))),
            ("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n", Err(400)),
            ("Connection: upgrades\r\nUpgrade: websocket\r\n", Ok(None)),
            ("Upgrade: wasmplex\r\n", Ok(None)),
            ("Connection: Upgrade\r\n", Ok(None)),
            ("Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 1\r\n", Ok(None)),
            ("Connection: Upgrade\r\nUpgrade: wasmplex/1\r\n", Ok(None)),
        ] {
            assert_eq!(asked_by("1.1", fields), expected, "{fields:?}");
        }
        assert_eq!(asked_by("1.0", "Connection: Upgrade\r\nUpgrade: wasmplex\r\n"), Ok(None));
    }
}
