//! A connection: all that a client sends, and all that comes back.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use wasmplex::http::decode::BodyDecoder;
use wasmplex::http::framing::{self, Framing};
use wasmplex::http::head::{self, Method};

/// A plugin that emits what it is handed, with some more exports.
macro_rules! plugin {
    ($more:literal) => {
        concat!(
            r#"(module
                (import "wasmplex" "emit" (func $emit (param i32 i32) (result i32)))
                (memory (export "memory") 2)
                (func (export "chunk_buffer") (param i32) (result i32) (i32.const 65536))
                (func (export "on_chunk") (param i32 i32) (result i32)
                  (call $emit (local.get 0) (local.get 1)))"#,
            $more,
            ")"
        )
    };
}

/// The plugins that a server must have, by name: what echoes, what finishes early, what rejects, what
/// traps, and what holds its head.
pub const PLUGINS: [(&str, &str); 5] = [
    ("echo", plugin!("")),
    ("early", plugin!("(func (export \"on_open\") (result i32) (i32.const 1))")),
    ("reject", plugin!("(func (export \"on_open\") (result i32) (i32.const -1))")),
    ("trap", plugin!("(func (export \"on_end\") (result i32) unreachable)")),
    ("hold", plugin!("(func (export \"on_open\") (result i32) (i32.const 3))")),
];

/// Fits the system's buffers: nobody has to read while it writes.
const MAX_INPUT: usize = 16 * 1024;

/// All is sent and the sending side is closed: nothing takes this long, on any machine.
const DEADLINE: Duration = Duration::from_secs(20);

/// A server at `address` gives no more final answers than there are requests, none behind one that says
/// that it is the last, each with its proper end or none; closes; and says the same however the bytes
/// arrive.
pub fn property(address: SocketAddr, data: &[u8]) {
    let data = &data[..data.len().min(MAX_INPUT)];
    let asked = requests(data);
    let whole = answers(&talk(address, [data]), &asked);
    let middle = data.len() / 2;
    let last = data.len().saturating_sub(1);
    for cut in [middle, last] {
        let (before, behind) = data.split_at(cut);
        let again = answers(&talk(address, [before, behind]), &asked);
        if let (Some(again), Some(whole)) = (&again, &whole) {
            assert_eq!(again, whole, "cut at {cut}");
        }
    }
}

/// What came back, and whether the connection was reset.
fn talk<'a>(address: SocketAddr, pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, bool) {
    let mut stream = TcpStream::connect(address).expect("connect");
    stream.set_nodelay(true).expect("set nodelay");
    stream.set_read_timeout(Some(DEADLINE)).expect("set a deadline");
    stream.set_write_timeout(Some(DEADLINE)).expect("set a deadline");
    for piece in pieces {
        // The server may have closed before the end.
        if stream.write_all(piece).is_err() {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Write);
    let mut received = Vec::new();
    match stream.read_to_end(&mut received) {
        Ok(_) => (received, false),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => (received, true),
        Err(error) => panic!("no end: {error}, after {}", received.escape_ascii()),
    }
}

/// A request of a stream: whether its answer has no body, or `None` where no head could be read.
type Asked = Option<bool>;

/// The requests in a stream, at the most: what is in front of the first fault, and that.
fn requests(mut data: &[u8]) -> Vec<Asked> {
    let mut asked = Vec::new();
    while !data.is_empty() {
        let (head, length) = match head::parse(data, 0) {
            Ok(Some(found)) => found,
            Ok(None) => break,
            Err(_) => {
                asked.push(None);
                break;
            }
        };
        asked.push(Some(head.method() == Method::Head));
        let Ok(manner) = framing::decide(&head) else {
            break;
        };
        let Some(rest) = behind_body(manner.framing, &data[length..]) else {
            break;
        };
        data = rest;
    }
    asked
}

/// What follows a body, if it is complete.
fn behind_body(framing: Framing, data: &[u8]) -> Option<&[u8]> {
    let mut decoder = BodyDecoder::new(framing);
    let mut output = vec![0; MAX_INPUT];
    let mut at = 0;
    while !decoder.is_done() {
        let progress = decoder.decode(&data[at..], &mut output).ok()?;
        if progress.consumed == 0 {
            return None;
        }
        at += progress.consumed;
    }
    Some(&data[at..])
}

/// The statuses of the final answers. A connection that was reset may have lost some of them on the way,
/// so that nothing is known then.
fn answers((received, was_reset): &(Vec<u8>, bool), asked: &[Asked]) -> Option<Vec<u16>> {
    let mut rest = &received[..];
    let mut statuses = Vec::new();
    let mut was_last = false;
    while !rest.is_empty() {
        let shown = || received.escape_ascii().to_string();
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut answer = httparse::Response::new(&mut fields);
        let length = match answer.parse(rest) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if *was_reset => return None,
            other => panic!("not an answer: {other:?} in {}", shown()),
        };
        rest = &rest[length..];
        let status = answer.code.expect("a status is there");
        if (100..200).contains(&status) && status != 101 {
            continue;
        }
        assert!(!was_last, "an answer behind the last one: {}", shown());
        let is_mute =
            asked.get(statuses.len()).unwrap_or_else(|| panic!("{} requests: {}", asked.len(), shown()));
        statuses.push(status);
        let field = |name: &str| {
            let mut with_name = answer.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
            let first = with_name.next().map(|field| String::from_utf8_lossy(field.value).into_owned());
            assert!(with_name.next().is_none(), "{name} twice: {}", shown());
            first
        };
        assert!(field("date").is_some() || status == 101, "an answer without Date: {}", shown());
        was_last = field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let framing = match (field("transfer-encoding"), field("content-length")) {
            _ if *is_mute == Some(true) || matches!(status, 204 | 304) => Framing::None,
            (Some(_), None) => Framing::Chunked,
            (None, Some(length)) => Framing::Length(length.parse().expect("a length")),
            // The end of the connection is the end of the answer.
            (None, None) => break,
            (Some(_), Some(_)) => panic!("a length and wire chunks: {}", shown()),
        };
        match behind_body(framing, rest) {
            Some(behind) => rest = behind,
            // Cut, or what is said to a HEAD that could not be read: nothing can follow.
            None => break,
        }
    }
    (!was_reset).then_some(statuses)
}
