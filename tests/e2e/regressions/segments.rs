//! What has arrived may be framing alone.
//!
//! The host held its output back while input was there to be decoded: the plugin would answer it at
//! once, and both would leave in one write. But a size line, or a part of one, brings no byte for the
//! plugin, and then the host waited for the client with the response head still in its hand. A
//! client that waits for the head before it goes on waited for ever.

use crate::harness::*;

/// A size line, with an extension for more ways to tear it.
const SIZE_LINE: &[u8] = b"5;a=b\r\n";

#[test]
fn the_head_leaves_behind_any_part_of_a_size_line() {
    let server = Server::of(&["rot13"]);
    for here in 0..=SIZE_LINE.len() {
        let (now, later) = SIZE_LINE.split_at(here);
        let mut client = server.connect();
        client.send([&request("POST", "/rot13", &[CHUNKED]), now].concat());
        assert_eq!(client.head().status, 200, "after {here} bytes");
        client.send([later, b"hello\r\n"].concat());
        client.expect("uryyb");
        client.send_last_chunk();
        assert_eq!(client.rest(), (vec![], Ending::Clean));
    }
}

#[test]
fn so_does_the_100() {
    let server = Server::of(&["rot13"]);
    let mut client = server.connect();
    let head = request("POST", "/rot13", &[CHUNKED, "Expect: 100-continue"]);
    client.send([&head[..], b"5\r\n"].concat());
    // A body that is there already may make the 100 needless.
    let mut first = client.head();
    if first.status == 100 {
        first = client.head();
    }
    assert_eq!(first.status, 200);
    client.send("hello\r\n");
    client.expect("uryyb");
}

#[test]
fn so_does_the_response_before() {
    let server = Server::of(&["rot13"]);
    let first = [&request("POST", "/rot13", &["Content-Length: 5"])[..], b"hello"].concat();
    for framing in ["", "5", "5;a=b", "5\r\n"] {
        let mut client = server.connect();
        let second = request("POST", "/rot13", &[CHUNKED]);
        client.send([&first, &second, framing.as_bytes()].concat());
        client.answer().is_clean(200, "uryyb");
        assert_eq!(client.head().status, 200, "after {framing:?}");
    }
}
