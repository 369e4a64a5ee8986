//! `--max-buffered` and pipes.

use std::io::Write as _;
use std::thread;

use crate::harness::*;

/// Less than what a pipe of two stages holds on its way.
const LITTLE: &[&str] = &["--max-buffered", "100KiB"];

/// What waits between the stages of a pipe was taken for what waits for the client: a slow stage was
/// enough to cut clients that read all the time.
#[test]
fn a_slow_stage_is_no_client_that_does_not_read() {
    const BODY: usize = 400_000;
    let folder = Folder::of(&["echo"]);
    folder.write("nap.wat", NAP.as_bytes());
    let server = Server::serve(folder, &[LITTLE, FAR_LIMITS].concat());
    let address = server.address();
    thread::scope(|scope| {
        for number in 0..4 {
            scope.spawn(move || {
                let mut client = Client::connect(address);
                let mut sender = client.sender();
                let body = noise(number, BODY);
                let head = request("POST", "/echo+nap", &[&format!("Content-Length: {BODY}")]);
                let sent = [&head[..], &body].concat();
                // It fails when the exchange is cut, and then the answer tells.
                scope.spawn(move || sender.write_all(&sent));
                let answer = client.answer();
                assert_eq!((answer.body.len(), answer.ending), (BODY, Ending::Clean), "client {number}");
                assert!(answer.body == body, "client {number} has what it sent");
            });
        }
    });
}

/// The other way round, a pipe that was cut because its client does not read kept its connection, and
/// all that waited for it, until the write timeout.
#[test]
fn a_pipe_that_is_cut_gives_back_at_once_what_waited() {
    let server = Server::with(&["counter", "echo"], &[ADMIN, LITTLE, FAR_LIMITS].concat());
    let mut client = server.connect();
    client.send(request("GET", "/counter+echo+echo", &[]));
    let line = server.log().wait(0, &["exchange ended", "counter+echo+echo"]);
    assert!(line.contains("outcome=\"cut\""), "{line}");
    server.metric_eventually("wasmplex_connections_open", &[], 0.0);
    server.is_idle();
    assert_ne!(client.answer().ending, Ending::Clean);
}

/// Sleeps 100 ms over each chunk, and emits it.
const NAP: &str = r#"
(module
  (import "wasmplex" "emit" (func $emit (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff"
    (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (func (export "chunk_buffer") (param $cap i32) (result i32) (i32.const 65536))
  (func (export "on_chunk") (param $ptr i32) (param $len i32) (result i32)
    (i32.store offset=144 (i32.const 0) (i32.const 1))
    (i64.store offset=152 (i32.const 0) (i64.const 100000000))
    (drop (call $poll_oneoff (i32.const 128) (i32.const 256) (i32.const 1) (i32.const 320)))
    (call $emit (local.get $ptr) (local.get $len))))
"#;
