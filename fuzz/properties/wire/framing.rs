//! How a request body's length is known.

use super::subject::http::framing::{self, Framing, Manner};
use super::subject::http::head::{self, RequestHead, Version};

/// More fields than these say nothing new.
const MAX_INPUT: usize = 4 * 1024;

/// Who reads the same fields in another way finds the same end of the body: of a length there is one
/// number, and no coding; of wire chunks there is one coding, and no length; the order of the fields,
/// and the case of their names, mean nothing.
///
/// The data are a head, or fields of one.
pub fn property(data: &[u8]) {
    let data = &data[..data.len().min(MAX_INPUT)];
    decided(data);
    let version = if data.first().is_some_and(|byte| byte % 8 == 0) { "1.0" } else { "1.1" };
    let start = format!("POST / HTTP/{version}\r\nHost: h\r\n");
    decided(&[start.as_bytes(), data, b"\r\n\r\n"].concat());
}

fn decided(wire: &[u8]) {
    let Ok(Some((head, _))) = head::parse(wire, 0) else {
        return;
    };
    let manner = framing::decide(&head);
    let Ok(manner) = manner else {
        return;
    };
    agrees(&head, &manner);
    let turned = other_order(&head);
    if let Ok(Some((turned, _))) = head::parse(&turned, 0) {
        assert_eq!(framing::decide(&turned).ok(), Some(manner), "in another order");
    }
}

/// The naive reading.
fn agrees(head: &RequestHead, manner: &Manner) {
    let values = |name: &str| -> Vec<String> {
        head.values(name.as_bytes()).map(|value| String::from_utf8_lossy(value).to_lowercase()).collect()
    };
    let (codings, lengths) = (values("transfer-encoding"), values("content-length"));
    match manner.framing {
        Framing::None => assert!(codings.is_empty() && lengths.is_empty()),
        Framing::Chunked => {
            let named: Vec<&str> = codings.iter().flat_map(|value| value.split(',')).map(str::trim).collect();
            let named: Vec<&str> = named.into_iter().filter(|coding| !coding.is_empty()).collect();
            assert_eq!(named, ["chunked"]);
            assert!(lengths.is_empty() && head.version() == Version::Http11);
        }
        Framing::Length(length) => {
            assert!(codings.is_empty() && !lengths.is_empty());
            for said in lengths.iter().flat_map(|value| value.split(',')).map(str::trim) {
                assert!(said.bytes().all(|byte| byte.is_ascii_digit()), "{said}");
                assert_eq!(said.trim_start_matches('0'), length.to_string().trim_start_matches('0'));
            }
        }
    }
    let closes =
        values("connection").iter().flat_map(|value| value.split(',')).any(|word| word.trim() == "close");
    assert!(!(manner.keep_alive && closes), "close was asked for");
    assert!(!(manner.keep_alive && head.version() == Version::Http10));
    assert!(!manner.expects_continue || values("expect").iter().any(|value| value.contains("100-continue")));
}

/// The same head with its fields from last to first, and the letters of their names in the other case.
fn other_order(head: &RequestHead) -> Vec<u8> {
    let mut wire = format!("{} {}", head.method().as_str(), head.path()).into_bytes();
    wire.extend_from_slice(format!(" {}\r\n", head.version().as_str()).as_bytes());
    let fields: Vec<_> = head.fields().collect();
    for (name, value) in fields.into_iter().rev() {
        let turned = name.iter().map(|letter| letter ^ if letter.is_ascii_alphabetic() { 0x20 } else { 0 });
        wire.extend(turned);
        wire.extend_from_slice(&[b":", value, b"\r\n"].concat());
    }
    wire.extend_from_slice(b"\r\n");
    wire
}
