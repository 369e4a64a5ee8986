//! A file that does not load changes nothing: the last good version goes on, and the reason is told.

use std::fs;

use crate::harness::*;

/// The line that says that the plugin "tell" did not load.
const NOT_LOADED: [&str; 5] = ["ERROR", "not loaded", "plugin=\"tell\"", "tell.wat", "reason="];

#[test]
fn the_last_good_version_serves_on_until_there_is_a_better_one() {
    let server = Server::telling(ADMIN);
    let version = server.plugin("tell")["version"].as_str().expect("a version").to_owned();
    server.folder().write("tell.wat", b"(module (memory");
    let line = server.log().wait(0, &NOT_LOADED);
    assert!(line.contains("serving=") && line.contains(&version), "{line}");
    assert_eq!(server.version("tell").as_deref(), Some("A"));

    let stale = server.plugin_becomes("tell", "stale");
    assert_eq!(stale["version"].as_str(), Some(version.as_str()));
    let reason = stale["error"]["reason"].as_str().expect("a reason");
    assert!(!reason.is_empty() && line.contains(reason.lines().next().unwrap_or_default()), "{stale}");
    assert!(!stale["error"]["since"].is_null(), "{stale}");
    server.metric_eventually("wasmplex_plugins", &[("state", "stale")], 1.0);

    server.folder().put("tell", "B");
    server.serves("tell", "B");
    let healed = server.plugin_becomes("tell", "serving");
    assert!(healed["error"].is_null(), "{healed}");
    server.metric_eventually("wasmplex_plugins", &[("state", "stale")], 0.0);
}

#[test]
fn the_last_good_bytes_again_heal_it_too() {
    let server = Server::telling(ADMIN);
    server.folder().write("tell.wat", b"broken");
    server.plugin_becomes("tell", "stale");
    server.folder().put("tell", "A");
    server.plugin_becomes("tell", "serving");
    assert_eq!(server.version("tell").as_deref(), Some("A"));
}

#[test]
fn broken_and_then_deleted_is_gone() {
    let server = Server::telling(&[]);
    server.folder().write("tell.wat", b"broken");
    server.log().wait(0, &NOT_LOADED);
    server.folder().remove("tell.wat");
    server.serves_no("tell");
    server.log().wait(0, &["removed", "plugin=\"tell\""]);
    server.folder().write("tell.wat", b"broken");
    // The last good version does not come back from the dead.
    let mark = server.log().mark();
    server.folder().write("tell.wat", b"still broken");
    server.log().wait(mark, &["not loaded", "tell.wat", "serving=\"nothing\""]);
    server.get("/tell").is_error(404);
}

#[test]
fn broken_from_the_beginning() {
    let folder = Folder::of(&["echo"]);
    folder.write("tell.wat", b"broken");
    let server = Server::serve(folder, ADMIN);
    server.log().wait(0, &["not loaded", "plugin=\"tell\"", "serving=\"nothing\""]);
    let refused = server.plugin_becomes("tell", "refused");
    assert!(refused["error"]["reason"].is_string(), "{refused}");
    server.get("/tell").is_error(404);
    server.post("/echo", b"Hello").is_clean(200, "Hello");
    assert_eq!(server.metric("wasmplex_plugins", &[("state", "refused")]), 1.0);
    assert_eq!(server.metric("wasmplex_plugins", &[("state", "serving")]), 1.0);
    server.folder().put("tell", "A");
    server.serves("tell", "A");
    server.metric_eventually("wasmplex_plugins", &[("state", "refused")], 0.0);
}

#[test]
fn nothing_that_is_refused_at_the_start_gets_in_later() {
    let server = Server::telling(&[]);
    for file in fixtures("refused") {
        let contents = fs::read(&file).expect("read a fixture");
        let text = String::from_utf8_lossy(&contents).into_owned();
        let reason = text.lines().next().and_then(|line| line.strip_prefix(";; refused: "));
        let mark = server.log().mark();
        println!("{}", file.display());
        server.folder().write("tell.wat", &contents);
        server.log().wait(mark, &["not loaded", "tell.wat", reason.expect("a reason in the first line")]);
        assert_eq!(server.version("tell").as_deref(), Some("A"));
    }
    server.folder().put("tell", "B");
    server.serves("tell", "B");
}

