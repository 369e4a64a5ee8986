//! From a request to a WebSocket, or to a refusal.

use crate::harness::*;

fn with(line: &str, fields: &[&str]) -> Vec<u8> {
    let (method, target) = line.split_once(' ').expect("a method and a target");
    request(method, target, fields)
}

#[test]
fn a_good_one_is_accepted_on_any_route() {
    let server = Server::of(&["echo", "rot13"]);
    for target in ["/echo", "/echo/more?x=1", "/rot13+rot13"] {
        let mut socket = WebSocket::open(&server, target);
        assert_eq!(socket.head.field("wasmplex-exchange").map(str::len), Some(16));
        assert!(socket.head.field("date").is_some());
        socket.text("Hello");
        socket.expect_text("Hello");
        socket.say_goodbye();
    }
    let line = server.log().wait(0, &["exchange ended", "way=\"websocket\""]);
    assert!(line.contains("status=101") && line.contains("clean"), "{line}");
}

#[test]
fn names_and_tokens_are_in_any_case() {
    let server = Server::of(&["echo"]);
    let mut client = server.connect();
    client.send(
        "GET /echo HTTP/1.1\r\nhOST: x\r\ncONNECTION: keep-alive, uPGRADE\r\nuPGRADE: h2c, WebSocket\r\n\
         sec-websocket-VERSION: 13\r\nSEC-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    WebSocket::accepted(client).say_goodbye();
}

#[test]
fn frames_right_behind_the_head_are_heard() {
    let server = Server::of(&["rot13"]);
    let mut bytes = request("GET", "/rot13", &HANDSHAKE);
    bytes.extend(masked(0x81, "Hello"));
    bytes.extend(masked(0x88, ""));
    for cut in [0, 1, bytes.len() - 12, bytes.len() - 1] {
        let mut client = server.connect();
        client.send(&bytes[..cut]);
        client.send(&bytes[cut..]);
        let mut socket = WebSocket::accepted(client);
        socket.expect_text("Uryyb");
        assert_eq!(socket.closing().0, 1000);
        socket.client().is_closed();
    }
}

#[test]
fn what_is_no_handshake_is_refused() {
    let server = Server::of(&["echo"]);
    let [connection, upgrade, version, key] = HANDSHAKE;
    let good = [connection, upgrade, version, key];
    for (line, fields, status) in [
        ("POST /echo", good.to_vec(), 400),
        ("OPTIONS /echo", good.to_vec(), 400),
        ("GET /echo", [&good[..], &["Content-Length: 3"]].concat(), 400),
        ("GET /echo", [&good[..], &[CHUNKED]].concat(), 400),
        ("GET /echo", vec![connection, upgrade, version], 400),
        ("GET /echo", vec![connection, upgrade, version, key, key], 400),
        ("GET /echo", vec![connection, upgrade, version, "Sec-WebSocket-Key: c2hvcnQ="], 400),
        ("GET /echo", vec![connection, upgrade, version, "Sec-WebSocket-Key: !!!!"], 400),
        ("GET /nothing", good.to_vec(), 404),
        ("GET /echo", [&good[..], &["Origin: http://somebody.else"]].concat(), 403),
        ("GET /echo", [&good[..], &["Origin: null"]].concat(), 403),
        ("GET /echo", [&good[..], &["Origin: https://localhost:8443"]].concat(), 403),
    ] {
        println!("{line} {fields:?}");
        let mut client = server.connect();
        client.send(with(line, &fields));
        client.answer().is_error(status);
        client.is_closed();
    }
}

#[test]
fn another_version_is_told_the_right_one() {
    let server = Server::of(&["echo"]);
    let [connection, upgrade, _, key] = HANDSHAKE;
    for version in [&["Sec-WebSocket-Version: 8"][..], &["Sec-WebSocket-Version: 13, 8"], &[]] {
        let mut client = server.connect();
        client.send(request("GET", "/echo", &[&[connection, upgrade, key], version].concat()));
        let answer = client.answer();
        answer.is_error(426);
        assert_eq!(answer.head.field("sec-websocket-version"), Some("13"));
        assert_eq!(answer.head.field("upgrade"), Some("websocket"));
    }
}

#[test]
fn without_an_upgrade_it_is_an_ordinary_request() {
    let server = Server::of(&["echo"]);
    let [connection, upgrade, version, key] = HANDSHAKE;
    for fields in [vec![upgrade, version, key], vec![connection, version, key]] {
        server.connect().exchange(request("GET", "/echo", &fields)).is_clean(200, "");
    }
    let mut client = server.connect();
    client.send(format!("GET /echo HTTP/1.0\r\n{}\r\n\r\n", HANDSHAKE.join("\r\n")));
    assert_eq!(client.head().status, 200);
}

#[test]
fn pages_of_listed_origins_may_ask() {
    let flags = ["--websocket-origin", "https://Example.org", "--websocket-origin", "null"];
    let server = Server::with(&["echo"], &flags);
    for origin in ["https://example.org", "https://example.org:443", "null", "http://localhost"] {
        WebSocket::with(&server, "/echo", &[&format!("Origin: {origin}")]).say_goodbye();
    }
    for origin in ["http://example.org", "https://www.example.org", "https://example.org:8443"] {
        let origin = format!("Origin: {origin}");
        let fields = [&HANDSHAKE[..], &[&origin]].concat();
        server.connect().exchange(request("GET", "/echo", &fields)).is_error(403);
    }
    let server = Server::with(&["echo"], &["--websocket-origin", "*"]);
    WebSocket::with(&server, "/echo", &["Origin: http://somebody.else"]).say_goodbye();
}

#[test]
fn what_is_no_origin_is_no_flag() {
    for origin in ["example.org", "https://example.org/path", ""] {
        let mut command = wasmplex(&["serve", "--websocket-origin", origin]);
        let finished = Process::spawn(&mut command).finish();
        assert_eq!(finished.code, Some(2), "{}", finished.stderr);
        assert!(finished.stderr.contains("is not an origin"), "{}", finished.stderr);
    }
}

#[test]
fn a_plugin_that_rejects_gives_an_ordinary_answer() {
    let server = Server::of(&["scripted"]);
    for (act, status) in [(Act::Reject, 500), (Act::Forbid, 403), (Act::Trap, 500)] {
        let target = Script::new().open(quiet(act)).target();
        let mut client = server.connect();
        client.send(request("GET", &target, &HANDSHAKE));
        client.answer().is_error(status);
        client.is_closed();
    }
}

#[test]
fn a_head_is_not_held_from_a_client_that_waits_for_it() {
    let server = Server::of(&["scripted", "echo"]);
    for route in ["", "+echo", "+echo+echo"] {
        let target = Script::new().open(quiet(Act::Hold)).chunk(say(Act::GoOn)).target();
        let mut socket = WebSocket::open(&server, &target.replace('?', &format!("{route}?")));
        socket.text("x");
        socket.expect_text("chunk;");
        socket.say_goodbye();
    }
}

#[test]
fn fields_and_subprotocols_of_the_plugin() {
    let folder = Folder::of(&["echo"]);
    let fields = r#"{"response": {"x-served-by": "the manifest", "sec-websocket-protocol": "chat"}}"#;
    folder.write("echo.json", fields.as_bytes());
    let server = Server::serve(folder, &[]);
    for (offered, chosen) in [
        (None, None),
        (Some("other"), None),
        (Some("chat"), Some("chat")),
        (Some("other, chat"), Some("chat")),
    ] {
        let offer = offered.map(|offered| format!("Sec-WebSocket-Protocol: {offered}"));
        let socket = WebSocket::with(&server, "/echo", &offer.as_deref().into_iter().collect::<Vec<_>>());
        assert_eq!(socket.head.field("sec-websocket-protocol"), chosen, "{offered:?}");
        assert_eq!(socket.head.field("x-served-by"), Some("the manifest"));
        socket.say_goodbye();
    }
}

#[test]
fn extensions_are_not_spoken() {
    let server = Server::of(&["echo"]);
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits";
    WebSocket::with(&server, "/echo", &[offer]).say_goodbye();
}
