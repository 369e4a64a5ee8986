//! Rule 4: while one side waits the other waits too, in bounded memory, and nothing is lost.

use std::io::Write;
use std::thread;
use std::time::Duration;

use crate::harness::*;

/// What the server may grow by for a client that does not read.
const GROWTH: usize = 2 * MIB;

/// One emit of the fixture `counter`.
const EMIT: usize = 64 * KIB;

#[test]
fn a_client_that_never_reads_stalls_an_endless_emitter() {
    let server = Server::with(&["counter"], FAR_LIMITS);
    let before = warmed_up(&server);

    let mut client = server.connect();
    client.send(request("GET", "/counter", &[]));
    client.head();
    server.settle();
    let grown = server.memory_now().saturating_sub(before);
    assert!(grown < GROWTH, "the server grew by {grown} bytes");

    for emit in 0..256 {
        let same = client.read(EMIT) == counted(emit);
        assert!(same, "emit {emit} is not what was emitted");
    }
    let grown = server.memory_now().saturating_sub(before);
    assert!(grown < GROWTH, "the server grew by {grown} bytes");
}

#[test]
fn an_upload_without_reading_waits_and_loses_nothing() {
    const BLOCKS: usize = 32;
    let server = Server::with(&["echo"], &[FAR_LIMITS, &["--spool", "0"]].concat());
    server.post("/echo", &noise(1, MIB));
    let before = server.memory_now();

    let mut client = server.connect();
    client.send(request("POST", "/echo", &[CHUNKED]));
    client.head();
    let mut sender = client.sender();
    let upload = thread::spawn(move || {
        let mut blocks = Blocks::new(3);
        for number in 0..BLOCKS {
            let chunk = wire_chunk(blocks.block(number));
            sender.write_all(&chunk).expect("send");
        }
        sender.write_all(LAST_CHUNK).expect("send");
    });
    server.settle();
    assert!(!upload.is_finished(), "32 MiB went somewhere");
    let grown = server.memory_now().saturating_sub(before);
    assert!(grown < GROWTH, "the server grew by {grown} bytes");

    let mut blocks = Blocks::new(3);
    for number in 0..BLOCKS {
        let same = client.read(MIB) == blocks.block(number);
        assert!(same, "MiB number {number} is not what was sent");
    }
    assert_eq!(client.rest(), (vec![], Ending::Clean));
    upload.join().expect("the upload went through");
}

#[test]
fn pipelined_requests_wait_for_a_client_that_does_not_read() {
    let server = Server::with(&["echo"], FAR_LIMITS);
    server.get("/echo").is_clean(200, "");
    let before = server.memory_now();
    let client = server.connect();
    let mut sender = client.sender();
    let pipeline = thread::spawn(move || {
        let requests = request("GET", "/echo", &[]).repeat(1000);
        // Until the test has seen enough and shuts the connection.
        while sender.write_all(&requests).is_ok() {}
    });
    server.settle();
    assert!(!pipeline.is_finished(), "the requests still wait");
    let grown = server.memory_now().saturating_sub(before);
    assert!(grown < GROWTH, "the server grew by {grown} bytes");
    client.shut();
    pipeline.join().expect("the pipeline ends");
}

#[test]
fn a_stalled_stream_does_not_hold_up_another() {
    let server = Server::with(&["counter", "rot13"], FAR_LIMITS);
    let canary = Canary::start(&server);
    let mut stalled: Vec<Client> = (0..8).map(|_| server.connect()).collect();
    for client in &mut stalled {
        client.send(request("GET", "/counter", &[]));
        client.head();
    }
    canary.sings(50);
    canary.stop();
}

#[test]
fn waiting_in_emit_is_not_counted_against_the_plugin() {
    let flags = ["--time-per-call", "2s", "--cpu-per-call", "2s"];
    let server = Server::with(&["counter"], &flags);
    let mut client = server.connect();
    client.send(request("GET", "/counter?256", &[]));
    client.head();
    // The time that passes is what is tested: one call lasts longer than any call may.
    thread::sleep(Duration::from_secs(3));
    for emit in 0..256 {
        assert!(client.read(EMIT) == counted(emit), "emit {emit}");
    }
    assert_eq!(client.rest(), (vec![], Ending::Clean));
}

/// The memory after a first exchange of the same kind, whose pages stay with the server.
fn warmed_up(server: &Server) -> usize {
    let answer = server.get("/counter?64");
    assert_eq!((answer.body.len(), answer.ending), (64 * EMIT, Ending::Clean));
    server.memory_now()
}

/// What `counter` emits as its emit of this number.
fn counted(emit: usize) -> Vec<u8> {
    let first = (emit * EMIT / 8) as u64;
    let numbers = first..first + (EMIT / 8) as u64;
    numbers.flat_map(u64::to_le_bytes).collect()
}
