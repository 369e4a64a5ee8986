//! What goes on while something else is suspended for long.

use crate::harness::*;

/// The ticker rests when no call has begun for 100 ms. One that was suspended for longer than that, in a sleep
/// or in `emit`, then went on with nobody to interrupt it: it could spin for ever.
#[test]
fn a_call_that_goes_on_after_a_long_sleep_is_still_interrupted() {
    let folder = Folder::new();
    folder.write("sleeper.wat", SLEEPER.as_bytes());
    let server = Server::serve(folder, &["--cpu-per-call", "50ms"]);
    let mut client = server.connect();
    client.send(request("GET", "/sleeper", &[]));
    let line = server.log().wait(0, &["plugin failed", "sleeper"]);
    assert!(line.contains("cpu per call"), "{line}");
}

/// After 64 KiB and more that a client does not read, so that `emit` waits.
#[test]
fn a_program_that_goes_on_after_a_long_emit_is_still_interrupted() {
    let page = "(call $write (i32.const 1) (i32.const 65536) (i32.const 65536))";
    let program = Program::new().repeat(128, |each| each.wat(page)).spin();
    let server = program.serve(&["--cpu-per-call", "50ms"]);
    let mut client = server.connect();
    client.send(request("GET", "/command", &[]));
    server.metric_eventually("wasmplex_exchanges_open", &[], 1.0);
    // Much longer than the ticker goes on without a call; a pause, and no race.
    std::thread::sleep(std::time::Duration::from_millis(400));
    client.head();
    let line = {
        let mut got = 0;
        while got < 8 * MIB {
            got += client.read(64 * KIB).len();
        }
        server.log().wait(0, &["plugin failed", "command"])
    };
    assert!(line.contains("cpu per call"), "{line}");
}

/// The first stage of a pipe watches the client for all. When it was done before the body was, and the client
/// then said that no more would come, nobody looked any more, and the others stayed for ever.
#[test]
fn a_pipe_whose_first_stage_is_done_notices_a_client_that_left() {
    let folder = Folder::new();
    folder.program("first", &Program::new().answer(5));
    folder.program("sleeper", &Program::new().sleep(3_600_000));
    let server = Server::serve(folder, ADMIN);
    let mut client = server.connect();
    client.send(request("POST", "/first+sleeper", &["Content-Length: 50"]));
    client.send("hello");
    client.half_close();
    client.vanish_before_reading("\r\n\r\n");
    server.metric_eventually("wasmplex_exchanges_open", &[], 0.0);
}

/// Sleeps for 400 ms in `on_open`, then spins.
const SLEEPER: &str = r#"
(module
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 4)
  (func (export "chunk_buffer") (param $cap i32) (result i32) (i32.const 65536))
  (func (export "on_chunk") (param $ptr i32) (param $len i32) (result i32) (i32.const 0))
  (func (export "on_open") (result i32)
    ;; One subscription at 128: tag 0 (clock), clock 1 (monotonic), relative timeout in ns.
    (i32.store offset=144 (i32.const 0) (i32.const 1))
    (i64.store offset=152 (i32.const 0) (i64.const 400000000))
    (drop (call $poll_oneoff (i32.const 128) (i32.const 256) (i32.const 1) (i32.const 320)))
    (loop $for_ever (br $for_ever))
    (i32.const 0)))
"#;
