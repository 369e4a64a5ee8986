//! A command as the operator sees it: inspect, run, the admin listener, metrics, reloads.

use serde_json::{Value, json};

use crate::harness::*;

/// `_start` takes a number.
const BROKEN: &str = r#"(module (memory (export "memory") 1) (func (export "_start") (param i32)))"#;

#[test]
fn its_kind_is_told() {
    let server = Program::new().echo().serve(&[]);
    assert_eq!(server.plugin("command")["kind"], "command");
    assert_eq!(server.plugin("command")["state"], "serving");
    let server = Server::with(&["rot13"], ADMIN);
    assert_eq!(server.plugin("rot13")["kind"], "core module");
}

#[test]
fn inspect_says_what_it_is() {
    let folder = Folder::new();
    folder.program("command", &Program::new().echo());
    let file = folder.path().join("command.wat");
    let finished = ran(wasmplex(&["inspect"]).arg(&file));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let said = String::from_utf8_lossy(&finished.stdout).into_owned();
    for word in ["command", "_start", "fd_read"] {
        assert!(said.contains(word), "{word} is not in:\n{said}");
    }
    let finished = ran(wasmplex(&["inspect", "--json"]).arg(&file));
    let said: Value = serde_json::from_slice(&finished.stdout).expect("JSON");
    assert_eq!((finished.code, &said["kind"]), (Some(0), &json!("command")), "{said}");
}

/// Looking at a program must not run it: it might never end.
#[test]
fn inspect_and_loading_do_not_run_it() {
    let folder = Folder::new();
    folder.program("command", &Program::new().complain("I was run\n").spin());
    let file = folder.path().join("command.wat");
    let finished = ran(wasmplex(&["inspect"]).arg(&file));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(!finished.stderr.contains("I was run"), "{}", finished.stderr);
    let server = Server::serve(folder, ADMIN);
    assert_eq!(server.plugin("command")["state"], "serving");
    assert_eq!(server.log().count(0, &["I was run"]), 0);
}

#[test]
fn run_streams_in_lock_step() {
    let folder = Folder::new();
    folder.program("command", &Program::new().echo());
    let mut process = Process::spawn(wasmplex(&["run"]).arg(folder.path().join("command.wat")));
    for round in 0..1000 {
        let line = letters(round);
        process.write(&line);
        assert_eq!(process.stdout.exactly(line.len()), line);
    }
    let finished = process.finish();
    assert_eq!((finished.code, finished.stdout), (Some(0), vec![]), "{}", finished.stderr);
}

#[test]
fn run_ends_as_the_program_ends() {
    let folder = Folder::new();
    folder.program("early", &Program::new().answer(64));
    let mut process = Process::spawn(wasmplex(&["run"]).arg(folder.path().join("early.wat")));
    process.write(b"Hello");
    assert_eq!(process.stdout.rest(), b"Hello");
    assert_eq!(process.wait().code(), Some(0), "while stdin is open");
    folder.program("failing", &Program::new().say("some").complain("a complaint\n").exit(3));
    let finished = ran(wasmplex(&["run"]).arg(folder.path().join("failing.wat")));
    assert_eq!((finished.code, &finished.stdout[..]), (Some(1), &b"some"[..]));
    assert!(finished.stderr.contains("exit code 3"), "{}", finished.stderr);
    assert!(finished.stderr.contains("a complaint"), "{}", finished.stderr);
}

#[test]
fn run_takes_it_in_a_pipe_and_with_its_manifest() {
    let folder = Folder::of(&["rot13"]);
    folder.program("command", &Program::new().echo());
    folder.write("command.json", br#"{"limits": {"received": 6}}"#);
    let mut command = wasmplex(&["run", "rot13+command+rot13", "--plugins"]);
    let mut process = Process::spawn(command.arg(folder.path()));
    process.write(b"Hello\n");
    assert_eq!(process.stdout.exactly(6), b"Hello\n");
    process.write(b"!");
    let finished = process.finish();
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("received"), "{}", finished.stderr);
}

