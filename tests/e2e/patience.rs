//! Time: what a slow client may stretch, and what not. A client's pace is part of these tests, so they
//! pause; what they wait for is always the effect itself.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::*;

/// The pause between two bytes of a slow client: several of them fit into any of the limits here.
const PAUSE: Duration = Duration::from_millis(20);

#[test]
fn a_byte_at_a_time_does_not_stretch_the_head_timeout() {
    let server = Server::with(&["echo"], &["--head-timeout", "300ms"]);
    let mut stream = connect(&server);
    // There is no end to this head within any deadline.
    let answer = trickle(&mut stream, b"GET /echo HTTP/1.1\r\nHost: a\r\nA: ", b'b');
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
}

#[test]
fn neither_does_it_stretch_the_keep_alive_timeout() {
    let flags = ["--head-timeout", "300ms", "--keep-alive-timeout", "300ms"];
    let server = Server::with(&["show"], &flags);
    let mut stream = connect(&server);
    let first = request("GET", "/show?:method", &[]);
    let answer = trickle(&mut stream, &[&first, &b"GET /"[..]].concat(), b'a');
    let (whole, late) = answer.split_once("0\r\n\r\n").expect("the answer to the first request");
    assert!(whole.starts_with("HTTP/1.1 200 "), "{whole}");
    assert!(late.starts_with("HTTP/1.1 408 "), "{late}");
}

#[test]
fn empty_lines_are_no_way_around_it() {
    let flags = ["--head-timeout", "300ms", "--keep-alive-timeout", "300ms"];
    let server = Server::with(&["show"], &flags);
    let mut stream = connect(&server);
    let first = request("GET", "/show?:method", &[]);
    let answer = trickle(&mut stream, &[&first, &b"\r\n\r\nG"[..]].concat(), b'E');
    assert!(answer.contains("HTTP/1.1 408 ") || answer.contains("HTTP/1.1 400 "), "{answer}");
}

#[test]
fn a_slow_body_goes_on_beyond_every_timeout_of_heads() {
    let flags = ["--head-timeout", "200ms", "--keep-alive-timeout", "200ms"];
    let server = Server::with(&["echo"], &flags);
    for framing in [CHUNKED, "Content-Length: 30"] {
        let mut client = server.connect();
        client.send(request("POST", "/echo", &[framing]));
        client.head();
        for _ in 0..30 {
            thread::sleep(PAUSE);
            let byte = if framing == CHUNKED { wire_chunk("a") } else { b"a".to_vec() };
            client.send(byte);
            client.expect("a");
        }
        if framing == CHUNKED {
            client.send_last_chunk();
        }
        assert_eq!(client.rest(), (vec![], Ending::Clean));
    }
}

#[test]
fn an_early_404_survives_an_upload() {
    let server = Server::of(&["echo"]);
    for framing in [CHUNKED, "Content-Length: 8388608"] {
        let mut client = server.connect();
        client.send(request("POST", "/nosuch", &[framing]));
        let block = if framing == CHUNKED { wire_chunk(noise(1, MIB)) } else { noise(1, MIB) };
        // All of it is sent before a byte is read.
        for _ in 0..8 {
            client.send(&block);
        }
        let answer = client.answer();
        answer.is_error(404);
        assert!(answer.head.says_close(), "{:?}", answer.head);
        client.is_closed();
    }
}

#[test]
fn a_431_survives_what_is_sent_behind_it() {
    let server = Server::of(&["echo"]);
    let mut client = server.connect();
    client.send(format!("GET /echo HTTP/1.1\r\nHost: a\r\nA: {}", "b".repeat(MIB)));
    let answer = client.answer();
    answer.is_error(431);
    client.is_closed();
}

#[test]
fn without_descriptors_the_host_backs_off_and_comes_back() {
    const DESCRIPTORS: usize = 64;
    let folder = Folder::of(&["echo"]);
    let serve = wasmplex(&["serve", "--listen", "127.0.0.1:0", "--plugins"]);
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -n {DESCRIPTORS} && exec \"$0\" \"$@\"")]);
    command.arg(serve.get_program()).args(serve.get_args()).arg(folder.path());
    for (name, value) in serve.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let server = Server::spawn(folder, &mut command);
    let mut first = server.open("/echo");
    let crowd: Vec<TcpStream> = (0..2 * DESCRIPTORS).map(|_| connect(&server)).collect();
    server.log().wait(0, &["cannot accept"]);
    // It neither burns the processor nor forgets those that it has.
    server.settle();
    first.send_chunk("Hello");
    first.expect("Hello");
    drop(crowd);
    server.get("/echo").is_clean(200, "");
    first.send_last_chunk();
    assert_eq!(first.rest(), (vec![], Ending::Clean));
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address()).expect("connect");
    stream.set_nodelay(true).expect("set nodelay");
    stream
}

/// Sends `start`, then `byte` again and again with a pause before each, until the server closes.
/// Returns all that it said.
#[track_caller]
fn trickle(stream: &mut TcpStream, start: &[u8], byte: u8) -> String {
    stream.set_read_timeout(Some(PAUSE)).expect("set the pause");
    stream.write_all(start).expect("send");
    let begun = Instant::now();
    let mut received = Vec::new();
    let mut piece = [0; 1024];
    while begun.elapsed() < DEADLINE {
        match stream.read(&mut piece) {
            Ok(0) => return String::from_utf8_lossy(&received).into_owned(),
            Ok(length) => received.extend_from_slice(&piece[..length]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                // The server may close while this is on its way.
                let _ = stream.write_all(&[byte]);
            }
            Err(error) => panic!("{error}, after {}", String::from_utf8_lossy(&received)),
        }
    }
    panic!("still open, after {}", String::from_utf8_lossy(&received));
}
