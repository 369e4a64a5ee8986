//! Clients that behave, each in another manner. Whatever the folder goes through, they get the whole
//! answer of one version, or are told that there is no such plugin while it is away.

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use super::Soak;
use crate::harness::*;

/// The longest that a client does nothing although there is something to read.
const LAZINESS: usize = 200;

pub fn exchange(soak: &Soak, random: &mut Random) {
    match random.below(12) {
        0..=2 => lock_step(soak, random),
        3 => bulk(soak, random, Framing::Length, false),
        4 => bulk(soak, random, Framing::Chunked, false),
        5 => bulk(soak, random, Framing::Chunked, true),
        6..=7 => kept_alive(soak, random),
        8 => pipelined(soak, random),
        9 => pipe(soak, random),
        10 => http10(soak, random),
        _ => head_only(soak, random),
    }
}

/// A few streams in lock step, one after the other on the same connection.
fn lock_step(soak: &Soak, random: &mut Random) {
    let mut client = soak.connect();
    for _ in 0..=random.below(3) {
        let before = soak.mill.before();
        let mut stream = match Milling::begin(client, "/mill") {
            Ok(stream) => stream,
            Err((mut client, head)) => return soak.is_absent(&soak.mill, &before, &mut client, head),
        };
        soak.mill.allows(&before, stream.version);
        for _ in 0..random.below(100) {
            let bytes = letters(random.below(1000));
            stream.client.send_chunk(&bytes);
            stream.expect(&bytes);
        }
        soak.ledger.clean("mill", stream.ground, stream.ground + 2 * TAG);
        client = stream.end();
    }
}

#[derive(Clone, Copy)]
enum Framing {
    Length,
    Chunked,
}

/// An upload as fast as the server takes it, in pieces of all sizes, from a client that reads all
/// the while, or only later (`is_lazy`).
fn bulk(soak: &Soak, random: &mut Random, framing: Framing, is_lazy: bool) {
    let body = noise(random.next(), random.below(2 * MIB));
    let pieces = 1 + random.below(64 * KIB);
    let length = format!("Content-Length: {}", body.len());
    let field = match framing {
        Framing::Length => &length,
        Framing::Chunked => CHUNKED,
    };
    let mut client = soak.connect();
    let before = soak.mill.before();
    client.send(request("POST", "/mill", &[field]));
    let head = client.head();
    if head.status != 200 {
        return soak.is_absent(&soak.mill, &before, &mut client, head);
    }
    let sender = client.sender();
    let (answer, ending) = thread::scope(|scope| {
        scope.spawn(|| upload(sender, &body, pieces, framing));
        if is_lazy {
            // Not to wait for anything: it is what such a client does.
            thread::sleep(Duration::from_millis(random.below(LAZINESS) as u64));
        }
        client.rest()
    });
    assert_eq!((head.status, ending), (200, Ending::Clean));
    is_ground(soak, &before, &body, &answer);
    soak.ledger.clean("mill", body.len(), answer.len());
}

fn upload(mut sender: TcpStream, body: &[u8], pieces: usize, framing: Framing) {
    for piece in body.chunks(pieces) {
        let sent = match framing {
            Framing::Length => sender.write_all(piece),
            Framing::Chunked => sender.write_all(&wire_chunk(piece)),
        };
        sent.expect("send");
    }
    if let Framing::Chunked = framing {
        sender.write_all(LAST_CHUNK).expect("send");
    }
}

/// Short requests on one connection, each after the answer to the one before.
fn kept_alive(soak: &Soak, random: &mut Random) {
    let mut client = soak.connect();
    for _ in 0..random.below(50) {
        if !short(soak, &mut client, &letters(random.below(1000))) {
            return;
        }
    }
}

/// A short request. Returns whether there was a plugin for it.
pub fn short(soak: &Soak, client: &mut Client, body: &[u8]) -> bool {
    let before = soak.mill.before();
    client.send(post("1.1", body));
    short_answer(soak, client, &before, body)
}

fn short_answer(soak: &Soak, client: &mut Client, before: &Before, body: &[u8]) -> bool {
    let head = client.head();
    if head.status != 200 {
        soak.is_absent(&soak.mill, before, client, head);
        return false;
    }
    let (answer, ending) = client.rest();
    assert_eq!(ending, Ending::Clean);
    is_ground(soak, before, body, &answer);
    soak.ledger.clean("mill", body.len(), answer.len());
    true
}

/// Several short requests at once. Whatever is behind one that is refused is not answered: its body
/// was not read, and the connection ends.
fn pipelined(soak: &Soak, random: &mut Random) {
    let bodies: Vec<Vec<u8>> = (0..=random.below(8)).map(|_| letters(random.below(1000))).collect();
    let mut client = soak.connect();
    let before = soak.mill.before();
    client.send(bodies.iter().map(|body| post("1.1", body)).collect::<Vec<_>>().concat());
    for body in &bodies {
        if !short_answer(soak, &mut client, &before, body) {
            return;
        }
    }
}

/// Both stages are of one version: a route is resolved at one moment.
fn pipe(soak: &Soak, random: &mut Random) {
    let body = noise(random.next(), random.below(100 * KIB));
    let mut client = soak.connect();
    let before = soak.mill.before();
    client.send(request("POST", "/mill+mill", &[&format!("Content-Length: {}", body.len())]));
    let head = client.head();
    if head.status != 200 {
        return soak.is_absent(&soak.mill, &before, &mut client, head);
    }
    client.send(&body);
    let (answer, ending) = client.rest();
    assert_eq!(ending, Ending::Clean);
    let version = version_of(&answer);
    soak.mill.allows(&before, version);
    let between = ground(version, &body);
    assert!(answer == ground(version, &between), "wrong bytes of a pipe of version {version}");
    soak.ledger.clean("mill", body.len(), between.len());
    soak.ledger.clean("mill", between.len(), answer.len());
}

/// The answer ends with the connection.
fn http10(soak: &Soak, random: &mut Random) {
    let body = letters(random.below(1000));
    let mut client = soak.connect();
    let before = soak.mill.before();
    client.send(post("1.0", &body));
    short_answer(soak, &mut client, &before, &body);
}

/// The plugin runs, but none of its bytes leaves.
fn head_only(soak: &Soak, random: &mut Random) {
    let mut client = soak.connect();
    for _ in 0..random.below(5) {
        let before = soak.mill.before();
        client.send(request("HEAD", "/mill", &[]));
        let head = client.head_without_body();
        match head.status {
            200 => soak.ledger.clean("mill", 0, 0),
            status => {
                assert_eq!(status, 404);
                soak.mill.allows_absence(&before);
                soak.ledger.add(Item::Refused(404), 1);
            }
        }
    }
}

fn post(version: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("POST /mill HTTP/{version}\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// Checks a whole answer.
#[track_caller]
fn is_ground(soak: &Soak, before: &Before, body: &[u8], answer: &[u8]) {
    let version = version_of(answer);
    soak.mill.allows(before, version);
    assert!(answer == ground(version, body), "wrong bytes of version {version}");
}
