//! Programs that are wrong as a whole.

use std::io::Write;
use std::thread;

use crate::harness::*;

#[test]
fn one_that_never_reads_a_large_upload() {
    let server = Program::new().say("not interested").serve(FAR_LIMITS);
    for length in [100 * KIB, 64 * MIB] {
        let mut client = server.connect();
        client.send(request("POST", "/command", &[&format!("Content-Length: {length}")]));
        let mut sender = client.sender();
        let upload = thread::spawn(move || {
            // The server may stop it: that is its right once the answer is complete.
            let _ = sender.write_all(&noise(1, length));
        });
        client.answer().is_clean(200, "not interested");
        client.shut();
        upload.join().expect("the upload ends");
        server.metric_eventually("wasmplex_exchanges_open", &[], 0.0);
    }
}

#[test]
fn one_that_never_reads_and_never_ends() {
    let server = Program::new().spin().serve(&["--cpu-per-call", "200ms"]);
    let mut client = server.connect();
    client.send(request("POST", "/command", &["Content-Length: 100000000"]));
    let mut sender = client.sender();
    let upload = thread::spawn(move || sender.write_all(&noise(1, 8 * MIB)).is_ok());
    client.answer().is_error(500);
    client.shut();
    upload.join().expect("the upload ends");
    server.log().wait(0, &["plugin failed", "cpu per call"]);
}

/// Both sides write and neither reads: the server's patience ends it.
#[test]
fn one_that_writes_everything_before_it_reads() {
    let server = Program::new().for_ever(|each| each.wat(PAGE)).serve(&[
        "--spool",
        "0",
        "--write-timeout",
        "500ms",
        "--cpu-per-call",
        "10m",
    ]);
    let mut client = server.connect();
    client.send(request("POST", "/command", &["Content-Length: 100000000"]));
    let mut sender = client.sender();
    let upload = thread::spawn(move || sender.write_all(&noise(1, 64 * MIB)).is_ok());
    let line = server.log().wait(0, &["exchange ended", "command"]);
    assert!(!line.contains("clean"), "{line}");
    client.shut();
    assert!(!upload.join().expect("the upload ends"), "64 MiB went somewhere");
}

#[test]
fn one_that_calls_itself_for_ever() {
    let server = Program::new().wat("(call $_start)").serve(&[]);
    server.get("/command").is_error(500);
    server.log().wait(0, &["plugin failed", "command", "stack"]);
    let server = Program::new().answer(64).wat("(call $_start)").serve(&[]);
    server.post("/command", b"Hello").is_cut("Hello");
    server.log().wait(0, &["plugin failed", "command", "stack"]);
}

#[test]
fn endless_ones_do_not_hold_up_others() {
    let folder = Folder::of(&["rot13"]);
    folder.program("spin", &Program::new().spin());
    folder.program("after", &Program::new().drain().for_ever(|each| each.take(64)));
    folder.program("write", &Program::new().for_ever(|each| each.wat(PAGE)));
    folder.program("yield", &Program::new().for_ever(|each| each.sleep(0)));
    folder.program("nap", &Program::new().for_ever(|each| each.compute(5).wat(NAP)));
    let server = Server::serve(folder, &[ADMIN, FAR_LIMITS].concat());
    let canary = Canary::start(&server);
    let begun = |name: &str| {
        let mut client = server.connect();
        client.send(request("GET", &format!("/{name}"), &[]));
        client
    };
    let endless: Vec<Client> = ["spin", "after", "write", "yield", "nap"].into_iter().map(begun).collect();
    server.metric_eventually("wasmplex_exchanges_open", &[], 6.0);
    canary.sings(100);
    canary.stop();
    drop(endless);
}

