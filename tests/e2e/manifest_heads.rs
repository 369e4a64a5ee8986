//! `response` and `methods` of a manifest, and what `inspect` and `run` make of one.

use crate::harness::*;

const FIELDS: &str = r#"{"response": {
    "Content-Type": "text/plain; charset=utf-8",
    "X-Served-By": "the manifest",
    "cache-control": "no-store"
}}"#;

#[test]
fn a_response_starts_with_the_fields_of_the_manifest() {
    let folder = Folder::of(&["echo"]);
    folder.write("echo.json", FIELDS.as_bytes());
    let server = Server::serve(folder, &[]);
    let answer = server.post("/echo", b"Hello");
    answer.is_clean(200, "Hello");
    assert_eq!(answer.head.field("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(answer.head.field("x-served-by"), Some("the manifest"));
    assert_eq!(answer.head.field("cache-control"), Some("no-store"));
}

#[test]
fn the_plugin_may_replace_them() {
    let folder = Folder::of(&["respond"]);
    folder.write("respond.json", FIELDS.as_bytes());
    let server = Server::serve(folder, &[]);
    let reply = Reply::new().field("content-type", "text/html").field("x-served-by", "the plugin");
    let answer = server.post("/respond", &reply.emit("Hello").results().script());
    answer.is_clean(200, "Hello+++");
    assert_eq!(answer.head.field("content-type"), Some("text/html"));
    assert_eq!(answer.head.field("x-served-by"), Some("the plugin"));
    assert_eq!(answer.head.field("cache-control"), Some("no-store"));
}

#[test]
fn other_methods_are_405_and_the_allowed_ones_are_listed() {
    let folder = Folder::of(&["show", "echo"]);
    folder.write("show.json", br#"{"methods": ["GET", "PUT"]}"#);
    let server = Server::serve(folder, ADMIN);
    for method in ["GET", "PUT"] {
        let asked = request(method, "/show?:method", &[]);
        server.connect().exchange(asked).is_clean(200, method);
    }
    for method in ["POST", "PATCH", "DELETE", "OPTIONS"] {
        let answer = server.connect().exchange(request(method, "/show?:method", &[]));
        answer.is_error(405);
        assert_eq!(allowed(&answer), ["GET", "PUT"], "{method}");
    }
    // Those that nobody gets stay what they were.
    server.connect().exchange(request("TRACE", "/show", &[])).is_error(405);
    server.connect().exchange(request("BREW", "/show", &[])).is_error(501);
    server.post("/echo", b"Hello").is_clean(200, "Hello");
    assert_eq!(server.plugin("show")["methods"], serde_json::json!(["GET", "PUT"]));
    assert!(server.plugin("echo")["methods"].is_null());
}

#[test]
fn a_405_keeps_the_connection_in_step() {
    let folder = Folder::of(&["echo"]);
    folder.write("echo.json", br#"{"methods": ["POST"]}"#);
    let server = Server::serve(folder, &[]);
    let mut client = server.connect();
    let answer = client.exchange(request("GET", "/echo", &[]));
    answer.is_error(405);
    if answer.head.says_close() {
        client.is_closed();
        return;
    }
    client.send(request("POST", "/echo", &["Content-Length: 5"]));
    client.exchange("Hello").is_clean(200, "Hello");
}

#[test]
fn a_pipe_offers_what_all_of_its_stages_offer() {
    let folder = Folder::of(&["echo", "rot13", "no_result"]);
    folder.write("echo.json", br#"{"methods": ["POST", "PUT"]}"#);
    folder.write("rot13.json", br#"{"methods": ["GET", "POST"]}"#);
    let server = Server::serve(folder, &[]);
    server.post("/echo+rot13", b"Hello").is_clean(200, "Uryyb");
    for (method, target, expected) in [
        ("GET", "/echo+rot13", vec!["POST"]),
        ("PUT", "/rot13+echo", vec!["POST"]),
        ("DELETE", "/echo+no_result", vec!["POST", "PUT"]),
    ] {
        let answer = server.connect().exchange(request(method, target, &[]));
        answer.is_error(405);
        assert_eq!(allowed(&answer), expected, "{method} {target}");
    }
}

#[test]
fn inspect_shows_what_the_manifest_grants() {
    let (_folder, file) = with_grants();
    let finished = ran(wasmplex(&["inspect"]).arg(&file));
    let said = String::from_utf8_lossy(&finished.stdout).into_owned();
    assert_eq!(finished.code, Some(0), "{said}{}", finished.stderr);
    for needle in ["GREETING", "/data", "123ms", "POST"] {
        assert!(said.contains(needle), "{needle} is not in:\n{said}");
    }
    assert!(!said.contains("no environment"), "{said}");

    let finished = ran(wasmplex(&["inspect", "--json"]).arg(&file));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let said: serde_json::Value = serde_json::from_slice(&finished.stdout).expect("JSON");
    assert_eq!(said["grants"]["env"], serde_json::json!(["GREETING"]), "{said}");
    let granted = &said["grants"]["dirs"][0];
    assert_eq!(granted["guest"], "/data", "{said}");
    assert_eq!(granted["write"], false, "{said}");
    assert_eq!(said["grants"]["network"], false);
    assert!(!said.to_string().contains("the secret"), "a value is nobody's business: {said}");
}

#[test]
fn inspect_fails_with_a_bad_manifest() {
    let (folder, file) = with_grants();
    for (manifest, needle) in [
        (r#"{"limits": {"memroy": "1MiB"}}"#, "memroy"),
        (r#"{"limits": {"cpu_per_call": "1h"}}"#, "cpu_per_call"),
        ("{", "json"),
    ] {
        folder.write("echo.json", manifest.as_bytes());
        for arguments in [&["inspect"][..], &["inspect", "--json"]] {
            let finished = ran(wasmplex(arguments).arg(&file));
            let said = String::from_utf8_lossy(&finished.stdout).into_owned() + &finished.stderr;
            assert_eq!(finished.code, Some(1), "{arguments:?}: {said}");
            assert!(said.contains(needle), "{needle} is not in:\n{said}");
            assert!(!said.contains("panicked"), "{said}");
        }
    }
}

#[test]
fn run_obeys_the_manifest() {
    let folder = Folder::of(&["config", "scripted"]);
    folder.write("config.json", br#"{"config": {"greeting": "hello"}}"#);
    let finished = ran(wasmplex(&["run"]).arg(folder.path().join("config.wat")));
    assert_eq!((finished.code, &finished.stdout[..]), (Some(0), &b"hello"[..]), "{}", finished.stderr);
    folder.write("config.json", br#"{"limits": {"memroy": "1MiB"}}"#);
    let finished = ran(wasmplex(&["run"]).arg(folder.path().join("config.wat")));
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("memroy"), "{}", finished.stderr);
    assert!(finished.stdout.is_empty(), "it ran");
}

#[test]
fn run_has_the_limits_as_flags() {
    let folder = Folder::of(&["echo"]);
    let mut process =
        Process::spawn(wasmplex(&["run", "--received", "10"]).arg(folder.path().join("echo.wat")));
    process.write(b"hello");
    assert_eq!(process.stdout.exactly(5), b"hello");
    process.write(b"world!");
    let finished = process.finish();
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("received"), "{}", finished.stderr);
}

/// The plugin "echo" with a manifest that has something of everything.
fn with_grants() -> (Folder, std::path::PathBuf) {
    let folder = Folder::of(&["echo"]);
    folder.folder("files");
    folder.write(
        "echo.json",
        br#"{
            "limits": {"cpu_per_call": "123ms", "memory": "3MiB"},
            "env": {"GREETING": "the secret"},
            "dirs": [{"host": "files", "guest": "/data"}],
            "config": {"key": 1},
            "methods": ["POST"]
        }"#,
    );
    let file = folder.path().join("echo.wat");
    (folder, file)
}

/// The methods of the Allow field, sorted.
#[track_caller]
fn allowed(answer: &Answer) -> Vec<&str> {
    let allow = answer.head.field("allow").expect("an Allow field");
    let mut methods: Vec<&str> = allow.split(',').map(str::trim).collect();
    methods.sort_unstable();
    methods
}
