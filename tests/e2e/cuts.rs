//! Rule 5 and 6: only a complete body and a plugin that ended cleanly make a clean end.

use crate::harness::*;

#[test]
fn broken_framing_after_the_head_cuts() {
    let server = Server::of(&["scripted"]);
    let script = Script::new().chunk(say(Act::GoOn)).end(say(Act::GoOn));
    let extension = format!("5;{}\r\n", "x".repeat(64 * KIB));
    let trailers = format!("0\r\n{}\r\n", "A-Trailer: value\r\n".repeat(8192));
    let broken = [
        "xyz\r\n",
        "\r\n",
        "-1\r\n",
        "+5\r\nHello\r\n",
        "0x5\r\nHello\r\n",
        "5 5\r\nHello\r\n",
        "5\rHello\r\n",
        "10000000000000000\r\n",
        "fffffffffffffffff\r\n",
        "5;\0\r\nHello\r\n",
        &extension,
        "0\r\nno colon\r\n\r\n",
        "0\r\n : no name\r\n\r\n",
        &trailers,
    ];
    for framing in broken {
        let shown = &framing[..framing.len().min(20)];
        println!("{shown:?}");
        let mut client = server.connect();
        client.send(request("POST", &script.target(), &[CHUNKED]));
        assert_eq!(client.head().status, 200);
        client.send_chunk("a good chunk");
        client.expect("chunk;");
        let mark = server.log().mark();
        client.try_send(framing);
        let (body, ending) = client.rest();
        assert!(!body.ends_with(b"end;"), "on_end was called");
        assert_ne!(ending, Ending::Clean);
        let line = server.log().wait(mark, &["exchange ended", "scripted"]);
        assert!(!line.contains("clean"), "{line}");
    }
}

#[test]
fn what_follows_a_wire_chunk_must_be_its_end() {
    let server = Server::of(&["scripted"]);
    let script = Script::new().chunk(say(Act::GoOn)).end(say(Act::GoOn));
    let mut client = server.connect();
    client.send(request("POST", &script.target(), &[CHUNKED]));
    client.head();
    client.send("5\r\nHello");
    client.expect("chunk;");
    client.send("Hello\r\n0\r\n\r\n");
    let (body, ending) = client.rest();
    assert!(body.is_empty(), "nothing of it is the body");
    assert_ne!(ending, Ending::Clean);
}

#[test]
fn good_bytes_in_front_of_broken_ones_are_answered() {
    let server = Server::of(&["echo"]);
    let mut client = server.connect();
    client.send(request("POST", "/echo", &[CHUNKED]));
    client.head();
    client.send("5\r\nHello\r\nxyz\r\n");
    let (body, ending) = client.rest();
    assert_eq!(String::from_utf8_lossy(&body), "Hello");
    assert_ne!(ending, Ending::Clean);
}

#[test]
fn all_that_was_emitted_before_a_failure_arrives() {
    const EMITS: usize = 64;
    let server = Server::with(&["counter"], FAR_LIMITS);
    let mut client = server.connect();
    client.send(request("GET", &format!("/counter?{EMITS}!"), &[]));
    client.head();
    // The plugin has failed, or waits for the client to read, before the client reads.
    server.settle();
    let (body, ending) = client.rest();
    assert_eq!(body.len(), EMITS * 64 * KIB);
    assert_ne!(ending, Ending::Clean);
    server.log().wait(0, &["plugin failed", "counter", "unreachable"]);
}

#[test]
fn an_incomplete_body_never_ends_cleanly() {
    let server = Server::of(&["scripted"]);
    let script = Script::new().chunk(say(Act::GoOn)).end(say(Act::GoOn));
    let starts = [
        ("Content-Length: 10", "Hello"),
        (CHUNKED, "5\r\nHello\r\n"),
        (CHUNKED, "5\r\nHell"),
        (CHUNKED, "5\r\nHello\r\n0\r\n"),
        (CHUNKED, "5\r\nHello\r\n0\r\nA-Trailer: value\r\n"),
    ];
    for (framing, start) in starts {
        let mark = server.log().mark();
        let mut client = server.connect();
        client.send(request("POST", &script.target(), &[framing]));
        client.send(start);
        client.half_close();
        client.answer().is_cut("chunk;");
        let line = server.log().wait(mark, &["exchange ended", "scripted"]);
        assert!(!line.contains("clean"), "{line}");
    }
}

#[test]
fn a_reset_in_the_middle_of_the_body_never_calls_on_end() {
    let server = Server::of(&["scripted"]);
    let script = Script::new().chunk(say(Act::GoOn)).end(quiet(Act::Trap));
    let mut client = server.connect();
    client.send(request("POST", &script.target(), &[CHUNKED]));
    client.send_chunk("a chunk");
    client.vanish_before_reading("chunk;");
    server.log().wait(0, &["exchange ended", "scripted"]);
    assert!(!server.log().since(0).contains("unreachable"));
}

#[test]
fn the_failed_exchange_is_named_in_the_log() {
    let server = Server::of(&["scripted"]);
    let script = Script::new().chunk(say(Act::Trap));
    server.post(&script.target(), b"a body").is_cut("chunk;");
    let needles = ["plugin failed", "plugin=", "version=", "exchange=", "reason="];
    let line = server.log().wait(0, &needles);
    assert!(line.contains("scripted") && line.contains("unreachable"), "{line}");
    let line = server.log().wait(0, &["exchange ended", "outcome="]);
    assert!(line.contains("failed"), "{line}");
}
