//! The server's own limits.

use crate::harness::*;

#[test]
fn the_most_exchanges_at_once() {
    let server = Server::with(&["echo"], &["--max-exchanges", "2"]);
    let mut open: Vec<Client> = (0..2)
        .map(|_| {
            let mut client = server.connect();
            client.send(request("POST", "/echo", &[CHUNKED]));
            assert_eq!(client.head().status, 200);
            client
        })
        .collect();
    for _ in 0..3 {
        let answer = server.get("/echo");
        answer.is_error(503);
        let after = answer.head.field("retry-after").expect("Retry-After");
        after.parse::<u32>().expect("a number of seconds");
    }
    for client in &mut open {
        client.send_chunk("still well");
        client.expect("still well");
    }
    let mut first = open.remove(0);
    first.send_last_chunk();
    assert_eq!(first.rest(), (vec![], Ending::Clean));
    eventually("a place for another exchange", || (server.get("/echo").head.status == 200).then_some(()));
}

#[test]
fn a_head_that_takes_too_long() {
    let server = Server::with(&["echo"], &["--head-timeout", "500ms"]);
    let mut client = server.connect();
    client.send("GET /echo HTTP/1.1\r\nHost:");
    let answer = client.answer();
    answer.is_error(408);
    assert!(answer.head.says_close(), "{:?}", answer.head);
    client.is_closed();
}

#[test]
fn the_head_timeout_does_not_reach_into_the_body() {
    let server = Server::with(&["scripted"], &["--head-timeout", "200ms"]);
    // The timer is set again and again: the body is silent for more than twice the timeout.
    let script = Script::new().open(quiet(Act::SetTimer)).timer(say(Act::SetTimer));
    let mut client = server.connect();
    client.send(request("POST", &script.target(), &[CHUNKED]));
    client.head();
    client.expect("timer;".repeat(100));
    client.send_last_chunk();
    assert_eq!(client.rest().1, Ending::Clean);
}

#[test]
fn a_client_that_does_not_read_for_too_long() {
    let server = Server::with(&["counter"], &["--write-timeout", "500ms"]);
    let mut client = server.connect();
    client.send(request("GET", "/counter", &[]));
    client.head();
    let line = server.log().wait(0, &["exchange ended", "counter"]);
    assert!(!line.contains("clean"), "{line}");
    assert_ne!(client.rest().1, Ending::Clean);
}

#[test]
fn every_way_to_end_gives_the_place_back() {
    let server = Server::with(&["scripted"], &["--max-exchanges", "2"]);
    let ways = [
        Script::new().open(quiet(Act::Trap)),
        Script::new().open(quiet(Act::Finish)),
        Script::new().open(quiet(Act::Pass)),
        Script::new().chunk(say(Act::Reject)),
        Script::new().end(say(Act::ExitWith3)),
        Script::new().end(say(Act::SetTimer)),
    ];
    for script in ways.iter().cycle().take(30) {
        ends(&server, &script.target());
    }
    // And the clients' own way.
    let script = Script::new().chunk(say(Act::GoOn)).target();
    for _ in 0..5 {
        let mark = server.log().mark();
        let mut client = server.connect();
        client.send(request("POST", &script, &[CHUNKED]));
        client.send_chunk("a chunk");
        client.vanish_before_reading("chunk;");
        server.log().wait(mark, &["exchange ended", "scripted"]);
    }
    ends(&server, &script);
}

/// An exchange is let in and comes to its end.
fn ends(server: &Server, target: &str) {
    let mark = server.log().mark();
    let answer = server.post(target, b"a body");
    assert_ne!(answer.head.status, 503, "{target}");
    server.log().wait(mark, &["exchange ended", "scripted"]);
}
