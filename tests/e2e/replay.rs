//! `wasmplex replay`: the recorded failure again, and a fix tried on it.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::*;

/// The same failure, with the same output.
#[track_caller]
fn is_repeated(file: &Path) -> String {
    let (code, said) = replay(file, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("the same failure") && said.contains("as recorded"), "{said}");
    said
}

/// Sends chunks, each when the one before was answered, until it is cut.
#[track_caller]
fn is_fed_to_its_failure(client: &mut Client) {
    for _ in 0..100 {
        client.try_send(wire_chunk("twenty bytes of it.\n"));
        if let Step::Over(ending) = client.step() {
            assert_ne!(ending, Ending::Clean);
            return;
        }
    }
    panic!("it does not fail");
}

/// Writes a capsule anew.
fn rewrite(file: &Path, capsule: &Value) {
    fs::write(file, capsule.to_string()).expect("rewrite the capsule");
}

#[test]
fn borders_decide() {
    let capsules = Capsules::new();
    let server = capsules.serve_fussy(&[]);
    server.fails_after("/fussy", &[], &[b"aX", b"\xff\0", b"X in the middle"[1..].as_ref()], b"X!");
    let (file, mut capsule) = capsules.first();
    let said = is_repeated(&file);
    assert!(said.contains("look") && said.contains("chunk 4, offset 18"), "{said}");
    assert_eq!(replay(&file, &["--timing"]).0, Some(0));
    // With the last two chunks in one, nothing happens.
    let events = capsule["events"].as_array_mut().expect("events");
    events.pop();
    events[2]["bytes"] = json!(" in the middleX!");
    rewrite(&file, &capsule);
    let (code, said) = replay(&file, &[]);
    assert_eq!(code, Some(1));
    assert!(said.contains("no failure"), "{said}");
    // With another border before it, the same trap comes elsewhere, which is not the same failure.
    capsule["events"][0]["bytes"] = json!("Xa");
    rewrite(&file, &capsule);
    let (code, said) = replay(&file, &[]);
    assert_eq!(code, Some(1));
    assert!(said.contains("another failure") && said.contains("chunk 1, offset 0"), "{said}");
}

#[test]
fn a_fix_is_tried() {
    let capsules = Capsules::new();
    let server = capsules.serve_fussy(&[]);
    server.fails_after("/fussy", &[], &[b"abc"], b"X!");
    let (file, mut capsule) = capsules.first();
    let against = |text: &str| {
        let plugin = capsules.write("tried.wat", text);
        replay(&file, &["--against", plugin.to_str().expect("a path")])
    };
    let (code, said) = against(&fussy(true));
    assert_eq!(code, Some(0));
    assert!(said.contains("it ends well") && said.contains("3 bytes, and 2 more"), "{said}");
    // One that still fails, if elsewhere.
    let (code, said) = against(&fussy(true).replace("i32.const 89", "i32.const 89) (unreachable"));
    assert_eq!(code, Some(1));
    assert!(said.contains("unreachable"), "{said}");
    // One that does something else.
    let (code, said) =
        against(&fussy(true).replace(
            "(call $emit (local",
            "(i32.store8 (local.get $ptr) (i32.const 122)) (call $emit (local",
        ));
    assert_eq!(code, Some(0));
    assert!(said.contains("differs from byte 0") && said.contains("\"zbcz!\""), "{said}");
    // Without the module that failed, there is nothing to compare with, and still an answer.
    fs::remove_dir_all(capsules.path().join("modules")).expect("remove the modules");
    let (code, said) = against(&fussy(true));
    assert_eq!(code, Some(0));
    assert!(said.contains("not at all"), "{said}");
    let (code, said) = replay(&file, &[]);
    assert_eq!(code, Some(1));
    assert!(said.contains("--plugin"), "{said}");
    let module = capsules.write("found.wat", &fussy(false));
    assert_eq!(replay(&file, &["--plugin", module.to_str().expect("a path")]).0, Some(0));
    let another = capsules.write("another.wat", &fussy(true));
    let (code, said) = replay(&file, &["--plugin", another.to_str().expect("a path")]);
    assert_eq!(code, Some(1));
    assert!(said.contains("not the module that failed"), "{said}");
    // What is no capsule.
    capsule["capsule"] = json!(2);
    rewrite(&file, &capsule);
    assert!(replay(&file, &[]).1.contains("form 2"));
    fs::write(&file, "x").expect("break it");
    assert_eq!(replay(&file, &[]).0, Some(1));
}

