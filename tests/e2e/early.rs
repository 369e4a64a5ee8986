//! Rule 7: a plugin that finishes early; the client gets every byte, upload or not.

use std::io::Write;
use std::thread;

use crate::harness::*;

#[test]
fn the_answer_ends_while_the_upload_is_open() {
    let server = Server::of(&["scripted"]);
    let scripts = [
        (Script::new().open(say(Act::Finish)), "open;"),
        (Script::new().chunk(say(Act::Finish)), "chunk;"),
        (Script::new().open(quiet(Act::SetTimer)).timer(say(Act::Finish)), "timer;"),
    ];
    for (script, body) in scripts {
        let mut client = server.connect();
        client.send(request("POST", &script.target(), &[CHUNKED]));
        if body == "chunk;" {
            client.send_chunk("a chunk");
        }
        client.answer().is_clean(200, body);
    }
}

#[test]
fn the_connection_lives_on_when_the_rest_is_short() {
    let server = Server::of(&["scripted", "rot13"]);
    let script = Script::new().chunk(say(Act::Finish));
    let mut client = server.connect();
    client.send(request("POST", &script.target(), &[CHUNKED]));
    client.send_chunk("a first chunk");
    client.answer().is_clean(200, "chunk;");
    client.send_chunk("a rest that nobody wants");
    client.send_last_chunk();
    client.send(request("POST", "/rot13", &["Content-Length: 5"]));
    client.exchange("Hello").is_clean(200, "Uryyb");
}

#[test]
fn a_body_that_is_there_already_is_skipped() {
    let server = Server::of(&["scripted", "rot13"]);
    let script = Script::new().open(say(Act::Finish));
    let mut bytes = request("POST", &script.target(), &["Content-Length: 5"]);
    bytes.extend_from_slice(b"Hello");
    bytes.extend_from_slice(&request("GET", "/rot13", &[]));
    let mut client = server.connect();
    client.exchange(bytes).is_clean(200, "open;");
    client.answer().is_clean(200, "");
}

#[test]
fn a_long_upload_does_not_eat_a_long_answer() {
    const EMITS: usize = 256;
    const EMIT: usize = 64 * KIB;
    let server = Server::with(&["counter"], &[FAR_LIMITS, &["--spool", "0"]].concat());
    let mut client = server.connect();
    let length = format!("Content-Length: {}", 1024 * MIB);
    client.send(request("POST", &format!("/counter?{EMITS}"), &[&length]));
    assert_eq!(client.head().status, 200);
    // Nobody reads until the server has all that the sockets can hold, of both directions.
    let mut sender = client.sender();
    let upload = thread::spawn(move || {
        let block = noise(1, MIB);
        // The server may stop it at any time: that is its right once the answer is complete.
        while sender.write_all(&block).is_ok() {}
    });
    server.settle();
    let (body, ending) = client.rest();
    assert_eq!((body.len(), ending), (EMITS * EMIT, Ending::Clean));
    let last = body.last_chunk().map(|last| u64::from_le_bytes(*last));
    assert_eq!(last, Some((EMITS * EMIT / 8 - 1) as u64));
    client.shut();
    upload.join().expect("the upload ends");
}

#[test]
fn a_finished_plugin_is_not_called_again() {
    let server = Server::of(&["scripted"]);
    let script = Script::new().open(say(Act::Finish)).chunk(say(Act::GoOn)).end(say(Act::GoOn));
    server.post(&script.target(), b"a body").is_clean(200, "open;");
    server.get(&script.target()).is_clean(200, "open;");
}
