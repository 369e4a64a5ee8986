//! What a command finds around it: arguments, environment, folders, the log, and the host's own calls.

use crate::harness::*;

/// All arguments, each with its NUL.
const ARGUMENTS: &str = "
  (drop (call $args_sizes_get (i32.const 1024) (i32.const 1028)))
  (drop (call $args_get (i32.const 2048) (i32.const 65536)))
  (call $write (i32.const 1) (i32.const 65536) (i32.load (i32.const 1028)))";

/// All variables, each with its NUL.
const VARIABLES: &str = "
  (drop (call $environ_sizes_get (i32.const 1024) (i32.const 1028)))
  (drop (call $environ_get (i32.const 2048) (i32.const 65536)))
  (call $write (i32.const 1) (i32.const 65536) (i32.load (i32.const 1028)))";

#[test]
fn the_first_argument_is_its_name() {
    let program = Program::new().wat(ARGUMENTS);
    program.serve(&[]).get("/command").is_clean(200, "command\0");
    let folder = Folder::new();
    folder.program("another-name.v2", &program);
    Server::serve(folder, &[]).get("/another-name.v2").is_clean(200, "another-name.v2\0");
}

#[test]
fn further_arguments_are_the_manifests() {
    let program = Program::new().wat(ARGUMENTS);
    for (args, expected) in [
        (r#"[]"#, "command\0"),
        (r#"["-x"]"#, "command\0-x\0"),
        (
            r#"["two words", "", "--name=v\u00e4lue", "$HOME"]"#,
            "command\0two words\0\0--name=v\u{e4}lue\0$HOME\0",
        ),
    ] {
        let server = program.serve_with(&format!(r#"{{"args": {args}}}"#));
        server.get("/command").is_clean(200, expected);
    }
}

#[test]
fn arguments_of_a_core_module() {
    let folder = Folder::of(&["wasi_probe"]);
    folder.write("wasi_probe.json", br#"{"args": ["-x", "-y"]}"#);
    let text = Server::serve(folder, &[]).get("/wasi_probe").text();
    assert!(text.contains("args=3\n"), "{text}");
}

#[test]
fn bad_arguments_are_refused_by_name() {
    for args in [r#""-x""#, r#"[1]"#, r#"{"a": "b"}"#, "null", r#"["a\u0000b"]"#] {
        println!("{args}");
        let folder = Folder::of(&["echo"]);
        folder.program("command", &Program::new().echo());
        folder.write("command.json", format!(r#"{{"args": {args}}}"#).as_bytes());
        let server = Server::serve(folder, &[]);
        server.log().wait(0, &["not loaded", "plugin=\"command\"", "command.json", "args"]);
        server.get("/command").is_error(404);
        server.post("/echo", b"Hello").is_clean(200, "Hello");
    }
}

#[test]
fn changed_arguments_are_a_reload() {
    let server = Program::new().wat(ARGUMENTS).serve_with(r#"{"args": ["one"]}"#);
    server.get("/command").is_clean(200, "command\0one\0");
    server.folder().write("command.json", br#"{"args": ["two"]}"#);
    eventually("the other argument", || (server.get("/command").text() == "command\0two\0").then_some(()));
}

#[test]
fn the_environment_is_the_manifests() {
    let program = Program::new().wat(VARIABLES);
    program.serve(&[]).get("/command").is_clean(200, "");
    let server = program.serve_with(r#"{"env": {"GREETING": "hello"}}"#);
    server.get("/command").is_clean(200, "GREETING=hello\0");
}

#[test]
fn granted_folders_follow_the_standard_descriptors() {
    let program = Program::new()
        .import(
            r#"(import "wasi_snapshot_preview1" "fd_prestat_get"
                 (func $prestat (param i32 i32) (result i32)))"#,
        )
        .tell("(call $prestat (i32.const 3) (i32.const 1024))")
        .tell("(call $prestat (i32.const 4) (i32.const 1024))");
    program.serve(&[]).get("/command").is_clean(200, "8\n8\n");
    let folder = Folder::new();
    folder.folder("files");
    folder.program("command", &program);
    folder.write("command.json", br#"{"dirs": [{"host": "files", "guest": "/data"}]}"#);
    Server::serve(folder, &[]).get("/command").is_clean(200, "0\n8\n");
}

#[test]
fn stdout_says_that_it_is_a_terminal() {
    let kind = |descriptor: u8| {
        format!(
            "(drop (call $fd_fdstat_get (i32.const {descriptor}) (i32.const 1024)))
             (call $tell (i32.load8_u (i32.const 1024)))"
        )
    };
    let server = Program::new().wat(&kind(1)).serve(&[]);
    server.get("/command").is_clean(200, "2\n");
}

#[test]
fn stderr_is_the_log() {
    let server = Program::new()
        .complain("a first line\nand a second\nthis one ")
        .answer(64)
        .complain("comes in two parts\n")
        .drain()
        .complain("the last has no end")
        .serve(&[]);
    let mut client = server.open("/command");
    for line in ["a first line", "and a second"] {
        let line = server.log().wait(0, &[line]);
        assert!(line.contains("plugin=\"command\""), "{line}");
    }
    client.send_chunk("Hello");
    client.expect("Hello");
    server.log().wait(0, &["this one comes in two parts"]);
    client.send_last_chunk();
    assert_eq!(client.rest(), (vec![], Ending::Clean), "none of it is the response");
    server.log().wait(0, &["the last has no end"]);
}

#[test]
fn what_it_said_before_it_failed_is_in_the_log() {
    let server = Program::new().complain("cannot go on: no reason").exit(1).serve(&[]);
    server.get("/command").is_error(500);
    server.log().wait(0, &["plugin=\"command\"", "cannot go on: no reason"]);
    server.log().wait(0, &["plugin failed", "exit code 1"]);
}

#[test]
fn it_may_ask_the_host_and_shape_the_head() {
    let server = calling()
        // The target is in the buffer, and becomes a field of the response.
        .wat("(local.set $n (call $request_field (i32.const 1024) (i32.const 5) (i32.const 65536) (i32.const 100)))")
        .wat("(drop (call $response_status (i32.const 202)))")
        .wat("(drop (call $response_field (i32.const 1029) (i32.const 6) (i32.const 65536) (local.get $n)))")
        .wat("(drop (call $emit (i32.const 65536) (local.get $n)))")
        .echo()
        .serve(&[]);
    let answer = server.post("/command/deeper", b";Hello");
    answer.is_clean(202, "/command/deeper;Hello");
    assert_eq!(answer.head.field("x-path"), Some("/command/deeper"));
}

#[test]
fn after_the_head_nothing_can_be_said_of_it() {
    let late = |program: Program| {
        program
            .tell("(i32.sub (i32.const 0) (call $response_status (i32.const 202)))")
            .tell("(i32.sub (i32.const 0) (call $response_field (i32.const 1029) (i32.const 6) (i32.const 1024) (i32.const 5)))")
    };
    let server = late(calling().say(";")).serve(&[]);
    server.get("/command").is_clean(200, ";1\n1\n");
    let server = late(calling().take(64)).serve(&[]);
    let mut client = server.open("/command");
    client.send_chunk("go on");
    client.expect("1\n1\n");
}

#[test]
fn there_is_no_timer_for_a_command() {
    let server = calling()
        .tell("(i32.sub (i32.const 0) (call $set_timer (i32.const 5)))")
        .tell("(i32.sub (i32.const 0) (call $set_timer (i32.const 0)))")
        .sleep(50)
        .say("the end")
        .serve(&[]);
    let text = server.get("/command").text();
    assert!(text.starts_with("1\n") && text.ends_with("the end"), "{text}");
}

#[test]
fn it_has_its_config() {
    let server = calling()
        .wat("(local.set $n (call $config (i32.const 1035) (i32.const 8) (i32.const 65536) (i32.const 100)))")
        .wat("(call $write (i32.const 1) (i32.const 65536) (local.get $n))")
        .serve_with(r#"{"config": {"greeting": "good morning"}}"#);
    server.get("/command").is_clean(200, "good morning");
}

#[test]
fn the_manifests_response_fields_are_sent() {
    let server = Program::new().echo().serve_with(r#"{"response": {"content-type": "text/plain"}}"#);
    let answer = server.post("/command", b"Hello");
    assert_eq!(answer.head.field("content-type"), Some("text/plain"));
    answer.is_clean(200, "Hello");
    let answer = Program::new().echo().serve(&[]).post("/command", b"Hello");
    assert_eq!(answer.head.field("content-type"), Some("application/octet-stream"));
}

/// A program that imports from the host, with texts at 1024: ":path", "x-path", "greeting".
fn calling() -> Program {
    let two = "(param i32 i32) (result i32)";
    let four = "(param i32 i32 i32 i32) (result i32)";
    let one = "(param i32) (result i32)";
    let functions = [
        ("emit", two),
        ("request_field", four),
        ("response_status", one),
        ("response_field", four),
        ("config", four),
        ("set_timer", one),
    ];
    functions.iter().fold(Program::new().text_first(":pathx-pathgreeting"), |program, (name, kind)| {
        program.import(&format!(r#"(import "wasmplex" "{name}" (func ${name} {kind}))"#))
    })
}