#[test]
fn a_version_that_was_swapped_out_fails_again() {
    let capsules = Capsules::new();
    let server = capsules.serve_fussy(ADMIN);
    let mut client = server.open("/fussy");
    client.send_chunk("ab");
    client.expect("ab");
    let before = server.plugin("fussy")["version"].clone();
    server.folder().install("fussy.wat", fussy(true).as_bytes());
    eventually("the fix to be served", || (server.plugin("fussy")["version"] != before).then_some(()));
    let mut other = server.open("/fussy");
    other.send_chunk("X");
    other.expect("Y");
    client.send_chunk("X");
    assert_ne!(client.rest().1, Ending::Clean);
    let (file, capsule) = capsules.first();
    assert_eq!(capsule["plugin"]["version"], before);
    is_repeated(&file);
    let served = server.folder().path().join("fussy.wat");
    assert_eq!(replay(&file, &["--against", served.to_str().expect("a path")]).0, Some(0));
}

#[test]
fn every_kind_of_failure_comes_again() {
    let cases = [
        (Script::new().open(say(Act::Trap)), "trap", "open;"),
        (Script::new().later_chunk(say(Act::Trap)).chunk(say(Act::Trap)), "trap", "chunk;"),
        (Script::new().end(say(Act::Trap)), "trap", "end;"),
        (Script::new().chunk(say(Act::Loop)), "cpu_per_call", "chunk;"),
        (Script::new().chunk(say(Act::SleepAnHour)), "time_per_call", "chunk;"),
        (Script::new().end(say(Act::Loop)), "cpu_per_call", "end;"),
        (Script::new().chunk(say(Act::ExitWith3)), "exit", "chunk;"),
        (
            Script::new().end(say(Act::SetTimer)).timer(say(Act::GoOn)).timer(say(Act::Trap)),
            "trap",
            "end;timer;",
        ),
    ];
    for (script, kind, emitted) in cases {
        println!("{kind}: {}", script.target());
        let capsules = Capsules::new();
        // On a busy machine, whoever computes also takes long.
        let (cpu, time) = if kind == "time_per_call" { ("10m", "300ms") } else { ("100ms", "10m") };
        let flags = ["--cpu-per-call", cpu, "--max-time-per-call", "10m", "--time-per-call", time];
        let server = capsules.serve(Folder::of(&["scripted"]), &flags);
        assert_ne!(server.post(&script.target(), b"a body").ending, Ending::Clean);
        let (file, capsule) = capsules.first();
        assert_eq!(
            (&capsule["failure"]["kind"], &capsule["output"]["bytes"]),
            (&json!(kind), &json!(emitted.len()))
        );
        is_repeated(&file);
    }
}

