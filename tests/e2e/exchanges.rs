//! Open exchanges one by one: `/exchanges`, and the id that response, log and list have in common.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::harness::*;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[test]
fn an_open_exchange_is_listed_with_all_that_is_known() {
    let server = Server::with(&["rot13", "echo"], ADMIN);
    let mut client = server.connect();
    let parent = format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-01");
    client.send(request("POST", "/rot13+echo/more", &[CHUNKED, &parent]));
    let id = id_of(&client.head());
    client.send_chunk("Hello");
    client.expect("Uryyb");
    let exchange = eventually("both directions", || {
        let exchange = server.admin_json("/exchanges")["exchanges"][0].clone();
        (exchange["sent"] == 5 && exchange["waiting"] == "input").then_some(exchange)
    });
    assert_eq!(exchange["id"].as_str(), Some(id.as_str()));
    assert_eq!(exchange["plugins"], json!(["rot13", "echo"]));
    let versions = json!([server.plugin("rot13")["version"], server.plugin("echo")["version"]]);
    assert_eq!(exchange["versions"], versions);
    assert_eq!((&exchange["method"], &exchange["path"]), (&json!("POST"), &json!("/rot13+echo/more")));
    assert_eq!((&exchange["received"], &exchange["waiting"]), (&json!(5), &json!("input")));
    assert_eq!(exchange["trace_id"], TRACE);
    assert!(exchange["peer"].as_str().is_some_and(|peer| peer.starts_with("127.0.0.1")), "{exchange}");
    assert!(exchange["age_s"].as_f64().is_some_and(|age| (0.0..60.0).contains(&age)), "{exchange}");
    client.send_last_chunk();
    client.rest();
    eventually("nothing", || {
        (server.admin_json("/exchanges") == json!({"open": 0, "exchanges": []})).then_some(())
    });
}

#[test]
fn what_an_exchange_waits_for() {
    let server = Server::with(&["echo", "counter", "scripted"], &[ADMIN, FAR_LIMITS].concat());
    let mut clients = Vec::new();
    for (target, waiting) in [
        ("/echo".to_owned(), "input"),
        ("/counter".to_owned(), "client"),
        (Script::new().open(say(Act::SleepAnHour)).target(), "plugin"),
        (Script::new().open(say(Act::Loop)).target(), "plugin"),
        (Script::new().open(say(Act::SetTimerInAnHour)).target(), "input"),
    ] {
        println!("{target}: {waiting}");
        clients.push(server.open(&target));
        let newest = clients.len() - 1;
        eventually(waiting, || {
            let exchange = server.admin_json("/exchanges")["exchanges"][newest].clone();
            (exchange["waiting"] == waiting).then_some(())
        });
    }
}

#[test]
fn the_oldest_come_first_and_only_so_many() {
    const OPEN: usize = 12;
    let server = Server::with(&["echo"], ADMIN);
    let mut ids = Vec::new();
    let mut clients = Vec::new();
    for _ in 0..OPEN {
        let mut client = server.connect();
        client.send(request("POST", "/echo", &[CHUNKED]));
        ids.push(id_of(&client.head()));
        clients.push(client);
    }
    for (query, shown) in [("", OPEN), ("?limit=5", 5), ("?limit=1", 1), ("?limit=100", OPEN)] {
        let listed = server.admin_json(&format!("/exchanges{query}"));
        assert_eq!(listed["open"], OPEN, "{query}");
        let exchanges = listed["exchanges"].as_array().expect("a list");
        let listed: Vec<_> = exchanges.iter().filter_map(|exchange| exchange["id"].as_str()).collect();
        assert_eq!(listed, ids[..shown], "{query}");
    }
}

#[test]
fn the_id_is_the_same_in_response_and_log() {
    let server = Server::with(&["logs", "scripted"], &[]);
    let answer = server.get("/logs");
    let id = id_of(&answer.head);
    for line in [["a warning sign", &id], ["written to stderr", &id], ["exchange ended", &id]] {
        let line = server.log().wait(0, &line);
        assert!(line.contains("exchange="), "{line}");
    }
    // The host's own answer to an exchange that was let in.
    let script = Script::new().open(quiet(Act::Trap));
    let answer = server.get(&script.target());
    answer.is_error(500);
    let id = id_of(&answer.head);
    server.log().wait(0, &["plugin failed", "exchange=", &id]);
    server.log().wait(0, &["exchange ended", "failed", "exchange=", &id]);
    let script = Script::new().open(quiet(Act::Hold));
    let mut client = server.connect();
    client.send(request("POST", &script.target(), &[CHUNKED]));
    let answer = client.exchange("xyz\r\n");
    answer.is_error(400);
    server.log().wait(0, &["exchange ended", "exchange=", &id_of(&answer.head)]);
}

#[test]
fn a_plugin_cannot_forge_the_id() {
    let server = Server::of(&["respond"]);
    let reply = Reply::new().field("wasmplex-exchange", "0000000000000000").emit("Hello");
    let answer = server.post("/respond", &reply.script());
    let id = id_of(&answer.head);
    assert_ne!(id, "0000000000000000");
    server.log().wait(0, &["exchange ended", &id]);
}

#[test]
fn ids_are_never_used_twice() {
    let mut ids = HashSet::new();
    for _ in 0..3 {
        let server = Server::of(&["echo"]);
        let mut client = server.connect();
        for _ in 0..50 {
            client.send(request("GET", "/echo", &[]));
            let answer = client.answer();
            assert!(ids.insert(id_of(&answer.head)), "{:?} again", answer.head);
        }
    }
}

#[test]
fn exchanges_that_end_badly_leave_the_list() {
    let server = Server::with(&["scripted", "echo"], ADMIN);
    for act in [Act::Trap, Act::Reject, Act::ExitWith3] {
        let script = Script::new().chunk(say(act));
        server.post(&script.target(), b"a body").is_cut("chunk;");
    }
    let client = server.open("/echo");
    drop(client);
    let mut broken = server.open("/echo");
    broken.send("xyz\r\n");
    assert_ne!(broken.rest().1, Ending::Clean);
    eventually("nothing", || (server.admin_json("/exchanges")["open"] == 0).then_some(()));
    assert_eq!(server.admin_json("/exchanges")["exchanges"], Value::Array(vec![]));
}

/// The id of the response's exchange.
#[track_caller]
fn id_of(head: &Head) -> String {
    let id = head.field("wasmplex-exchange").expect("an id").to_owned();
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    assert!(id.len() == 16 && id.bytes().all(is_digit), "{id}");
    id
}
