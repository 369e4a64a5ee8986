//! `Expect: 100-continue`.

use crate::harness::*;

const EXPECT: &str = "Expect: 100-continue";

#[test]
fn the_100_comes_first() {
    let server = Server::of(&["rot13"]);
    let mut client = server.connect();
    for expect in [EXPECT, "expect: 100-Continue"] {
        client.send(request("POST", "/rot13", &["Content-Length: 5", expect]));
        assert_eq!(client.head_without_body().status, 100);
        assert_eq!(client.head().status, 200);
        client.send("Hello");
        assert_eq!(client.rest(), (b"Uryyb".to_vec(), Ending::Clean));
    }
}

#[test]
fn in_lock_step_behind_the_100() {
    let server = Server::of(&["rot13"]);
    let mut client = server.connect();
    client.send(request("POST", "/rot13", &[CHUNKED, EXPECT]));
    assert_eq!(client.head_without_body().status, 100);
    assert_eq!(client.head().status, 200);
    for round in 0..10 {
        client.send_chunk(letters(round));
        client.expect(rot13(&letters(round)));
    }
    client.send_last_chunk();
    assert_eq!(client.rest(), (vec![], Ending::Clean));
}

#[test]
fn a_held_head_does_not_hold_the_100() {
    let server = Server::of(&["respond"]);
    let script = Reply::new().status(201).emit("made").script();
    let length = format!("Content-Length: {}", script.len());
    let mut client = server.connect();
    client.send(request("POST", "/respond", &[&length, EXPECT]));
    assert_eq!(client.head_without_body().status, 100);
    client.exchange(script).is_clean(201, "made");
}

#[test]
fn an_error_comes_instead_of_the_100() {
    let server = Server::of(&["echo"]);
    let mut client = server.connect();
    client.send(request("POST", "/nosuch", &["Content-Length: 5", EXPECT]));
    client.answer().is_error(404);
}

#[test]
fn http_1_0_does_not_know_it() {
    let server = Server::of(&["rot13"]);
    let mut client = server.connect();
    client.send("POST /rot13 HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(client.head().status, 200);
    client.send("Hello");
    assert_eq!(client.rest(), (b"Uryyb".to_vec(), Ending::Clean));
}

#[test]
fn an_unknown_expectation_fails() {
    let server = Server::of(&["echo"]);
    let mut client = server.connect();
    client.send(request("POST", "/echo", &["Content-Length: 5", "Expect: more"]));
    client.answer().is_error(417);
}
