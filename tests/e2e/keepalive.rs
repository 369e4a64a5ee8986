//! Rule 8: the connection stays, in step, and request after request is answered in order.

use crate::harness::*;

#[test]
fn many_exchanges_on_one_connection() {
    let server = Server::of(&["rot13"]);
    let mut client = server.connect();
    for round in 0..50 {
        let line = letters(round);
        let mut bytes = request("POST", "/rot13", &[CHUNKED]);
        bytes.extend_from_slice(&wire_chunk(&line));
        bytes.extend_from_slice(LAST_CHUNK);
        client.exchange(bytes).is_clean(200, rot13(&line));
        let length = format!("Content-Length: {}", line.len());
        client.send(request("POST", "/rot13", &[&length]));
        client.exchange(&line).is_clean(200, rot13(&line));
        client.exchange(request("GET", "/rot13", &[])).is_clean(200, "");
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Server::of(&["show"]);
    let paths: Vec<String> = (0..100).map(|n| format!("/show/{n}")).collect();
    let requests = paths.iter().map(|path| {
        let target = format!("{path}?:path");
        request("GET", &target, &[])
    });
    let mut client = server.connect();
    client.send(requests.collect::<Vec<_>>().concat());
    for path in paths {
        client.answer().is_clean(200, path);
    }
}

#[test]
fn pipelined_behind_a_duplex_exchange() {
    let server = Server::of(&["rot13", "show"]);
    let mut client = server.connect();
    client.send(request("POST", "/rot13", &[CHUNKED]));
    client.head();
    client.send_chunk("Hello");
    client.expect("Uryyb");
    let mut bytes = wire_chunk("World");
    bytes.extend_from_slice(LAST_CHUNK);
    bytes.extend_from_slice(&request("GET", "/show/two?:path", &[]));
    bytes.extend_from_slice(&request("POST", "/rot13", &["Content-Length: 5"]));
    bytes.extend_from_slice(b"Three");
    bytes.extend_from_slice(&request("GET", "/show/fo", &[])[..12]);
    client.send(bytes);
    client.expect("Jbeyq");
    assert_eq!(client.rest(), (vec![], Ending::Clean));
    client.answer().is_clean(200, "/show/two");
    client.answer().is_clean(200, "Guerr");
    client.send(&request("GET", "/show/four?:path", &[])[12..]);
    client.answer().is_clean(200, "/show/four");
}

#[test]
fn close_is_honoured() {
    let server = Server::of(&["echo"]);
    let mut client = server.connect();
    let mut bytes = request("POST", "/echo", &["Connection: close", "Content-Length: 5"]);
    bytes.extend_from_slice(b"Hello");
    let answer = client.exchange(bytes);
    answer.is_clean(200, "Hello");
    assert!(answer.head.says_close(), "{:?}", answer.head);
    client.is_closed();
}

#[test]
fn a_client_that_half_closes_gets_its_whole_answer() {
    let server = Server::of(&["rot13", "counter"]);
    let mut client = server.connect();
    client.send(request("POST", "/rot13", &["Content-Length: 5"]));
    client.send("Hello");
    client.send(request("GET", "/counter?16", &[]));
    client.half_close();
    client.answer().is_clean(200, "Uryyb");
    let answer = client.answer();
    assert_eq!((answer.body.len(), answer.ending), (MIB, Ending::Clean));
    client.is_closed();
}

#[test]
fn an_error_that_keeps_the_connection_keeps_it_in_step() {
    let server = Server::of(&["echo"]);
    let mut client = server.connect();
    let answer = client.exchange(request("GET", "/nosuch", &[]));
    answer.is_error(404);
    if !answer.head.says_close() {
        client.send(request("POST", "/echo", &["Content-Length: 5"]));
        client.exchange("Hello").is_clean(200, "Hello");
    }
}

#[test]
fn a_cut_closes_and_what_was_pipelined_is_not_answered() {
    let server = Server::of(&["scripted"]);
    let script = Script::new().chunk(say(Act::Trap));
    let mut bytes = request("POST", &script.target(), &["Content-Length: 5"]);
    bytes.extend_from_slice(b"Hello");
    bytes.extend_from_slice(&request("GET", "/scripted?a", &[]));
    let mut client = server.connect();
    client.exchange(bytes).is_cut("chunk;");
    client.is_closed();
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let server = Server::with(&["echo"], &["--keep-alive-timeout", "300ms"]);
    let mut client = server.connect();
    client.exchange(request("GET", "/echo", &[])).is_clean(200, "");
    client.is_closed();
}