#[test]
fn metrics_count_it() {
    let server = Program::new().echo().serve(&[]);
    let label = [("plugin", "command")];
    let mut client = server.open("/command");
    server.metric_eventually("wasmplex_exchanges_open", &label, 1.0);
    let mut total = 0;
    for round in 0..20 {
        let piece = noise(round, 1 + round as usize * 997);
        client.send_chunk(&piece);
        assert!(client.read(piece.len()) == piece);
        total += piece.len();
        server.metric_eventually("wasmplex_received_bytes_total", &label, total as f64);
        server.metric_eventually("wasmplex_sent_bytes_total", &label, total as f64);
    }
    assert!(server.metric("wasmplex_instance_memory_bytes", &label) >= 3.0 * 65536.0);
    client.send_last_chunk();
    assert_eq!(client.rest(), (vec![], Ending::Clean));
    server.metric_eventually("wasmplex_exchanges_total", &[("plugin", "command"), ("outcome", "clean")], 1.0);
    let metrics = server.metrics();
    for name in ["instance_start", "first_byte"] {
        assert_eq!(metrics.sum(&format!("wasmplex_{name}_seconds_count"), &label), 1.0, "{name}");
    }
    let calls = metrics.sum("wasmplex_call_seconds_count", &label);
    assert!(calls >= 20.0, "a call from one wait to the next: {calls}");
    drop(client);
    server.is_idle();
}

/// The time of a call is its own: waiting for input, sleeping and waiting for the client are not in it.
#[test]
fn calls_do_not_last_as_long_as_the_wait_between_them() {
    let server = Program::new().echo().serve(&[]);
    let mut client = server.open("/command");
    for round in 0..4 {
        // What passes is what is tested: a wait that must not count.
        std::thread::sleep(std::time::Duration::from_millis(250));
        client.send_chunk(letters(round));
        client.expect(letters(round));
    }
    client.send_last_chunk();
    assert_eq!(client.rest(), (vec![], Ending::Clean));
    server.metric_eventually("wasmplex_exchanges_total", &[("plugin", "command")], 1.0);
    let seconds = server.metric("wasmplex_call_seconds_sum", &[("plugin", "command")]);
    assert!(seconds < 0.5, "{seconds} s of calls in an echo of five lines");
}

#[test]
fn an_open_exchange_says_what_it_waits_for() {
    let server = Program::new().answer(64).spin().serve(FAR_LIMITS);
    let mut client = server.open("/command/some/path");
    let waits_for = |what: &str| {
        eventually(what, || {
            let listed = server.admin_json("/exchanges");
            let exchange = &listed["exchanges"][0];
            assert_eq!(exchange["path"], "/command/some/path");
            (exchange["waiting"] == what).then_some(())
        });
    };
    waits_for("input");
    client.send_chunk("Hello");
    client.expect("Hello");
    waits_for("plugin");
}

#[test]
fn kinds_take_each_others_place() {
    let folder = Folder::new();
    folder.put("tell", "A");
    let server = Server::serve(folder, ADMIN);
    let answers = |text: &str| {
        eventually(text, || (server.post("/tell", b"Hello").text() == text).then_some(()));
    };
    let mut streams = Vec::new();
    for round in 0..3 {
        let first = format!("program {round};");
        server.folder().program("tell", &Program::new().say(&first).echo());
        answers(&format!("{first}Hello"));
        assert_eq!(server.plugin("tell")["kind"], "command");
        streams.push((server.open("/tell"), first, "x", ""));
        server.folder().put("tell", "B");
        answers(&whole("B", 5));
        assert_eq!(server.plugin("tell")["kind"], "core module");
        streams.push((server.open("/tell"), "B".to_owned(), "B", "B"));
    }
    for (mut client, first, answer, last) in streams {
        client.expect(&first);
        client.send_chunk("x");
        client.expect(answer);
        client.send_last_chunk();
        assert_eq!(client.rest(), (last.as_bytes().to_vec(), Ending::Clean));
    }
}

#[test]
fn a_broken_program_does_not_replace_a_good_one() {
    let server = Program::new().echo().serve(&[]);
    server.folder().write("command.wat", BROKEN.as_bytes());
    let stale = server.plugin_becomes("command", "stale");
    assert!(stale["error"]["reason"].to_string().contains("_start"), "{stale}");
    server.post("/command", b"Hello").is_clean(200, "Hello");
    server.folder().program("command", &Program::new().echo().say("!"));
    server.plugin_becomes("command", "serving");
    server.post("/command", b"Hello").is_clean(200, "Hello!");
}

#[test]
fn its_compiled_code_is_kept() {
    let cache = Folder::new();
    let path = cache.path().join("cache").display().to_string();
    for cached in [false, true] {
        let server = Program::new().echo().serve(&["--cache", &path]);
        assert_eq!(server.plugin("command")["cached"], cached);
        assert_eq!(server.plugin("command")["kind"], "command");
        server.post("/command", b"Hello").is_clean(200, "Hello");
    }
}
