//! `wasmplex test`: what passes, what fails, and how that is shown.

use std::fs;

use super::tool::tool;
use crate::harness::*;

#[test]
fn a_plugin_file_with_cases_elsewhere() {
    let folder = Folder::of(&["rot13"]);
    folder.folder("cases");
    folder.write("cases/a.in", b"Hello");
    folder.write("cases/a.out", b"Uryyb");
    folder.write("cases/no-body.json", b"{}");
    folder.write("cases/no-body.out", b"");
    let ran = tool(&folder, &["test", "rot13.wat", "--cases", "cases"]);
    ran.is_good().says(&["2 of 2 cases passed", "128 KiB", "budgets: memory 64MiB"]);
    tool(&folder, &["test", "rot13.wat"]).fails(&["no cases: tests cannot be read"]);
    let one = tool(&folder, &["test", "rot13.wat", "--cases", "cases", "--only", "body"]);
    one.is_good().says(&["1 of 1 case passed"]);
}

#[test]
fn a_difference_is_shown() {
    let folder = Folder::of(&["rot13"]);
    folder.folder("tests");
    folder.write("tests/a.in", b"one\ntwo\n");
    folder.write("tests/a.out", b"bar\ngjb!\n");
    tool(&folder, &["test", "rot13.wat"]).fails(&[
        "FAILED  a\n",
        "  whole: the output differs at byte 7 (line 2, column 4); expected 9 bytes, got 8\n",
        "    expected  \"bar\\ngjb!\\n\"\n",
        "    got       \"bar\\ngjb\\n\"\n",
        "00000000  62 61 72 0a 67 6a 62 21 0a ",
        "0 of 1 case passed, 1 FAILED",
    ]);
}

/// `chunk_lengths` says how long its chunks are, which no plugin should let be seen.
#[test]
fn output_that_depends_on_chunks_fails() {
    let folder = Folder::of(&["chunk_lengths"]);
    folder.folder("tests");
    folder.write("tests/a.in", b"twelve bytes");
    tool(&folder, &["test", "chunk_lengths.wat", "--bless"])
        .fails(&["cut after the first byte: the output depends on where the body is cut"]);
    assert!(!folder.path().join("tests/a.out").exists(), "such an output is not written");
}

#[test]
fn a_case_is_blessed_once() {
    let folder = Folder::of(&["rot13"]);
    folder.folder("tests");
    folder.write("tests/a.in", b"Hello");
    tool(&folder, &["test", "rot13.wat"]).fails(&["there is no a.out (--bless writes it)"]);
    tool(&folder, &["test", "rot13.wat", "--bless"]).is_good().says(&["wrote ", "1 written"]);
    assert_eq!(fs::read(folder.path().join("tests/a.out")).expect("what it wrote"), b"Uryyb");
    let again = tool(&folder, &["test", "rot13.wat", "--bless"]);
    assert!(!again.is_good().stdout.contains("wrote"), "{}", again.stdout);
}

#[test]
fn heads_and_failures_are_expected() {
    let folder = Folder::new();
    folder.install("reject.wat", REJECTS.as_bytes());
    folder.folder("tests");
    folder.write("tests/a.in", b"x");
    folder.write("tests/a.json", br#"{"status": 418, "fails": "rejected"}"#);
    tool(&folder, &["test", "reject.wat"]).is_good().says(&["failed as it should: rejected: on_chunk"]);
    folder.write("tests/a.json", br#"{"status": 400, "fails": "rejected"}"#);
    tool(&folder, &["test", "reject.wat"]).fails(&["the status was to be 400, and it was 418"]);
    folder.write("tests/a.json", br#"{"fails": "trap"}"#);
    tool(&folder, &["test", "reject.wat"]).fails(&["it was to fail by trap, and failed by rejected"]);
    folder.write("tests/a.json", br#"{"response": {"x-kind": "tea"}}"#);
    tool(&folder, &["test", "reject.wat"]).fails(&["rejected: on_chunk"]);
    folder.write("tests/a.json", br#"{"fails": "boom"}"#);
    tool(&folder, &["test", "reject.wat"]).fails(&["tests/a.json: fails: 'boom' is none of trap, rejected"]);
}

/// Holds its head, and rejects what comes with a status of its own.
const REJECTS: &str = r#"(module
    (import "wasmplex" "response_status" (func $status (param i32) (result i32)))
    (memory (export "memory") 2)
    (func (export "chunk_buffer") (param i32) (result i32) (i32.const 65536))
    (func (export "on_open") (result i32) (drop (call $status (i32.const 418))) (i32.const 3))
    (func (export "on_chunk") (param i32 i32) (result i32) (i32.const -1)))"#;

#[test]
fn budgets_of_manifest_and_flags_count() {
    let folder = Folder::of(&["rot13", "loop_in_chunk_buffer"]);
    folder.folder("tests");
    folder.write("tests/a.in", b"Hello");
    folder.write("tests/a.out", b"Uryyb");
    folder.write("rot13.json", br#"{"limits": {"emitted": 4}}"#);
    tool(&folder, &["test", "rot13.wat"]).fails(&["emitted: more than the limit of 4 bytes"]);
    folder.write("rot13.json", br#"{"methods": ["GET"]}"#);
    tool(&folder, &["test", "rot13.wat"]).fails(&["the manifest lets GET reach the plugin, and not POST"]);
    tool(&folder, &["test", "loop_in_chunk_buffer.wat", "--cpu-per-call", "50ms"]).fails(&["cpu per call"]);
}

/// A heartbeat that nobody stops.
#[test]
fn what_does_not_end_is_ended() {
    let folder = Folder::of(&["busy_timer"]);
    folder.folder("tests");
    folder.write("tests/a.out", b"");
    tool(&folder, &["test", "busy_timer.wat", "--patience", "200ms"]).fails(&["FAILED"]);
}

#[test]
fn what_the_plugin_logs_is_shown_when_it_fails() {
    let folder = Folder::of(&["logs"]);
    folder.folder("tests");
    folder.write("tests/a.in", b"x");
    folder.write("tests/a.out", b"not what comes");
    tool(&folder, &["test", "logs.wat"]).fails(&["  log: "]);
}

#[test]
fn a_seed_repeats_a_run() {
    let folder = Folder::of(&["rot13"]);
    folder.folder("tests");
    folder.write("tests/a.in", &noise(1, 5_000));
    folder.write("tests/a.out", &rot13(&noise(1, 5_000)));
    tool(&folder, &["test", "rot13.wat", "--seed", "17", "--rounds", "3"]).is_good().says(&["--seed 17"]);
    let none = tool(&folder, &["test", "rot13.wat", "--rounds", "0"]);
    none.is_good().says(&["1 of 1 case passed", "--seed "]);
}
