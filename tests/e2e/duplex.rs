//! Rule 1 and the heart of it: the response runs while the request is still being written.

use crate::harness::*;

const ROUNDS: usize = 1000;

#[test]
fn the_head_leaves_before_any_byte_of_the_body() {
    let server = Server::of(&["rot13"]);
    let mut client = server.connect();
    client.send(request("POST", "/rot13", &[CHUNKED]));
    let head = client.head();
    assert_eq!((head.status, head.version.as_str()), (200, "HTTP/1.1"));
    assert_eq!(head.field("transfer-encoding"), Some("chunked"));
    assert_eq!(head.field("content-type"), Some("application/octet-stream"));
    client.send_last_chunk();
    assert_eq!(client.rest(), (vec![], Ending::Clean));
}

#[test]
fn a_thousand_rounds_in_lock_step_chunked() {
    let server = Server::of(&["rot13"]);
    let mut client = server.connect();
    client.send(request("POST", "/rot13", &[CHUNKED]));
    assert_eq!(client.head().status, 200);
    client.rot13_in_lock_step(ROUNDS);
}

#[test]
fn a_thousand_rounds_in_lock_step_with_a_length() {
    let server = Server::of(&["rot13"]);
    let mut client = server.connect();
    let total: usize = (0..ROUNDS).map(|round| letters(round).len()).sum();
    let length = format!("Content-Length: {total}");
    client.send(request("POST", "/rot13", &[&length]));
    assert_eq!(client.head().status, 200);
    for round in 0..ROUNDS {
        client.send(letters(round));
        client.expect(rot13(&letters(round)));
    }
    assert_eq!(client.rest(), (vec![], Ending::Clean));
}

#[test]
fn bytes_read_together_with_the_head_belong_to_the_body() {
    let server = Server::of(&["rot13"]);
    let mut client = server.connect();
    let mut bytes = request("POST", "/rot13", &["Content-Length: 10"]);
    bytes.extend_from_slice(b"Hello");
    client.send(bytes);
    assert_eq!(client.head().status, 200);
    client.expect("Uryyb");
    client.send(b"World");
    client.expect("Jbeyq");
    assert_eq!(client.rest(), (vec![], Ending::Clean));
}

#[test]
fn the_exports_are_called_in_order() {
    let server = Server::of(&["lifecycle"]);
    server.post("/lifecycle", b"x").is_clean(200, "siboce");
}

#[test]
fn a_request_without_a_body_opens_and_ends() {
    let server = Server::of(&["scripted"]);
    let script = Script::new().open(say(Act::GoOn)).chunk(say(Act::GoOn)).end(say(Act::GoOn));
    server.get(&script.target()).is_clean(200, "open;end;");
    server.post(&script.target(), b"").is_clean(200, "open;end;");
    let mut client = server.connect();
    let mut empty = request("POST", &script.target(), &[CHUNKED]);
    empty.extend_from_slice(LAST_CHUNK);
    client.exchange(empty).is_clean(200, "open;end;");
}

#[test]
fn an_on_chunk_without_a_result_goes_on() {
    let server = Server::of(&["no_result"]);
    let mut client = server.connect();
    client.send(request("POST", "/no_result", &[CHUNKED]));
    client.head();
    for round in 0..3 {
        client.send_chunk(letters(round));
        client.expect(letters(round));
    }
    client.send_last_chunk();
    assert_eq!(client.rest(), (vec![], Ending::Clean));
}

#[test]
fn a_finished_exchange_is_logged_as_clean() {
    let server = Server::of(&["rot13"]);
    server.post("/rot13", b"Hello").is_clean(200, "Uryyb");
    let line = server.log().wait(0, &["exchange ended", "rot13"]);
    assert!(line.contains("clean"), "{line}");
}
