//! Stdin is the body and stdout the response, both at the same time.

use crate::harness::*;

const ROUNDS: usize = 1000;

/// Reads a few bytes at a time, and writes a line when it is whole: `read` as C's `fgets` does it.
const LINES: &str = r"
  (global.set $free (i32.const 131072))
  (block $end
    (loop $bytes
      (br_if $end (i32.eqz (local.tee $left (call $read (i32.const 7)))))
      (local.set $n (i32.const 0))
      (loop $byte
        (i32.store8 (global.get $free) (i32.load8_u (i32.add (i32.const 65536) (local.get $n))))
        (global.set $free (i32.add (global.get $free) (i32.const 1)))
        (if (i32.eq (i32.load8_u (i32.add (i32.const 65536) (local.get $n))) (i32.const 0x0a)) (then
          (call $write (i32.const 1) (i32.const 131072) (i32.sub (global.get $free) (i32.const 131072)))
          (global.set $free (i32.const 131072))))
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $byte (i32.lt_u (local.get $n) (local.get $left))))
      (br $bytes)))";

/// One read into three pieces: a byte, none, and the rest; then what they hold to stdout, from three
/// pieces too.
const SCATTERED: &str = "
  (i32.store (i32.const 1024) (i32.const 131072)) (i32.store (i32.const 1028) (i32.const 1))
  (i32.store (i32.const 1032) (i32.const 131073)) (i32.store (i32.const 1036) (i32.const 0))
  (i32.store (i32.const 1040) (i32.const 131073)) (i32.store (i32.const 1044) (i32.const 4000))
  (block $end
    (loop $more
      (drop (call $fd_read (i32.const 0) (i32.const 1024) (i32.const 3) (i32.const 8)))
      (br_if $end (i32.eqz (i32.load (i32.const 8))))
      (local.set $n (i32.load (i32.const 8)))
      (i32.store (i32.const 2048) (i32.const 131072)) (i32.store (i32.const 2052) (i32.const 0))
      (i32.store (i32.const 2056) (i32.const 131072)) (i32.store (i32.const 2060) (i32.const 1))
      (i32.store (i32.const 2064) (i32.const 131073))
      (i32.store (i32.const 2068) (i32.sub (local.get $n) (i32.const 1)))
      (drop (call $fd_write (i32.const 1) (i32.const 2048) (i32.const 3) (i32.const 8)))
      (if (i32.ne (i32.load (i32.const 8)) (local.get $n)) (then unreachable))
      (br $more)))";

#[test]
fn whatever_the_cuts_every_byte_comes_through() {
    let server = Program::new().echo().serve(&[]);
    server.is_exact("/command", <[u8]>::to_vec);
    let long = noise(9, MIB);
    for cut in [at_once, odd] {
        server.sends("/command", &long, cut, &long);
    }
}

#[test]
fn a_thousand_rounds_in_lock_step() {
    let server = Program::new().echo().serve(&[]);
    server.in_lock_step("/command", ROUNDS, <[u8]>::to_vec);
}

#[test]
fn a_thousand_rounds_with_a_length() {
    let server = Program::new().echo().serve(&[]);
    let total: usize = (0..ROUNDS).map(|round| letters(round).len()).sum();
    let mut client = server.connect();
    client.send(request("POST", "/command", &[&format!("Content-Length: {total}")]));
    assert_eq!(client.head().status, 200);
    for round in 0..ROUNDS {
        client.send(letters(round));
        client.expect(letters(round));
    }
    assert_eq!(client.rest(), (vec![], Ending::Clean));
}

#[test]
fn a_program_of_lines_answers_each_at_once() {
    let server = lines().serve(&[]);
    let mut client = server.connect();
    client.send(request("POST", "/command", &[CHUNKED]));
    assert_eq!(client.head().status, 200);
    for round in 0..ROUNDS {
        let line = letters(round);
        // It comes in two parts, and nothing is said to half a line.
        let (first, rest) = line.split_at(line.len() / 2);
        client.send_chunk(first);
        client.send_chunk(rest);
        client.expect(&line);
    }
    client.send_chunk("two\nlines");
    client.expect("two\n");
    client.send_last_chunk();
    assert_eq!(client.rest(), (vec![], Ending::Clean));
}

