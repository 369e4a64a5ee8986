//! The access line, the failure line, and traces.

use serde_json::Value;

use crate::harness::*;

const JSON: &[&str] = &["--log", "json"];
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[test]
fn every_exchange_has_a_line() {
    let server = Server::with(&["rot13", "echo"], JSON);
    server.post("/rot13+echo/more", b"Hello").is_clean(200, "Uryyb");
    let line = ended(&server, 0);
    let expected = [
        ("level", "INFO"),
        ("target", "access"),
        ("message", "exchange ended"),
        ("plugin", "rot13+echo"),
        ("outcome", "clean"),
        ("method", "POST"),
        ("path", "/rot13+echo/more"),
    ];
    for (key, value) in expected {
        assert_eq!(line[key], value, "{key} in {line}");
    }
    for (key, value) in [("status", 200), ("received", 5), ("sent", 5)] {
        assert_eq!(line[key], value, "{key} in {line}");
    }
    assert!(line["detail"].is_string() && line["exchange"].is_string(), "{line}");
    assert!(line["version"].as_str().is_some_and(|version| version.contains('+')), "{line}");
    assert!(line["ms"].as_f64().is_some_and(|ms| (0.0..20_000.0).contains(&ms)), "{line}");
    assert!(line["peer"].as_str().is_some_and(|peer| peer.starts_with("127.0.0.1:")), "{line}");
    assert!(line.get("trace_id").is_none_or(Value::is_null), "{line}");
}

#[test]
fn every_way_to_end_has_its_outcome() {
    let server = Server::with(&["scripted", "echo"], JSON);
    let trap = Script::new().chunk(say(Act::Trap)).target();
    let mark = server.log().mark();
    server.post(&trap, b"a body").is_cut("chunk;");
    assert_eq!(ended(&server, mark)["outcome"], "failed");

    let mark = server.log().mark();
    let mut client = server.open("/echo");
    client.send("5\r\nHello\r\nxyz\r\n");
    assert_ne!(client.rest().1, Ending::Clean);
    let line = ended(&server, mark);
    assert_eq!((&line["outcome"], &line["received"], &line["sent"]), (&"cut".into(), &5.into(), &5.into()));

    let mark = server.log().mark();
    let mut client = server.connect();
    client.send(request("POST", "/echo", &[CHUNKED]));
    client.send_chunk("Hello");
    client.vanish_before_reading("Hello");
    assert_eq!(ended(&server, mark)["outcome"], "gone");

    let mark = server.log().mark();
    let script = Script::new().chunk(say(Act::Finish)).target();
    server.post(&script, b"a body").is_clean(200, "chunk;");
    assert_eq!(ended(&server, mark)["outcome"], "clean");

    let mark = server.log().mark();
    let script = Script::new().open(quiet(Act::Forbid)).target();
    server.post(&script, b"a body").is_error(403);
    let line = ended(&server, mark);
    assert_eq!((&line["outcome"], &line["status"]), (&"failed".into(), &403.into()));
}

#[test]
fn access_lines_are_there_by_default() {
    let folder = Folder::of(&["rot13"]);
    let mut command = wasmplex(&["serve", "--listen", "127.0.0.1:0", "--plugins"]);
    command.arg(folder.path());
    let server = Server::spawn(folder, &mut command);
    server.post("/rot13", b"Hello").is_clean(200, "Uryyb");
    server.log().wait(0, &["INFO", "access", "exchange ended", "rot13"]);
}

#[test]
fn access_lines_can_be_switched_off() {
    let server = Server::with(&["scripted"], &["--access-log", "off"]);
    let script = Script::new().chunk(say(Act::GoOn));
    server.post(&script.target(), b"a body").is_clean(200, "chunk;");
    // What fails is told all the same.
    let script = Script::new().chunk(say(Act::Trap));
    server.post(&script.target(), b"a body").is_cut("chunk;");
    server.log().wait(0, &["plugin failed", "scripted", "unreachable"]);
    server.settle();
    assert_eq!(server.log().count(0, &["exchange ended"]), 0);
}