#[test]
fn limits_are_those_of_then() {
    for (plugin, limits) in [
        ("grow_or_trap", r#"{"memory": "2MiB"}"#),
        ("echo", r#"{"emitted": 100}"#),
        ("echo", r#"{"received": 100}"#),
        ("log_chunks", r#"{"log_lines": 2}"#),
    ] {
        println!("{plugin} with {limits}");
        let capsules = Capsules::new();
        let plugins = Folder::of(&[plugin]);
        plugins.write(&format!("{plugin}.json"), format!("{{\"limits\": {limits}}}").as_bytes());
        let server = capsules.serve(plugins, &[]);
        is_fed_to_its_failure(&mut server.open(&format!("/{plugin}")));
        is_repeated(&capsules.first().0);
    }
}

#[test]
fn the_stage_that_failed_is_replayed_alone() {
    let capsules = Capsules::new();
    let plugins = Folder::of(&["rot13"]);
    plugins.write("fussy.wat", fussy(false).as_bytes());
    plugins.write("rot13.json", br#"{"response": {"x-from": "rot13", "set-cookie": "sekret"}}"#);
    plugins.write("routes.json", br#"{"pipe": ["rot13", "fussy", "rot13"]}"#);
    let server = capsules.serve(plugins, &[]);
    let mut client = server.open("/pipe");
    client.send_chunk("abK");
    client.expect("abK");
    client.send_chunk("Kab");
    assert_ne!(client.rest().1, Ending::Clean);
    let (file, capsule) = capsules.first();
    let stages = capsule["route"]["stages"].as_array().expect("stages");
    assert_eq!((stages.len(), &capsule["route"]["failed"]), (3, &json!(2)));
    assert_eq!(capsule["events"][1]["bytes"], "Xno");
    let fields = json!([{"name": "set-cookie", "value": null}, {"name": "x-from", "value": "rot13"}]);
    assert_eq!(capsule["inherited"], json!({"status": 200, "fields": fields}));
    assert!(!fs::read_to_string(&file).expect("the file").contains("sekret"));
    let said = is_repeated(&file);
    assert!(said.contains("stage      2 of rot13@"), "{said}");
}

#[test]
fn memory_that_other_stages_hold_is_counted() {
    let capsules = Capsules::new();
    let plugins = Folder::of(&["grow_or_trap", "echo"]);
    let limit = br#"{"limits": {"memory_per_exchange": "3MiB"}}"#;
    plugins.write("echo.json", limit);
    let server = capsules.serve(plugins, &[]);
    is_fed_to_its_failure(&mut server.open("/echo+grow_or_trap"));
    let (file, capsule) = capsules.first();
    assert_eq!(capsule["failure"]["kind"], "memory_per_exchange");
    assert_eq!(capsule["route"]["memory_per_exchange"], "3MiB");
    assert!(capsule["route"]["memory_elsewhere"].as_u64() >= Some(128 * 1024));
    is_repeated(&file);
}

#[test]
fn a_response_that_is_too_short_comes_again() {
    let capsules = Capsules::new();
    let server = capsules.serve(Folder::of(&["respond"]), &[]);
    let reply = Reply::new().field("content-length", "10").emit("short");
    assert_ne!(server.post("/respond", &reply.script()).ending, Ending::Clean);
    let (file, capsule) = capsules.first();
    assert!(
        capsule["failure"]["reason"].as_str().is_some_and(|reason| reason.contains("content-length of 10"))
    );
    is_repeated(&file);
}

/// A plugin that sets a timer anew whenever it fires, emits a dot then, and traps at the third one.
fn ticking(trap: &str, pause: u32) -> String {
    format!(
        r#"(module
  (import "wasmplex" "emit" (func $emit (param i32 i32) (result i32)))
  (import "wasmplex" "set_timer" (func $set_timer (param i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 0) ".")
  (global $fired (mut i32) (i32.const 0))
  (func (export "chunk_buffer") (param i32) (result i32) (i32.const 65536))
  (func (export "on_open") (result i32) (call $set_timer (i32.const {pause})))
  (func (export "on_chunk") (param $ptr i32) (param $len i32) (result i32)
    (call $emit (local.get $ptr) (local.get $len)))
  (func (export "on_timer") (result i32)
    (global.set $fired (i32.add (global.get $fired) (i32.const 1)))
    (if (i32.eq (global.get $fired) (i32.const 3)) (then {trap}))
    (drop (call $emit (i32.const 0) (i32.const 1)))
    (call $set_timer (i32.const {pause}))))"#
    )
}

#[test]
fn timers_fire_where_they_fired() {
    let capsules = Capsules::new();
    let plugins = Folder::new();
    plugins.write("ticking.wat", ticking("unreachable", 150).as_bytes());
    let server = capsules.serve(plugins, &[]);
    let mut client = server.open("/ticking");
    client.send_chunk("a");
    client.expect("a.");
    client.send_chunk("b");
    client.expect("b.");
    assert_ne!(client.rest().1, Ending::Clean);
    let (file, capsule) = capsules.first();
    let events = capsule["events"].as_array().expect("events");
    let kinds: Vec<&str> = events.iter().filter_map(|event| event["event"].as_str()).collect();
    assert_eq!(kinds, ["chunk", "timer", "chunk", "timer", "timer"]);
    is_repeated(&file);
    assert_eq!(replay(&file, &["--timing"]).0, Some(0));
    let against = |text: &str| {
        let plugin = capsules.write("tried.wat", text);
        replay(&file, &["--against", plugin.to_str().expect("a path")])
    };
    // Timers that are set for later fire just as well, and one that sets none is not waited for.
    let (code, said) = against(&ticking("unreachable", 3_600_000));
    assert_eq!(code, Some(1));
    assert!(said.contains("the same 4 bytes"), "{said}");
    let (code, said) = against(&ticking("nop", 150));
    assert_eq!(code, Some(0));
    assert!(said.contains("4 bytes, and 1 more"), "{said}");
    let (code, said) = against(&ticking("nop", 0));
    assert_eq!(code, Some(0));
    assert!(
        said.contains("3 timers of the record were not set") && said.contains("differs from byte 1"),
        "{said}"
    );
}

/// A program that copies its input, but for a read that brings an X first.
fn copying(then: &str) -> String {
    format!(
        r#"(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func $sleep_an_hour
    (i64.store (i32.const 2024) (i64.const 3600000000000))
    (drop (call $poll (i32.const 2000) (i32.const 3000) (i32.const 1) (i32.const 4000))))
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 64))
    (loop $again
      (i32.store (i32.const 4) (i32.const 1024))
      (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
      (if (i32.eqz (i32.load (i32.const 8))) (then (return)))
      (if (i32.eq (i32.load8_u (i32.const 64)) (i32.const 88)) (then {then}))
      (i32.store (i32.const 4) (i32.load (i32.const 8)))
      (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
      (br $again))))"#
    )
}

#[test]
fn a_program_fails_again() {
    for (then, kind) in [("unreachable", "trap"), ("(call $exit (i32.const 7))", "exit")] {
        let capsules = Capsules::new();
        let plugins = Folder::new();
        plugins.write("copying.wat", copying(then).as_bytes());
        let server = capsules.serve(plugins, &[]);
        server.fails_after("/copying", &[], &[b"ab", b"cX"], b"X!");
        let (file, capsule) = capsules.first();
        assert_eq!(
            (&capsule["failure"]["kind"], &capsule["plugin"]["kind"]),
            (&json!(kind), &json!("command"))
        );
        is_repeated(&file);
        let against = |then: &str| {
            let plugin = capsules.write("tried.wat", &copying(then));
            replay(&file, &["--against", plugin.to_str().expect("a path")])
        };
        let (code, said) = against("nop");
        assert_eq!(code, Some(0));
        assert!(said.contains("it ends well") && said.contains("4 bytes, and 2 more"), "{said}");
        // One that sleeps for long, where none slept before, is not waited for; nor is one that does
        // nothing else.
        let (code, said) = against("(call $sleep_an_hour)");
        assert_eq!(code, Some(0));
        assert!(said.contains("it ends well"), "{said}");
        let (code, said) = against("(loop $ever (call $sleep_an_hour) (br $ever))");
        assert_eq!(code, Some(0));
        assert!(said.contains("gets past the failure"), "{said}");
    }
}

#[test]
fn a_component_fails_again() {
    let echo = fs::read_to_string(fixture("components/echo")).expect("the fixture");
    let emit = "(call $emit (local.get $at) (local.get $len))";
    assert!(echo.contains(emit));
    let picky = echo
        .replace(emit, &format!("(if (i32.eq (local.get $len) (i32.const 7)) (then unreachable)) {emit}"));
    let capsules = Capsules::new();
    let plugins = Folder::new();
    plugins.write("picky.wat", picky.as_bytes());
    let server = capsules.serve(plugins, &[]);
    server.fails_after("/picky", &[], &[b"ab", b"eight..."], b"seven..");
    let (file, capsule) = capsules.first();
    assert_eq!((&capsule["plugin"]["kind"], &capsule["output"]["bytes"]), (&json!("component"), &json!(10)));
    is_repeated(&file);
    let fixed = capsules.write("fixed.wat", &echo);
    let (code, said) = replay(&file, &["--against", fixed.to_str().expect("a path")]);
    assert_eq!(code, Some(0));
    assert!(said.contains("10 bytes, and 7 more"), "{said}");
}
