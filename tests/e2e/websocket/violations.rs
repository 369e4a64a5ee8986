//! What a client must not do, and the code that tells it.

use crate::harness::*;

/// Sends the bytes whole, byte by byte, and cut in the middle, behind a good message; all must end in a
/// Close with this code, after the answer to the good one.
#[track_caller]
fn is_refused(server: &Server, target: &str, bytes: &[u8], code: u16) {
    println!("{} {code}", bytes[..bytes.len().min(20)].escape_ascii());
    let step = [bytes.len(), 1, bytes.len().div_ceil(2)];
    for step in step.into_iter().filter(|&step| bytes.len() / step <= 1_000) {
        let mut socket = WebSocket::open(server, target);
        socket.text("good");
        socket.expect_text("good");
        for piece in bytes.chunks(step) {
            // It may be refused before its end.
            socket.client().try_send(piece);
        }
        let reason = socket.ends_with(code);
        assert!(!reason.is_empty() && reason.len() <= 123);
    }
}

#[test]
fn a_broken_protocol_is_1002() {
    let server = Server::of(&["echo"]);
    let control = |first: u8| masked(first, "x");
    let two_begun = [masked(0x01, "a"), masked(0x01, "b")].concat();
    let two_whole = [masked(0x01, "a"), masked(0x81, "b")].concat();
    let after_end = [masked(0x01, ""), masked(0x80, ""), masked(0x80, "c")].concat();
    for bytes in [
        // Reserved bits.
        &control(0xc1)[..],
        &control(0xa1),
        &control(0x91),
        &control(0xf2),
        &control(0xc9),
        &control(0xc8),
        // Reserved opcodes.
        &control(0x83),
        &control(0x84),
        &control(0x85),
        &control(0x86),
        &control(0x87),
        &control(0x8b),
        &control(0x8c),
        &control(0x8d),
        &control(0x8e),
        &control(0x8f),
        &control(0x03),
        // No mask.
        b"\x81\x05Hello",
        b"\x89\x00",
        b"\x88\x02\x03\xe8",
        // Control frames in fragments, or too long.
        &masked(0x09, "x"),
        &masked(0x0a, ""),
        &masked(0x08, ""),
        &masked(0x89, [b'x'; 126]),
        &masked(0x8a, [b'x'; 126]),
        &masked(0x88, [&b"\x03\xe8"[..], &[b'x'; 124]].concat()),
        // Continuations of nothing, messages within messages.
        &control(0x80),
        &control(0x00),
        &after_end,
        &two_begun,
        &two_whole,
        // Lengths that are not written in the shortest way, or that nothing can have.
        b"\x82\xfe\x00\x05\0\0\0\0Hello",
        b"\x82\xff\0\0\0\0\0\0\0\x05\0\0\0\0Hello",
        b"\x82\xff\0\0\0\0\0\0\xff\xff\0\0\0\0",
        b"\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0",
        b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0",
        // Half a code.
        &masked(0x88, "\x03"),
    ] {
        is_refused(&server, "/echo", bytes, 1002);
    }
}

#[test]
fn close_codes_that_must_not_be_sent_are_1002() {
    let server = Server::of(&["echo"]);
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        is_refused(&server, "/echo", &masked(0x88, code.to_be_bytes()), 1002);
    }
}

#[test]
fn text_that_is_none_is_1007() {
    let server = Server::of(&["echo"]);
    for text in [
        &b"\xff"[..],
        b"\x80",
        b"caf\xc3",
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
        b"\xc0\xaf",
        b"\xe0\x80\x80",
        b"\xf0\x80\x80\x80",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xed\xbf\xbf",
        b"\xf0\x9f\xa6",
    ] {
        is_refused(&server, "/echo", &masked(0x81, text), 1007);
        for cut in 0..text.len() {
            let halves = [masked(0x01, &text[..cut]), masked(0x80, &text[cut..])].concat();
            is_refused(&server, "/echo", &halves, 1007);
        }
        let reason = [b"\x03\xe8", text].concat();
        is_refused(&server, "/echo", &masked(0x88, reason), 1007);
    }
}

#[test]
fn a_wrong_byte_is_refused_before_the_message_ends() {
    let server = Server::of(&["echo"]);
    let frame = masked(0x81, [&b"good until here \xff"[..], &[b'x'; 1_000]].concat());
    is_refused(&server, "/echo", &frame[..40], 1007);
}

#[test]
fn messages_beyond_the_bound_are_1009() {
    let server = Server::with(&["echo"], &["--websocket-message", "1000B"]);
    let mut socket = WebSocket::open(&server, "/echo");
    for _ in 0..3 {
        socket.binary([7; 1_000]);
        socket.expect_binary([7; 1_000]);
        socket.send([masked(0x02, [7; 500]), masked(0x80, [7; 500])].concat());
        socket.expect_binary([7; 1_000]);
    }
    socket.say_goodbye();
    for bytes in [
        masked(0x82, [7; 1_001]),
        [masked(0x02, [7; 500]), masked(0x00, [7; 500]), masked(0x80, "x")].concat(),
        // By its head alone.
        b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0".to_vec(),
    ] {
        is_refused(&server, "/echo", &bytes, 1009);
    }
}

#[test]
fn the_bound_is_16_mib_and_can_be_lifted() {
    const LEN: usize = 16 * MIB;
    let head = |len: usize| [&b"\x82\xff"[..], &(len as u64).to_be_bytes(), &[0; 4]].concat();
    let server = Server::of(&["chunk_lengths"]);
    let mut socket = WebSocket::open(&server, "/chunk_lengths");
    socket.send(head(LEN + 1));
    socket.ends_with(1009);
    let server = Server::with(&["chunk_lengths"], &["--websocket-message", "off"]);
    let mut socket = WebSocket::open(&server, "/chunk_lengths");
    socket.send(head(LEN + 1));
    let upload = socket.send_beside(vec![0; LEN + 1]);
    for _ in 0..LEN / (64 * KIB) {
        socket.expect_binary(65_536_u32.to_le_bytes());
    }
    socket.expect_binary(1_u32.to_le_bytes());
    assert!(upload.join().expect("the upload ends"));
    socket.say_goodbye();
}

#[test]
fn a_body_beyond_the_plugin_s_limit_is_1009() {
    let folder = Folder::of(&["echo"]);
    folder.write("echo.json", br#"{"limits": {"received": "10"}}"#);
    let server = Server::serve(folder, &[]);
    let mut socket = WebSocket::open(&server, "/echo");
    socket.text("Hello");
    socket.expect_text("Hello");
    socket.text("World!");
    assert!(socket.ends_with(1009).contains("received"));
}

#[test]
fn good_messages_before_a_bad_frame_are_answered() {
    let server = Server::of(&["echo"]);
    let mut socket = WebSocket::open(&server, "/echo");
    let mut bytes = Vec::new();
    for _ in 0..10 {
        bytes.extend(masked(0x81, "good"));
    }
    bytes.extend(masked(0x83, "bad"));
    bytes.extend(masked(0x81, "never heard"));
    socket.send(bytes);
    for _ in 0..10 {
        socket.expect_text("good");
    }
    socket.ends_with(1002);
}