#[test]
fn a_failure_says_where_in_the_body_it_was() {
    let server = Server::with(&["scripted"], JSON);
    let later = Script::new().chunk(say(Act::GoOn)).later_chunk(say(Act::Trap));
    let mut client = server.open(&later.target());
    client.send_chunk("Hello");
    client.expect("chunk;");
    client.send_chunk("World!");
    client.expect("chunk;");
    assert_ne!(client.rest().1, Ending::Clean);
    let line = failed(&server, 0);
    assert_eq!((&line["chunk"], &line["offset"]), (&2.into(), &5.into()), "{line}");
    assert_eq!((&line["level"], &line["plugin"]), (&"WARN".into(), &"scripted".into()), "{line}");
    assert!(line["reason"].as_str().is_some_and(|reason| reason.contains("unreachable")), "{line}");
    assert!(line["reason"].as_str().is_some_and(|reason| reason.contains("act")), "the backtrace: {line}");
    assert!(line["version"].is_string() && line["exchange"].is_string(), "{line}");

    for (script, chunk, offset) in
        [(Script::new().open(quiet(Act::Trap)), 0, 0), (Script::new().chunk(quiet(Act::Trap)), 1, 0)]
    {
        let mark = server.log().mark();
        server.post(&script.target(), b"a body");
        let line = failed(&server, mark);
        assert_eq!((&line["chunk"], &line["offset"]), (&chunk.into(), &offset.into()), "{line}");
    }
}

#[test]
fn a_failure_in_a_pipe_names_its_stage() {
    let server = Server::with(&["rot13", "scripted"], JSON);
    let script = Script::new().chunk(say(Act::Trap)).target();
    server.post(&script.replace("/scripted", "/rot13+scripted"), b"a body");
    let line = failed(&server, 0);
    assert_eq!((&line["plugin"], &line["chunk"]), (&"scripted".into(), &1.into()), "{line}");
    let id = line["exchange"].as_str().expect("an id").to_owned();
    let line = server.log().wait(0, &["exchange ended", &id]);
    assert!(line.contains("rot13+scripted") && line.contains("failed"), "{line}");
}

#[test]
fn a_valid_traceparent_is_in_the_lines() {
    let server = Server::with(&["scripted"], JSON);
    for parent in [
        format!("00-{TRACE}-00f067aa0ba902b7-01"),
        format!("00-{TRACE}-00f067aa0ba902b7-00"),
        format!("cc-{TRACE}-00f067aa0ba902b7-01-what-the-future-will-bring"),
    ] {
        println!("{parent}");
        let mark = server.log().mark();
        traced(&server, &[&format!("Traceparent: {parent}")]);
        assert_eq!(failed(&server, mark)["trace_id"], TRACE);
        assert_eq!(ended(&server, mark)["trace_id"], TRACE);
    }
}

#[test]
fn any_other_traceparent_is_not() {
    let server = Server::with(&["scripted"], JSON);
    let zeros = "0".repeat(32);
    for parent in [
        String::new(),
        "nonsense".to_owned(),
        TRACE.to_owned(),
        format!("00-{TRACE}-00f067aa0ba902b7"),
        format!("00-{zeros}-00f067aa0ba902b7-01"),
        format!("00-{TRACE}-0000000000000000-01"),
        format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()),
        format!("00-{}-00f067aa0ba902b7-01", &TRACE[1..]),
        format!("00-{TRACE}0-00f067aa0ba902b7-01"),
        format!("00-{}g-00f067aa0ba902b7-01", &TRACE[1..]),
        format!("00-{TRACE}-00f067aa0ba902b7-01-more"),
        format!("00-{TRACE}-00f067aa0ba902b7-1"),
        format!("00-{TRACE}-00f067aa0ba902b7-0g"),
        format!("ff-{TRACE}-00f067aa0ba902b7-01"),
        format!("00_{TRACE}_00f067aa0ba902b7_01"),
    ] {
        println!("{parent}");
        let mark = server.log().mark();
        traced(&server, &[&format!("traceparent: {parent}")]);
        for line in [failed(&server, mark), ended(&server, mark)] {
            assert!(line.get("trace_id").is_none_or(Value::is_null), "{line}");
        }
    }
    // Two of them contradict each other.
    let mark = server.log().mark();
    let parent = format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-01");
    traced(&server, &[&parent, &parent]);
    let line = ended(&server, mark);
    assert!(line.get("trace_id").is_none_or(Value::is_null), "{line}");
}

/// An exchange that fails, with these fields.
fn traced(server: &Server, fields: &[&str]) {
    let script = Script::new().open(quiet(Act::Trap));
    server.connect().exchange(request("GET", &script.target(), fields)).is_error(500);
}

#[track_caller]
fn ended(server: &Server, mark: usize) -> Value {
    let line = server.log().wait(mark, &["exchange ended"]);
    serde_json::from_str(&line).expect("a line of JSON")
}

#[track_caller]
fn failed(server: &Server, mark: usize) -> Value {
    let line = server.log().wait(mark, &["plugin failed"]);
    serde_json::from_str(&line).expect("a line of JSON")
}
