//! What the two worlds mean: the same as the exports of a core module.

use std::fs;

use super::{component, failed, serving};
use crate::harness::*;

#[test]
fn a_filter_is_exact_whatever_the_cuts() {
    let server = serving(&["echo"], &[]);
    server.is_exact("/echo", <[u8]>::to_vec);
    let long = noise(9, MIB);
    for cut in [at_once, odd] {
        server.sends("/echo", &long, cut, &long);
    }
    server.in_lock_step("/echo", 1000, <[u8]>::to_vec);
}

#[test]
fn the_head_leaves_before_the_body() {
    let server = serving(&["echo", "plugin"], FAR_LIMITS);
    for target in ["/echo", "/plugin"] {
        let mut client = server.open(target);
        client.send_last_chunk();
        assert_eq!(client.rest(), (vec![], Ending::Clean));
        server.get(target).is_clean(200, "");
    }
}

#[test]
fn one_connection_serves_many_exchanges() {
    let server = serving(&["plugin"], &[]);
    let mut client = server.connect();
    for round in 0..50 {
        let line = letters(round);
        client.send(request("POST", "/plugin", &[&format!("Content-Length: {}", line.len())]));
        client.exchange(&line).is_clean(200, &line);
    }
    client.send("POST /plugin HTTP/1.0\r\nContent-Length: 5\r\n\r\nHello");
    client.answer().is_clean(200, "Hello");
}

#[test]
fn other_shapes_that_load() {
    let server = serving(&["nested", "extra-exports", "output-1-9", "no-import", "start-emit"], &[]);
    server.is_exact("/nested", <[u8]>::to_vec);
    for name in ["extra-exports", "output-1-9", "no-import"] {
        server.post(&format!("/{name}"), b"Hello").is_clean(200, "");
    }
    server.post("/start-emit", b"Hello").is_clean(200, "hiHello");
}

/// What was built for another version 1 finds all of it that there is here.
#[test]
fn another_version_1() {
    let echo = fs::read_to_string(component("echo")).expect("read the fixture");
    for version in ["1.0.1", "1.9.0"] {
        let folder = Folder::new();
        folder.write("echo.wat", echo.replace("@1.0.0", &format!("@{version}")).as_bytes());
        Server::serve(folder, &[]).is_exact("/echo", <[u8]>::to_vec);
    }
}

/// Python's library asks for sockets whether its plugin does or not: there are some, of no use.
#[test]
fn sockets_are_denied() {
    let server = serving(&["sockets"], &[]);
    assert_eq!(server.plugin("sockets")["state"], "serving");
    server.post("/sockets", b"x").is_clean(200, "no");
}

#[test]
fn it_sees_the_request_and_shapes_the_head() {
    let server = serving(&["plugin"], &[]);
    let answer = server.post("/plugin/deeper?query", b"Hello");
    answer.is_clean(200, "Hello");
    assert_eq!(answer.head.field("x-seen"), Some("/plugin/deeper"));
}

#[test]
fn on_open_decides() {
    let server = serving(&["plugin"], &[]);
    asked(&server, &["x-open: finish"]).is_clean(200, "early\n");
    asked(&server, &["x-open: pass", "x-chunk: trap"]).is_clean(200, "Hello");
    asked(&server, &["x-open: hold"]).is_clean(200, "Hello");
    // A head that is held can still be shaped; one that is out cannot.
    asked(&server, &["x-open: hold", "x-chunk: status"]).is_clean(201, "1");
    asked(&server, &["x-chunk: status"]).is_clean(200, "0");
}

#[test]
fn an_error_of_on_open_is_an_answer_with_its_status() {
    for (what, status, key, reason) in [
        ("err", 418, "rejected", "no"),
        ("500", 500, "rejected", "no"),
        ("trap", 500, "trap", "unreachable"),
        ("bad", 500, "trap", ""),
    ] {
        println!("{what}");
        let server = serving(&["plugin"], &[]);
        asked(&server, &[&format!("x-open: {what}")]).is_error(status);
        failed(&server, "plugin", key, reason);
    }
}

#[test]
fn on_chunk_decides() {
    let server = serving(&["plugin"], &[]);
    let mut client = server.connect();
    client.send(request("POST", "/plugin", &[CHUNKED, "x-chunk: finish"]));
    client.send_chunk("Hello");
    client.answer().is_clean(200, "enough\n");
    let mut client = server.connect();
    client.send(request("POST", "/plugin", &[CHUNKED, "x-chunk: pass"]));
    assert_eq!(client.head().status, 200);
    // The first chunk is the plugin's; it said nothing to it. The rest is passed.
    client.send_chunk("Hello");
    server.metric_eventually("wasmplex_received_bytes_total", &[("plugin", "plugin")], 10.0);
    for round in 0..20 {
        client.send_chunk(letters(round));
        client.expect(letters(round));
    }
    client.send_last_chunk();
    assert_eq!(client.rest(), (vec![], Ending::Clean));
}

#[test]
fn an_error_after_the_head_cuts() {
    for (field, key, reason) in [
        ("x-chunk: err", "rejected", "no"),
        ("x-chunk: trap", "trap", "unreachable"),
        ("x-chunk: bad", "trap", ""),
        ("x-end: trap", "trap", "unreachable"),
        ("x-end: err", "rejected", "no"),
    ] {
        println!("{field}");
        let server = serving(&["plugin"], &[]);
        asked(&server, &[field]).is_cut(if field.starts_with("x-end") { "Hello" } else { "" });
        failed(&server, "plugin", key, reason);
    }
}

