//! The standard descriptors in wrong hands: closed, mistaken for each other, with bad pointers.

use crate::harness::*;

#[test]
fn stdout_closed_is_closed() {
    let server = Program::new()
        .say("before;")
        .wat("(if (call $fd_close (i32.const 1)) (then unreachable))")
        .wat("(if (i32.ne (call $write_some (i32.const 1) (i32.const 1024) (i32.const 4)) (i32.const 8)) (then unreachable))")
        .wat("(if (i32.ne (call $fd_close (i32.const 1)) (i32.const 8)) (then unreachable))")
        .drain()
        .exit(0)
        .serve(&[]);
    server.get("/command").is_clean(200, "before;");
    server.post("/command", b"Hello").is_clean(200, "before;");
    // The response ends with the program, not with its stdout.
    let mut client = server.open("/command");
    client.expect("before;");
    client.send_chunk("Hello");
    client.send_last_chunk();
    assert_eq!(client.rest(), (vec![], Ending::Clean));
}

#[test]
fn stdout_closed_at_once_is_an_empty_response() {
    let server = Program::new().wat("(drop (call $fd_close (i32.const 1)))").serve(&[]);
    server.get("/command").is_clean(200, "");
}

#[test]
fn stdin_closed_is_closed() {
    let server = Program::new()
        .tell("(call $fd_close (i32.const 0))")
        .tell("(call $fd_read (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 8))")
        .tell("(call $fd_close (i32.const 0))")
        .serve(&[]);
    server.get("/command").is_clean(200, "0\n8\n8\n");
    server.post("/command", b"Hello").is_clean(200, "0\n8\n8\n");
    let mut client = server.open("/command");
    assert_eq!(client.rest(), (b"0\n8\n8\n".to_vec(), Ending::Clean), "while the upload is open");
}

#[test]
fn waiting_for_a_closed_stdin_ends() {
    let server = Program::new()
        .say("begun;")
        .wat("(drop (call $fd_close (i32.const 0)))")
        .wat("(call $descriptor_at (i32.const 64) (i32.const 1) (i32.const 0))")
        .wat("(drop (call $poll_oneoff (i32.const 64) (i32.const 256) (i32.const 1) (i32.const 8)))")
        .say("ended")
        .serve(FAR_LIMITS);
    server.get("/command").is_clean(200, "begun;ended");
    let mut client = server.open("/command");
    assert_eq!(client.rest(), (b"begun;ended".to_vec(), Ending::Clean), "while the upload is open");
}

#[test]
fn stderr_closed_harms_nobody() {
    let server = Program::new()
        .wat("(drop (call $fd_close (i32.const 2)))")
        .wat("(drop (call $write_some (i32.const 2) (i32.const 1024) (i32.const 4)))")
        .echo()
        .serve(&[]);
    server.post("/command", b"Hello").is_clean(200, "Hello");
}

#[test]
fn closed_descriptors_are_not_given_to_files() {
    let open = r#"(import "wasi_snapshot_preview1" "path_open"
      (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))"#;
    let folder = Folder::new();
    folder.folder("files");
    std::fs::write(folder.path().join("files/secret"), "from a file").expect("write");
    folder.write("command.json", br#"{"dirs": [{"host": "files", "guest": "/data"}]}"#);
    let program = Program::new()
        .import(open)
        .text_first("secret")
        .wat("(drop (call $fd_close (i32.const 0)))")
        .tell(
            "(call $path_open (i32.const 3) (i32.const 0) (i32.const 1024) (i32.const 6) (i32.const 0)
               (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 512))",
        )
        .tell("(i32.gt_u (i32.load (i32.const 512)) (i32.const 2))")
        .tell("(call $fd_read (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 8))");
    folder.program("command", &program);
    Server::serve(folder, &[]).post("/command", b"Hello").is_clean(200, "0\n1\n8\n");
}

#[test]
fn descriptors_for_the_other_direction() {
    let server = Program::new()
        .tell("(call $write_some (i32.const 0) (i32.const 1024) (i32.const 4))")
        .tell("(call $fd_read (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))")
        .tell("(call $fd_read (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8))")
        .tell("(call $fd_read (i32.const 99) (i32.const 0) (i32.const 1) (i32.const 8))")
        .tell("(call $write_some (i32.const 99) (i32.const 1024) (i32.const 4))")
        .serve(&[]);
    server.post("/command", b"Hello").is_clean(200, "8\n8\n8\n8\n8\n");
}

