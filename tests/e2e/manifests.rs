//! `NAME.json` beside a plugin: what it may hold, and what becomes of one that is wrong.

use crate::harness::*;

/// A manifest is at most so large.
const MAX_MANIFEST: usize = 64 * KIB;

#[test]
fn a_manifest_alone_reloads_its_plugin() {
    let server = Server::with(&["config"], ADMIN);
    server.get("/config").is_clean(200, "absent");
    let before = server.plugin("config");
    server.folder().write("config.json", br#"{"config": {"greeting": "hello"}}"#);
    says(&server, "/config", "hello");
    server.folder().install("config.json", br#"{"config": {"greeting": "goodbye"}}"#);
    says(&server, "/config", "goodbye");
    let after = server.plugin("config");
    assert_eq!(after["file"], before["file"]);
    assert_eq!(after["config"], serde_json::json!(["greeting"]));
}

#[test]
fn without_its_manifest_the_defaults_are_back() {
    let server = Server::with(&["config"], &[]);
    server.folder().write("config.json", br#"{"config": {"greeting": "hello"}, "methods": ["GET"]}"#);
    says(&server, "/config", "hello");
    server.post("/config", b"").is_error(405);
    server.folder().remove("config.json");
    says(&server, "/config", "absent");
    server.post("/config", b"").is_clean(200, "absent");
}

#[test]
fn an_open_exchange_keeps_the_manifest_it_began_with() {
    let server = Server::with(&["echo"], &[]);
    server.folder().write("echo.json", br#"{"limits": {"received": 10}}"#);
    eventually("the limit", || (server.post("/echo", b"eleven byte").head.status == 413).then_some(()));
    let mut bounded = server.open("/echo");
    server.folder().remove("echo.json");
    eventually("no limit", || (server.post("/echo", b"eleven byte").head.status == 200).then_some(()));
    bounded.send_chunk("hello");
    bounded.expect("hello");
    bounded.send_chunk("world!");
    assert_ne!(bounded.rest().1, Ending::Clean);
}

#[test]
fn a_broken_manifest_keeps_the_last_good_pair() {
    let server = Server::with(&["config"], ADMIN);
    server.folder().write("config.json", br#"{"config": {"greeting": "hello"}}"#);
    says(&server, "/config", "hello");
    let version = server.plugin("config")["version"].clone();
    server.folder().write("config.json", br#"{"config": {"greeting": "#);
    server.log().wait(0, &["ERROR", "not loaded", "plugin=\"config\"", "config.json", "serving="]);
    server.get("/config").is_clean(200, "hello");
    let stale = server.plugin_becomes("config", "stale");
    assert_eq!(stale["version"], version);
    // A new plugin does not get in with a broken manifest.
    let mark = server.log().mark();
    server.folder().write("config.wat", version_plugin("B").as_bytes());
    server.log().wait(mark, &["not loaded", "plugin=\"config\""]);
    server.get("/config").is_clean(200, "hello");
    server.folder().remove("config.json");
    says(&server, "/config", "BB");
    server.plugin_becomes("config", "serving");
}

#[test]
fn a_plugin_that_comes_after_its_manifest_has_it_from_the_beginning() {
    let server = Server::of(&["echo"]);
    server.folder().write("config.json", br#"{"config": {"greeting": "hello"}}"#);
    server.folder().copy(&fixture("config"));
    eventually("the plugin", || {
        let answer = server.get("/config");
        if answer.head.status == 404 {
            return None;
        }
        answer.is_clean(200, "hello");
        Some(())
    });
}

#[test]
fn what_is_no_manifest_is_refused_and_named() {
    refused(&[
        ("", "json"),
        ("{", "json"),
        ("null", "json"),
        ("[]", "json"),
        (r#"{"methods": ["GET"]} and more"#, "json"),
        ("{\"config\": {\"greeting\": \"\u{0}\"}}", "json"),
    ]);
}

#[test]
fn an_unknown_key_is_named_wherever_it_stands() {
    refused(&[
        (r#"{"limit": {}}"#, "limit"),
        (r#"{"Limits": {}}"#, "Limits"),
        (r#"{"network": true}"#, "network"),
        (r#"{"limits": {"memroy": "1MiB"}}"#, "memroy"),
        (r#"{"limits": {"max_memory": "1MiB"}}"#, "max_memory"),
        (r#"{"dirs": [{"host": ".", "guest": "/data", "wirte": true}]}"#, "wirte"),
    ]);
}

#[test]
fn a_value_of_the_wrong_kind_is_named_by_its_key() {
    refused(&[
        (r#"{"limits": []}"#, "limits"),
        (r#"{"limits": {"memory": true}}"#, "memory"),
        (r#"{"limits": {"memory": "much"}}"#, "memory"),
        (r#"{"limits": {"memory": "off"}}"#, "memory"),
        (r#"{"limits": {"memory": -1}}"#, "memory"),
        (r#"{"limits": {"memory": 1.5}}"#, "memory"),
        (r#"{"limits": {"memory_per_exchange": null}}"#, "memory_per_exchange"),
        (r#"{"limits": {"cpu_per_call": 50}}"#, "cpu_per_call"),
        (r#"{"limits": {"cpu_per_call": "0s"}}"#, "cpu_per_call"),
        (r#"{"limits": {"cpu_per_call": "off"}}"#, "cpu_per_call"),
        (r#"{"limits": {"time_per_call": "long"}}"#, "time_per_call"),
        (r#"{"limits": {"time_per_call": "500000000000y"}}"#, "time_per_call"),
        (r#"{"limits": {"cpu_per_exchange": {}}}"#, "cpu_per_exchange"),
        (r#"{"limits": {"emitted": "some"}}"#, "emitted"),
        (r#"{"limits": {"received": [1]}}"#, "received"),
        (r#"{"limits": {"log_lines": "many"}}"#, "log_lines"),
        (r#"{"limits": {"log_lines": "1KiB"}}"#, "log_lines"),
        (r#"{"response": ["x-a"]}"#, "response"),
        (r#"{"env": {"A": 5}}"#, "env"),
        (r#"{"dirs": {"host": ".", "guest": "/data"}}"#, "dirs"),
        (r#"{"dirs": [{"host": "."}]}"#, "guest"),
        (r#"{"dirs": [{"guest": "/data"}]}"#, "host"),
        (r#"{"dirs": [{"host": ".", "guest": "/data", "write": "yes"}]}"#, "dirs"),
        (r#"{"config": {"a": null}}"#, "config"),
        (r#"{"config": {"a": ["b"]}}"#, "config"),
        (r#"{"config": {"a": {}}}"#, "config"),
        (r#"{"methods": "GET"}"#, "methods"),
        (r#"{"methods": [1]}"#, "methods"),
    ]);
}

#[test]
fn a_value_that_cannot_be_is_named_by_its_key() {
    refused(&[
        (r#"{"response": {"x y": "a"}}"#, "response"),
        (r#"{"response": {"": "a"}}"#, "response"),
        (r#"{"response": {"x-a": "a\r\nx-smuggled: yes"}}"#, "response"),
        (r#"{"response": {"content-length": "5"}}"#, "content-length"),
        (r#"{"response": {"Transfer-Encoding": "chunked"}}"#, "transfer-encoding"),
        (r#"{"response": {"connection": "close"}}"#, "connection"),
        (r#"{"env": {"A=B": "c"}}"#, "env"),
        (r#"{"env": {"A": "b\u0000c"}}"#, "env"),
        (r#"{"dirs": [{"host": "no/such/folder", "guest": "/data"}]}"#, "no/such/folder"),
        (r#"{"dirs": [{"host": "tell.wat", "guest": "/data"}]}"#, "dirs"),
        (r#"{"methods": ["BREW"]}"#, "methods"),
        (r#"{"methods": ["get"]}"#, "methods"),
        (r#"{"methods": ["TRACE"]}"#, "methods"),
    ]);
}

#[test]
fn a_manifest_is_at_most_64_kib() {
    let server = Server::with(&["config"], &[]);
    let start = br#"{"config": {"greeting": "hello"}"#;
    let padded = |len: usize| {
        let mut text = start.to_vec();
        text.resize(len - 1, b' ');
        text.push(b'}');
        text
    };
    server.folder().write("config.json", &padded(MAX_MANIFEST + 1));
    server.log().wait(0, &["not loaded", "plugin=\"config\"", "config.json"]);
    server.get("/config").is_clean(200, "absent");
    server.folder().write("config.json", &padded(MAX_MANIFEST));
    says(&server, "/config", "hello");
}

#[test]
fn config_has_strings_numbers_and_truth_values() {
    let folder = Folder::of(&["config"]);
    let long = "x".repeat(20_000);
    let manifest = serde_json::json!({"config": {
        "string": "caf\u{e9} \"au lait\"\n", "empty": "", "long": long, "whole": 42, "negative": -7,
        "large": 9_007_199_254_740_993_u64, "fraction": 2.5, "yes": true, "no": false,
    }});
    folder.write("config.json", manifest.to_string().as_bytes());
    let server = Server::serve(folder, &[]);
    for (key, value) in [
        ("string", "caf\u{e9} \"au lait\"\n"),
        ("empty", ""),
        ("long", long.as_str()),
        ("whole", "42"),
        ("negative", "-7"),
        ("large", "9007199254740993"),
        ("fraction", "2.5"),
        ("yes", "true"),
        ("no", "false"),
        ("greeting", "absent"),
        ("STRING", "absent"),
    ] {
        server.get(&format!("/config?{key}")).is_clean(200, value);
    }
}

/// Each of these manifests leaves the last good pair in place, and the log names what is wrong.
#[track_caller]
fn refused(manifests: &[(&str, &str)]) {
    let server = Server::telling(&[]);
    let mut unnamed = Vec::new();
    for (manifest, needle) in manifests {
        println!("{manifest}");
        let mark = server.log().mark();
        server.folder().write("tell.json", manifest.as_bytes());
        let line = server.log().wait(mark, &["not loaded", "plugin=\"tell\"", "tell.json", "reason="]);
        let reason = line.split("reason=").nth(1).unwrap_or_default().replace("tell.json", "the file");
        let is_named = *needle == "json" || reason.to_lowercase().contains(&needle.to_lowercase());
        if !is_named || reason.is_empty() {
            unnamed.push(format!("{needle} in {manifest}: {reason}"));
        }
        assert_eq!(server.version("tell").as_deref(), Some("A"));
    }
    assert!(unnamed.is_empty(), "the reasons do not name:\n{}", unnamed.join("\n"));
    server.folder().remove("tell.json");
    server.folder().put("tell", "B");
    server.serves("tell", "B");
    // At the start, too, and with nothing to fall back to.
    let folder = Folder::new();
    folder.put("tell", "A");
    folder.write("tell.json", manifests[0].0.as_bytes());
    let server = Server::serve(folder, &[]);
    server.log().wait(0, &["not loaded", "plugin=\"tell\"", "serving=\"nothing\""]);
    server.get("/tell").is_error(404);
}

/// Waits until a plain GET is answered with this.
#[track_caller]
fn says(server: &Server, target: &str, text: &str) {
    eventually(&format!("{target} to say {text}"), || (server.get(target).text() == text).then_some(()));
}