#[test]
fn an_error_of_a_held_head_is_an_answer() {
    for field in ["x-chunk: err", "x-chunk: trap", "x-chunk: bad"] {
        let server = serving(&["plugin"], &[]);
        asked(&server, &["x-open: hold", field]).is_error(500);
    }
}

#[test]
fn the_log_has_its_lines() {
    let server = serving(&["plugin", "wasi"], &[]);
    asked(&server, &["x-chunk: log"]).is_clean(200, "Hello");
    server.log().wait(0, &["WARN", "plugin=\"plugin\"", "a warning"]);
    // Standard output of a component is no response: it has `emit` for that.
    server.post("/wasi", b"Hello").is_clean(200, "ok");
    server.log().wait(0, &["plugin=\"wasi\"", "to stdout"]);
}

#[test]
fn a_timer_pushes() {
    let server = serving(&["plugin"], &[]);
    asked(&server, &["x-end: timer"]).is_clean(200, "Hellotick\ntick\ntick\n");
    let mut client = server.connect();
    client.send(request("GET", "/plugin", &["x-open: timer"]));
    client.answer().is_clean(200, "tick\ntick\ntick\n");
    let mut client = server.connect();
    client.send(request("POST", "/plugin", &[CHUNKED, "x-open: timer"]));
    client.answer().is_clean(200, "tick\ntick\ntick\n");
}

#[test]
fn it_has_its_config() {
    let folder = Folder::new();
    folder.copy(&component("plugin"));
    folder.write("plugin.json", br#"{"config": {"greeting": "good morning"}}"#);
    let server = Server::serve(folder, &[]);
    asked(&server, &["x-end: config"]).is_clean(200, "Hellogood morning");
    asked(&serving(&["plugin"], &[]), &["x-end: config"]).is_clean(200, "Hello");
}

#[test]
fn it_sees_what_the_manifest_grants() {
    let folder = Folder::new();
    folder.copy(&component("surroundings"));
    let server = Server::serve(folder, &[]);
    server.post("/surroundings", b"a").is_clean(200, "surroundings\0");
    server.post("/surroundings", b"e").is_clean(200, "");
    server.post("/surroundings", b"d").is_clean(200, "");
    server.folder().folder("files");
    let manifest = r#"{"args": ["-x", "two words"], "env": {"GREETING": "hello"},
        "dirs": [{"host": "files", "guest": "/data"}]}"#;
    server.folder().write("surroundings.json", manifest.as_bytes());
    eventually("the grants", || (server.post("/surroundings", b"d").text() == "/data\0").then_some(()));
    server.post("/surroundings", b"a").is_clean(200, "surroundings\0-x\0two words\0");
    server.post("/surroundings", b"e").is_clean(200, "GREETING\0hello\0");
}

#[test]
fn reasons_are_lines_that_can_be_trusted() {
    let server = serving(&["reason-hostile", "reason-huge", "reason-not-utf8"], &[]);
    for name in ["reason-hostile", "reason-huge", "reason-not-utf8"] {
        let answer = server.post(&format!("/{name}"), b"Hello");
        assert!(
            answer.head.status == 500 || answer.ending != Ending::Clean,
            "{name}: {}",
            answer.head.status
        );
        let line = server.log().wait(0, &["plugin failed", &format!("plugin=\"{name}\"")]);
        assert!(line.len() < 8 * KIB, "{name}: a line of {} bytes", line.len());
        assert!(!line.contains('\x1b') && !line.contains('\0'), "{line:?}");
    }
    assert_eq!(server.log().count(0, &["plugin failed"]), 3);
    let forged = server.log().since(0);
    assert!(!forged.lines().any(|line| line.starts_with("\x1b") || line.starts_with("[31m")), "{forged}");
}

#[test]
fn in_pipes_with_all_kinds() {
    let folder = Folder::of(&["rot13"]);
    folder.copy(&component("echo"));
    folder.copy(&component("plugin"));
    folder.program("command", &Program::new().echo());
    let server = Server::serve(folder, ADMIN);
    for target in ["/echo+rot13", "/rot13+plugin", "/command+echo+rot13+plugin", "/rot13+echo+command"] {
        println!("{target}");
        server.open(target).rot13_in_lock_step(300);
        server.sends(target, &noise(1, 300 * KIB), odd, &rot13(&noise(1, 300 * KIB)));
    }
    let mut client = server.connect();
    client.send(request("GET", "/plugin+rot13+echo", &["x-open: timer"]));
    client.answer().is_clean(200, "gvpx\ngvpx\ngvpx\n");
    let mut client = server.connect();
    client.send(request("POST", "/plugin+rot13", &["Content-Length: 0", "x-open: err"]));
    client.answer().is_error(418);
}

/// What `plugin` answers to "Hello" and these fields.
#[track_caller]
fn asked(server: &Server, fields: &[&str]) -> Answer {
    let bytes = request("POST", "/plugin", &[&["Content-Length: 5"], fields].concat());
    server.connect().exchange([&bytes[..], b"Hello"].concat())
}
