//! The commands, with input and output as they can be.

use std::fs::File;
use std::process::{Command, Output, Stdio};

use crate::harness::*;

/// An input that could not be read was taken for its end, and half an output for a whole one.
#[test]
fn run_fails_when_its_input_cannot_be_read() {
    let folder = Folder::new();
    let directory = File::open(folder.path()).expect("open a directory");
    let output = done(wasmplex(&["run"]).arg(fixture("rot13")).stdin(directory).stdout(Stdio::piped()));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(!said.is_empty(), "it says why");
}

/// A time that reaches beyond what a clock can tell was accepted at the start, and overflowed the
/// clock once it was used.
#[test]
fn a_time_beyond_all_clocks_is_wrong_usage() {
    let folder = Folder::of(&["rot13"]);
    let endless = "500000000000y";
    for flag in ["--keep-alive-timeout", "--head-timeout", "--drain-timeout", "--time-per-call"] {
        let mut command = wasmplex(&["serve", "--listen", "127.0.0.1:0", flag, endless, "--plugins"]);
        let finished = ran(command.arg(folder.path()));
        let said = finished.stderr;
        assert_eq!(finished.code, Some(2), "{flag}: {said}");
        let clear = said.lines().filter(|line| line.contains(flag) && line.contains(endless)).count();
        assert_eq!(clear, 1, "{flag}: {said}");
        assert!(!said.contains("panicked"), "{flag}: {said}");
    }
}

/// Printing to a pipe that `head` has closed was a panic.
#[test]
fn inspect_into_a_closed_pipe_does_not_panic() {
    for arguments in [&["inspect"][..], &["inspect", "--json"]] {
        let (reader, writer) = std::io::pipe().expect("make a pipe");
        drop(reader);
        let output = done(wasmplex(arguments).arg(fixture("rot13")).stdin(Stdio::null()).stdout(writer));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
        assert_ne!(output.status.code(), Some(101), "{arguments:?}: {said}");
    }
}

/// The names in a module are its author's choice. `inspect`, the tool to look at what one does not
/// trust yet, printed them as they were: they could recolour the terminal, and forge its lines.
#[test]
fn inspect_prints_no_control_characters_of_a_module() {
    let folder = Folder::new();
    let import = br#"(module (import "evil\1b[31m\nloads yes" "\1b]0;title\07" (func)))"#;
    let imports = folder.write("imports.wat", import);
    for (file, code) in [(fixture("escapes"), 0), (imports, 1)] {
        for arguments in [&["inspect"][..], &["inspect", "--json"]] {
            let finished = ran(wasmplex(arguments).arg(&file));
            let said = String::from_utf8_lossy(&finished.stdout).into_owned() + &finished.stderr;
            assert_eq!(finished.code, Some(code), "{said}");
            let raw = said.chars().find(|character| character.is_control() && *character != '\n');
            assert_eq!(raw, None, "{arguments:?}: {said:?}");
            let forged = said.lines().find(|line| line.starts_with("loads yes"));
            assert_eq!(forged, None, "{arguments:?}: {said:?}");
        }
    }
}

/// Runs a command to its end, with the input and output that it has been given.
#[track_caller]
fn done(command: &mut Command) -> Output {
    let mut child = command.stderr(Stdio::piped()).spawn().expect("start the command");
    eventually("the command's end", || child.try_wait().expect("ask for the child's status"));
    child.wait_with_output().expect("its output")
}
