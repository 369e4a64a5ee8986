//! Raw TCP: `--tcp ADDR=PLUGIN`. A connection is an exchange, and its bytes are all there is.

use std::net::SocketAddr;

use serde_json::Value;

use crate::harness::*;

/// A server with one raw listener for this route.
#[track_caller]
fn raw(plugins: &[&str], route: &str, flags: &[&str]) -> (Server, SocketAddr) {
    raw_of(Folder::of(plugins), route, flags)
}

#[track_caller]
fn raw_of(folder: Folder, route: &str, flags: &[&str]) -> (Server, SocketAddr) {
    let tcp = format!("127.0.0.1:0={route}");
    let mut server = Server::serve(folder, &[&["--tcp", &tcp], flags].concat());
    let address = server.next_raw(route);
    (server, address)
}

#[track_caller]
fn connect(address: SocketAddr) -> Client {
    Client::connect(address).raw()
}

/// The fixture `scripted` under a raw listener. Without a query, its script is in a text of its own.
fn scripted(script: Script) -> Folder {
    let text = std::fs::read_to_string(fixture("scripted")).expect("read the fixture");
    let target = script.target();
    let letters = target.rsplit('?').next().expect("a script");
    let changed = text.replace("\"AAAAAA\"", &format!("\"{letters}\""));
    assert!(letters == "AAAAAA" || changed != text, "the fixture has another form");
    let folder = Folder::new();
    folder.write("scripted.wat", changed.as_bytes());
    folder
}

/// A raw listener whose plugin does this.
#[track_caller]
fn raw_script(script: Script, flags: &[&str]) -> (Server, SocketAddr) {
    raw_of(scripted(script), "scripted", flags)
}

#[test]
fn a_port_is_found_and_said() {
    let (server, address) = raw(&["rot13"], "rot13", &[]);
    assert_ne!(address.port(), 0);
    connect(address).rot13_in_raw_lock_step(3);
    // HTTP goes on beside it.
    server.post("/rot13", b"Hello").is_clean(200, "Uryyb");
}

#[test]
fn both_directions_at_once_and_both_ends() {
    let (_server, address) = raw(&["rot13"], "rot13", FAR_LIMITS);
    connect(address).rot13_raw_and_whole();
}

#[test]
fn http_means_nothing_here() {
    let (_server, address) = raw(&["echo"], "echo", &[]);
    let bytes = request("POST", "/echo", &["Content-Length: 5"]);
    let mut client = connect(address);
    client.send(&bytes);
    client.half_close();
    assert_eq!(client.rest(), (bytes, Ending::Clean));
}

#[test]
fn every_byte_value_and_an_empty_stream() {
    let (_server, address) = raw(&["echo"], "echo", &[]);
    let bytes: Vec<u8> = (0..=255).collect();
    let mut client = connect(address);
    client.send(&bytes);
    client.half_close();
    assert_eq!(client.rest(), (bytes, Ending::Clean));
    let mut client = connect(address);
    client.half_close();
    assert_eq!(client.rest(), (vec![], Ending::Clean));
}

#[test]
fn the_client_ends_first_and_still_listens() {
    let script = Script::new().open(say(Act::GoOn)).chunk(say(Act::GoOn)).end(say(Act::GoOn));
    let (_server, address) = raw_script(script, &[]);
    let mut client = connect(address);
    client.expect("open;");
    client.send("some bytes");
    client.expect("chunk;");
    client.half_close();
    assert_eq!(client.rest(), (b"end;".to_vec(), Ending::Clean));
}

#[test]
fn a_client_that_ended_waits_for_a_plugin_that_computes() {
    let folder = Folder::new();
    folder.program("command", &Program::new().take(1).compute(300).echo().say("; done"));
    let (_server, address) = raw_of(folder, "command", FAR_LIMITS);
    let mut client = connect(address);
    client.send("x");
    client.send("and more");
    client.half_close();
    assert_eq!(client.rest(), (b"and more; done".to_vec(), Ending::Clean));
}

#[test]
fn the_plugin_ends_first_and_nothing_is_lost() {
    let script = Script::new().chunk(say(Act::Finish));
    let (_server, address) = raw_script(script, &[]);
    let mut client = connect(address);
    client.send("some bytes");
    assert_eq!(client.rest(), (b"chunk;".to_vec(), Ending::Clean));
    client.send(noise(1, MIB));
    client.half_close();
    client.is_closed();
}

