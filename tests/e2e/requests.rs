//! What a plugin can learn about its request, and which requests reach it.

use crate::harness::*;

#[test]
fn pseudo_fields() {
    let server = Server::of(&["show"]);
    server.get("/show?:method").is_clean(200, "GET");
    server.get("/show?:query").is_clean(200, ":query");
    server.get("/show?:plugin").is_clean(200, "show");
    server.get("/show/more/of%20it?:path").is_clean(200, "/show/more/of%20it");
    server.get("/show?:nosuch").is_clean(200, "absent");
    let version = server.get("/show?:version").text();
    assert!(version.ends_with("1.1"), "{version}");
    let peer = server.get("/show?:peer").text();
    assert!(peer.starts_with("127.0.0.1"), "{peer}");
}

#[test]
fn fields_in_any_case() {
    let server = Server::of(&["show"]);
    let fields = ["X-Some-Thing: a value", "x-empty:", "X-Wide:  two  words \t"];
    let shown = |name: &str| {
        let target = format!("/show?{name}");
        let mut client = server.connect();
        client.exchange(request("GET", &target, &fields))
    };
    shown("X-Some-Thing").is_clean(200, "a value");
    shown("x-some-thing").is_clean(200, "a value");
    shown("X-SOME-THING").is_clean(200, "a value");
    shown("x-empty").is_clean(200, "");
    shown("x-wide").is_clean(200, "two  words");
    shown("x-some").is_clean(200, "absent");
    shown("host").is_clean(200, "localhost");
}

#[test]
fn fields_of_one_name_are_joined() {
    let server = Server::of(&["show"]);
    let fields = ["X-Many: one", "Other: 1", "x-many: two", "X-MANY: three"];
    let mut client = server.connect();
    let answer = client.exchange(request("GET", "/show?x-many", &fields));
    answer.is_clean(200, "one, two, three");
}

#[test]
fn methods_that_reach_the_plugin_with_and_without_a_body() {
    let server = Server::of(&["show"]);
    let mut client = server.connect();
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let bare = request(method, "/show?:method", &[]);
        client.exchange(bare).is_clean(200, method);
        let mut bytes = request(method, "/show?:method", &["Content-Length: 5"]);
        bytes.extend_from_slice(b"Hello");
        client.exchange(bytes).is_clean(200, method);
    }
}

#[test]
fn methods_that_do_not() {
    let server = Server::of(&["show"]);
    for (method, target) in [("TRACE", "/show"), ("CONNECT", "example.com:443")] {
        let answer = server.connect().exchange(request(method, target, &[]));
        answer.is_error(405);
        let allow = answer.head.field("allow").expect("an Allow field");
        assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
        assert!(!allow.contains(method), "{allow}");
    }
    for method in ["get", "Post", "BREW", "PROPFIND"] {
        let answer = server.connect().exchange(request(method, "/show", &[]));
        answer.is_error(501);
    }
}

#[test]
fn a_target_with_a_host_is_understood() {
    let server = Server::of(&["show"]);
    let target = format!("{}?:path", server.url("/show/more"));
    server.get(&target).is_clean(200, "/show/more");
}

#[test]
fn unknown_plugins_are_not_found() {
    let server = Server::of(&["echo"]);
    let folder = server.folder().path().display().to_string();
    let targets = ["/", "/nosuch", "/echo.wat", "/Echo", "/../echo", "/nosuch/../echo", "/echo%00", "//echo"];
    for target in targets {
        println!("{target}");
        let answer = server.get(target);
        answer.is_error(404);
        let text = answer.text();
        assert!(!text.contains(&folder), "{text}");
    }
    let text = server.get("/nosuch").text();
    assert!(!text.contains("echo"), "it lists what there is: {text}");
    server.get("/echo").is_clean(200, "");
}

#[test]
fn an_error_for_head_has_no_body() {
    let server = Server::of(&["show"]);
    let mut client = server.connect();
    client.send(request("HEAD", "/nosuch", &[]));
    let head = client.head_without_body();
    assert_eq!(head.status, 404);
    if head.says_close() {
        client.is_closed();
    } else {
        client.exchange(request("GET", "/show?:method", &[])).is_clean(200, "GET");
    }
}

#[test]
fn a_body_for_an_unknown_plugin_does_not_become_a_request() {
    let server = Server::of(&["echo"]);
    let smuggled = request("GET", "/echo", &["X-Smuggled: yes"]);
    let length = format!("Content-Length: {}", smuggled.len());
    let mut bytes = request("POST", "/nosuch", &[&length]);
    bytes.extend_from_slice(&smuggled);
    let mut client = server.connect();
    let answer = client.exchange(bytes);
    answer.is_error(404);
    if answer.head.says_close() {
        client.is_closed();
    } else {
        // In step: the next answer is to the next request.
        client.exchange(request("GET", "/nosuch", &[])).is_error(404);
    }
}

#[test]
fn config_without_a_manifest_is_absent() {
    let server = Server::of(&["config"]);
    server.get("/config").is_clean(200, "absent");
}