#[test]
fn the_head_leaves_at_the_first_read_that_has_to_wait() {
    for program in [
        Program::new().echo(),
        lines(),
        Program::new().wat(SCATTERED),
        // Whoever waits in poll_oneoff for the body waits for it as well.
        Program::new().wat("(drop (call $input_within (i64.const 3600000)))").echo(),
    ] {
        let server = program.serve(FAR_LIMITS);
        for framing in [CHUNKED, "Content-Length: 6"] {
            let mut client = server.connect();
            client.send(request("POST", "/command", &[framing]));
            let head = client.head();
            assert_eq!((head.status, head.version.as_str()), (200, "HTTP/1.1"));
            assert_eq!(head.field("transfer-encoding"), Some("chunked"));
            client.send(if framing == CHUNKED { "6\r\nHello\n\r\n0\r\n\r\n" } else { "Hello\n" });
            assert_eq!(client.rest(), (b"Hello\n".to_vec(), Ending::Clean));
        }
    }
}

#[test]
fn the_head_leaves_at_the_first_write() {
    for after in [Program::spin, |program: Program| program.sleep(3_600_000)] {
        let server = after(Program::new().say("before;")).serve(FAR_LIMITS);
        let mut client = server.connect();
        client.send(request("POST", "/command", &[CHUNKED]));
        assert_eq!(client.head().status, 200);
        client.expect("before;");
    }
}

#[test]
fn what_is_written_leaves_before_a_read_that_waits() {
    let server = Program::new().say("name? ").answer(64).say("!").drain().serve(FAR_LIMITS);
    let mut client = server.open("/command");
    client.expect("name? ");
    client.send_chunk("Ada");
    client.expect("Ada!");
    client.send_last_chunk();
    assert_eq!(client.rest(), (vec![], Ending::Clean));
}

#[test]
fn small_reads_get_all_of_it() {
    for most in [1, 3, 7, 4096, 65_536] {
        let server = Program::new().echo_by(most).serve(&[]);
        let body = noise(most as u64, 64 * KIB);
        for cut in [at_once, odd] {
            server.sends("/command", &body, cut, &body);
        }
        server.in_lock_step("/command", 20, <[u8]>::to_vec);
    }
}

/// A read gives at most what was asked for, and what has arrived; the end again and again.
#[test]
fn a_read_gives_what_there_is() {
    let program = Program::new()
        .say("ready;")
        .tell("(call $read (i32.const 5))")
        .tell("(call $read (i32.const 5))")
        .tell("(call $read (i32.const 5))")
        .tell("(call $read (i32.const 0))")
        .tell("(call $read (i32.const 5))")
        .tell("(call $read (i32.const 5))");
    let server = program.serve(FAR_LIMITS);
    let mut client = server.open("/command");
    client.expect("ready;");
    client.send_chunk("Hello World!");
    client.expect("5\n5\n2\n0\n");
    client.send_last_chunk();
    assert_eq!(client.rest(), (b"0\n0\n".to_vec(), Ending::Clean));
}

#[test]
fn reads_and_writes_of_several_pieces() {
    let server = Program::new().wat(SCATTERED).serve(&[]);
    server.is_exact("/command", <[u8]>::to_vec);
}

#[test]
fn a_request_without_a_body_is_at_its_end_at_once() {
    let server = Program::new().say("asked;").tell("(call $read (i32.const 10))").serve(&[]);
    server.get("/command").is_clean(200, "asked;0\n");
    server.post("/command", b"").is_clean(200, "asked;0\n");
    let mut client = server.connect();
    let empty = [&request("POST", "/command", &[CHUNKED])[..], LAST_CHUNK].concat();
    client.exchange(empty).is_clean(200, "asked;0\n");
}

#[test]
fn the_response_may_be_another_than_the_body() {
    // A count at the end: nothing is written before the body is complete.
    let count = "(loop $more
      (local.set $left (call $read (i32.const 65536)))
      (local.set $n (i32.add (local.get $n) (local.get $left)))
      (br_if $more (local.get $left)))";
    let server = Program::new().wat(count).tell("(local.get $n)").serve(&[]);
    server.sends("/command", &noise(1, 3 * MIB), at_once, b"3145728\n");
    server.sends("/command", &noise(1, 1000), byte_by_byte, b"1000\n");
}

#[test]
fn an_exchange_finds_nothing_of_another() {
    let count = "(i32.store (i32.const 131072) (i32.add (i32.load (i32.const 131072)) (i32.const 1)))";
    let server = Program::new().wat(count).tell("(i32.load (i32.const 131072))").echo().serve(&[]);
    let mut open: Vec<Client> = (0..10).map(|_| server.open("/command")).collect();
    for (number, client) in open.iter_mut().enumerate() {
        client.expect("1\n");
        client.send_chunk(letters(number));
    }
    for (number, client) in open.iter_mut().enumerate() {
        client.expect(letters(number));
        client.send_last_chunk();
        assert_eq!(client.rest(), (vec![], Ending::Clean));
    }
}

/// A program of lines.
fn lines() -> Program {
    Program::new().field("(global $free (mut i32) (i32.const 0))").wat(LINES)
}
