//! `set_timer` and `on_timer`.

use crate::harness::*;

#[test]
fn a_timer_fires_while_the_body_is_open() {
    let server = Server::of(&["scripted"]);
    let script = Script::new().open(say(Act::SetTimer)).chunk(say(Act::SetTimer)).timer(say(Act::GoOn));
    let mut client = server.connect();
    client.send(request("POST", &script.target(), &[CHUNKED]));
    client.head();
    client.expect("open;timer;");
    for _ in 0..3 {
        client.send_chunk("a chunk");
        client.expect("chunk;timer;");
    }
    client.send_last_chunk();
    assert_eq!(client.rest(), (vec![], Ending::Clean));
}

#[test]
fn the_end_of_the_body_cancels_a_timer() {
    let server = Server::of(&["scripted"]);
    for script in
        [Script::new().open(quiet(Act::SetTimerInAnHour)), Script::new().chunk(quiet(Act::SetTimerInAnHour))]
    {
        let script = script.end(say(Act::GoOn)).timer(say(Act::GoOn));
        server.post(&script.target(), b"a body").is_clean(200, "end;");
    }
}

#[test]
fn a_timer_set_in_on_end_keeps_the_response_open() {
    let server = Server::of(&["scripted"]);
    let end = Script::new().end(say(Act::SetTimer));
    let script = end.timer(say(Act::GoOn));
    server.post(&script.target(), b"a body").is_clean(200, "end;timer;");
    let script = end.timer(say(Act::Finish));
    server.post(&script.target(), b"a body").is_clean(200, "end;timer;");
    let script = end.timer(say(Act::SetTimer)).later_timer(say(Act::GoOn));
    let answer = server.post(&script.target(), b"a body");
    answer.is_clean(200, "end;timer;timer;");
}

#[test]
fn a_timer_set_in_on_open_of_a_request_without_a_body() {
    let server = Server::of(&["scripted"]);
    let script =
        Script::new().open(say(Act::SetTimer)).timer(say(Act::SetTimer)).later_timer(say(Act::Finish));
    server.get(&script.target()).is_clean(200, "open;timer;timer;");
}

#[test]
fn a_ticking_response_goes_on_and_on() {
    let server = Server::of(&["scripted"]);
    let script = Script::new().open(quiet(Act::SetTimer)).timer(say(Act::SetTimer));
    let mut client = server.connect();
    client.send(request("GET", &script.target(), &[]));
    client.head();
    client.expect("timer;".repeat(50));
}

#[test]
fn zero_cancels() {
    let server = Server::of(&["scripted"]);
    let script = Script::new().end(say(Act::CancelTimer)).timer(say(Act::GoOn));
    server.post(&script.target(), b"a body").is_clean(200, "end;");
    server.get(&script.target()).is_clean(200, "end;");
}

#[test]
fn a_failing_timer_cuts() {
    let server = Server::of(&["scripted"]);
    for (act, reason) in [(Act::Trap, "unreachable"), (Act::Reject, "rejected")] {
        let mark = server.log().mark();
        let script = Script::new().open(quiet(Act::SetTimer)).timer(say(act));
        let mut client = server.connect();
        client.send(request("POST", &script.target(), &[CHUNKED]));
        client.answer().is_cut("timer;");
        server.log().wait(mark, &["plugin failed", "scripted", reason]);
    }
}
