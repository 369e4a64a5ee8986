//! Components that must not be loaded: `inspect` and the server say what is missing or too much, and
//! the rest is served.

use super::component;
use crate::harness::*;

/// A fixture, and what the reason must name.
const REFUSED: &[(&str, &str)] = &[
    ("no-on-chunk", "on-chunk"),
    ("empty", "on-chunk"),
    ("on-chunk-instance", "on-chunk"),
    ("wrong-parameter", "on-chunk"),
    ("wrong-result", "on-chunk"),
    ("wrong-enum", "on-chunk"),
    ("mixed-worlds", "on-chunk"),
    ("half-plugin", "on-end"),
    ("output-2", "wasmplex:plugin/output@2.0.0"),
    ("output-unversioned", "wasmplex:plugin/output"),
    ("wrong-emit", "emit"),
    ("unknown-function", "flush"),
    ("unknown-import", "foo:bar/baz"),
    ("root-function", "emit"),
    ("core-module-import", "engine"),
    ("http", "wasi:http/types"),
    ("wasi-3", "wasi:clocks/monotonic-clock@0.3.0"),
    ("wasi-unknown", "wasi:cli/teleport"),
    ("async", "async"),
    ("memory-64", "64-bit"),
    ("memory-1gib", "memory"),
    ("many-instances", "instances"),
    ("trap-at-start", "unreachable"),
    ("spin-at-start", "cpu per call"),
];

#[test]
fn inspect_says_why() {
    for (name, reason) in REFUSED {
        let finished = ran(wasmplex(&["inspect", "--cpu-per-call", "20ms"]).arg(component(name)));
        let said = String::from_utf8_lossy(&finished.stdout) + finished.stderr.as_str();
        assert_eq!(finished.code, Some(1), "{name}: {said}");
        let why = said.lines().find(|line| line.starts_with("loads")).unwrap_or(&said);
        assert!(why.contains(reason), "{name}: {reason:?} is not in: {why}");
        assert!(!said.contains("panicked"), "{said}");
    }
}

#[test]
fn the_server_says_why_and_serves_the_rest() {
    let folder = Folder::of(&["rot13"]);
    for (name, _) in REFUSED {
        folder.copy(&component(name));
    }
    let server = Server::serve(folder, &[ADMIN, &["--cpu-per-call", "20ms"]].concat());
    for (name, reason) in REFUSED {
        server.log().wait(0, &["not loaded", &format!("plugin=\"{name}\""), reason]);
        let refused = server.plugin(name);
        assert_eq!(refused["state"], "refused", "{refused}");
        let why = refused["error"]["reason"].as_str().expect("a reason");
        assert!(why.contains(reason), "{name}: {reason:?} is not in: {why}");
        assert!(why.lines().count() == 1 && why.len() < 500, "{name}: {why}");
        server.get(&format!("/{name}")).is_error(404);
    }
    server.post("/rot13", b"Hello").is_clean(200, "Uryyb");
}

#[test]
fn an_initial_memory_beyond_the_limit() {
    let server = super::serving(&["echo", "amplify"], &["--memory", "128KiB"]);
    server.log().wait(0, &["not loaded", "plugin=\"amplify\"", "memory"]);
    server.get("/amplify").is_error(404);
    server.post("/echo", b"Hello").is_clean(200, "Hello");
}

#[test]
fn files_that_are_only_nearly_components() {
    let folder = Folder::of(&["rot13"]);
    for (name, bytes) in [
        ("preamble.wasm", &b"\0asm\x0d\0\x01\0"[..]),
        ("cut-short.wasm", b"\0asm\x0d\0\x01\0\x01\x7f"),
        ("garbage.wasm", b"\0asm\x0d\0\x01\0\x0b\x03\xff\xff\xff"),
        ("next-layer.wasm", b"\0asm\x0d\0\x02\0"),
        ("unclosed.wat", b"(component"),
    ] {
        let path = folder.write(name, bytes);
        let finished = ran(wasmplex(&["inspect"]).arg(&path));
        let said = String::from_utf8_lossy(&finished.stdout) + finished.stderr.as_str();
        assert_eq!(finished.code, Some(1), "{name}: {said}");
        assert!(!said.contains("panicked"), "{name}: {said}");
    }
    let server = Server::serve(folder, ADMIN);
    server.post("/rot13", b"Hello").is_clean(200, "Uryyb");
}