#[test]
fn a_failure_resets_behind_what_was_emitted() {
    for (act, why) in [(Act::Trap, "unreachable"), (Act::Reject, "rejected"), (Act::ExitWith3, "3")] {
        let (server, address) = raw_script(Script::new().chunk(say(act)), &[]);
        let mut client = connect(address);
        client.send("some bytes");
        client.expect("chunk;");
        assert_eq!(client.rest(), (vec![], Ending::Reset), "{act:?}");
        server.log().wait(0, &["plugin failed", "scripted", why]);
    }
}

#[test]
fn a_failure_before_any_byte_resets() {
    for act in [Act::Trap, Act::Reject, Act::Forbid] {
        let (server, address) = raw_script(Script::new().open(quiet(act)), &[]);
        assert_eq!(connect(address).rest(), (vec![], Ending::Reset), "{act:?}");
        server.log().wait(0, &["exchange ended", "way=", "tcp", "failed"]);
    }
}

#[test]
fn limits_reset_and_are_named() {
    let (server, address) = raw(&["echo"], "echo", &["--received", "10"]);
    let mut client = connect(address);
    client.send("0123456789");
    client.expect("0123456789");
    client.send("x");
    assert_eq!(client.rest(), (vec![], Ending::Reset));
    server.log().wait(0, &["exchange ended", "received"]);

    let (server, address) = raw_script(Script::new().chunk(say(Act::Loop)), &["--cpu-per-call", "50ms"]);
    let mut client = connect(address);
    client.send("some bytes");
    client.expect("chunk;");
    assert_eq!(client.rest(), (vec![], Ending::Reset));
    server.log().wait(0, &["plugin failed", "cpu"]);
}

#[test]
fn a_plugin_may_come_and_go_later() {
    let (server, address) = raw(&["echo"], "rot13", &[]);
    server.log().wait(0, &["WARN", "rot13"]);
    assert_eq!(connect(address).rest(), (vec![], Ending::Reset));
    let text = std::fs::read(fixture("rot13")).expect("read the sample");
    server.folder().install("rot13.wat", &text);
    let mut client = eventually("the plugin to be there", || {
        let mut client = connect(address);
        client.try_send("Hello");
        matches!(client.step(), Step::Data(_)).then_some(client)
    });
    server.folder().remove("rot13.wat");
    eventually("the plugin to be gone", || {
        let mut client = connect(address);
        client.try_send("Hello");
        (client.step() == Step::Over(Ending::Reset)).then_some(())
    });
    // What runs goes on with the code that it began with.
    client.half_close();
    assert_eq!(client.rest().1, Ending::Clean);
}

#[test]
fn several_of_them_and_pipes() {
    let folder = Folder::of(&["rot13", "echo"]);
    let flags =
        ["--tcp", "127.0.0.1:0=rot13", "--tcp", "127.0.0.1:0=rot13+echo", "--tcp", "127.0.0.1:0=rot13+rot13"];
    let mut server = Server::serve(folder, &flags);
    let addresses = ["rot13", "rot13+echo", "rot13+rot13"].map(|route| server.next_raw(route));
    for (address, expected) in addresses.into_iter().zip(["Uryyb", "Uryyb", "Hello"]) {
        let mut client = connect(address);
        client.send("Hello");
        client.expect(expected);
        client.half_close();
        assert_eq!(client.rest(), (vec![], Ending::Clean));
    }
}

#[test]
fn settings_from_the_environment() {
    let folder = Folder::of(&["rot13", "echo"]);
    let mut command = wasmplex(&["serve", "--listen", "127.0.0.1:0", "--plugins"]);
    command.arg(folder.path()).env("WASMPLEX_TCP", "127.0.0.1:0=rot13,127.0.0.1:0=echo+rot13");
    let mut server = Server::spawn(folder, &mut command);
    for route in ["rot13", "echo+rot13"] {
        connect(server.next_raw(route)).rot13_in_raw_lock_step(3);
    }
}

#[test]
fn wrong_values_are_explained() {
    let folder = Folder::of(&["rot13"]);
    for (value, needle) in [
        ("127.0.0.1:9000", "127.0.0.1:9000=rot13"),
        ("rot13", "127.0.0.1:9000=rot13"),
        ("=rot13", "127.0.0.1:8080"),
        ("9000=rot13", "127.0.0.1:8080"),
        ("localhost:9000=rot13", "127.0.0.1:8080"),
        ("127.0.0.1:70000=rot13", "127.0.0.1:8080"),
        ("127.0.0.1:9000=", "plugin name"),
        ("127.0.0.1:9000=rot13+", "plugin name"),
        ("127.0.0.1:9000=../rot13", "../rot13"),
        ("127.0.0.1:9000=/rot13", "/rot13"),
        ("http://127.0.0.1:9000=rot13", "http://"),
        ("unix:=rot13", "path of a socket"),
    ] {
        let mut command = wasmplex(&["serve", "--listen", "127.0.0.1:0", "--tcp", value, "--plugins"]);
        let finished = ran(command.arg(folder.path()));
        assert_eq!(finished.code, Some(2), "{value}: {}", finished.stderr);
        let said = &finished.stderr;
        assert!(said.contains("--tcp") && said.contains(needle), "{value}: {said}");
        assert!(finished.stdout.is_empty(), "it served nothing");
    }
}

