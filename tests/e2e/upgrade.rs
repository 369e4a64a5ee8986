//! Raw takeover: `Upgrade: wasmplex` is answered 101, and from there bytes are bytes, both ways.

use crate::harness::*;

const ROUNDS: usize = 1000;

#[test]
fn the_head_is_exactly_this() {
    let server = Server::of(&["rot13"]);
    let mut client = server.connect();
    client.send(request("GET", "/rot13", &UPGRADE));
    client.half_close();
    let bytes = client.everything();
    let text = String::from_utf8(bytes).expect("a head and nothing else");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    assert_eq!(body, "");
    let (status, fields) = head.split_once("\r\n").expect("fields");
    assert_eq!(status, "HTTP/1.1 101 Switching Protocols");
    let mut names: Vec<&str> = fields
        .split("\r\n")
        .filter_map(|line| line.split(':').next())
        .filter(|name| *name != "date")
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["connection", "upgrade", "wasmplex-exchange"]);
    assert!(
        fields.contains("connection: upgrade\r\n") && fields.contains("upgrade: wasmplex\r\n"),
        "{fields}"
    );
}

#[test]
fn the_plugins_fields_are_in_it_and_its_status_is_not() {
    let folder = Folder::new();
    folder.write("dressed.wat", DRESSED.as_bytes());
    folder.write("dressed.json", br#"{"response": {"x-manifest": "there"}}"#);
    let server = Server::serve(folder, &[]);
    let mut client = server.connect();
    client.send(request("GET", "/dressed", &UPGRADE));
    let head = client.head();
    assert_eq!(head.status, 101);
    assert_eq!((head.field("x-plugin"), head.field("x-manifest")), (Some("here"), Some("there")));
    for name in ["content-length", "content-type", "transfer-encoding"] {
        assert_eq!(head.field(name), None, "{name}");
    }
    let mut client = client.raw();
    client.send("Hello");
    client.half_close();
    assert_eq!(client.rest(), (b"Hello".to_vec(), Ending::Clean));
    // As an ordinary request the same has status and length.
    let mut client = server.connect();
    client.send(request("POST", "/dressed", &["Content-Length: 5"]));
    let answer = client.exchange("Hello");
    answer.is_clean(202, "Hello");
    assert_eq!(answer.head.field("content-length"), Some("5"));
}

#[test]
fn bytes_right_behind_the_head_belong_to_the_stream() {
    let server = Server::of(&["rot13"]);
    let head = request("GET", "/rot13", &UPGRADE);
    let mut whole = head;
    whole.extend_from_slice(b"Hello");
    for pieces in
        [vec![whole.clone()], vec![whole[..20].to_vec(), whole[20..].to_vec()], byte_for_byte(&whole)]
    {
        let mut client = server.connect();
        for piece in pieces {
            client.send(piece);
        }
        assert_eq!(client.head().status, 101);
        let mut client = client.raw();
        client.expect("Uryyb");
        client.send("World");
        client.expect("Jbeyq");
        client.half_close();
        assert_eq!(client.rest(), (vec![], Ending::Clean));
    }
}

#[test]
fn a_connection_that_was_used_can_go_over() {
    let server = Server::of(&["rot13", "respond"]);
    let mut client = server.connect();
    client.send(request("POST", "/rot13", &["Content-Length: 5"]));
    client.exchange("Hello").is_clean(200, "Uryyb");
    let reply = Reply::new().field("content-length", "5").emit("Hello").script();
    let length = format!("Content-Length: {}", reply.len());
    client.send([request("POST", "/respond", &[&length]), reply].concat());
    client.answer().is_clean(200, "Hello");
    // Behind a request that is answered in the same write.
    let pipelined = request("GET", "/rot13", &[]);
    client.send([pipelined, request("GET", "/rot13", &UPGRADE), b"Hello".to_vec()].concat());
    client.answer().is_clean(200, "");
    assert_eq!(client.head().status, 101);
    let mut client = client.raw();
    client.expect("Uryyb");
    client.rot13_in_raw_lock_step(10);
    client.half_close();
    assert_eq!(client.rest(), (vec![], Ending::Clean));
}

#[test]
fn a_request_behind_it_is_not_a_request() {
    let server = Server::of(&["rot13", "echo"]);
    let mut client = server.connect();
    let smuggled = request("GET", "/echo", &[]);
    client.send([request("GET", "/rot13", &UPGRADE), smuggled.clone()].concat());
    assert_eq!(client.head().status, 101);
    let mut client = client.raw();
    client.half_close();
    assert_eq!(client.rest(), (rot13(&smuggled), Ending::Clean));
    server.log().wait(0, &["exchange ended", "rot13"]);
    assert_eq!(server.log().count(0, &["exchange ended"]), 1);
}

#[test]
fn a_thousand_rounds_in_lock_step() {
    let server = Server::of(&["rot13"]);
    let mut client = server.upgrade("/rot13");
    client.rot13_in_raw_lock_step(ROUNDS);
    client.half_close();
    assert_eq!(client.rest(), (vec![], Ending::Clean));
}

#[test]
fn both_directions_at_once_and_both_ends() {
    let server = Server::with(&["rot13"], FAR_LIMITS);
    server.upgrade("/rot13").rot13_raw_and_whole();
}

#[test]
fn the_client_ends_first_and_still_listens() {
    let server = Server::of(&["scripted"]);
    let script = Script::new().open(say(Act::GoOn)).chunk(say(Act::GoOn)).end(say(Act::GoOn));
    let mut client = server.upgrade(&script.target());
    client.expect("open;");
    client.send("some bytes");
    client.expect("chunk;");
    client.half_close();
    assert_eq!(client.rest(), (b"end;".to_vec(), Ending::Clean));
}

#[test]
fn the_plugin_ends_first_and_nothing_is_lost() {
    let server = Server::with(&["scripted", "counter"], FAR_LIMITS);
    let script = Script::new().chunk(say(Act::Finish));
    let mut client = server.upgrade(&script.target());
    client.send("some bytes");
    assert_eq!(client.rest(), (b"chunk;".to_vec(), Ending::Clean));
    // This side is open still; what it sends is nobody's, and no reason for a reset.
    client.send(noise(1, MIB));
    client.half_close();
    client.is_closed();

    let mut client = server.upgrade("/counter?64");
    client.send(noise(1, MIB));
    let (body, ending) = client.rest();
    assert_eq!((body.len(), ending), (64 * 64 * KIB, Ending::Clean));
}

#[test]
fn a_rejection_is_an_ordinary_answer() {
    let server = Server::of(&["scripted"]);
    for (script, status) in [
        (Script::new().open(quiet(Act::Forbid)), 403),
        (Script::new().open(quiet(Act::Reject)), 500),
        (Script::new().open(quiet(Act::Trap)), 500),
    ] {
        let mut client = server.connect();
        client.send([request("GET", &script.target(), &UPGRADE), b"some bytes".to_vec()].concat());
        let answer = client.answer();
        answer.is_error(status);
        assert!(answer.head.says_close(), "{:?}", answer.head);
        assert_eq!(answer.head.field("upgrade"), None);
        client.half_close();
        client.is_closed();
    }
}

#[test]
fn a_held_head_leaves_with_the_first_emit() {
    let server = Server::of(&["scripted"]);
    let script = Script::new().open(quiet(Act::Hold)).chunk(say(Act::GoOn));
    let mut client = server.connect();
    client.send([request("GET", &script.target(), &UPGRADE), b"some bytes".to_vec()].concat());
    assert_eq!(client.head().status, 101);
    let mut client = client.raw();
    client.expect("chunk;");
    client.half_close();
    assert_eq!(client.rest(), (vec![], Ending::Clean));
}

#[test]
fn a_failure_resets_behind_what_was_emitted() {
    let server = Server::with(&["scripted", "counter"], FAR_LIMITS);
    for act in [Act::Trap, Act::Reject, Act::ExitWith3] {
        let script = Script::new().chunk(say(act));
        let mut client = server.upgrade(&script.target());
        client.send("some bytes");
        client.expect("chunk;");
        assert_eq!(client.rest(), (vec![], Ending::Reset), "{act:?}");
    }
    let script = Script::new().end(say(Act::Trap));
    let mut client = server.upgrade(&script.target());
    client.half_close();
    client.expect("end;");
    assert_eq!(client.rest(), (vec![], Ending::Reset));

    const EMITS: usize = 64;
    let mut client = server.upgrade(&format!("/counter?{EMITS}!"));
    client.read(EMITS * 64 * KIB);
    assert_eq!(client.rest(), (vec![], Ending::Reset));
}

#[test]
fn a_limit_resets_and_is_named() {
    let server = Server::with(&["echo"], &["--received", "10"]);
    let mut client = server.upgrade("/echo");
    client.send("0123456789");
    client.expect("0123456789");
    client.send("x");
    assert_eq!(client.rest(), (vec![], Ending::Reset));
    server.log().wait(0, &["exchange ended", "way=", "upgrade", "received"]);
}

#[test]
fn through_a_pipe() {
    let server = Server::with(&["rot13", "echo", "scripted"], FAR_LIMITS);
    server.upgrade("/rot13+rot13+echo+rot13").rot13_raw_and_whole();
    let script = Script::new().chunk(say(Act::Trap)).target();
    let mut client = server.upgrade(&script.replace("/scripted", "/rot13+scripted"));
    client.send("some bytes");
    client.expect("chunk;");
    assert_eq!(client.rest(), (vec![], Ending::Reset));
}

#[test]
fn through_a_command() {
    let server = Program::new().echo().say("and no more").serve(&[]);
    let mut client = server.upgrade("/command");
    for round in 0..100 {
        client.send(letters(round));
        client.expect(letters(round));
    }
    client.half_close();
    assert_eq!(client.rest(), (b"and no more".to_vec(), Ending::Clean));
    let server = Program::new().say("so far").exit(3).serve(&[]);
    let mut client = server.upgrade("/command");
    client.expect("so far");
    assert_eq!(client.rest(), (vec![], Ending::Reset));
}

#[test]
fn a_drain_lets_it_come_to_its_end() {
    let mut server = Server::with(&["rot13"], &["--drain-timeout", "10m"]);
    let mut client = server.upgrade("/rot13");
    client.rot13_in_raw_lock_step(3);
    server.signal("TERM");
    server.wait_until_closed();
    client.rot13_in_raw_lock_step(20);
    client.half_close();
    assert_eq!(client.rest(), (vec![], Ending::Clean));
    drop(client);
    assert_eq!(server.wait_for_exit().code(), Some(0));
}

#[test]
fn beyond_the_drain_timeout_it_is_reset() {
    let mut server = Server::with(&["rot13"], &["--drain-timeout", "300ms"]);
    let mut client = server.upgrade("/rot13");
    client.rot13_in_raw_lock_step(3);
    server.signal("TERM");
    server.wait_for_exit();
    assert_eq!(client.rest(), (vec![], Ending::Reset));
}

#[test]
fn a_client_that_goes_takes_the_instance_with_it() {
    let server = Server::with(&["scripted"], &[FAR_LIMITS, ADMIN].concat());
    for script in [Script::new().chunk(say(Act::Loop)), Script::new().chunk(say(Act::SleepAnHour))] {
        let mark = server.log().mark();
        let mut client = server.upgrade(&script.target());
        client.send("some bytes");
        client.vanish_before_reading("chunk;");
        let line = server.log().wait(mark, &["exchange ended", "scripted"]);
        assert!(line.contains("gone"), "{line}");
    }
    server.settle();
}

#[test]
fn what_the_access_line_and_the_list_say() {
    let server = Server::with(&["rot13", "scripted"], &[ADMIN, &["--log", "json"]].concat());
    let mut client = server.connect();
    client.send(request("GET", "/rot13/more", &UPGRADE));
    let head = client.head();
    let id = head.field("wasmplex-exchange").expect("an id").to_owned();
    let mut client = client.raw();
    client.send("Hello");
    client.expect("Uryyb");
    let listed = server.admin_json("/exchanges")["exchanges"][0].clone();
    assert_eq!((&listed["way"], &listed["id"]), (&"upgrade".into(), &id.clone().into()), "{listed}");
    assert_eq!((&listed["method"], &listed["path"]), (&"GET".into(), &"/rot13/more".into()), "{listed}");
    client.half_close();
    assert_eq!(client.rest(), (vec![], Ending::Clean));
    let line = server.log().wait(0, &["exchange ended", &id]);
    let line: serde_json::Value = serde_json::from_str(&line).expect("a line of JSON");
    for (key, value) in [("way", "upgrade"), ("outcome", "clean"), ("method", "GET"), ("path", "/rot13/more")]
    {
        assert_eq!(line[key], value, "{key} in {line}");
    }
    for (key, value) in [("status", 101), ("received", 5), ("sent", 5)] {
        assert_eq!(line[key], value, "{key} in {line}");
    }
    let mut client = server.upgrade(&Script::new().chunk(say(Act::Trap)).target());
    client.send("some bytes");
    client.rest();
    let line = server.log().wait(0, &["exchange ended", "scripted"]);
    let line: serde_json::Value = serde_json::from_str(&line).expect("a line of JSON");
    assert_eq!((&line["way"], &line["outcome"]), (&"upgrade".into(), &"failed".into()), "{line}");
}

/// Each byte by itself.
fn byte_for_byte(bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes.chunks(1).map(<[u8]>::to_vec).collect()
}

/// An echo that sets a status, a field, and a length that no upgrade may have.
const DRESSED: &str = r#"(module
  (import "wasmplex" "emit" (func $emit (param i32 i32) (result i32)))
  (import "wasmplex" "response_status" (func $status (param i32) (result i32)))
  (import "wasmplex" "response_field" (func $field (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 0) "x-plugin")
  (data (i32.const 16) "here")
  (data (i32.const 32) "content-length")
  (data (i32.const 48) "5")
  (func (export "chunk_buffer") (param i32) (result i32) (i32.const 65536))
  (func (export "on_open") (result i32)
    (drop (call $status (i32.const 202)))
    (drop (call $field (i32.const 0) (i32.const 8) (i32.const 16) (i32.const 4)))
    (drop (call $field (i32.const 32) (i32.const 14) (i32.const 48) (i32.const 1)))
    (i32.const 0))
  (func (export "on_chunk") (param $ptr i32) (param $len i32) (result i32)
    (call $emit (local.get $ptr) (local.get $len))))"#;
