//! Clients that do not read, and more than a socket holds.

use crate::harness::*;

/// What the server may grow by for a client that does not read.
const GROWTH: usize = 2 * MIB;

/// One emit of the fixture `counter`.
const EMIT: usize = 64 * KIB;

#[test]
fn a_client_that_never_reads_stalls_an_endless_emitter() {
    let server = Server::with(&["counter"], FAR_LIMITS);
    let mut first = WebSocket::open(&server, "/counter?64");
    for _ in 0..64 {
        first.message();
    }
    first.ends_with(1000);
    let before = server.memory_now();

    let mut socket = WebSocket::open(&server, "/counter");
    server.settle();
    let grown = server.memory_now().saturating_sub(before);
    assert!(grown < GROWTH, "the server grew by {grown} bytes");
    for emit in 0..256_u64 {
        let (_, payload) = socket.message();
        assert_eq!(payload.len(), EMIT);
        assert_eq!(payload[..8], (emit * 8_192).to_le_bytes(), "emit {emit}");
    }
    let grown = server.memory_now().saturating_sub(before);
    assert!(grown < GROWTH, "the server grew by {grown} bytes");
}

#[test]
fn many_small_messages_lose_nothing() {
    const COUNT: u32 = 100_000;
    let server = Server::of(&["echo"]);
    let mut socket = WebSocket::open(&server, "/echo");
    let bytes: Vec<u8> = (0..COUNT).flat_map(|number| masked(0x82, number.to_le_bytes())).collect();
    let upload = socket.send_beside(bytes);
    for number in 0..COUNT {
        assert_eq!(socket.message().1, number.to_le_bytes());
    }
    assert!(upload.join().expect("the upload ends"));
    socket.say_goodbye();
}

#[test]
fn pings_do_not_pile_up_before_a_client_that_does_not_read() {
    const COUNT: u32 = 2_000_000;
    let server = Server::with(&["echo"], FAR_LIMITS);
    let mut first = WebSocket::open(&server, "/echo");
    first.ping("x");
    first.expect_pong("x");
    first.say_goodbye();
    let before = server.memory_now();

    let mut socket = WebSocket::open(&server, "/echo");
    let pings: Vec<u8> = (1..=COUNT).flat_map(|number| masked(0x89, number.to_le_bytes())).collect();
    let upload = socket.send_beside(pings);
    server.settle();
    let grown = server.memory_now().saturating_sub(before);
    assert!(grown < GROWTH, "the server grew by {grown} bytes");
    // Some are answered, in order, and the last one is.
    let mut last = 0;
    while last < COUNT {
        let frame = socket.frame();
        assert_eq!(frame.opcode, Opcode::Pong);
        let number = u32::from_le_bytes(frame.payload.try_into().expect("four bytes"));
        assert!(number > last);
        last = number;
    }
    assert!(upload.join().expect("the upload ends"));
    socket.say_goodbye();
}

#[test]
fn a_client_that_takes_nothing_is_reset_in_the_end() {
    let server = Server::with(&["counter"], &["--write-timeout", "200ms"]);
    let socket = WebSocket::open(&server, "/counter");
    let line = server.log().wait(0, &["exchange ended", "counter"]);
    assert!(line.contains("did not read for too long"), "{line}");
    drop(socket);
}
