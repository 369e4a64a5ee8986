//! Files that hold up others.

use std::thread;
use std::time::Duration;

use crate::harness::*;

/// So many bad files come at once: with the limits below, an hour of trials if these alone end them.
const BAD: usize = 3;

/// New code is tried before it is served, and was tried for as long as a call may take. Everything else
/// that had changed waited for it, removals as well.
#[test]
fn plugins_that_take_their_time_to_begin_hold_up_nobody() {
    let sleep = SLEEPING.to_owned();
    let spin = std::fs::read_to_string(fixture("loop_in_initialize")).expect("read a fixture");
    for (what, text) in [("sleeps", sleep), ("loops", spin)] {
        let folder = Folder::of(&["rot13"]);
        folder.put("gone", "A");
        let limits = ["--time-per-call", "20m", "--cpu-per-call", "20m"];
        let caps = ["--max-time-per-call", "20m", "--max-cpu-per-call", "20m"];
        let server = Server::serve(folder, &[ADMIN, &limits, &caps].concat());
        let canary = Canary::start(&server);
        for number in 0..BAD {
            server.folder().write(&format!("{what}{number}.wat"), format!("{text};; {number}").as_bytes());
        }
        server.folder().remove("gone.wat");
        server.folder().put("good", "A");
        server.serves_no("gone");
        server.serves("good", "A");
        for number in 0..BAD {
            let name = format!("{what}{number}");
            server.plugin_becomes(&name, "refused");
            server.get(&format!("/{name}")).is_error(404);
        }
        canary.sings(3);
        canary.stop();
    }
}

/// Files with names that no plugin can have were compared each with each, at every look.
#[test]
fn thousands_of_badly_named_files_are_no_work() {
    let folder = Folder::of(&["echo"]);
    for number in 0..9000 {
        folder.write(&format!("bad name {number:04}.wasm"), b"");
    }
    let mut server = Server::serve(folder, &[]);
    server.post("/echo", b"Hello").is_clean(200, "Hello");
    server.settle();
    let before = server.process().cpu_ticks();
    // Nothing may happen for a while: that time, with two looks at the folder in it, is what is tested.
    thread::sleep(Duration::from_secs(5));
    let ticks = server.process().cpu_ticks() - before;
    assert!(ticks < 60, "{ticks}0 ms of CPU in five seconds");
}

/// Sleeps for a quarter of an hour in `_initialize`.
const SLEEPING: &str = r#"
(module
  (import "wasi_snapshot_preview1" "poll_oneoff"
    (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (func (export "_initialize")
    ;; One subscription at 128: tag 0 (clock), clock 1 (monotonic), relative timeout in ns.
    (i32.store offset=144 (i32.const 0) (i32.const 1))
    (i64.store offset=152 (i32.const 0) (i64.const 900000000000))
    (drop (call $poll_oneoff (i32.const 128) (i32.const 256) (i32.const 1) (i32.const 320))))
  (func (export "chunk_buffer") (param $cap i32) (result i32) (i32.const 65536))
  (func (export "on_chunk") (param $ptr i32) (param $len i32) (result i32) (i32.const 0)))
"#;
