//! The admin listener: health, and what is served.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::harness::*;

#[test]
fn health_and_readiness() {
    let server = Server::with(&["rot13"], ADMIN);
    for (path, text) in [("/healthz", "ok"), ("/readyz", "ready")] {
        let answer = server.admin(path);
        assert_eq!((answer.head.status, answer.ending), (200, Ending::Clean));
        assert_eq!(answer.text().trim_end(), text);
        assert!(answer.head.says_close(), "{:?}", answer.head);
    }
}

#[test]
fn a_draining_server_is_alive_and_not_ready() {
    let mut server = Server::with(&["rot13"], &[ADMIN, &["--drain-timeout", "10m"]].concat());
    let mut open = server.open("/rot13");
    server.signal("TERM");
    server.wait_until_closed();
    let answer = server.admin("/readyz");
    assert_eq!((answer.head.status, answer.text().trim_end()), (503, "draining"));
    assert_eq!(server.admin("/healthz").text().trim_end(), "ok");
    let exchanges = server.admin_json("/exchanges");
    assert_eq!(exchanges["open"], 1, "{exchanges}");
    assert_eq!(server.metric("wasmplex_exchanges_open", &[("plugin", "rot13")]), 1.0);
    open.rot13_in_lock_step(20);
    drop(open);
    assert_eq!(server.wait_for_exit().code(), Some(0));
}

#[test]
fn what_there_is_not() {
    let server = Server::with(&["rot13"], ADMIN);
    for path in ["/nosuch", "/healthz/", "/Metrics", "/rot13", "/../healthz"] {
        assert_eq!(server.admin(path).head.status, 404, "{path}");
    }
    for (method, path) in
        [("POST", "/healthz"), ("PUT", "/metrics"), ("DELETE", "/plugins"), ("POST", "/nosuch")]
    {
        let answer = Client::connect(server.admin_address()).exchange(request(method, path, &[]));
        let expected = if path == "/nosuch" { vec![404, 405] } else { vec![405] };
        assert!(expected.contains(&answer.head.status), "{method} {path}: {}", answer.head.status);
        assert!(answer.head.says_close(), "{:?}", answer.head);
    }
    // And nothing of it is to be had from the public side.
    for path in ["/healthz", "/readyz", "/metrics", "/plugins", "/exchanges"] {
        server.get(path).is_error(404);
    }
}

#[test]
fn head_has_no_body() {
    let server = Server::with(&["rot13"], ADMIN);
    for path in ["/healthz", "/metrics", "/plugins", "/exchanges"] {
        let mut client = Client::connect(server.admin_address());
        client.send(request("HEAD", path, &[]));
        assert_eq!(client.head_without_body().status, 200, "{path}");
        assert!(client.everything().is_empty(), "{path}");
    }
}

#[test]
fn broken_and_slow_requests_do_not_silence_it() {
    let server = Server::with(&["rot13"], ADMIN);
    let silent: Vec<Client> = (0..100).map(|_| Client::connect(server.admin_address())).collect();
    let mut broken = Client::connect(server.admin_address());
    broken.try_send("this is no request\r\n\r\n");
    assert_eq!(broken.answer().head.status, 400);
    let mut endless = Client::connect(server.admin_address());
    endless.try_send(format!("GET /healthz HTTP/1.1\r\nX-Large: {}", "a".repeat(MIB)));
    let said = String::from_utf8_lossy(&endless.everything()).into_owned();
    assert!(!said.contains(" 200 "), "{said}");
    assert_eq!(server.admin("/healthz").head.status, 200);
    drop(silent);
    server.post("/rot13", b"Hello").is_clean(200, "Uryyb");
}

#[test]
fn without_the_flag_there_is_none() {
    let mut server = Server::of(&["rot13"]);
    server.signal("TERM");
    assert_eq!(server.wait_for_exit().code(), Some(0));
    let rest = server.process().stdout.rest();
    assert!(rest.is_empty(), "{:?}", String::from_utf8_lossy(&rest));
}

#[test]
fn a_taken_admin_address_is_an_error() {
    let folder = Folder::of(&["echo"]);
    let taken = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = taken.local_addr().expect("an address").to_string();
    let mut command = wasmplex(&["serve", "--listen", "127.0.0.1:0", "--admin", &address, "--plugins"]);
    let finished = ran(command.arg(folder.path()));
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert!(finished.stderr.contains(&address), "{}", finished.stderr);
}

