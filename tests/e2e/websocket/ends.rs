//! How it ends: the closing handshake, failures, and clients that vanish.

use crate::harness::*;

#[test]
fn a_close_is_the_end_of_the_body_and_comes_back() {
    let server = Server::of(&["scripted"]);
    let target = Script::new().end(say(Act::GoOn)).target();
    let close = |payload: &[u8]| masked(0x88, payload);
    for (bytes, code) in [
        (close(b""), 1000),
        (close(b"\x03\xe8"), 1000),
        (close(b"\x03\xe9going away"), 1001),
        (close(b"\x0b\xb8"), 3000),
        (close(b"\x13\x87"), 4999),
        (close(&[&b"\x0f\xa0"[..], &[b'x'; 123]].concat()), 4000),
        ([close(b"\x03\xe8"), masked(0x81, "nobody hears this"), b"nor this".to_vec()].concat(), 1000),
        ([masked(0x01, "half a message"), close(b"")].concat(), 1000),
    ] {
        let mark = server.log().mark();
        let mut socket = WebSocket::open(&server, &target);
        socket.send(bytes);
        socket.expect_binary("end;");
        assert_eq!(socket.closing(), (code, String::new()));
        socket.client().is_closed();
        let line = server.log().wait(mark, &["exchange ended", "scripted"]);
        assert!(line.contains("clean"), "{line}");
    }
}

#[test]
fn what_on_end_emits_comes_before_the_close() {
    let server = Server::of(&["respond"]);
    let mut socket = WebSocket::open(&server, "/respond");
    let mut script = Reply::new();
    for _ in 0..20 {
        script = script.emit(vec![b'x'; 2_000]);
    }
    socket.binary(script.script());
    socket.close(1000, "that is all");
    for _ in 0..20 {
        socket.expect_binary([b'x'; 2_000]);
    }
    assert_eq!(socket.closing().0, 1000);
    socket.client().is_closed();
}

#[test]
fn a_plugin_that_finishes_first_closes_with_1000() {
    let server = Server::of(&["scripted"]);
    let mut socket = WebSocket::open(&server, &Script::new().chunk(say(Act::Finish)).target());
    socket.text("x");
    socket.expect_text("chunk;");
    // What is on its way meanwhile is read and dropped.
    for _ in 0..100 {
        socket.text("nobody hears this");
    }
    socket.ends_with(1000);
    let mut socket = WebSocket::open(&server, &Script::new().open(say(Act::Finish)).target());
    socket.expect_binary("open;");
    socket.ends_with(1000);
}

#[test]
fn a_plugin_that_fails_closes_with_1011() {
    let server = Server::with(&["scripted"], &["--cpu-per-call", "50ms"]);
    for (act, reason) in
        [(Act::Trap, "unreachable"), (Act::Reject, "rejected"), (Act::Loop, "cpu"), (Act::ExitWith3, "3")]
    {
        let mark = server.log().mark();
        let mut socket = WebSocket::open(&server, &Script::new().chunk(say(act)).target());
        socket.text("x");
        socket.expect_text("chunk;");
        let said = socket.ends_with(1011);
        assert!(said.contains(reason), "{said}");
        server.log().wait(mark, &["plugin failed", "scripted"]);
        let line = server.log().wait(mark, &["exchange ended", "outcome=\"failed\""]);
        assert!(line.contains("way=\"websocket\""), "{line}");
    }
}

#[test]
fn all_that_was_emitted_before_a_failure_arrives() {
    let server = Server::of(&["counter"]);
    let mut socket = WebSocket::open(&server, "/counter?64!");
    for _ in 0..64 {
        assert_eq!(socket.message().1.len(), 64 * KIB);
    }
    socket.ends_with(1011);
}

#[test]
fn the_end_of_the_connection_is_no_end_of_the_body() {
    let server = Server::of(&["scripted"]);
    let target = Script::new().chunk(say(Act::GoOn)).end(quiet(Act::Trap)).target();
    for start in [&masked(0x81, "whole")[..], &masked(0x01, "half"), &masked(0x81, "cut off")[..8], b""] {
        let mark = server.log().mark();
        let mut socket = WebSocket::open(&server, &target);
        socket.send(start);
        if start.len() > 10 && start[0] == 0x81 {
            socket.expect_text("chunk;");
        }
        socket.client().half_close();
        socket.ends_with(1002);
        let line = server.log().wait(mark, &["exchange ended", "scripted"]);
        assert!(line.contains("incomplete") && !line.contains("clean"), "{line}");
    }
    assert!(!server.log().since(0).contains("unreachable"), "on_end was called");
}

#[test]
fn a_client_that_vanishes_takes_its_instance_along() {
    let folder = Folder::of(&["echo", "rot13"]);
    folder.program("command", &Program::new().say("begun").sleep(3_600_000));
    let server = Server::serve(folder, &[FAR_LIMITS, ADMIN].concat());
    for target in ["/echo", "/rot13+echo", "/command", "/command+rot13", "/rot13+command"] {
        let mark = server.log().mark();
        let mut socket = WebSocket::open(&server, target);
        socket.send(&masked(0x81, "half of this")[..9]);
        drop(socket);
        server.log().wait(mark, &["exchange ended", "way=\"websocket\""]);
    }
}

#[test]
fn a_body_that_is_silent_for_too_long_is_1008() {
    let server = Server::with(&["echo"], &["--body-timeout", "200ms", "--websocket-ping", "off"]);
    let mut socket = WebSocket::open(&server, "/echo");
    socket.text("Hello");
    socket.expect_text("Hello");
    socket.ends_with(1008);
}

#[test]
fn a_drain_lets_open_ones_finish() {
    let mut server = Server::with(&["rot13"], &["--drain-timeout", "10m"]);
    let mut socket = WebSocket::open(&server, "/rot13");
    socket.text("before");
    socket.expect_text("orsber");
    server.signal("TERM");
    server.wait_until_closed();
    socket.text("after");
    socket.expect_text("nsgre");
    socket.say_goodbye();
    assert_eq!(server.wait_for_exit().code(), Some(0));
}

#[test]
fn a_drain_does_not_wait_for_a_close_that_does_not_come() {
    let mut server = Server::with(&["scripted"], &["--drain-timeout", "10m"]);
    let mut socket = WebSocket::open(&server, &Script::new().chunk(quiet(Act::Finish)).target());
    socket.text("x");
    assert_eq!(socket.closing().0, 1000);
    server.signal("TERM");
    assert_eq!(server.wait_for_exit().code(), Some(0));
}
