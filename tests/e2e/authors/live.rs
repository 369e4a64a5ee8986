//! `wasmplex dev`: built, served, and again after every change.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::tool::{command, tool};
use crate::harness::*;

/// `dev` on a project in WebAssembly text, which is called "a".
struct Dev {
    process: Process,
    address: SocketAddr,
    folder: Folder,
    /// Its temporary folder's place.
    place: PathBuf,
}

impl Dev {
    #[track_caller]
    fn of(folder: Folder) -> Dev {
        let place = folder.folder("tmp");
        let mut command = command(&folder, &["dev", "a", "--listen", "127.0.0.1:0"]);
        let mut process = Process::spawn(command.env("TMPDIR", &place));
        let line = process.stdout.line();
        let address =
            line.strip_prefix("listening on http://").unwrap_or_else(|| panic!("not ready: {line}"));
        let address = address.parse().expect("an address");
        Dev { process, address, folder, place }
    }

    #[track_caller]
    fn new() -> Dev {
        let folder = Folder::new();
        tool(&folder, &["new", "a", "--lang", "wat"]).is_good();
        let mut dev = Dev::of(folder);
        let line = dev.process.stdout.line();
        assert_eq!(line, format!("curl -sN -T . http://{}/a", dev.address));
        dev
    }

    #[track_caller]
    fn post(&self, body: &str) -> Answer {
        let head = request("POST", "/a", &[&format!("Content-Length: {}", body.len())]);
        Client::connect(self.address).exchange([head, body.as_bytes().to_vec()].concat())
    }

    /// Waits until a new answer is given.
    #[track_caller]
    fn comes_to_say(&self, body: &str, expected: &str) {
        eventually("the new version's answer", || {
            let answer = self.post(body);
            (answer.head.status == 200 && answer.body == expected.as_bytes()).then_some(())
        });
    }

    fn source(&self) -> String {
        fs::read_to_string(self.folder.path().join("a/a.wat")).expect("the source")
    }

    fn edit(&self, from: &str, to: &str) {
        let source = self.source();
        assert!(source.contains(from), "{from} is in the source");
        self.folder.write("a/a.wat", source.replace(from, to).as_bytes());
    }
}

#[test]
fn a_change_is_served_and_a_mistake_is_not() {
    let dev = Dev::new();
    dev.comes_to_say("two words", "Two Words");
    let mark = dev.process.stderr.mark();
    dev.edit("(i32.xor (local.get $byte) (i32.const 32))", "(i32.const 35)");
    dev.comes_to_say("two words", "#wo #ords");
    dev.process.stderr.wait(mark, &["loaded", "plugin=\"a\""]);
    let mark = dev.process.stderr.mark();
    dev.edit("(i32.const 35)", "(nonsense)");
    dev.process.stderr.wait(mark, &["the version before it goes on"]);
    assert!(dev.process.stderr.since(mark).contains("a.wat:"), "{}", dev.process.stderr.since(mark));
    dev.post("two words").is_clean(200, "#wo #ords");
    dev.edit("(nonsense)", "(i32.const 36)");
    dev.comes_to_say("two words", "$wo $ords");
    dev.process.stderr.wait(mark, &["exchange ended", "path=\"/a\""]);
}

#[test]
fn the_manifest_goes_along() {
    let dev = Dev::new();
    dev.folder.folder("a/data");
    dev.folder.write(
        "a/a.json",
        br#"{"response": {"x-tea": "green"}, "dirs": [{"host": "data", "guest": "/data"}]}"#,
    );
    eventually("the manifest's field", || (dev.post("x").head.field("x-tea") == Some("green")).then_some(()));
    dev.folder.remove("a/a.json");
    eventually("the field to go", || dev.post("x").head.field("x-tea").is_none().then_some(()));
}

#[test]
fn it_waits_for_a_project_that_builds() {
    let folder = Folder::new();
    tool(&folder, &["new", "a", "--lang", "wat"]).is_good();
    let good = fs::read(folder.path().join("a/a.wat")).expect("the source");
    folder.write("a/a.wat", b"(");
    let mut dev = Dev::of(folder);
    dev.process.stderr.wait(0, &["waiting for a change"]);
    assert_eq!(dev.post("x").head.status, 404);
    dev.folder.write("a/a.wat", &good);
    assert!(dev.process.stdout.line().starts_with("curl "));
    dev.comes_to_say("x", "X");
}

#[test]
fn an_interrupt_ends_it_and_leaves_nothing() {
    let mut dev = Dev::new();
    dev.comes_to_say("x", "X");
    assert_eq!(fs::read_dir(&dev.place).expect("the place").count(), 1);
    dev.process.signal("INT");
    assert_eq!(dev.process.wait().code(), Some(0));
    assert_eq!(fs::read_dir(&dev.place).expect("the place").count(), 0, "a folder is left");
}

#[test]
fn an_address_that_is_taken_leaves_nothing() {
    let dev = Dev::new();
    let place = dev.folder.folder("other");
    let mut second = command(&dev.folder, &["dev", "a", "--listen", &dev.address.to_string()]);
    let finished = ran(second.env("TMPDIR", &place));
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert!(finished.stderr.contains(&dev.address.to_string()), "{}", finished.stderr);
    assert_eq!(fs::read_dir(&place).expect("the place").count(), 0, "a folder is left");
    let wrong = ran(command(&dev.folder, &["dev", "a", "--", "--no-such-flag"]).env("TMPDIR", &place));
    assert_eq!(wrong.code, Some(2), "{}", wrong.stderr);
    assert_eq!(fs::read_dir(&place).expect("the place").count(), 0, "a folder is left");
}

/// A compiler that does not end must not outlive it.
#[test]
fn a_compiler_that_runs_is_ended() {
    let folder = Folder::new();
    tool(&folder, &["new", "a", "--lang", "c"]).is_good();
    folder.write("a/go.mod", b"module a\n");
    let go = folder.write("go", b"#!/bin/sh\necho began >&2\nsleep 600\n");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&go, mode).expect("make it a program");
    let mut dev = command(&folder, &["dev", "a", "--listen", "127.0.0.1:0"]);
    let mut process = Process::spawn(dev.env("GO", &go));
    process.stdout.line();
    process.stderr.wait(0, &["began"]);
    process.signal("TERM");
    assert_eq!(process.wait().code(), Some(0));
    // The pipe has no writer any more: sh and sleep have ended.
    process.stderr.all();
}
