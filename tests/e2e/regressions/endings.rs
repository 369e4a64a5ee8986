//! An end that looked clean and was not, or that was told wrong.

use crate::harness::*;

/// A response of known length is whole for the client with its last byte. The host sent that byte
/// when the plugin emitted it, and what failed afterwards could not be said any more. Now the last
/// byte waits for the proper end.
#[test]
fn the_last_byte_of_a_known_length_waits_for_the_end() {
    let server = Server::of(&["five_bytes"]);
    let endings: [(&str, &str, &[u8]); 4] = [
        ("the plugin traps", "/five_bytes?t", LAST_CHUNK),
        ("the body is malformed", "/five_bytes", b"xyz\r\n"),
        ("the body ends too early", "/five_bytes", b""),
        ("the body ends inside a chunk", "/five_bytes", b"9\r\nno"),
    ];
    for (what, target, end) in endings {
        let mut client = server.connect();
        client.send([&request("POST", target, &[CHUNKED]), &wire_chunk("go")[..]].concat());
        assert_eq!(client.head().field("content-length"), Some("5"), "{what}");
        client.expect("hell"); // These need not wait.
        client.send(end);
        client.half_close();
        let (body, ending) = client.rest();
        assert!(body.is_empty() && ending != Ending::Clean, "{what}: {body:?}, {ending:?}");
    }
}

#[test]
fn a_known_length_that_ends_well_is_whole() {
    let server = Server::of(&["five_bytes"]);
    let mut client = server.connect();
    for _ in 0..3 {
        client.send([&request("POST", "/five_bytes", &[CHUNKED]), &wire_chunk("go")[..]].concat());
        assert_eq!(client.head().field("content-length"), Some("5"));
        client.expect("hell");
        client.send_last_chunk();
        assert_eq!(client.rest(), (b"o".to_vec(), Ending::Clean));
    }
    // All at once, and by HTTP/1.0.
    client.send(request("POST", "/five_bytes", &["Content-Length: 2"]));
    client.exchange("go").is_clean(200, "hello");
    let mut client = server.connect();
    client.send("POST /five_bytes HTTP/1.0\r\nContent-Length: 2\r\n\r\n");
    client.exchange("go").is_clean(200, "hello");
    // The body in the place of it.
    server.post("/five_bytes?p", b"world").is_clean(200, "world");
}

/// A plugin that passes a body on which is longer than it promised is wrong. The log told it as a
/// client that went away.
#[test]
fn passing_more_than_was_promised_is_the_plugins_failure() {
    let server = Server::of(&["five_bytes"]);
    let mut client = server.connect();
    client.send([&request("POST", "/five_bytes?p", &[CHUNKED]), &wire_chunk("ten bytes!")[..]].concat());
    client.send_last_chunk();
    let answer = client.answer();
    assert_eq!(answer.head.status, 200);
    assert_ne!(answer.ending, Ending::Clean, "{}", answer.text());
    server.log().wait(0, &["plugin failed", "five_bytes", "content-length"]);
    client.is_closed();
}

/// The end of the connection is the end of an HTTP/1.0 response. Exchanges that the drain timeout or
/// a second signal ended just lost their socket, which closed it cleanly: half a response looked
/// whole.
#[test]
fn an_http_1_0_response_that_a_shutdown_ends_is_reset() {
    let ticking = Script::new().open(quiet(Act::SetTimer)).timer(say(Act::SetTimer)).target();
    for (drain_timeout, signals) in [("200ms", 1), ("10m", 2)] {
        let mut server = Server::with(&["scripted"], &["--drain-timeout", drain_timeout]);
        let mut client = server.connect();
        client.send(format!("GET {ticking} HTTP/1.0\r\n\r\n"));
        assert_eq!(client.head().status, 200);
        client.expect("timer;");
        server.signal("TERM");
        if signals == 2 {
            server.wait_until_closed();
            server.signal("TERM");
        }
        assert_eq!(client.rest().1, Ending::Reset, "drain timeout {drain_timeout}");
        server.wait_for_exit();
    }
}

/// A field that was refused for its size had already removed the one of the same name.
#[test]
fn a_field_that_is_refused_leaves_the_earlier_one() {
    let server = Server::of(&["respond"]);
    let large = "x".repeat(17_000);
    let script = Reply::new().field("x-kept", "early").field("x-kept", large).results().script();
    let answer = server.post("/respond", &script);
    answer.is_clean(200, "+-");
    assert_eq!(answer.head.field("x-kept"), Some("early"));
}
