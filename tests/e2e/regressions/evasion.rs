//! Limits that could be evaded.
//!
//! CPU is charged at the beats of a ticker. A call that is suspended has another begin when it goes on,
//! so that one which was suspended before each beat was never charged: it had a processor for as long
//! as its wall time, or, in `emit`, which does not count as that, until a beat met it by chance.

use crate::harness::*;

/// Between two suspensions: less than a millisecond of work.
const WORK: usize = 10_000;

/// In clock ticks of 10 ms: five times the limit.
const MOST: u64 = 25;

#[test]
fn waiting_in_emit_again_and_again_evades_no_limit() {
    // One byte more than fits at once.
    let wait = "(drop (call $emit (i32.const 131072) (i32.const 65537)))";
    is_stopped(wait, "/evade+sink");
}

#[test]
fn sleeping_for_a_microsecond_again_and_again_evades_no_limit() {
    // One subscription at 128: tag 0 (clock), clock 1 (monotonic), relative timeout in ns.
    let wait = "(i32.store offset=144 (i32.const 0) (i32.const 1))
        (i64.store offset=152 (i32.const 0) (i64.const 1000))
        (drop (call $poll_oneoff (i32.const 128) (i32.const 256) (i32.const 1) (i32.const 320)))";
    is_stopped(wait, "/evade");
}

/// A plugin that works and waits by turns for ever ends at its limit of CPU: neither at that of time,
/// nor long after it.
#[track_caller]
fn is_stopped(wait: &str, target: &str) {
    let folder = Folder::new();
    folder.write("evade.wat", evading(wait).as_bytes());
    folder.write("sink.wat", SINK.as_bytes());
    let mut server = Server::serve(folder, &["--cpu-per-call", "50ms", "--time-per-call", "10s"]);
    for _ in 0..3 {
        let (mark, before) = (server.log().mark(), server.process().cpu_ticks());
        let mut client = server.connect();
        client.send(request("GET", target, &[]));
        let line = server.log().wait(mark, &["plugin failed", "evade"]);
        assert!(line.contains("cpu per call"), "{line}");
        let ticks = server.process().cpu_ticks() - before;
        assert!(ticks < MOST, "it had {ticks}0 ms of CPU");
    }
}

fn evading(wait: &str) -> String {
    format!(
        r#"
(module
  (import "wasmplex" "emit" (func $emit (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff"
    (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 8)
  (func (export "chunk_buffer") (param $cap i32) (result i32) (i32.const 65536))
  (func (export "on_chunk") (param $ptr i32) (param $len i32) (result i32) (i32.const 0))
  (func (export "on_open") (result i32)
    (local $left i32) (local $random i64)
    (loop $turn
      (local.set $left (i32.const {WORK}))
      (loop $work
        (local.set $random
          (i64.add (i64.mul (local.get $random) (i64.const 6364136223846793005)) (i64.const 1)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br_if $work (local.get $left)))
      (i64.store (i32.const 512) (local.get $random))
      {wait}
      (br $turn))
    (i32.const 0)))
"#
    )
}

/// Takes all, and says nothing.
const SINK: &str = r#"
(module
  (memory (export "memory") 2)
  (func (export "chunk_buffer") (param $cap i32) (result i32) (i32.const 65536))
  (func (export "on_chunk") (param $ptr i32) (param $len i32) (result i32) (i32.const 0)))
"#;
