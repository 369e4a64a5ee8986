//! A client that goes away takes its program with it, whatever that does; one that only does not read
//! holds it up, and a server that drains lets it finish.

use std::time::{Duration, Instant};

use crate::harness::*;

/// A program is gone this soon after its client, however long it meant to stay.
const SOON: Duration = Duration::from_secs(2);

/// 64 KiB of numbers that go on where the last 64 KiB ended.
const COUNT: &str = r"
  (func $count
    (local $at i32)
    (local.set $at (i32.const 131072))
    (loop $number
      (i64.store (local.get $at) (global.get $next))
      (global.set $next (i64.add (global.get $next) (i64.const 1)))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if $number (i32.lt_u (local.get $at) (i32.const 196608))))
    (call $write (i32.const 1) (i32.const 131072) (i32.const 65536)))";

/// What the server may grow by for a client that does not read.
const GROWTH: usize = 2 * MIB;

#[test]
fn while_it_waits_in_a_read() {
    is_gone_with_its_client(&Program::new().say("begun").drain());
}

#[test]
fn while_it_waits_for_input_or_a_time() {
    is_gone_with_its_client(
        &Program::new().say("begun").wat("(drop (call $input_within (i64.const 3600000)))"),
    );
}

#[test]
fn while_it_computes() {
    is_gone_with_its_client(&Program::new().say("begun").spin());
}

#[test]
fn while_it_sleeps() {
    is_gone_with_its_client(&Program::new().say("begun").sleep(3_600_000));
}

#[test]
fn while_it_sleeps_after_the_bodys_end() {
    let server = Program::new().say("begun").drain().sleep(3_600_000).serve(FAR_LIMITS);
    let mut client = server.connect();
    client.send([&request("POST", "/command", &[CHUNKED])[..], LAST_CHUNK].concat());
    client.vanish_before_reading("begun");
    is_gone(&server);
}

/// A reset is noticed even behind bytes that nobody takes.
#[test]
fn with_input_waiting_that_it_does_not_read() {
    for does in [Program::spin, |program: Program| program.sleep(3_600_000)] {
        let server = does(Program::new().say("begun")).serve(FAR_LIMITS);
        let mut client = server.connect();
        client.send(request("POST", "/command", &[CHUNKED]));
        client.send_chunk(noise(1, 100 * KIB));
        client.vanish_before_reading("begun");
        is_gone(&server);
        server.settle();
    }
}

#[test]
fn while_it_waits_in_a_write() {
    let server = counting(0).serve(FAR_LIMITS);
    let mut client = server.connect();
    client.send(request("GET", "/command", &[]));
    server.settle();
    client.vanish_before_reading("\r\n\r\n");
    is_gone(&server);
}

#[test]
fn many_at_once() {
    let server = Program::new().say("begun").for_ever(|each| each.sleep(1)).serve(FAR_LIMITS);
    let clients: Vec<Client> = (0..100).map(|_| server.open("/command")).collect();
    server.metric_eventually("wasmplex_exchanges_open", &[], 100.0);
    drop(clients);
    is_gone(&server);
    server.is_idle();
}

#[test]
fn a_client_that_does_not_read_holds_it_up_in_bounded_memory() {
    const PIECES: usize = 256 * MIB / (64 * KIB);
    let server = counting(PIECES as u32).serve(FAR_LIMITS);
    let whole = server.get("/command");
    assert_eq!((whole.body.len(), whole.ending), (256 * MIB, Ending::Clean));
    drop(whole);
    let before = server.memory_now();
    let mut client = server.connect();
    client.send(request("GET", "/command", &[]));
    client.head();
    server.settle();
    let grown = server.memory_now().saturating_sub(before);
    assert!(grown < GROWTH, "the server grew by {grown} bytes");
    for piece in 0..PIECES {
        assert!(client.read(64 * KIB) == counted(piece), "piece {piece} is not what was written");
    }
    assert_eq!(client.rest(), (vec![], Ending::Clean));
    let grown = server.memory_now().saturating_sub(before);
    assert!(grown < GROWTH, "the server grew by {grown} bytes");
}

#[test]
fn an_upload_to_a_program_that_does_not_read_waits() {
    const BLOCKS: usize = 32;
    let server = Program::new().say("later").sleep(2_000).echo().serve(FAR_LIMITS);
    let before = server.memory_now();
    let mut client = server.open("/command");
    client.expect("later");
    let mut sender = client.sender();
    let upload = std::thread::spawn(move || {
        let mut blocks = Blocks::new(3);
        for number in 0..BLOCKS {
            std::io::Write::write_all(&mut sender, &wire_chunk(blocks.block(number))).expect("send");
        }
        std::io::Write::write_all(&mut sender, LAST_CHUNK).expect("send");
    });
    server.settle();
    let grown = server.memory_now().saturating_sub(before);
    assert!(grown < GROWTH, "the server grew by {grown} bytes");
    let mut blocks = Blocks::new(3);
    for number in 0..BLOCKS {
        assert!(client.read(MIB) == blocks.block(number), "MiB number {number} is not what was sent");
    }
    assert_eq!(client.rest(), (vec![], Ending::Clean));
    upload.join().expect("the upload went through");
}

#[test]
fn a_drain_lets_a_stream_finish() {
    let mut server = Program::new().echo().serve(&["--drain-timeout", "10m"]);
    let mut client = server.open("/command");
    client.send_chunk("Hello");
    client.expect("Hello");
    server.signal("TERM");
    server.wait_until_closed();
    for round in 0..20 {
        client.send_chunk(letters(round));
        client.expect(letters(round));
    }
    client.send_last_chunk();
    assert_eq!(client.rest(), (vec![], Ending::Clean));
    drop(client);
    assert_eq!(server.wait_for_exit().code(), Some(0));
}

#[test]
fn a_program_that_does_not_end_is_cut_by_the_drain() {
    for program in
        [Program::new().say("begun").drain(), Program::new().say("begun").for_ever(|each| each.sleep(1))]
    {
        let mut server = program.serve(&["--drain-timeout", "300ms"]);
        let mut client = server.open("/command");
        client.expect("begun");
        server.signal("TERM");
        server.wait_for_exit();
        assert_ne!(client.rest().1, Ending::Clean);
        server.log().wait(0, &["exchange ended", "command", "outcome=\"cut\""]);
    }
}

/// By a reset, and by an orderly close in the middle of the body.
#[track_caller]
fn is_gone_with_its_client(program: &Program) {
    let server = program.serve(FAR_LIMITS);
    let mut client = server.connect();
    client.send(request("POST", "/command", &[CHUNKED]));
    client.vanish_before_reading("begun");
    is_gone(&server);
    let mut client = server.open("/command");
    client.expect("begun");
    drop(client);
    is_gone(&server);
    server.settle();
}

#[track_caller]
fn is_gone(server: &Server) {
    let begun = Instant::now();
    server.metric_eventually("wasmplex_exchanges_open", &[], 0.0);
    assert!(begun.elapsed() < SOON, "it stayed for {:?}", begun.elapsed());
    assert_eq!(server.log().count(0, &["exchange ended", "clean"]), 0);
}

/// Writes so many pieces of numbers; 0 is without an end.
fn counting(pieces: u32) -> Program {
    Program::new()
        .field("(global $next (mut i64) (i64.const 0))")
        .field(COUNT)
        .repeat(pieces, |each| each.wat("(call $count)"))
}

/// The piece of this number.
fn counted(piece: usize) -> Vec<u8> {
    let first = (piece * 8192) as u64;
    (first..first + 8192).flat_map(u64::to_le_bytes).collect()
}
