//! Request heads.

use super::cuts;
use super::subject::http::Refusal;
use super::subject::http::grammar::is_token;
use super::subject::http::head::{self, MAX_FIELDS, MAX_HEAD, MAX_TARGET, RequestHead};

/// Longer than any head that is taken, with room behind it.
const MAX_INPUT: usize = 3 * MAX_HEAD;

/// A head is the same however it arrives; it is never longer than its bytes and never shorter; what came
/// out of it, written down, is read as the same.
pub fn property(data: &[u8]) {
    let data = &data[..data.len().min(MAX_INPUT)];
    let whole = arrived(data, &[]);
    for cuts in cuts::ways(data) {
        assert_eq!(arrived(data, &cuts), whole, "cut at {cuts:?}");
    }
    if let Ok(Some((_, length))) = whole {
        let (found, _) = head::parse(data, 0).ok().flatten().expect("it was there a moment ago");
        ends_where_it_says(data, length);
        is_within_bounds(&found, length);
        is_read_again(&found);
    }
}

/// What a head is, to be compared.
#[derive(Debug, Eq, PartialEq)]
struct Seen {
    line: String,
    query: Option<Vec<u8>>,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Seen {
    fn of(head: &RequestHead) -> Self {
        let fields = head.fields().map(|(name, value)| (name.to_vec(), value.to_vec()));
        Self {
            line: format!("{} {} {}", head.method().as_str(), head.path(), head.version().as_str()),
            query: head.query().map(<[u8]>::to_vec),
            fields: fields.collect(),
        }
    }
}

/// Feeds the data as a connection does.
fn arrived(data: &[u8], cuts: &[usize]) -> Result<Option<(Seen, usize)>, Refusal> {
    let mut seen = 0;
    for end in cuts.iter().copied().chain([data.len()]) {
        if let Some((head, length)) = head::parse(&data[..end], seen)? {
            return Ok(Some((Seen::of(&head), length)));
        }
        seen = end;
    }
    Ok(None)
}

fn ends_where_it_says(data: &[u8], length: usize) {
    assert!(length <= data.len(), "{length} of {} bytes", data.len());
    assert!(data[..length].ends_with(b"\r\n\r\n"), "a head ends with an empty line");
    let alone = head::parse(&data[..length], 0);
    assert!(matches!(alone, Ok(Some((_, same))) if same == length), "what follows is part of the head");
    let short = head::parse(&data[..length - 1], 0);
    assert!(matches!(short, Ok(None)), "a head without its end");
}

fn is_within_bounds(head: &RequestHead, length: usize) {
    // In front of it an empty line is forgiven.
    assert!(length <= MAX_HEAD + 2, "{length} bytes");
    assert!(head.path().len() + head.query().map_or(0, <[u8]>::len) <= MAX_TARGET);
    assert!(head.path().starts_with('/') || head.path() == "*", "{}", head.path());
    assert!(
        head.path()
            .bytes()
            .chain(head.query().into_iter().flatten().copied())
            .all(|byte| byte.is_ascii_graphic())
    );
    let mut hosts = 0;
    for (name, value) in head.fields() {
        assert!(!name.is_empty() && name.iter().copied().all(is_token), "{}", name.escape_ascii());
        assert!(!value.iter().any(|byte| b"\r\n\0".contains(byte)), "{}", value.escape_ascii());
        assert_eq!(value.trim_ascii(), value);
        hosts += usize::from(name.eq_ignore_ascii_case(b"host"));
    }
    assert!(hosts == 1 || (hosts == 0 && head.version().as_str() == "HTTP/1.0"), "{hosts} Host fields");
}

fn is_read_again(head: &RequestHead) {
    let mut wire = format!("{} {}", head.method().as_str(), head.path()).into_bytes();
    if let Some(query) = head.query() {
        wire.extend_from_slice(&[b"?", query].concat());
    }
    wire.extend_from_slice(format!(" {}\r\n", head.version().as_str()).as_bytes());
    for (name, value) in head.fields() {
        wire.extend_from_slice(&[name, b": ", value, b"\r\n"].concat());
    }
    wire.extend_from_slice(b"\r\n");
    // A blank behind each colon, and a Host out of the target, may be too much.
    if wire.len() > MAX_HEAD || head.fields().count() > MAX_FIELDS {
        return;
    }
    let again = head::parse(&wire, 0);
    let Ok(Some((again, length))) = again else {
        panic!("{}: {again:?}", wire.escape_ascii());
    };
    assert_eq!((Seen::of(&again), length), (Seen::of(head), wire.len()));
}