#[test]
fn one_exchange_too_many_is_reset() {
    let (server, address) = raw(&["rot13"], "rot13", &["--max-exchanges", "1"]);
    let mut first = connect(address);
    first.rot13_in_raw_lock_step(1);
    assert_eq!(connect(address).rest(), (vec![], Ending::Reset));
    server.get("/rot13").is_error(503);
    first.half_close();
    assert_eq!(first.rest(), (vec![], Ending::Clean));
    server.log().wait(0, &["exchange ended", "rot13"]);
    connect(address).rot13_in_raw_lock_step(3);
}

#[test]
fn a_client_that_does_not_read_waits() {
    let (server, address) = raw(&["counter"], "counter", FAR_LIMITS);
    // The first one's pages stay with the server.
    drop(connect(address).read(4 * MIB));
    server.settle();
    let before = server.memory_now();
    let mut client = connect(address);
    server.settle();
    let grown = server.memory_now().saturating_sub(before);
    assert!(grown < 2 * MIB, "the server grew by {grown} bytes");
    let body = client.read(16 * MIB);
    for (expected, number) in (0u64..).zip(body.chunks_exact(8)) {
        assert_eq!(number, expected.to_le_bytes());
    }
}

#[test]
fn a_client_that_never_reads_and_a_silent_one_are_ended() {
    let (server, address) = raw(&["counter"], "counter", &["--write-timeout", "300ms"]);
    let mut client = connect(address);
    let line = server.log().wait(0, &["exchange ended", "counter"]);
    assert!(line.contains("did not read") && line.contains("cut"), "{line}");
    assert_eq!(client.rest().1, Ending::Reset);

    let (server, address) = raw(&["echo"], "echo", &["--body-timeout", "300ms"]);
    let mut client = connect(address);
    client.send("Hello");
    client.expect("Hello");
    assert_eq!(client.rest(), (vec![], Ending::Reset));
    let line = server.log().wait(0, &["exchange ended", "echo"]);
    assert!(line.contains("cut"), "{line}");
}

#[test]
fn a_client_that_goes_takes_the_instance_with_it() {
    for act in [Act::Loop, Act::SleepAnHour] {
        let (server, address) = raw_script(Script::new().chunk(say(act)), FAR_LIMITS);
        let mut client = connect(address);
        client.send("some bytes");
        client.vanish_before_reading("chunk;");
        let line = server.log().wait(0, &["exchange ended", "scripted"]);
        assert!(line.contains("gone"), "{line}");
        server.settle();
    }
}

#[test]
fn what_a_plugin_may_ask() {
    let folder = Folder::new();
    folder.write("asks.wat", ASKS.as_bytes());
    let (_server, address) = raw_of(folder, "asks", &[]);
    let mut client = connect(address);
    client.half_close();
    let (answer, ending) = client.rest();
    assert_eq!(ending, Ending::Clean);
    let answer = String::from_utf8(answer).expect("text");
    let lines: Vec<&str> = answer.lines().collect();
    let [absent @ .., peer, plugin] = lines.as_slice() else {
        panic!("too few lines: {answer}");
    };
    assert_eq!(absent, ["absent"; 5], "{answer}");
    assert!(peer.starts_with("127.0.0.1:"), "{answer}");
    assert_eq!(*plugin, "asks", "{answer}");
}

#[test]
fn status_and_fields_of_the_response_go_nowhere() {
    let (_server, address) = raw(&["respond"], "respond", &[]);
    let reply = Reply::new().status(404).field("x-a", "b").field("content-length", "1").emit("Hello");
    let mut client = connect(address);
    client.send(reply.script());
    client.half_close();
    assert_eq!(client.rest(), (b"Hello".to_vec(), Ending::Clean));
}

