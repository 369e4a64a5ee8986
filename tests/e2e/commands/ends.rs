//! How a command ends is how its response ends.

use std::io::Write;
use std::thread;

use crate::harness::*;

#[test]
fn exit_code_0_and_a_return_are_the_same() {
    for program in [Program::new().echo(), Program::new().echo().exit(0)] {
        let server = program.serve(&[]);
        let mark = server.log().mark();
        server.post("/command", b"Hello").is_clean(200, "Hello");
        let line = server.log().wait(mark, &["exchange ended", "command"]);
        assert!(line.contains("outcome=\"clean\""), "{line}");
    }
}

#[test]
fn before_the_bodys_end_it_finishes_early() {
    for program in [Program::new().answer(64).say(";"), Program::new().answer(64).say(";").exit(0)] {
        let server = program.serve(&[]);
        let mark = server.log().mark();
        let mut client = server.open("/command");
        client.send_chunk("Hello");
        assert_eq!(client.rest(), (b"Hello;".to_vec(), Ending::Clean));
        let line = server.log().wait(mark, &["exchange ended", "command"]);
        assert!(line.contains("outcome=\"clean\""), "{line}");
        // The rest of the body is short: the connection lives on.
        client.send_chunk("a rest that nobody wants");
        client.send_last_chunk();
        client.send(request("POST", "/command", &["Content-Length: 5"]));
        client.exchange("World").is_clean(200, "World;");
    }
}

#[test]
fn an_answer_that_is_not_read_during_a_long_upload_is_whole() {
    const LEN: usize = 16 * MIB;
    let server = Program::new().repeat(256, |each| each.wat(PAGE)).serve(FAR_LIMITS);
    let mut client = server.connect();
    client.send(request("POST", "/command", &[&format!("Content-Length: {}", 1024 * MIB)]));
    assert_eq!(client.head().status, 200);
    let mut sender = client.sender();
    let upload = thread::spawn(move || {
        let block = noise(1, MIB);
        // The server may stop it at any time: that is its right once the answer is complete.
        while sender.write_all(&block).is_ok() {}
    });
    server.settle();
    let (body, ending) = client.rest();
    assert_eq!((body.len(), ending), (LEN, Ending::Clean));
    client.shut();
    upload.join().expect("the upload ends");
}

#[test]
fn an_exit_code_before_the_head_is_an_error() {
    for (code, named) in [(3, "exit code 3"), (1, "exit code 1"), (125, "exit code 125")] {
        let server = Program::new().exit(code).serve(&[]);
        server.get("/command").is_error(500);
        server.post("/command", b"Hello").is_error(500);
        failed(&server, named, "exit", 2.0);
    }
}

/// C's `exit(-1)` and a shell's 126 and up.
#[test]
fn every_exit_code_is_named_as_it_is() {
    for (code, named) in [(126, "exit code 126"), (255, "exit code 255"), (-1, "exit code ")] {
        let server = Program::new().exit(code).serve(&[]);
        server.get("/command").is_error(500);
        failed(&server, named, "exit", 1.0);
    }
}

/// Only a read that has to wait lets the head go: whoever has seen all of a short body can still refuse it.
#[test]
fn a_failure_after_reads_that_did_not_wait() {
    for (failing, kind) in [(Program::new().drain().exit(3), "exit"), (Program::new().drain().trap(), "trap")]
    {
        let server = failing.serve(&[]);
        server.get("/command").is_error(500);
        // The body arrives together with the head.
        server.post("/command", b"Hello").is_error(500);
        failed(&server, "", kind, 2.0);
    }
}

#[test]
fn an_exit_code_after_the_head_cuts() {
    let server = Program::new().say("some;").exit(3).serve(&[]);
    server.get("/command").is_cut("some;");
    failed(&server, "exit code 3", "exit", 1.0);
    let server = Program::new().echo().exit(3).serve(&[]);
    let mut client = server.open("/command");
    client.send_chunk("Hello");
    client.expect("Hello");
    client.send_last_chunk();
    let (body, ending) = client.rest();
    assert!(body.is_empty() && ending != Ending::Clean, "{ending:?}");
    failed(&server, "exit code 3", "exit", 1.0);
}

