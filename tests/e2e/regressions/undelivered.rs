//! A response is over when it is delivered, and not when the plugin is done with it.
//!
//! The end of the connection is the end of an HTTP/1.0 response. When the plugin had ended well, the
//! exchange was clean for the host, although its last bytes still waited for the client. A client that
//! did not take them before a timeout then got the end of the connection instead of them: less than
//! the plugin had sent, and no way to tell.

use crate::harness::*;

/// Emits 8 KiB for each byte of the body, and 32 KiB at its end: the host takes twice as much.
const SWELL: &str = r#"
(module
  (import "wasmplex" "emit" (func $emit (param i32 i32) (result i32)))
  (memory (export "memory") 3)
  (func (export "chunk_buffer") (param $cap i32) (result i32) (i32.const 65536))
  (func (export "on_chunk") (param $ptr i32) (param $len i32) (result i32)
    (loop $byte
      (drop (call $emit (i32.const 131072) (i32.const 8192)))
      (local.set $len (i32.sub (local.get $len) (i32.const 1)))
      (br_if $byte (local.get $len)))
    (i32.const 0))
  (func (export "on_end") (result i32) (call $emit (i32.const 131072) (i32.const 32768))))
"#;

/// What is emitted for a byte, and at the end.
const PIECE: usize = 8 * KIB;
const END: usize = 32 * KIB;

/// More bytes of the body than would fill the sockets with the response.
const MANY: usize = 4000;

#[test]
fn an_http_1_0_response_that_the_client_does_not_take_is_reset() {
    let server = swelling(&["--write-timeout", "3s"]);
    let mut tail = all_but_taken(&server);
    server.metric_eventually("wasmplex_connections_open", &[], 0.0);
    let line = server.log().wait(0, &["exchange ended", &tail.path]);
    assert!(!line.contains("outcome=\"clean\""), "{line}");
    assert_eq!(tail.client.answer().ending, Ending::Reset);
}

#[test]
fn so_is_one_that_the_drain_timeout_ends() {
    let mut server = swelling(&["--write-timeout", "10m", "--drain-timeout", "300ms"]);
    let mut tail = all_but_taken(&server);
    server.signal("TERM");
    server.wait_for_exit();
    server.log().wait(0, &["drain timeout", "cut=1"]);
    let line = server.log().wait(0, &["exchange ended", &tail.path]);
    assert!(line.contains("outcome=\"cut\""), "{line}");
    assert_eq!(tail.client.answer().ending, Ending::Reset);
}

/// The log told the end before there was one.
#[test]
fn one_that_is_taken_late_is_whole_and_not_over_before() {
    let server = swelling(&["--write-timeout", "10m"]);
    let mut tail = all_but_taken(&server);
    assert_eq!(server.log().count(0, &["exchange ended", &tail.path]), 0);
    let answer = tail.client.answer();
    assert_eq!((answer.body.len(), answer.ending), (tail.emitted, Ending::Clean));
    let line = server.log().wait(0, &["exchange ended", &tail.path]);
    assert!(line.contains("outcome=\"clean\""), "{line}");
}

/// Exchanges that were open at the end of the drain left no line in the log.
#[test]
fn what_the_drain_timeout_cuts_has_its_line_in_the_log() {
    let mut server = Server::with(&["echo", "rot13"], &["--drain-timeout", "300ms"]);
    let (_first, _second) = (server.open("/echo/first"), server.open("/rot13+echo/second"));
    server.signal("TERM");
    server.wait_for_exit();
    for path in ["/echo/first", "/rot13+echo/second"] {
        let line = server.log().wait(0, &["exchange ended", &format!("path=\"{path}\"")]);
        assert!(line.contains("outcome=\"cut\""), "{line}");
        assert_eq!(server.log().count(0, &["exchange ended", path]), 1);
    }
    server.log().wait(0, &["drain timeout"]);
}

#[track_caller]
fn swelling(flags: &[&str]) -> Server {
    let folder = Folder::new();
    folder.write("swell.wat", SWELL.as_bytes());
    Server::serve(folder, &[ADMIN, flags].concat())
}

/// An exchange by HTTP/1.0 whose plugin has ended: the sockets are full with its response, and the
/// last bytes of that still wait in the host.
struct Tail {
    client: Client,
    path: String,
    emitted: usize,
}

#[track_caller]
fn all_but_taken(server: &Server) -> Tail {
    let mut len = MANY;
    // The first round finds out what the sockets hold. The next pair of them holds about the same, and
    // not always: the end must fit into the host, but not into them.
    for _ in 0..20 {
        let (mut client, path) = swell(server, len);
        let before = emitted(server);
        let full = (1..len).find(|_| {
            push(server, &mut client);
            waits(server)
        });
        if let Some(full) = full {
            len = full;
        } else {
            client.send("x");
            eventually("the plugin's end", || (emitted(server) - before == len * PIECE + END).then_some(()));
            server.settle();
            if waits(server) {
                return Tail { client, path: format!("path=\"{path}\""), emitted: len * PIECE + END };
            }
            len += 2;
        }
        drop(client);
        server.metric_eventually("wasmplex_connections_open", &[], 0.0);
    }
    panic!("there is no telling what the sockets hold: {len} times {PIECE} bytes, or not");
}

/// An exchange with a body of so many bytes, and its path.
#[track_caller]
fn swell(server: &Server, len: usize) -> (Client, String) {
    let (mut client, path) = (server.connect(), format!("/swell/{len}"));
    client.send(format!("POST {path} HTTP/1.0\r\nContent-Length: {len}\r\n\r\n"));
    (client, path)
}

/// Sends one byte more, and waits until the plugin has emitted for it.
#[track_caller]
fn push(server: &Server, client: &mut Client) {
    let before = emitted(server);
    client.send("x");
    eventually("what is emitted for a byte", || (emitted(server) > before).then_some(()));
}

#[track_caller]
fn emitted(server: &Server) -> usize {
    server.metric("wasmplex_sent_bytes_total", &[("plugin", "swell")]) as usize
}

/// Whether the host holds bytes that the client does not take.
#[track_caller]
fn waits(server: &Server) -> bool {
    let some = || server.metric("wasmplex_buffered_bytes", &[]) > 0.0;
    some() && {
        server.settle();
        some()
    }
}
