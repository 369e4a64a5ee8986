//! Messages in, messages out.

use crate::harness::*;

/// A chunk holds so much.
const CHUNK: usize = 64 * KIB;

/// On every chunk, one emit of as many bytes as the first four of it say (little endian).
const BIG: &str = r#"(module
  (import "wasmplex" "emit" (func $emit (param i32 i32) (result i32)))
  (memory (export "memory") 20)
  (func (export "chunk_buffer") (param i32) (result i32) (i32.const 65536))
  (func (export "on_chunk") (param $ptr i32) (param $len i32) (result i32)
    (call $emit (i32.const 131072) (i32.load (local.get $ptr)))))"#;

#[test]
fn kinds_come_back_as_they_went() {
    let server = Server::of(&["rot13"]);
    let mut socket = WebSocket::open(&server, "/rot13");
    for round in 0..200 {
        let letters = letters(round);
        if round % 3 == 0 {
            socket.binary(&letters);
            socket.expect_binary(rot13(&letters));
        } else {
            socket.text(std::str::from_utf8(&letters).expect("letters"));
            socket.expect_text(std::str::from_utf8(&rot13(&letters)).expect("letters"));
        }
    }
    socket.say_goodbye();
}

#[test]
fn all_lengths_of_length() {
    let server = Server::of(&["echo"]);
    let mut socket = WebSocket::open(&server, "/echo");
    for len in [1, 2, 124, 125, 126, 127, 128, 255, 256, 65_534, 65_535, 65_536] {
        let bytes = noise(len as u64, len);
        socket.binary(&bytes);
        socket.expect_binary(&bytes);
        let text = "é".repeat(len / 2) + &"x".repeat(len % 2);
        socket.text(&text);
        socket.expect_text(&text);
    }
    socket.say_goodbye();
}

#[test]
fn a_message_is_a_chunk_whatever_its_frames_and_segments() {
    let server = Server::of(&["chunk_lengths"]);
    let mut socket = WebSocket::open(&server, "/chunk_lengths");
    // Together in one segment, and never merged.
    let three = [masked(0x81, "one"), masked(0x82, vec![0; 1_000]), masked(0x81, "three")];
    socket.send(three.concat());
    assert_eq!([number(&mut socket), number(&mut socket), number(&mut socket)], [3, 1_000, 5]);
    // A byte at a time.
    for byte in masked(0x81, "piecemeal") {
        socket.send([byte]);
    }
    assert_eq!(number(&mut socket), 9);
    // In fragments, some of them empty.
    let parts = [masked(0x01, "ab"), masked(0x00, ""), masked(0x00, "cde"), masked(0x80, "")];
    for part in parts {
        socket.send(part);
    }
    assert_eq!(number(&mut socket), 5);
    // Empty ones are no chunks.
    socket.send([masked(0x81, ""), masked(0x02, ""), masked(0x80, ""), masked(0x81, "!")].concat());
    assert_eq!(number(&mut socket), 1);
    socket.say_goodbye();
}

#[test]
fn longer_messages_are_handed_on_as_they_come() {
    let server = Server::of(&["chunk_lengths"]);
    let mut socket = WebSocket::open(&server, "/chunk_lengths");
    for len in [CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 7] {
        socket.binary(noise(1, len));
        let mut left = len;
        while left > 0 {
            assert_eq!(number(&mut socket), left.min(CHUNK), "of {len}");
            left = left.saturating_sub(CHUNK);
        }
    }
    // The first piece of a message that is far from complete.
    let frame = masked(0x82, noise(1, 3 * CHUNK));
    socket.send(&frame[..CHUNK + 14]);
    assert_eq!(number(&mut socket), CHUNK);
    socket.send(&frame[CHUNK + 14..]);
    assert_eq!([number(&mut socket), number(&mut socket)], [CHUNK, CHUNK]);
    // A chunk's worth in a fragment, and an empty last one: nothing is left over.
    socket.send(masked(0x02, noise(1, CHUNK)));
    socket.send(masked(0x80, ""));
    socket.send(masked(0x82, "next"));
    assert_eq!([number(&mut socket), number(&mut socket)], [CHUNK, 4]);
    socket.say_goodbye();
}

#[test]
fn big_messages_are_exact() {
    const LEN: usize = 5 * MIB + 3;
    let server = Server::of(&["rot13"]);
    let mut socket = WebSocket::open(&server, "/rot13");
    let bytes = noise(7, LEN);
    let upload = socket.send_beside(masked(0x82, &bytes));
    let mut back = Vec::new();
    while back.len() < LEN {
        let (opcode, piece) = socket.message();
        assert_eq!(opcode, Opcode::Binary);
        back.extend(piece);
    }
    assert!(upload.join().expect("the upload ends"));
    assert!(back == rot13(&bytes), "not what was sent");
    socket.say_goodbye();
}

#[test]
fn an_emit_is_a_message_and_a_large_one_is_fragments() {
    let folder = Folder::new();
    folder.write("big.wat", BIG.as_bytes());
    let server = Server::serve(folder, &[]);
    let mut socket = WebSocket::open(&server, "/big");
    for len in [1, 125, 126, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 10 * CHUNK + 5] {
        socket.binary((len as u32).to_le_bytes());
        let mut left = len;
        let mut opcode = Opcode::Binary;
        while left > 0 {
            let frame = socket.frame();
            let piece = left.min(CHUNK);
            left -= piece;
            assert_eq!((frame.opcode, frame.payload.len(), frame.is_final), (opcode, piece, left == 0));
            opcode = Opcode::Continuation;
        }
    }
    socket.say_goodbye();
}

