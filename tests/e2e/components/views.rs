//! Components as the operator sees them: inspect, run, the admin listener, metrics, reloads.

use std::fs;

use serde_json::{Value, json};

use super::{component, serving};
use crate::harness::*;

#[test]
fn its_kind_is_told() {
    let server = serving(&["echo", "plugin"], &[]);
    for name in ["echo", "plugin"] {
        assert_eq!(server.plugin(name)["kind"], "component");
        assert_eq!(server.plugin(name)["state"], "serving");
        let finished = ran(wasmplex(&["inspect", "--json"]).arg(component(name)));
        let said: Value = serde_json::from_slice(&finished.stdout).expect("JSON");
        assert_eq!((finished.code, &said["kind"]), (Some(0), &json!("component")), "{said}");
    }
    let finished = ran(wasmplex(&["inspect"]).arg(component("plugin")));
    let said = String::from_utf8_lossy(&finished.stdout).into_owned();
    for word in ["component", "on-chunk", "on-timer", "wasmplex:plugin/output@1.0.0"] {
        assert!(said.contains(word), "{word} is not in:\n{said}");
    }
}

#[test]
fn run_streams_in_lock_step() {
    let mut process = Process::spawn(wasmplex(&["run"]).arg(component("echo")));
    for round in 0..1000 {
        let line = letters(round);
        process.write(&line);
        assert_eq!(process.stdout.exactly(line.len()), line);
    }
    let finished = process.finish();
    assert_eq!((finished.code, finished.stdout), (Some(0), vec![]), "{}", finished.stderr);
}

#[test]
fn run_says_why_it_failed() {
    let mut process = Process::spawn(wasmplex(&["run"]).arg(component("reason-hostile")));
    process.write(b"Hello");
    let finished = process.finish();
    assert_eq!(finished.code, Some(1));
    assert!(!finished.stderr.contains('\x1b'), "{:?}", finished.stderr);
    let finished = ran(wasmplex(&["run"]).arg(component("http")));
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("wasi:http"), "{}", finished.stderr);
}

#[test]
fn metrics_count_it() {
    let server = serving(&["echo"], &[]);
    let label = [("plugin", "echo")];
    let mut client = server.open("/echo");
    let mut total = 0;
    for round in 0..20 {
        let piece = noise(round, 1 + round as usize * 997);
        client.send_chunk(&piece);
        assert!(client.read(piece.len()) == piece);
        total += piece.len();
        server.metric_eventually("wasmplex_received_bytes_total", &label, total as f64);
        server.metric_eventually("wasmplex_sent_bytes_total", &label, total as f64);
    }
    assert!(server.metric("wasmplex_instance_memory_bytes", &label) >= 2.0 * 65536.0);
    client.send_last_chunk();
    assert_eq!(client.rest(), (vec![], Ending::Clean));
    server.metric_eventually("wasmplex_exchanges_total", &[("plugin", "echo"), ("outcome", "clean")], 1.0);
    let metrics = server.metrics();
    for name in ["instance_start", "first_byte"] {
        assert_eq!(metrics.sum(&format!("wasmplex_{name}_seconds_count"), &label), 1.0, "{name}");
    }
    assert!(metrics.sum("wasmplex_call_seconds_count", &label) >= 20.0);
    drop(client);
    server.is_idle();
}

#[test]
fn kinds_take_each_others_place() {
    let folder = Folder::new();
    folder.put("tell", "A");
    let server = Server::serve(folder, ADMIN);
    let answers = |text: &str| {
        eventually(text, || (server.post("/tell", b"Hello").text() == text).then_some(()));
    };
    let echo = fs::read(component("echo")).expect("read the fixture");
    let mut streams = Vec::new();
    for round in 0..3 {
        server.folder().install("tell.wat", &echo);
        answers("Hello");
        assert_eq!(server.plugin("tell")["kind"], "component");
        streams.push((server.open("/tell"), "", "x", ""));
        server.folder().program("tell", &Program::new().say("first;").echo().say(format!(";{round}")));
        answers(&format!("first;Hello;{round}"));
        assert_eq!(server.plugin("tell")["kind"], "command");
        server.folder().put("tell", "B");
        answers(&whole("B", 5));
        assert_eq!(server.plugin("tell")["kind"], "core module");
        streams.push((server.open("/tell"), "B", "B", "B"));
    }
    for (mut client, first, answer, last) in streams {
        client.expect(first);
        client.send_chunk("x");
        client.expect(answer);
        client.send_last_chunk();
        assert_eq!(client.rest(), (last.as_bytes().to_vec(), Ending::Clean));
    }
}

#[test]
fn a_bad_one_does_not_replace_a_good_one() {
    let folder = Folder::new();
    folder.write("tell.wat", &fs::read(component("echo")).expect("read the fixture"));
    let server = Server::serve(folder, ADMIN);
    let http = fs::read(component("http")).expect("read the fixture");
    server.folder().install("tell.wat", &http);
    let stale = server.plugin_becomes("tell", "stale");
    assert!(stale["error"]["reason"].to_string().contains("wasi:http"), "{stale}");
    assert_eq!(stale["kind"], "component");
    server.post("/tell", b"Hello").is_clean(200, "Hello");
}

#[test]
fn its_compiled_code_is_kept() {
    let cache = Folder::new();
    let path = cache.path().join("cache").display().to_string();
    for cached in [false, true] {
        let server = serving(&["plugin"], &["--cache", &path]);
        assert_eq!(server.plugin("plugin")["cached"], cached);
        assert_eq!(server.plugin("plugin")["kind"], "component");
        server.post("/plugin", b"Hello").is_clean(200, "Hello");
    }
}
