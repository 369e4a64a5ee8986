//! HTTP/1.0: close-delimited, and a reset is the only way to say that it did not end well.

use crate::harness::*;

#[test]
fn a_clean_end_is_the_end_of_the_connection() {
    let server = Server::of(&["rot13"]);
    let mut client = server.connect();
    client.send(old("/rot13", 5));
    let head = client.head();
    assert_eq!(head.status, 200);
    assert_eq!(head.field("transfer-encoding"), None);
    assert_eq!(head.field("content-length"), None);
    client.send("Hel");
    client.expect("Ury");
    client.send("lo");
    client.expect("yb");
    assert_eq!(client.rest(), (vec![], Ending::Clean));
}

#[test]
fn without_a_body() {
    let server = Server::of(&["show"]);
    let mut client = server.connect();
    let answer = client.exchange("GET /show?:version HTTP/1.0\r\n\r\n");
    assert_eq!((answer.head.status, answer.ending), (200, Ending::Clean));
    assert!(answer.text().ends_with("1.0"), "{}", answer.text());
}

#[test]
fn a_failure_resets() {
    let server = Server::of(&["scripted"]);
    let scripts =
        [(Script::new().chunk(say(Act::Trap)), "chunk;"), (Script::new().end(say(Act::Reject)), "end;")];
    for (script, body) in scripts {
        let mut client = server.connect();
        client.send(old(&script.target(), 5));
        client.head();
        client.send("Hello");
        client.expect(body);
        assert_eq!(client.rest(), (vec![], Ending::Reset));
    }
}

#[test]
fn an_incomplete_body_resets() {
    let server = Server::of(&["echo"]);
    let mut client = server.connect();
    client.send(old("/echo", 10));
    client.head();
    client.send("Hello");
    client.expect("Hello");
    client.half_close();
    assert_eq!(client.rest(), (vec![], Ending::Reset));
}

#[test]
fn a_failure_before_the_head_is_an_error_response() {
    let server = Server::of(&["scripted"]);
    let script = Script::new().open(quiet(Act::Trap));
    let mut client = server.connect();
    client.send(old(&script.target(), 5));
    client.exchange("Hello").is_error(500);
}

#[test]
fn an_early_finish_is_whole_while_the_upload_is_open() {
    let server = Server::of(&["scripted"]);
    let script = Script::new().chunk(say(Act::Finish));
    let mut client = server.connect();
    client.send(old(&script.target(), 1000));
    client.exchange("a start").is_clean(200, "chunk;");
}

/// The head of a POST by HTTP/1.0.
fn old(target: &str, length: usize) -> String {
    format!("POST {target} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n")
}