#[test]
fn emits_of_one_call_are_messages_each() {
    let server = Server::of(&["counter"]);
    let mut socket = WebSocket::open(&server, "/counter?40");
    for number in 0..40_u64 {
        let (opcode, payload) = socket.message();
        assert_eq!((opcode, payload.len()), (Opcode::Binary, CHUNK));
        assert_eq!(payload[..8], (number * 8_192).to_le_bytes());
    }
    socket.ends_with(1000);
}

#[test]
fn the_media_type_says_what_messages_are() {
    for (media, expected) in [
        ("text/plain; charset=utf-8", Opcode::Text),
        ("application/json", Opcode::Text),
        ("application/octet-stream", Opcode::Binary),
        ("image/png", Opcode::Binary),
    ] {
        let folder = Folder::of(&["echo"]);
        folder.write("echo.json", format!(r#"{{"response": {{"content-type": "{media}"}}}}"#).as_bytes());
        let server = Server::serve(folder, &[]);
        let mut socket = WebSocket::open(&server, "/echo");
        socket.text("a");
        assert_eq!(socket.message(), (expected, b"a".to_vec()), "{media}");
        socket.binary("b");
        assert_eq!(socket.message(), (expected, b"b".to_vec()), "{media}");
        // Bytes that are no text are never called so.
        socket.binary(b"\xff\xfe");
        socket.expect_binary(b"\xff\xfe");
        socket.say_goodbye();
    }
}

#[test]
fn a_plugin_that_speaks_first_speaks_binary() {
    let server = Server::of(&["scripted"]);
    let target = Script::new().open(say(Act::GoOn)).chunk(say(Act::GoOn)).target();
    let mut socket = WebSocket::open(&server, &target);
    socket.expect_binary("open;");
    socket.text("x");
    socket.expect_text("chunk;");
    socket.say_goodbye();
}

#[test]
fn a_pipe_and_a_program_are_plugins_too() {
    let folder = Folder::of(&["rot13", "echo"]);
    folder.program("command", &Program::new().echo());
    let server = Server::serve(folder, &[]);
    for (target, twice) in [("/rot13+echo", false), ("/command+rot13", false), ("/rot13+command+rot13", true)]
    {
        let mut socket = WebSocket::open(&server, target);
        for round in 0..100 {
            let letters = letters(round);
            socket.text(std::str::from_utf8(&letters).expect("letters"));
            let expected = if twice { letters } else { rot13(&letters) };
            socket.expect_text(std::str::from_utf8(&expected).expect("letters"));
        }
        socket.say_goodbye();
    }
}

#[test]
fn pings_are_answered_between_fragments() {
    let server = Server::of(&["echo"]);
    let mut socket = WebSocket::open(&server, "/echo");
    socket.ping("");
    socket.expect_pong("");
    socket.ping("x".repeat(125));
    socket.expect_pong("x".repeat(125));
    socket.send(masked(0x01, "Hel"));
    socket.ping("in between");
    socket.expect_pong("in between");
    socket.send(masked(0x80, "lo"));
    socket.expect_text("Hello");
    // Pongs that nobody asked for mean nothing.
    socket.send(masked(0x8a, "unasked"));
    socket.text("still here");
    socket.expect_text("still here");
    for byte in masked(0x89, "byte by byte") {
        socket.send([byte]);
    }
    socket.expect_pong("byte by byte");
    socket.say_goodbye();
}

#[test]
fn pings_are_answered_while_the_plugin_sleeps() {
    let folder = Folder::of(&["rot13"]);
    folder.program("command", &Program::new().say("begun").sleep(3_600_000));
    let server = Server::serve(folder, FAR_LIMITS);
    for target in ["/command", "/rot13+command", "/command+rot13"] {
        let mut socket = WebSocket::open(&server, target);
        socket.message();
        for round in 0..20 {
            socket.ping(format!("{round}"));
            socket.expect_pong(format!("{round}"));
        }
        // A message that the plugin does not come for is kept, and half of another one.
        socket.send([masked(0x81, "kept"), masked(0x01, "half")].concat());
    }
}

#[test]
fn the_host_asks_who_is_silent() {
    let server = Server::with(&["echo"], &["--websocket-ping", "100ms"]);
    let mut socket = WebSocket::open(&server, "/echo");
    for _ in 0..5 {
        let frame = socket.frame();
        assert_eq!((frame.opcode, frame.payload.len()), (Opcode::Ping, 0));
        socket.send(masked(0x8a, ""));
    }
    socket.text("here");
    while socket.frame().opcode == Opcode::Ping {}
    // Who does not answer is gone.
    while socket.try_frame().is_some() {}
    let line = server.log().wait(0, &["exchange ended", "does not answer a ping"]);
    assert!(line.contains("gone"), "{line}");
}

/// The next message of `chunk_lengths`.
#[track_caller]
fn number(socket: &mut WebSocket) -> usize {
    let (_, payload) = socket.message();
    u32::from_le_bytes(payload.try_into().expect("four bytes")) as usize
}
