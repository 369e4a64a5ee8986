//! `on_open` returning 3: the head waits for the first emit, the end, or a failure.

use crate::harness::*;

#[test]
fn the_first_emit_releases_the_head() {
    let server = Server::of(&["scripted"]);
    let script = Script::new().open(quiet(Act::Hold)).chunk(say(Act::GoOn));
    let mut client = server.connect();
    client.send(request("POST", &script.target(), &[CHUNKED]));
    client.send_chunk("a chunk");
    assert_eq!(client.head().status, 200);
    client.expect("chunk;");
    client.send_last_chunk();
    assert_eq!(client.rest(), (vec![], Ending::Clean));
}

#[test]
fn the_end_releases_the_head() {
    let server = Server::of(&["scripted", "respond"]);
    let silent = Script::new().open(quiet(Act::Hold));
    server.post(&silent.target(), b"a body").is_clean(200, "");
    let late = Script::new().open(quiet(Act::Hold)).end(quiet(Act::Accept));
    server.post(&late.target(), b"a body").is_clean(202, "");
    server.get(&late.target()).is_clean(202, "");
}

#[test]
fn a_finish_releases_the_head() {
    let server = Server::of(&["scripted"]);
    let script = Script::new().open(quiet(Act::Hold)).chunk(quiet(Act::Finish));
    let mut client = server.connect();
    client.send(request("POST", &script.target(), &[CHUNKED]));
    client.send_chunk("a chunk");
    client.answer().is_clean(200, "");
}

#[test]
fn an_emit_of_nothing_does_not_release_the_head() {
    let server = Server::of(&["respond"]);
    let reply = Reply::new().emit("").status(201).emit("body").results();
    server.post("/respond", &reply.script()).is_clean(201, "body+++");
}

#[test]
fn a_failure_meanwhile_is_an_error_response() {
    let server =
        Server::with(&["scripted", "respond"], &["--cpu-per-call", "200ms", "--time-per-call", "600ms"]);
    for act in [Act::Trap, Act::Reject, Act::ExitWith3, Act::Loop, Act::SleepAnHour] {
        let held = Script::new().open(quiet(Act::Hold));
        let script = held.chunk(quiet(act));
        server.post(&script.target(), b"a body").is_error(500);
        let script = held.end(quiet(act));
        server.post(&script.target(), b"a body").is_error(500);
    }
}

#[test]
fn a_failure_after_the_release_cuts() {
    let server = Server::of(&["respond"]);
    let reply = Reply::new().emit("out").reject();
    server.post("/respond", &reply.script()).is_cut("out");
}

#[test]
fn a_broken_body_meanwhile_is_the_clients_error() {
    let server = Server::of(&["scripted"]);
    let script = Script::new().open(quiet(Act::Hold));
    let mut client = server.connect();
    client.send(request("POST", &script.target(), &[CHUNKED]));
    client.exchange("xyz\r\n").is_error(400);
    client.is_closed();

    let mut client = server.connect();
    client.send(request("POST", &script.target(), &["Content-Length: 9"]));
    client.send("Hello");
    client.half_close();
    client.answer().is_error(400);
}
