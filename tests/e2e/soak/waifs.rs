//! Clients that do not behave: they go away in the middle of an exchange, or break the framing.
//!
//! What they sent and what the plugin got of it differ by what was on its way, and so does what it
//! said and what they read: here the counters only have to lie on the right side. Whether a client
//! that left counts as cut (its body is incomplete) or as gone (nobody reads) depends on what the
//! server noticed first.

use std::io::{ErrorKind, Write};

use super::Soak;
use crate::harness::*;

/// Requests that are refused before there is an exchange.
const BROKEN_HEADS: [(&str, u16); 4] = [
    ("POST /waif HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ("POST /waif HTTP/1.1\r\n\r\n", 400),
    ("\x16\x03\x01 is no request\r\n\r\n", 400),
    ("BREW /waif HTTP/1.1\r\nHost: a\r\n\r\n", 501),
];

pub fn exchange(soak: &Soak, random: &mut Random) {
    if random.below(8) == 0 {
        let (head, status) = random.pick(&BROKEN_HEADS);
        let mut client = soak.connect();
        client.send(head);
        let head = client.head();
        return soak.is_refused(&mut client, head, *status);
    }
    let before = soak.waif.before();
    let mut stream = match Milling::begin(soak.connect(), "/waif") {
        Ok(stream) => stream,
        Err((mut client, head)) => return soak.is_absent(&soak.waif, &before, &mut client, head),
    };
    soak.waif.allows(&before, stream.version);
    for _ in 0..random.below(20) {
        let bytes = letters(random.below(1000));
        stream.client.send_chunk(&bytes);
        stream.expect(&bytes);
    }
    soak.ledger.add(Item::Offered("waif"), stream.ground);
    soak.ledger.add(Item::Seen("waif"), TAG + stream.ground);
    soak.ledger.add(Item::Exchanges("waif", "cut|gone"), 1);
    match random.below(5) {
        0 => drop(stream), // All was read, so this is an orderly close.
        1 => leave_with_a_reset(soak, stream),
        2 => leave_a_full_pipe(soak, &stream),
        3 => half_close(soak, stream),
        _ => break_the_framing(soak, stream, random),
    }
}

/// Closing a socket that holds unread bytes resets the connection.
fn leave_with_a_reset(soak: &Soak, mut stream: Milling) {
    stream.client.send_chunk("unread");
    soak.ledger.add(Item::Offered("waif"), "unread".len());
    let socket = stream.client.sender();
    eventually("an answer to leave unread", || {
        (socket.peek(&mut [0; 8]).expect("look at what arrived") > 0).then_some(())
    });
}

/// The same after having sent all that the server and the system take: its `emit` waits then.
fn leave_a_full_pipe(soak: &Soak, stream: &Milling) {
    let mut socket = stream.client.sender();
    socket.set_nonblocking(true).expect("set nonblocking");
    let chunk = wire_chunk(noise(1, 64 * KIB));
    // Bounded, since the server may take as much as its client's system does.
    for _ in 0..256 {
        let sent = match socket.write(&chunk) {
            Ok(sent) => sent,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
                return;
            }
        };
        soak.ledger.add(Item::Offered("waif"), sent);
        if sent < chunk.len() {
            return;
        }
    }
}

/// The body ends before its end, but the client listens: what the plugin said is there, and no
/// proper end.
fn half_close(soak: &Soak, mut stream: Milling) {
    stream.client.half_close();
    let (rest, ending) = stream.client.rest();
    assert!(rest.is_empty() && ending != Ending::Clean, "{rest:?}, {ending:?}");
    soak.ledger.add(Item::AtLeast("waif", "cut"), 1);
}

/// What was whole before the fault is answered.
fn break_the_framing(soak: &Soak, mut stream: Milling, random: &mut Random) {
    let broken = ["zz\r\n", "-1\r\n", "5\r\nhello, world\r\n", "5\r\nhello\r\nfffffffffffffffff\r\n"];
    let broken = random.pick(&broken);
    stream.client.send(broken);
    if broken.contains("hello") {
        stream.expect(b"hello");
        soak.ledger.add(Item::Offered("waif"), "hello".len());
        soak.ledger.add(Item::Seen("waif"), "hello".len());
    }
    let (rest, ending) = stream.client.rest();
    assert!(rest.is_empty() && ending != Ending::Clean, "{rest:?}, {ending:?}");
    soak.ledger.add(Item::AtLeast("waif", "cut"), 1);
}