/// A bad pointer is an errno (21 is FAULT), as it is for every program; and the input is still there.
#[test]
fn reads_with_bad_pointers() {
    let pieces = |at: &str, count: &str| {
        format!("(call $fd_read (i32.const 0) (i32.const {at}) (i32.const {count}) (i32.const 8))")
    };
    let piece = |start: &str, len: &str| {
        format!("(i32.store (i32.const 0) (i32.const {start})) (i32.store (i32.const 4) (i32.const {len}))")
    };
    let mut program = Program::new().say("begun;");
    let mut expected = String::new();
    for at in ["0x2ffff", "0x30000", "0x7fffffff", "0xfffffff8", "0xffffffff"] {
        program = program.tell(&pieces(at, "1"));
        expected.push_str("21\n");
    }
    for (start, len) in [
        ("0x2ffff", "2"),
        ("0x30001", "1"),
        ("0xffffffff", "1"),
        ("0", "0xffffffff"),
        ("0xffffffff", "0xffffffff"),
    ] {
        program = program.wat(&piece(start, len)).tell(&pieces("0", "1"));
        expected.push_str("21\n");
    }
    let server = program.echo().serve(FAR_LIMITS);
    server.post("/command", b"Hello").is_clean(200, format!("begun;{expected}Hello"));
}

#[test]
fn a_result_that_has_no_place() {
    let server = Program::new()
        .say("begun;")
        .wat("(i32.store (i32.const 0) (i32.const 65536)) (i32.store (i32.const 4) (i32.const 1))")
        .tell("(call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0x2fffd))")
        .tell("(call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0xffffffff))")
        .tell("(call $fd_write (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0xffffffff))")
        .serve(FAR_LIMITS);
    server.post("/command", b"Hello").is_clean(200, "begun;21\n21\n21\n");
}

#[test]
fn more_pieces_than_there_can_be() {
    for call in ["fd_read (i32.const 0)", "fd_write (i32.const 1)"] {
        for count in ["0x80000000", "0xffffffff", "0x20000000", "1000000"] {
            let errno = format!("(call ${call} (i32.const 0) (i32.const {count}) (i32.const 8))");
            let server = Program::new().tell(&errno).say("alive").serve(FAR_LIMITS);
            let text = server.post("/command", b"Hello").text();
            assert!(text == "21\nalive" || text == "28\nalive", "{call} {count}: {text}");
        }
    }
}

/// Many small pieces that are all right.
#[test]
fn a_thousand_pieces_of_one_read() {
    let lay_out = "
      (local.set $n (i32.const 1000))
      (loop $piece
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (i32.store (i32.add (i32.const 16384) (i32.mul (local.get $n) (i32.const 8)))
          (i32.add (i32.const 131072) (local.get $n)))
        (i32.store offset=4 (i32.add (i32.const 16384) (i32.mul (local.get $n) (i32.const 8))) (i32.const 1))
        (br_if $piece (local.get $n)))";
    let copy = "
      (loop $more
        (if (call $fd_read (i32.const 0) (i32.const 16384) (i32.const 1000) (i32.const 8)) (then unreachable))
        (local.set $n (i32.load (i32.const 8)))
        (call $write (i32.const 1) (i32.const 131072) (local.get $n))
        (br_if $more (local.get $n)))";
    let server = Program::new().wat(lay_out).wat(copy).serve(FAR_LIMITS);
    server.is_exact("/command", <[u8]>::to_vec);
}

/// What a program asks of its descriptors before it trusts them. None of it may trap.
#[test]
fn questions_that_make_no_sense() {
    let imports = [
        ("fd_seek", "i32 i64 i32 i32", "(i64.const 0) (i32.const 0) (i32.const 131072)"),
        ("fd_tell", "i32 i32", "(i32.const 131072)"),
        ("fd_filestat_get", "i32 i32", "(i32.const 131072)"),
        ("fd_filestat_set_size", "i32 i64", "(i64.const 0)"),
        ("fd_fdstat_set_flags", "i32 i32", "(i32.const 4)"),
        ("fd_sync", "i32", ""),
        ("fd_datasync", "i32", ""),
        ("fd_prestat_get", "i32 i32", "(i32.const 131072)"),
        (
            "fd_readdir",
            "i32 i32 i32 i64 i32",
            "(i32.const 131072) (i32.const 64) (i64.const 0) (i32.const 512)",
        ),
        ("fd_pread", "i32 i32 i32 i64 i32", "(i32.const 0) (i32.const 0) (i64.const 0) (i32.const 512)"),
        ("fd_pwrite", "i32 i32 i32 i64 i32", "(i32.const 0) (i32.const 0) (i64.const 0) (i32.const 512)"),
    ];
    for (name, parameters, arguments) in imports {
        let import = format!(
            r#"(import "wasi_snapshot_preview1" "{name}" (func ${name} (param {parameters}) (result i32)))"#
        );
        let program = (0..3).fold(Program::new().import(&import), |program, descriptor| {
            program.wat(&format!("(drop (call ${name} (i32.const {descriptor}) {arguments}))"))
        });
        println!("{name}");
        program
            .say("alive;")
            .echo()
            .serve(FAR_LIMITS)
            .post("/command", b"Hello")
            .is_clean(200, "alive;Hello");
    }
}
