//! Rule 6: a client that goes away takes its instance with it, even in the middle of wasm.
//!
//! All limits are minutes away: what ends these exchanges in time is the client's going.

use crate::harness::*;

#[test]
fn while_the_plugin_waits_for_the_body() {
    let server = Server::with(&["echo"], FAR_LIMITS);
    let mut client = server.connect();
    client.send(request("POST", "/echo", &[CHUNKED]));
    client.head();
    client.send_chunk("Hello");
    client.expect("Hello");
    drop(client);
    has_ended(&server, "echo");
}

#[test]
fn while_a_timer_is_pending() {
    let server = Server::with(&["scripted"], FAR_LIMITS);
    let script = Script::new().open(say(Act::SetTimerInAnHour));
    let client = begun(&server, &script, "");
    client.vanish_before_reading("open;");
    has_ended(&server, "scripted");
}

#[test]
fn in_the_middle_of_a_computation() {
    let server = Server::with(&["scripted"], FAR_LIMITS);
    let script = Script::new().chunk(say(Act::Loop));
    let client = begun(&server, &script, "a chunk");
    client.vanish_before_reading("chunk;");
    has_ended(&server, "scripted");
    server.settle();
}

#[test]
fn in_the_middle_of_a_computation_without_a_reset() {
    let server = Server::with(&["scripted"], FAR_LIMITS);
    let script = Script::new().chunk(say(Act::Loop));
    let mut client = begun(&server, &script, "a chunk");
    client.head();
    client.expect("chunk;");
    drop(client); // All was read, so this is an orderly close in the middle of the body.
    has_ended(&server, "scripted");
    server.settle();
}

#[test]
fn in_the_middle_of_a_computation_with_more_input_waiting() {
    let server = Server::with(&["scripted"], FAR_LIMITS);
    let script = Script::new().open(say(Act::Loop));
    let mut client = begun(&server, &script, "a chunk");
    client.send_chunk(noise(1, 16 * KIB));
    client.vanish_before_reading("open;");
    has_ended(&server, "scripted");
    server.settle();
}

#[test]
fn in_the_last_call() {
    let server = Server::with(&["scripted"], FAR_LIMITS);
    let script = Script::new().end(say(Act::Loop));
    let mut client = begun(&server, &script, "a chunk");
    client.send_last_chunk();
    client.vanish_before_reading("end;");
    has_ended(&server, "scripted");
    server.settle();
}

#[test]
fn during_the_plugins_own_sleep() {
    let server = Server::with(&["scripted"], FAR_LIMITS);
    for script in [Script::new().open(say(Act::SleepAnHour)), Script::new().chunk(say(Act::SleepAnHour))] {
        let mark = server.log().mark();
        let client = begun(&server, &script, "a chunk");
        client.vanish_before_reading(";");
        server.log().wait(mark, &["exchange ended", "scripted"]);
    }
}

#[test]
fn while_emit_waits_for_it() {
    let server = Server::with(&["counter"], FAR_LIMITS);
    let mut client = server.connect();
    client.send(request("GET", "/counter", &[]));
    server.settle();
    client.vanish_before_reading("\r\n\r\n");
    has_ended(&server, "counter");
    server.settle();
}

/// A chunked request to `scripted`, with its first chunk sent.
fn begun(server: &Server, script: &Script, chunk: &str) -> Client {
    let mut client = server.connect();
    client.send(request("POST", &script.target(), &[CHUNKED]));
    if !chunk.is_empty() {
        client.send_chunk(chunk);
    }
    client
}

#[track_caller]
fn has_ended(server: &Server, plugin: &str) {
    let line = server.log().wait(0, &["exchange ended", plugin]);
    assert!(!line.contains("clean"), "{line}");
}