#[test]
fn a_trap_fails() {
    let server = Program::new().trap().serve(&[]);
    server.get("/command").is_error(500);
    failed(&server, "unreachable", "trap", 1.0);
    let server = Program::new().answer(64).trap().serve(&[]);
    let mut client = server.open("/command");
    client.send_chunk("Hello");
    client.expect("Hello");
    assert_ne!(client.rest().1, Ending::Clean);
    failed(&server, "unreachable", "trap", 1.0);
}

#[test]
fn the_connection_is_kept_in_step() {
    let server = Program::new().echo().serve(&[]);
    let mut client = server.connect();
    for round in 0..50 {
        let line = letters(round);
        let chunked = [&request("POST", "/command", &[CHUNKED])[..], &wire_chunk(&line), LAST_CHUNK];
        client.exchange(chunked.concat()).is_clean(200, &line);
        client.send(request("POST", "/command", &[&format!("Content-Length: {}", line.len())]));
        client.exchange(&line).is_clean(200, &line);
        client.exchange(request("GET", "/command", &[])).is_clean(200, "");
    }
    // Pipelined too.
    let hello = [&request("POST", "/command", &["Content-Length: 5"])[..], b"Hello"].concat();
    client.send(hello.repeat(20));
    for _ in 0..20 {
        client.answer().is_clean(200, "Hello");
    }
}

#[test]
fn http_1_0_ends_with_the_connection() {
    let server = Program::new().echo().serve(&[]);
    let mut client = server.connect();
    client.send("POST /command HTTP/1.0\r\nContent-Length: 5\r\n\r\n");
    let head = client.head();
    assert_eq!((head.status, head.field("transfer-encoding")), (200, None));
    client.send("Hel");
    client.expect("Hel");
    client.send("lo");
    assert_eq!(client.rest(), (b"lo".to_vec(), Ending::Clean));

    let server = Program::new().answer(64).exit(3).serve(&[]);
    let mut client = server.connect();
    client.send("POST /command HTTP/1.0\r\nContent-Length: 5\r\n\r\n");
    client.head();
    client.send("Hello");
    assert_eq!(client.rest(), (b"Hello".to_vec(), Ending::Reset));
}

#[test]
fn an_answer_to_head_has_no_body() {
    let server = Program::new().say("a body").echo().serve(&[]);
    let mut client = server.connect();
    client.send(request("HEAD", "/command", &[]));
    assert_eq!(client.head_without_body().status, 200);
    client.send(request("HEAD", "/command", &["Content-Length: 5"]));
    client.send("Hello");
    assert_eq!(client.head_without_body().status, 200);
    client.exchange(request("GET", "/command", &[])).is_clean(200, "a body");
}

#[test]
fn an_incomplete_body_is_no_clean_end() {
    let server = Program::new().echo().say("the end").serve(&[]);
    for (framing, start) in [("Content-Length: 10", "Hello"), (CHUNKED, "5\r\nHello\r\n")] {
        let mark = server.log().mark();
        let mut client = server.connect();
        client.send(request("POST", "/command", &[framing]));
        client.send(start);
        client.half_close();
        client.answer().is_cut("Hello");
        let line = server.log().wait(mark, &["exchange ended", "command"]);
        assert!(!line.contains("clean"), "{line}");
    }
}

#[test]
fn broken_framing_is_no_clean_end() {
    let server = Program::new().echo().say("the end").serve(&[]);
    let mut client = server.open("/command");
    client.send("5\r\nHello\r\nxyz\r\n");
    let (body, ending) = client.rest();
    assert_eq!(String::from_utf8_lossy(&body), "Hello");
    assert_ne!(ending, Ending::Clean);
}

#[test]
fn a_hundred_is_sent_to_those_who_wait_for_it() {
    let server = Program::new().echo().serve(&[]);
    let mut client = server.connect();
    client.send(request("POST", "/command", &["Content-Length: 5", "Expect: 100-continue"]));
    assert_eq!(client.head().status, 100);
    client.exchange("Hello").is_clean(200, "Hello");
}

/// 64 KiB of stdout.
const PAGE: &str = "(call $write (i32.const 1) (i32.const 65536) (i32.const 65536))";

#[track_caller]
fn failed(server: &Server, reason: &str, kind: &str, times: f64) {
    server.log().wait(0, &["WARN", "plugin failed", "plugin=\"command\"", reason]);
    server.log().wait(0, &["exchange ended", "command", "failed"]);
    let labels = [("plugin", "command"), ("reason", kind)];
    server.metric_eventually("wasmplex_failures_total", &labels, times);
}