#[test]
fn half_a_file_that_was_left_behind_is_not_served() {
    let server = Server::telling(&[]);
    let text = version_plugin("B");
    for part in 1..8 {
        let mark = server.log().mark();
        let half = &text.as_bytes()[..text.len() * part / 8];
        server.folder().write("tell.wat", half);
        server.log().wait(mark, &NOT_LOADED);
        assert_eq!(server.version("tell").as_deref(), Some("A"));
    }
    server.folder().write("tell.wat", text.as_bytes());
    server.serves("tell", "B");
}

#[test]
fn an_empty_file_is_not_served() {
    let server = Server::telling(&[]);
    server.folder().write("tell.wat", b"");
    server.log().wait(0, &["not loaded", "tell.wat", "empty"]);
    assert_eq!(server.version("tell").as_deref(), Some("A"));
}

/// Each is tried once before it is served: what fails before `on_open` would fail for everybody.
#[test]
fn a_plugin_that_cannot_even_begin_is_not_loaded() {
    let flags = ["--cpu-per-call", "200ms"];
    let server = Server::telling(&flags);
    for (name, reason) in [
        ("buffer_null", "chunk_buffer"),
        ("buffer_beyond", "out of range"),
        ("buffer_past_end", "out of range"),
        ("loop_in_start", "per call"),
        ("loop_in_initialize", "per call"),
        ("loop_in_chunk_buffer", "per call"),
        ("trap_in_start", "unreachable"),
    ] {
        let mark = server.log().mark();
        server.folder().copy(&fixture(name));
        server.log().wait(mark, &["not loaded", name, reason, "serving=\"nothing\""]);
        server.get(&format!("/{name}")).is_error(404);
        // And as a new version of one that is served.
        let mark = server.log().mark();
        server.folder().write("tell.wat", &fs::read(fixture(name)).expect("read a fixture"));
        server.log().wait(mark, &["not loaded", "tell.wat", reason]);
        assert_eq!(server.version("tell").as_deref(), Some("A"));
    }
}

#[test]
fn a_bad_file_is_told_once() {
    let flags = [ADMIN, &["--watch", "poll", "--poll-interval", "50ms"]].concat();
    let server = Server::telling(&flags);
    server.folder().write("bad.wat", b"broken");
    server.log().wait(0, &["not loaded", "bad.wat"]);
    // Each of these takes at least one more look at the folder.
    for letter in ["B", "C", "D", "E"] {
        server.folder().put("tell", letter);
        server.serves("tell", letter);
    }
    assert_eq!(server.log().count(0, &["not loaded", "bad.wat"]), 1);
    assert_eq!(server.metric("wasmplex_reloads_total", &[("result", "bad")]), 1.0);
    // Who asks is told again.
    let mark = server.log().mark();
    server.signal("HUP");
    server.log().wait(mark, &["not loaded", "bad.wat"]);
    // Another kind of brokenness is news.
    server.folder().write("bad.wat", b"");
    server.log().wait(0, &["not loaded", "bad.wat", "empty"]);
}

#[test]
fn a_bad_one_does_not_hold_up_the_good_ones_beside_it() {
    let server = Server::telling(ADMIN);
    for number in 0..5 {
        server.folder().write(&format!("bad-{number}.wat"), b"broken");
        server.folder().put(&format!("good-{number}"), "A");
    }
    server.folder().put("tell", "B");
    server.serves("tell", "B");
    for number in 0..5 {
        server.serves(&format!("good-{number}"), "A");
        server.plugin_becomes(&format!("bad-{number}"), "refused");
    }
    server.log().wait(0, &["generation", "plugins=6", "refused=5"]);
}

#[test]
fn good_and_bad_reloads_are_counted() {
    let server = Server::telling(ADMIN);
    let good = server.metric("wasmplex_reloads_total", &[("result", "good")]);
    for letter in ["B", "C"] {
        server.folder().put("tell", letter);
        server.serves("tell", letter);
    }
    server.metric_eventually("wasmplex_reloads_total", &[("result", "good")], good + 2.0);
    assert_eq!(server.metric("wasmplex_reloads_total", &[("result", "bad")]), 0.0);
    server.folder().write("tell.wat", b"broken");
    server.metric_eventually("wasmplex_reloads_total", &[("result", "bad")], 1.0);
}