#[test]
fn a_plugin_that_serves() {
    let folder = Folder::new();
    folder.put("tell", "A");
    let path = folder.path().display().to_string();
    let server = Server::serve(folder, ADMIN);
    let listed = server.admin_json("/plugins");
    assert_eq!(listed["folder"].as_str(), Some(path.as_str()));
    assert!(listed["generation"].is_u64(), "{listed}");
    assert_eq!((&listed["routes"], &listed["problems"]), (&json!({}), &json!([])));

    let tell = server.plugin("tell");
    assert_eq!((&tell["state"], &tell["error"]), (&json!("serving"), &Value::Null));
    let digest = tell["digest"].as_str().expect("a digest");
    let version = tell["version"].as_str().expect("a version");
    assert!(!version.is_empty() && digest.contains(version), "{version} of {digest}");
    assert!(tell["file"].as_str().is_some_and(|file| file.ends_with("tell.wat")), "{tell}");
    assert_eq!(tell["size"].as_u64(), Some(version_plugin("A").len() as u64));
    assert!(!tell["loaded_at"].is_null() && tell["load_ms"].is_number(), "{tell}");
    assert_eq!((&tell["cached"], &tell["open"], &tell["older"]), (&json!(false), &json!(0), &json!([])));
    assert!(tell["limits"].is_object(), "{tell}");
    assert_eq!(tell["grants"], json!({"args": 0, "env": [], "dirs": [], "network": false}));
    assert_eq!((&tell["methods"], &tell["config"]), (&Value::Null, &json!([])));
}

#[test]
fn the_version_is_the_one_in_the_log() {
    let server = Server::telling(ADMIN);
    let mut versions = Vec::new();
    for letter in ["A", "B", "C"] {
        server.folder().put("tell", letter);
        server.serves("tell", letter);
        let version = server.plugin("tell")["version"].as_str().expect("a version").to_owned();
        server.log().wait(0, &["exchange ended", "tell", &version]);
        server.log().wait(0, &["loaded", "compile_ms", "tell", &version]);
        assert!(!versions.contains(&version), "{version} again");
        versions.push(version);
    }
}

#[test]
fn older_versions_are_listed_for_as_long_as_they_are_open() {
    let server = Server::telling(ADMIN);
    let first = server.plugin("tell")["version"].clone();
    let mut one = server.open("/tell");
    let mut two = server.open("/tell");
    eventually("two open", || (server.plugin("tell")["open"] == 2).then_some(()));
    server.folder().put("tell", "B");
    server.serves("tell", "B");
    let second = server.plugin("tell")["version"].clone();
    let _three = server.open("/tell");
    server.folder().put("tell", "C");
    server.serves("tell", "C");

    let tell = eventually("the older ones", || {
        let tell = server.plugin("tell");
        (tell["older"].as_array().map(Vec::len) == Some(2) && tell["open"] == 0).then_some(tell)
    });
    let open_of = |version: &Value| {
        let older = tell["older"].as_array().expect("a list");
        let older = older.iter().find(|older| older["version"] == *version).expect("it is listed");
        assert!(older["age_s"].as_f64().is_some_and(|age| age >= 0.0), "{older}");
        older["open"].as_u64()
    };
    assert_eq!((open_of(&first), open_of(&second)), (Some(2), Some(1)));
    one.send_last_chunk();
    two.send_last_chunk();
    one.rest();
    two.rest();
    eventually("the first to be gone", || {
        let older = server.plugin("tell")["older"].clone();
        older
            .as_array()
            .is_some_and(|older| older.iter().all(|older| older["version"] != first))
            .then_some(())
    });
}

#[test]
fn a_deleted_plugin_is_not_listed() {
    let server = Server::telling(ADMIN);
    let mut open = server.open("/tell");
    server.folder().remove("tell.wat");
    server.serves_no("tell");
    let tell = server.plugin("tell");
    assert!(tell.is_null() || tell["state"] != "serving", "{tell}");
    let listed = server.admin_json("/exchanges");
    assert_eq!(listed["exchanges"][0]["plugins"], json!(["tell"]), "{listed}");
    open.send_last_chunk();
    open.rest();
}
