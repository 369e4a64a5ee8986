//! What each export may return, and what a rejected chunk does.

use crate::harness::*;

#[test]
fn on_open_passes_the_body_through() {
    let server = Server::of(&["scripted"]);
    let script = Script::new().open(say(Act::Pass)).chunk(say(Act::GoOn)).end(say(Act::GoOn));
    let mut client = server.connect();
    client.send(request("POST", &script.target(), &[CHUNKED]));
    assert_eq!(client.head().status, 200);
    client.expect("open;");
    in_lock_step(&mut client);
    client.send_last_chunk();
    assert_eq!(client.rest(), (vec![], Ending::Clean));
    client.exchange(request("GET", &script.target(), &[])).is_clean(200, "open;");
}

#[test]
fn on_chunk_passes_the_rest_through() {
    let server = Server::of(&["scripted"]);
    let script = Script::new().chunk(say(Act::Pass)).end(say(Act::GoOn));
    let mut client = server.connect();
    client.send(request("POST", &script.target(), &[CHUNKED]));
    client.head();
    client.send_chunk("this one the plugin keeps");
    client.expect("chunk;");
    in_lock_step(&mut client);
    client.send_last_chunk();
    assert_eq!(client.rest(), (vec![], Ending::Clean));
}

#[test]
fn on_timer_passes_the_rest_through() {
    let server = Server::of(&["scripted"]);
    let script = Script::new().open(quiet(Act::SetTimer)).timer(say(Act::Pass)).end(say(Act::GoOn));
    let mut client = server.connect();
    client.send(request("POST", &script.target(), &[CHUNKED]));
    client.head();
    client.expect("timer;");
    in_lock_step(&mut client);
    client.send_last_chunk();
    assert_eq!(client.rest(), (vec![], Ending::Clean));
}

#[test]
fn a_long_body_is_passed_byte_for_byte() {
    let server = Server::of(&["scripted"]);
    let script = Script::new().open(quiet(Act::Pass));
    let body = noise(5, MIB);
    let answer = server.post(&script.target(), &body);
    assert_eq!((answer.head.status, answer.ending), (200, Ending::Clean));
    assert!(answer.body == body, "passed on unchanged");
}

#[test]
fn passing_an_incomplete_body_is_not_a_clean_end() {
    let server = Server::of(&["scripted"]);
    let script = Script::new().open(quiet(Act::Pass));
    let mut client = server.connect();
    client.send(request("POST", &script.target(), &["Content-Length: 10"]));
    client.head();
    client.send("Hello");
    client.expect("Hello");
    client.half_close();
    assert_ne!(client.rest().1, Ending::Clean);
}

#[test]
fn on_open_rejects_before_the_head() {
    let server = Server::of(&["scripted"]);
    let reject = Script::new().open(quiet(Act::Reject));
    server.post(&reject.target(), b"a body").is_error(500);
    server.log().wait(0, &["plugin failed", "scripted", "rejected"]);
    let forbid = Script::new().open(quiet(Act::Forbid));
    server.post(&forbid.target(), b"a body").is_error(403);
}

#[test]
fn a_rejection_after_the_head_cuts() {
    let server = Server::of(&["scripted"]);
    let scripts = [
        (Script::new().open(say(Act::Reject)), "open;"),
        (Script::new().chunk(say(Act::Reject)), "chunk;"),
        (Script::new().chunk(say(Act::Forbid)), "chunk;"),
        (Script::new().end(say(Act::Reject)), "end;"),
    ];
    for (script, body) in scripts {
        let mark = server.log().mark();
        server.post(&script.target(), b"a body").is_cut(body);
        let needles = ["plugin failed", "scripted", "rejected"];
        server.log().wait(mark, &needles);
    }
}

#[test]
fn proc_exit_with_0_finishes() {
    let server = Server::of(&["scripted"]);
    let scripts = [
        (Script::new().open(quiet(Act::ExitWith0)), ""),
        (Script::new().open(say(Act::ExitWith0)), "open;"),
        (Script::new().chunk(say(Act::ExitWith0)), "chunk;"),
        (Script::new().end(say(Act::ExitWith0)), "end;"),
    ];
    for (script, body) in scripts {
        server.post(&script.target(), b"a body").is_clean(200, body);
    }
}

#[test]
fn a_status_set_in_on_open_is_sent() {
    let server = Server::of(&["scripted"]);
    let script = Script::new().open(quiet(Act::Accept)).chunk(say(Act::GoOn));
    let mut client = server.connect();
    client.send(request("POST", &script.target(), &[CHUNKED]));
    assert_eq!(client.head().status, 202);
    client.send_chunk("a chunk");
    client.expect("chunk;");
    client.send_last_chunk();
    assert_eq!(client.rest(), (vec![], Ending::Clean));
}

fn in_lock_step(client: &mut Client) {
    for round in 0..20 {
        client.send_chunk(letters(round));
        client.expect(letters(round));
    }
}
