//! What a plugin may say in the head, and the promises that follow from it.

use crate::harness::*;

#[test]
fn status_and_fields_are_sent() {
    let server = Server::of(&["respond"]);
    let answer = server.post(
        "/respond",
        &Reply::new()
            .status(418)
            .field("X-One", "first")
            .field("Content-Type", "text/plain; charset=utf-8")
            .emit("short and stout")
            .script(),
    );
    answer.is_clean(418, "short and stout");
    assert_eq!(answer.head.field("x-one"), Some("first"));
    let kind = answer.head.field("content-type");
    assert_eq!(kind, Some("text/plain; charset=utf-8"));
}

#[test]
fn a_field_replaces_but_cookies_add_up() {
    let server = Server::of(&["respond"]);
    let answer = server.post(
        "/respond",
        &Reply::new()
            .field("X-One", "first")
            .field("x-one", "second")
            .field("Set-Cookie", "a=1")
            .field("set-cookie", "b=2")
            .results()
            .script(),
    );
    answer.is_clean(200, "++++");
    assert_eq!(answer.head.field("x-one"), Some("second"));
    assert_eq!(answer.head.all("set-cookie"), ["a=1", "b=2"]);
}

#[test]
fn codes_outside_of_200_to_599_are_refused() {
    let server = Server::of(&["respond"]);
    let mut reply = Reply::new();
    for code in [-1, 0, 99, 100, 101, 199, 600, 1000, i32::MAX, i32::MIN] {
        reply = reply.status(code);
    }
    let reply = reply.status(200).status(599).status(299).results();
    let answer = server.post("/respond", &reply.script());
    answer.is_clean(299, "----------+++");
}

#[test]
fn invalid_fields_are_refused() {
    let server = Server::of(&["respond"]);
    let invalid: [(&[u8], &[u8]); 14] = [
        (b"x-cr", b"a\rb"),
        (b"x-lf", b"a\nb"),
        (b"x-crlf", b"a\r\nX-Smuggled: yes"),
        (b"x-nul", b"a\0b"),
        (b"x\r\ny", b"a"),
        (b"x\0y", b"a"),
        (b"x y", b"a"),
        (b"x:y", b"a"),
        (b"", b"a"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Connection", b"close"),
        (b"content-length", b"abc"),
        (b"content-length", b"-5"),
        (b"content-length", b""),
    ];
    for (name, value) in invalid {
        println!("{:?}", String::from_utf8_lossy(name));
        let reply = Reply::new().field(name, value).results();
        let answer = server.post("/respond", &reply.script());
        answer.is_clean(200, "-");
        assert_eq!(answer.head.field("x-smuggled"), None);
    }
}

#[test]
fn nothing_can_be_said_after_the_head() {
    let server = Server::of(&["respond"]);
    let reply = Reply::new().emit("out;").status(404).field("X-One", "a");
    let answer = server.post("/respond", &reply.results().script());
    answer.is_clean(200, "out;+--");
    assert_eq!(answer.head.field("x-one"), None);
}

#[test]
fn a_content_length_is_kept() {
    let server = Server::of(&["respond"]);
    let reply = Reply::new().field("Content-Length", "10");
    let script = reply.emit("01234").emit("56789").script();
    let mut client = server.connect();
    for _ in 0..2 {
        let answer = client.exchange(post(&script));
        answer.is_clean(200, "0123456789");
        assert_eq!(answer.head.field("content-length"), Some("10"));
        assert_eq!(answer.head.field("transfer-encoding"), None);
    }
}

#[test]
fn more_than_the_content_length_fails() {
    let server = Server::of(&["respond"]);
    for reply in [
        Reply::new().field("Content-Length", "5").emit("0123456789"),
        Reply::new().field("Content-Length", "5").emit("01234").emit("5"),
    ] {
        let mark = server.log().mark();
        let mut client = server.connect();
        client.send(post(&reply.script()));
        let head = client.head_without_body();
        assert_eq!(head.field("content-length"), Some("5"));
        let surplus = client.everything();
        assert!(b"01234".starts_with(&surplus), "at most what was promised");
        server.log().wait(mark, &["plugin failed", "respond"]);
    }
}

#[test]
fn less_than_the_content_length_is_not_a_clean_end() {
    let server = Server::of(&["respond"]);
    let reply = Reply::new().field("Content-Length", "5").emit("012");
    server.post("/respond", &reply.script()).is_cut("012");
    server.log().wait(0, &["plugin failed", "respond"]);
}

#[test]
fn answers_without_a_body_have_none_and_stay_in_step() {
    let server = Server::of(&["respond"]);
    let mut client = server.connect();
    for status in [204, 304] {
        let reply = Reply::new().status(status);
        let answer = client.exchange(post(&reply.script()));
        answer.is_clean(status as u16, "");
        assert_eq!(answer.head.field("transfer-encoding"), None);
        if status == 204 {
            assert_eq!(answer.head.field("content-length"), None);
        }
    }
    let reply = Reply::new().emit("in step");
    client.exchange(post(&reply.script())).is_clean(200, "in step");
}

#[test]
fn an_answer_to_head_has_no_body_and_stays_in_step() {
    let server = Server::of(&["show", "rot13"]);
    let mut client = server.connect();
    client.send(request("HEAD", "/show?:method", &[]));
    assert_eq!(client.head_without_body().status, 200);
    client.send(request("HEAD", "/rot13", &["Content-Length: 5"]));
    client.send("Hello");
    assert_eq!(client.head_without_body().status, 200);
    client.exchange(request("GET", "/show?:method", &[])).is_clean(200, "GET");
}

#[test]
fn a_content_length_holds_for_head_too() {
    let server = Server::of(&["respond"]);
    let script = Reply::new().field("Content-Length", "5").emit("Hello").script();
    let length = format!("Content-Length: {}", script.len());
    let mut client = server.connect();
    client.send(request("HEAD", "/respond", &[&length]));
    client.send(&script);
    let head = client.head_without_body();
    assert_eq!((head.status, head.field("content-length")), (200, Some("5")));
    client.exchange(post(&script)).is_clean(200, "Hello");
}

#[test]
fn what_is_emitted_where_no_body_may_be_never_leaves() {
    let server = Server::of(&["respond"]);
    for status in [204, 304] {
        let script = Reply::new().status(status).emit("a body").script();
        let mut client = server.connect();
        client.send(post(&script));
        client.half_close();
        assert_eq!(i32::from(client.head_without_body().status), status);
        let more = client.everything();
        assert!(more.is_empty(), "{:?}", String::from_utf8_lossy(&more));
    }
}

/// A POST to `respond`.
fn post(script: &[u8]) -> Vec<u8> {
    let length = format!("Content-Length: {}", script.len());
    let mut bytes = request("POST", "/respond", &[&length]);
    bytes.extend_from_slice(script);
    bytes
}