#[test]
fn a_hundred_megabytes_of_complaints() {
    let text =
        "all is bad, and this is a line of some length to say so in a hundred bytes or about as many\n";
    let page = format!(
        "(local.set $n (i32.const 0))
         (loop $fill
           (memory.copy (i32.add (i32.const 131072) (local.get $n)) (i32.const 1024) (i32.const {len}))
           (br_if $fill (i32.lt_u
             (local.tee $n (i32.add (local.get $n) (i32.const {len}))) (i32.const 64000))))",
        len = text.len()
    );
    let program = Program::new()
        .text_first(text)
        .wat(&page)
        .repeat(1600, |each| each.wat("(call $write (i32.const 2) (i32.const 131072) (local.get $n))"))
        .say("done");
    let folder = Folder::of(&["rot13"]);
    folder.program("command", &program);
    let server = Server::serve(folder, &[ADMIN, FAR_LIMITS].concat());
    let canary = Canary::start(&server);
    let before = server.memory_now();
    server.get("/command").is_clean(200, "done");
    canary.sings(5);
    canary.stop();
    let grown = server.memory_now().saturating_sub(before);
    assert!(grown < 8 * MIB, "memory grew by {grown} bytes");
    let lines = server.log().count(0, &["all is bad"]);
    assert!((1..1000).contains(&lines), "{lines} lines of a million in the log");
}

#[test]
fn a_line_without_an_end() {
    let server = Program::new()
        .repeat(160, |each| each.wat("(call $write (i32.const 2) (i32.const 131072) (i32.const 65536))"))
        .complain("the end")
        .say("done")
        .serve(FAR_LIMITS);
    server.get("/command").is_clean(200, "done");
}

/// What exports `on_chunk` is a core module, whatever else it exports.
#[test]
fn one_that_is_both_is_a_core_module() {
    let both = r#"
      (module
        (import "wasmplex" "emit" (func $emit (param i32 i32) (result i32)))
        (memory (export "memory") 2)
        (func (export "_start") unreachable)
        (func (export "chunk_buffer") (param i32) (result i32) (i32.const 65536))
        (func (export "on_chunk") (param $ptr i32) (param $len i32) (result i32)
          (call $emit (local.get $ptr) (local.get $len))))"#;
    let folder = Folder::new();
    folder.write("both.wat", both.as_bytes());
    let server = Server::serve(folder, ADMIN);
    assert_eq!(server.plugin("both")["kind"], "core module");
    server.post("/both", b"Hello").is_clean(200, "Hello");
}

/// What a core module would be called for does not make a command more than one.
#[test]
fn exports_of_core_modules_are_not_called() {
    let server = Program::new()
        .field("(func (export \"on_open\") (result i32) unreachable)")
        .field("(func (export \"on_end\") (result i32) unreachable)")
        .field("(func (export \"on_timer\") (result i32) unreachable)")
        .field("(func (export \"chunk_buffer\") (param i32) (result i32) unreachable)")
        .echo()
        .serve(&[]);
    assert_eq!(server.plugin("command")["kind"], "command");
    server.post("/command", b"Hello").is_clean(200, "Hello");
}

/// The start function of WebAssembly comes before `_start`, and is tried when the program is loaded.
#[test]
fn one_with_a_start_function() {
    let first = |does: &str| {
        let function = format!("(func $first {does}) (start $first)");
        Program::new().field(&function).say("then;").echo().serve(&["--cpu-per-call", "100ms"])
    };
    first("(i32.store (i32.const 131072) (i32.const 1))")
        .post("/command", b"Hello")
        .is_clean(200, "then;Hello");
    for (does, reason) in
        [("unreachable", "unreachable"), ("(loop $for_ever (br $for_ever))", "cpu per call")]
    {
        let server = first(does);
        server.log().wait(0, &["not loaded", "plugin=\"command\"", reason]);
        server.get("/command").is_error(404);
    }
}

/// 64 KiB of stdout.
const PAGE: &str = "(call $write (i32.const 1) (i32.const 65536) (i32.const 65536))";

/// As short as a sleep can be: a nanosecond.
const NAP: &str = "(call $clock_at (i32.const 64) (i32.const 1) (i64.const 1) (i32.const 0))
  (drop (call $poll (i32.const 1)))";
