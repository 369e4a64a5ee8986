//! What a parser understood of a connection, as its answers tell.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use crate::harness::DEADLINE;

/// The field by which `record.wat` and the peers say what a request was.
const RECORD: &str = "x-record";

/// wasmplex says this field once a head is accepted.
const EXCHANGE: &str = "wasmplex-exchange";

/// How wasmplex answers a body that ends before its end.
const INCOMPLETE: &str = "the body is incomplete";

/// What became of one request.
#[derive(Debug)]
pub enum Item {
    /// It was run: method, target, length and hash of the body, Host.
    Ran {
        record: String,
        close: bool,
    },
    /// It was understood, and answered in place of a plugin; the connection goes on.
    Answered(u16),
    Refused {
        status: u16,
        reason: String,
    },
    /// Its head was accepted; the rest of its body is awaited.
    Waits,
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ran { record, .. } => write!(f, "runs {record:?}"),
            Self::Answered(status) => write!(f, "answers {status} and goes on"),
            Self::Refused { status, reason } => write!(f, "refuses with {status} ({reason})"),
            Self::Waits => f.write_str("waits for the rest of a body"),
        }
    }
}

/// All that became of a connection. What it ends in without an item was not answered: nothing, or an
/// incomplete request.
#[derive(Debug)]
pub struct Outcome(Vec<Item>);

impl Outcome {
    /// How many requests were run.
    pub fn runs(&self) -> usize {
        self.0.iter().filter(|item| matches!(item, Item::Ran { .. })).count()
    }
}

/// Sends all of the input, then the end, and reads all of the answers.
pub fn ask(address: SocketAddr, input: &[u8]) -> io::Result<Outcome> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    // It may have been refused before all of it is there.
    let _ = stream.write_all(input);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answers = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(len) => answers.extend_from_slice(&piece[..len]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => return Err(error),
        }
    }
    Ok(Outcome(items(&answers)))
}

/// The one difference that matters: something that we run, or wait for, and they see otherwise.
pub fn difference(ours: &Outcome, theirs: &Outcome) -> Option<String> {
    let (mut ours, mut theirs) = (ours.0.iter(), theirs.0.iter());
    loop {
        let (our, their) = (ours.next(), theirs.next());
        match (our, their) {
            // From here on nothing is understood, or nothing more is.
            (Some(Item::Refused { .. }), _)
            | (None, None | Some(Item::Refused { .. }))
            | (Some(Item::Waits), None) => return None,
            (Some(Item::Ran { record: a, close }), Some(Item::Ran { record: b, .. })) if a == b => {
                if *close {
                    return None;
                }
            }
            (Some(Item::Answered(_)), Some(Item::Ran { .. })) => {}
            _ => {
                let say = |item: Option<&Item>| {
                    item.map_or_else(|| "sees nothing more".to_owned(), ToString::to_string)
                };
                return Some(format!("{}; wasmplex {}", say(their), say(our)));
            }
        }
    }
}

/// Takes the answers apart.
fn items(mut answers: &[u8]) -> Vec<Item> {
    let mut items = Vec::new();
    while let Some(end) = answers.windows(4).position(|four| four == b"\r\n\r\n") {
        // Peers write fields as they read them: bytes, one character each.
        let head: String = answers[..end].iter().copied().map(char::from).collect();
        answers = &answers[end + 4..];
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        if (100..200).contains(&status) {
            continue;
        }
        let body = body(&head, &mut answers);
        let close = field(&head, "connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let item = match (field(&head, RECORD), field(&head, EXCHANGE)) {
            (Some(record), _) => Item::Ran { record: in_origin_form(record), close },
            (None, Some(_)) if body == INCOMPLETE => Item::Waits,
            _ if status >= 400 && !close => Item::Answered(status),
            _ => Item::Refused { status, reason: body },
        };
        items.push(item);
        if !matches!(items.last(), Some(Item::Ran { close: false, .. } | Item::Answered(_))) {
            break;
        }
    }
    items
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    fields.find(|field| field.0.eq_ignore_ascii_case(name)).map(|field| field.1.trim_matches(' '))
}

/// Takes the body behind a head away: as long as is said, or, if nothing is said, all that is left. An
/// answer to HEAD has none, whatever is said.
fn body(head: &str, answers: &mut &[u8]) -> String {
    let length = field(head, "content-length").and_then(|length| length.parse().ok());
    let length = if answers.starts_with(b"HTTP/1.") { 0 } else { length.unwrap_or(usize::MAX) };
    let (body, rest) = answers.split_at(length.min(answers.len()));
    *answers = rest;
    String::from_utf8_lossy(body).trim_end().to_owned()
}

/// A record whose target is in absolute form, as one in origin form: RFC 9112 section 3.2.2 puts the
/// target's authority in place of Host. wasmplex and Go have done so themselves.
fn in_origin_form(record: &str) -> String {
    let parts: Vec<&str> = record.splitn(5, ' ').collect();
    let [method, target, length, hash, host] = parts[..] else {
        return record.to_owned();
    };
    let scheme = ["http://", "https://"]
        .into_iter()
        .find(|scheme| target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    let (authority, local) = scheme.map_or((host, target), |scheme| {
        let rest = &target[scheme.len()..];
        let (authority, local) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        (authority, local)
    });
    format!("{method} {local} {length} {hash} {authority}")
}
