//! What plugins write to the log, and what that can do to it.

use crate::harness::*;

#[test]
fn levels_broken_text_and_stderr() {
    let server = Server::of(&["logs"]);
    server.get("/logs").is_clean(200, "ok");
    for (level, text) in [
        ("debug", "a debug thought"),
        ("info", "an info remark"),
        ("warn", "a warning sign"),
        ("error", "an error report"),
        ("info", "caf\u{fffd} au lait"),
    ] {
        server.log().wait(0, &[level, text, "logs"]);
    }
    server.log().wait(0, &["written to stderr", "logs"]);
}

#[test]
fn a_flood_is_bounded() {
    let server = Server::with(&["log_flood"], FAR_LIMITS);
    server.get("/log_flood").is_clean(200, "done");
    server.log().wait(0, &["exchange ended", "log_flood"]);
    let written = server.log().since(0);
    assert!(written.contains("fff"), "a part of it is there");
    assert!(written.len() < MIB, "{} bytes of log", written.len());
}

#[test]
fn as_json_every_line_is_an_object() {
    let server = Server::with(&["logs", "scripted"], &["--log", "json"]);
    server.get("/logs").is_clean(200, "ok");
    let script = Script::new().open(quiet(Act::Trap));
    server.get(&script.target()).is_error(500);
    server.log().wait(0, &["plugin failed", "scripted", "unreachable"]);
    for line in server.log().since(0).lines() {
        assert!(line.starts_with('{') && line.ends_with('}'), "{line}");
    }
}

#[test]
fn debug_lines_are_off_by_default() {
    let folder = Folder::of(&["logs"]);
    let mut command = wasmplex(&["serve", "--listen", "127.0.0.1:0", "--plugins"]);
    command.arg(folder.path());
    let server = Server::spawn(folder, &mut command);
    server.get("/logs").is_clean(200, "ok");
    server.log().wait(0, &["exchange ended", "logs"]);
    assert_eq!(server.log().count(0, &["an info remark"]), 1);
    assert_eq!(server.log().count(0, &["a debug thought"]), 0);
}
