//! Response heads, with fields that a plugin set.

use super::subject::http::encode::{ResponseFraming, is_settable_field, response_head};

/// As many fields as a plugin may set.
const MAX_SET: usize = 64;

/// Room for those, and for the host's.
const MAX_FIELDS: usize = MAX_SET + 8;

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// Whatever fields a plugin may set, a client reads exactly those, the host's beside them, and nothing
/// behind the head: no field ends a line, a head, or says how the response is framed.
///
/// The first two bytes are status and framing, the rest are lines of `name:value`.
pub fn property(data: &[u8]) {
    let Some((&[status, framing], lines)) = data.split_first_chunk::<2>() else {
        return;
    };
    let status = 200 + u16::from(status) % 400;
    let framing = match framing % 4 {
        0 => ResponseFraming::Chunked,
        1 => ResponseFraming::Length(u64::from(framing)),
        2 => ResponseFraming::Close,
        _ => ResponseFraming::Empty,
    };
    // Lines are separated by a byte that a value may hold too, so that any other one can be in a value.
    let set: Vec<(&[u8], &[u8])> = lines
        .split(|&byte| byte == b'|')
        .map(|line| line.split_at(line.iter().position(|&byte| byte == b':').unwrap_or(line.len())))
        .map(|(name, value)| (name, value.get(1..).unwrap_or_default()))
        .filter(|(name, value)| is_settable_field(name, value))
        // The host writes it from the framing.
        .filter(|(name, _)| !name.eq_ignore_ascii_case(b"content-length"))
        .take(MAX_SET)
        .collect();
    let close = lines.len() % 2 == 0;
    let mut wire = Vec::new();
    response_head(&mut wire, status, DATE, set.iter().copied(), framing, close);

    let mut expected: Vec<(Vec<u8>, Vec<u8>)> = vec![(b"date".to_vec(), DATE.as_bytes().to_vec())];
    expected.extend(set.iter().map(|(name, value)| (name.to_vec(), value.to_vec())));
    match framing {
        ResponseFraming::Chunked => expected.push((b"transfer-encoding".to_vec(), b"chunked".to_vec())),
        ResponseFraming::Length(length) => {
            expected.push((b"content-length".to_vec(), length.to_string().into_bytes()));
        }
        ResponseFraming::Close | ResponseFraming::Empty => {}
    }
    if close {
        expected.push((b"connection".to_vec(), b"close".to_vec()));
    }
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut read = httparse::Response::new(&mut fields);
    let end = read.parse(&wire);
    assert_eq!(end, Ok(httparse::Status::Complete(wire.len())), "{}", wire.escape_ascii());
    assert_eq!(read.code, Some(status));
    let fields = read.headers.iter().map(|field| (field.name.as_bytes().to_vec(), field.value.to_vec()));
    assert_eq!(fields.collect::<Vec<_>>(), expected);
}
