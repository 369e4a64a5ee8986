//! Bad heads: one clear answer, one line of text, and the connection closes.

use crate::harness::*;

#[test]
fn malformed_heads() {
    refused(
        400,
        &[
            "\0\r\n\r\n",
            "\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n",
            "GET\r\n\r\n",
            "GET /echo\r\n\r\n",
            "GET  /echo HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /echo HTTP/1.1 \r\nHost: a\r\n\r\n",
            "GET /ec ho HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET echo HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /echo HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
            "GET /echo HTTP/1.1\r\nHost: a\r\nName : value\r\n\r\n",
            "GET /echo HTTP/1.1\r\nHost: a\r\n: no name\r\n\r\n",
            "GET /echo HTTP/1.1\r\nHost: a\r\nName: a\r\n folded\r\n\r\n",
            "GET /echo HTTP/1.1\r\nHost: a\r\nName: a\0b\r\n\r\n",
            "GET /echo HTTP/1.1\r\nHost: a\r\nName: a\rb\r\n\r\n",
            "GET /echo HTTP/1.1\r\n\r\n",
            "GET /echo HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        ],
    );
}

#[test]
fn bad_framing() {
    let head = |fields: &str| format!("POST /echo HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
    let bad = [
        "Content-Length: abc",
        "Content-Length: -1",
        "Content-Length: +5",
        "Content-Length: 0x5",
        "Content-Length: 5 5",
        "Content-Length:",
        "Content-Length: 99999999999999999999999",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 6",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
    ];
    let heads: Vec<String> = bad.iter().map(|fields| head(fields)).collect();
    refused(400, &heads);
    let unknown = ["gzip", "identity", "gzip, chunked", "chunkedd"];
    let heads: Vec<String> =
        unknown.iter().map(|coding| head(&format!("Transfer-Encoding: {coding}"))).collect();
    refused(501, &heads);
    let old = "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    refused(400, &[old]);
}

#[test]
fn unsupported_versions() {
    refused(
        505,
        &[
            "GET /echo HTTP/2.0\r\nHost: a\r\n\r\n",
            "GET /echo HTTP/0.9\r\nHost: a\r\n\r\n",
            "GET /echo HTTP/3.7\r\nHost: a\r\n\r\n",
        ],
    );
}

#[test]
fn targets_and_heads_that_are_too_large() {
    let long = "a".repeat(17 * KIB);
    refused(414, &[format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n")]);
    let many: String = (0..101).map(|n| format!("X-{n}: a\r\n")).collect();
    let large = "a".repeat(33 * KIB);
    refused(
        431,
        &[
            format!("GET /echo HTTP/1.1\r\nHost: a\r\n{many}\r\n"),
            format!("GET /echo HTTP/1.1\r\nHost: a\r\nX-Large: {large}\r\n\r\n"),
            // Without an end: it must not be awaited.
            format!("GET /echo HTTP/1.1\r\nHost: a\r\nX-Large: {large}{large}"),
        ],
    );
}

#[test]
fn heads_that_are_just_small_enough() {
    let server = Server::of(&["show"]);
    let long = "a".repeat(15 * KIB);
    let target = format!("/show/{long}?:method");
    server.get(&target).is_clean(200, "GET");
    let fields: Vec<String> = (0..90).map(|n| format!("X-{n}: {n}")).collect();
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    let mut client = server.connect();
    client.exchange(request("GET", "/show?x-89", &fields)).is_clean(200, "89");
    let large = format!("X-Large: {}", "a".repeat(30 * KIB));
    let target = "/show?:method";
    client.exchange(request("GET", target, &[&large])).is_clean(200, "GET");
}

#[test]
fn a_refused_request_is_answered_only_once() {
    let server = Server::of(&["echo"]);
    let mut client = server.connect();
    let mut bytes = b"GET /echo HTTP/1.1\r\nno colon\r\n\r\n".to_vec();
    bytes.extend_from_slice(&request("GET", "/echo", &[]));
    client.exchange(bytes).is_error(400);
    client.is_closed();
}

#[test]
fn an_empty_line_before_a_request_is_skipped() {
    let server = Server::of(&["echo"]);
    let mut bytes = b"\r\n".to_vec();
    bytes.extend_from_slice(&request("GET", "/echo", &[]));
    server.connect().exchange(bytes).is_clean(200, "");
}

/// Each of them gets this status, `Connection: close`, and the end of the connection.
fn refused(status: u16, heads: &[impl AsRef<str>]) {
    let server = Server::of(&["echo"]);
    for head in heads {
        let head = head.as_ref();
        println!("{:?}", &head[..head.len().min(80)]);
        let mut client = server.connect();
        client.try_send(head);
        let answer = client.answer();
        answer.is_error(status);
        assert!(answer.head.says_close(), "{:?}", answer.head);
        client.is_closed();
    }
    server.post("/echo", b"still well").is_clean(200, "still well");
}
