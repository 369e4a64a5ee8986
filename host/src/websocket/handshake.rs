//! The opening handshake, a server's part of it (section 4.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sha1::{Digest, Sha1};

use super::origin::Origins;
use crate::http::Refusal;
use crate::http::framing::list;
use crate::http::head::{Method, RequestHead};

/// What a key is hashed with (section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The length of a key, in bytes.
const KEY_LENGTH: usize = 16;

/// The one version that is spoken.
const VERSION: &[u8] = b"13";

/// Reads keys. Bits that stand for nothing are not looked at: clients with random letters for a key send
/// them, and the key is only ever hashed.
const KEYS: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical)
        .with_decode_allow_trailing_bits(true),
);

/// What makes a request head a WebSocket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Handshake {
    /// The value of Sec-WebSocket-Accept.
    pub accept: String,
    /// The subprotocols that the client offers, in its order.
    pub protocols: Vec<Box<[u8]>>,
}

/// What an answer with status 426 has to say beside it (section 4.4, RFC 9110 section 15.5.22).
pub const VERSION_FIELDS: &[(&str, &str)] =
    &[("sec-websocket-version", "13"), ("upgrade", "websocket"), ("connection", "upgrade")];

/// Checks the head of a request that asks for a WebSocket (see [`crate::http::upgrade`]).
///
/// # Errors
///
/// 400 for another method than GET, or a bad key; 426 for another version than 13 (see
/// [`VERSION_FIELDS`]); 403 for a page of an origin that `origins` does not admit.
pub fn check(head: &RequestHead, origins: &Origins) -> Result<Handshake, Refusal> {
    if head.method() != Method::Get {
        return Err(Refusal::bad_request("a WebSocket is opened by GET"));
    }
    if only(head, b"sec-websocket-version") != Some(VERSION) {
        return Err(Refusal::new(426, "the only WebSocket version spoken here is 13"));
    }
    let key = only(head, b"sec-websocket-key").filter(|key| is_key(key));
    let key = key.ok_or(Refusal::bad_request("Sec-WebSocket-Key must be 16 bytes in base64, once"))?;
    check_origin(head, origins)?;
    let protocols = list(head, b"sec-websocket-protocol").map(Into::into).collect();
    Ok(Handshake { accept: accept(key), protocols })
}

/// The value of Sec-WebSocket-Accept for a key (section 4.2.2).
#[must_use]
pub fn accept(key: &[u8]) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

fn is_key(key: &[u8]) -> bool {
    KEYS.decode(key).is_ok_and(|key| key.len() == KEY_LENGTH)
}

/// Only browsers send Origin, and only they can be made to ask by somebody else's page.
fn check_origin(head: &RequestHead, origins: &Origins) -> Result<(), Refusal> {
    let mut values = head.values(b"origin");
    let Some(origin) = values.next() else {
        return Ok(());
    };
    let host = head.values(b"host").next().unwrap_or_default();
    if values.next().is_none() && origins.admit(origin, host) {
        return Ok(());
    }
    Err(Refusal::new(403, "pages of this origin may not open a WebSocket here (--websocket-origin)"))
}

/// The value of a field that is there once.
fn only<'a>(head: &'a RequestHead, name: &'a [u8]) -> Option<&'a [u8]> {
    let mut values = head.values(name);
    values.next().filter(|_| values.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::head;

    const GOOD: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

    fn parse(line: &str, fields: &str) -> RequestHead {
        let text = format!("{line}\r\nHost: h:80\r\n{fields}\r\n");
        head::parse(text.as_bytes(), 0).unwrap().unwrap().0
    }

    fn outcome(line: &str, fields: &str) -> Result<Handshake, Refusal> {
        check(&parse(line, fields), &Origins::default())
    }

    #[test]
    fn the_rfc_s_own_example() {
        assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let handshake = outcome("GET / HTTP/1.1", GOOD).unwrap();
        assert_eq!(handshake.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert!(handshake.protocols.is_empty());
    }

    #[test]
    fn what_is_refused() {
        let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let version = "Sec-WebSocket-Version: 13\r\n";
        for (method, fields, expected) in [
            ("GET", format!("{key}{version}"), 101),
            ("POST", format!("{key}{version}"), 400),
            ("HEAD", format!("{key}{version}"), 400),
            ("GET", key.to_owned(), 426),
            ("GET", format!("{key}Sec-WebSocket-Version: 8\r\n"), 426),
            ("GET", format!("{key}Sec-WebSocket-Version: 013\r\n"), 426),
            ("GET", format!("{key}Sec-WebSocket-Version: 13, 8\r\n"), 426),
            ("GET", format!("{key}{version}{version}"), 426),
            ("GET", version.to_owned(), 400),
            ("GET", format!("{key}{key}{version}"), 400),
            ("GET", format!("Sec-WebSocket-Key:\r\n{version}"), 400),
            ("GET", format!("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ\r\n{version}"), 400),
            ("GET", format!("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\r\n{version}"), 400),
            ("GET", format!("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZTE3\r\n{version}"), 400),
            ("GET", format!("Sec-WebSocket-Key: d-hlIHNhbXBsZSBub25jZQ==\r\n{version}"), 400),
            ("GET", format!("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==\r\n{version}"), 101),
            ("GET", format!("{key}{version}Origin: http://h\r\n"), 101),
            ("GET", format!("{key}{version}Origin: http://h:80\r\n"), 101),
            ("GET", format!("{key}{version}Origin: http://evil\r\n"), 403),
            ("GET", format!("{key}{version}Origin: null\r\n"), 403),
            ("GET", format!("{key}{version}Origin: http://h\r\nOrigin: http://h\r\n"), 403),
        ] {
            let outcome = outcome(&format!("{method} / HTTP/1.1"), &fields);
            let status = outcome.map_or_else(|refusal| refusal.status, |_| 101);
            assert_eq!(status, expected, "{method} {fields}");
        }
    }

    #[test]
    fn subprotocols_are_listed() {
        let fields =
            format!("{GOOD}Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Protocol: x\r\n");
        let handshake = outcome("GET / HTTP/1.1", &fields).unwrap();
        assert_eq!(handshake.protocols, [&b"chat"[..], b"superchat", b"x"].map(Box::from));
    }
}