#[test]
fn what_the_access_line_and_the_list_say() {
    let (server, address) = raw(&["rot13", "echo"], "rot13+echo", &[ADMIN, &["--log", "json"]].concat());
    let mut client = connect(address);
    client.send("Hello");
    client.expect("Uryyb");
    let listed = server.admin_json("/exchanges")["exchanges"][0].clone();
    assert_eq!((&listed["way"], &listed["received"], &listed["sent"]), (&"tcp".into(), &5.into(), &5.into()));
    assert_eq!(listed["plugins"], serde_json::json!(["rot13", "echo"]));
    assert_eq!((&listed["method"], &listed["path"]), (&Value::Null, &Value::Null), "{listed}");
    assert!(listed["peer"].as_str().is_some_and(|peer| peer.starts_with("127.0.0.1:")), "{listed}");
    client.half_close();
    assert_eq!(client.rest(), (vec![], Ending::Clean));
    let line = server.log().wait(0, &["exchange ended"]);
    let line: Value = serde_json::from_str(&line).expect("a line of JSON");
    assert_eq!((&line["way"], &line["outcome"]), (&"tcp".into(), &"clean".into()), "{line}");
    assert_eq!((&line["received"], &line["sent"]), (&5.into(), &5.into()), "{line}");
    assert_eq!((&line["plugin"], &line["exchange"]), (&"rot13+echo".into(), &listed["id"]), "{line}");
    for name in ["method", "path", "status"] {
        assert!(line.get(name).is_none_or(Value::is_null), "{name} in {line}");
    }
}

#[test]
fn a_failure_leaves_a_capsule_that_can_be_replayed() {
    let capsules = Capsules::new();
    let plugins = Folder::new();
    plugins.write("fussy.wat", fussy(false).as_bytes());
    let mut server = capsules.serve(plugins, &["--tcp", "127.0.0.1:0=fussy"]);
    let mut client = connect(server.next_raw("fussy"));
    for chunk in ["Hello", "World"] {
        client.send(chunk);
        client.expect(chunk);
    }
    client.send("X");
    assert_eq!(client.rest(), (vec![], Ending::Reset));
    let (file, capsule) = capsules.first();
    assert_eq!(capsule["request"]["way"], "tcp", "{capsule}");
    let (code, said) = replay(&file, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("the same failure") && said.contains("chunk 3, offset 10"), "{said}");
    let fixed = capsules.write("fixed.wat", &fussy(true));
    let (code, said) = replay(&file, &["--against", fixed.to_str().expect("a path in UTF-8")]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_drain_lets_it_come_to_its_end() {
    let (mut server, address) = raw(&["rot13"], "rot13", &["--drain-timeout", "10m"]);
    let mut client = connect(address);
    client.rot13_in_raw_lock_step(3);
    server.signal("TERM");
    eventually("the raw listener to close", || std::net::TcpStream::connect(address).err());
    client.rot13_in_raw_lock_step(20);
    client.half_close();
    assert_eq!(client.rest(), (vec![], Ending::Clean));
    drop(client);
    assert_eq!(server.wait_for_exit().code(), Some(0));
}

#[test]
fn beyond_the_drain_timeout_it_is_reset() {
    let (mut server, address) = raw(&["rot13"], "rot13", &["--drain-timeout", "300ms"]);
    let mut client = connect(address);
    client.rot13_in_raw_lock_step(3);
    server.signal("TERM");
    server.wait_for_exit();
    assert_eq!(client.rest(), (vec![], Ending::Reset));
}

/// Emits what it is told of five names of a request, its peer and its plugin, a line each.
const ASKS: &str = r#"(module
  (import "wasmplex" "emit" (func $emit (param i32 i32) (result i32)))
  (import "wasmplex" "request_field" (func $ask (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 3)
  (data (i32.const 0) ":method:path:query:versionhost:peer:plugin")
  (data (i32.const 64) "absent\n")
  (func (export "chunk_buffer") (param i32) (result i32) (i32.const 65536))
  (func (export "on_chunk") (param i32 i32) (result i32) (i32.const 0))
  (func $tell (param $name i32) (param $name_len i32) (local $len i32)
    (local.set $len (call $ask (local.get $name) (local.get $name_len) (i32.const 1024) (i32.const 1000)))
    (if (i32.lt_s (local.get $len) (i32.const 0))
      (then (drop (call $emit (i32.const 64) (i32.const 7))) (return)))
    (i32.store8 offset=1024 (local.get $len) (i32.const 10))
    (drop (call $emit (i32.const 1024) (i32.add (local.get $len) (i32.const 1)))))
  (func (export "on_end") (result i32)
    (call $tell (i32.const 0) (i32.const 7))
    (call $tell (i32.const 7) (i32.const 5))
    (call $tell (i32.const 12) (i32.const 6))
    (call $tell (i32.const 18) (i32.const 8))
    (call $tell (i32.const 26) (i32.const 4))
    (call $tell (i32.const 30) (i32.const 5))
    (call $tell (i32.const 35) (i32.const 7))
    (i32.const 0)))"#;
