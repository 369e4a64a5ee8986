//! Who is upgraded to raw bytes, and who is not.

use crate::harness::*;

#[test]
fn a_body_is_refused() {
    let server = Server::of(&["rot13"]);
    for framing in [CHUNKED, "Content-Length: 5"] {
        let mut client = server.connect();
        client.send(request("POST", "/rot13", &[UPGRADE[0], UPGRADE[1], framing]));
        let answer = client.answer();
        answer.is_error(400);
        assert!(answer.head.says_close(), "{framing}: {:?}", answer.head);
        client.half_close();
        client.is_closed();
    }
    let mut client = server.connect();
    client.send(request("GET", "/rot13", &[UPGRADE[0], UPGRADE[1], "Content-Length: 0"]));
    assert_eq!(client.head().status, 101);
}

#[test]
fn other_protocols_and_loose_fields_are_ignored() {
    let server = Server::of(&["rot13"]);
    let ignored: [&[&str]; 7] = [
        &["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"],
        &["Connection: Upgrade", "Upgrade: TLS/1.2"],
        &["Connection: Upgrade", "Upgrade: wasmplex/2"],
        &["Connection: Upgrade", "Upgrade: wasmplexes, xwasmplex"],
        &["Connection: Upgrade"],
        &["Upgrade: wasmplex"],
        &["Connection: keep-alive", "Upgrade: wasmplex"],
    ];
    let mut client = server.connect();
    for fields in ignored {
        println!("{fields:?}");
        client.send(request("POST", "/rot13", &[fields, &["Content-Length: 5"]].concat()));
        client.exchange("Hello").is_clean(200, "Uryyb");
    }
}

#[test]
fn http_1_0_is_not_upgraded() {
    let server = Server::of(&["rot13"]);
    let mut client = server.connect();
    client.send(
        "POST /rot13 HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: wasmplex\r\nContent-Length: 5\r\n\r\n",
    );
    let answer = client.exchange("Hello");
    answer.is_clean(200, "Uryyb");
    assert_eq!(answer.head.field("upgrade"), None);
}

#[test]
fn lists_of_tokens_in_any_case() {
    let server = Server::of(&["rot13"]);
    let asked: [&[&str]; 6] = [
        &["connection: upgrade", "upgrade: WASMPLEX"],
        &["Connection: keep-alive, Upgrade", "Upgrade: wasmplex"],
        &["Connection: keep-alive", "Connection: UPGRADE", "Upgrade: wasmplex"],
        &["Connection: Upgrade", "Upgrade: h2c, wasmplex"],
        &["Connection: Upgrade", "Upgrade: h2c", "Upgrade: Wasmplex"],
        &["Connection: ,\t, upgrade ,", "Upgrade: , ,wasmplex\t,"],
    ];
    for fields in asked {
        println!("{fields:?}");
        let mut client = server.connect();
        client.send(request("GET", "/rot13", fields));
        let head = client.head();
        assert_eq!((head.status, head.field("upgrade")), (101, Some("wasmplex")));
        client.raw().rot13_in_raw_lock_step(3);
    }
}

#[test]
fn methods_are_as_for_any_request() {
    let folder = Folder::of(&["show"]);
    folder.copy(&fixture("rot13"));
    folder.write("rot13.json", br#"{"methods": ["POST"]}"#);
    let server = Server::serve(folder, &[]);
    let mut client = server.connect();
    client.send(request("GET", "/rot13", &UPGRADE));
    let answer = client.answer();
    answer.is_error(405);
    assert_eq!(answer.head.field("allow"), Some("POST"));
    assert!(answer.head.says_close(), "{:?}", answer.head);
    let mut client = server.connect();
    client.send(request("POST", "/rot13", &UPGRADE));
    assert_eq!(client.head().status, 101);
    client.raw().rot13_in_raw_lock_step(3);
    for method in ["GET", "PUT", "OPTIONS"] {
        let mut client = server.connect();
        client.send(request(method, "/show?:method", &UPGRADE));
        assert_eq!(client.head().status, 101);
        assert_eq!(client.raw().rest(), (method.as_bytes().to_vec(), Ending::Clean));
    }
}

#[test]
fn no_such_plugin_and_no_room() {
    let server = Server::with(&["rot13"], &["--max-exchanges", "1"]);
    let mut client = server.connect();
    client.send(request("GET", "/nobody", &UPGRADE));
    let answer = client.answer();
    answer.is_error(404);
    assert!(answer.head.says_close(), "{:?}", answer.head);
    let mut first = server.upgrade("/rot13");
    let mut second = server.connect();
    second.send(request("GET", "/rot13", &UPGRADE));
    let answer = second.answer();
    answer.is_error(503);
    assert!(answer.head.field("retry-after").is_some());
    first.rot13_in_raw_lock_step(3);
}
