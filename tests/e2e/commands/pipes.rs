//! Commands in pipes, with each other and with core modules.

use crate::harness::*;

const ROUNDS: usize = 300;

#[test]
fn every_mixture_is_a_live_stream() {
    let server = serving(&[("rot", rot13_program()), ("echo", Program::new().echo())]);
    for target in
        ["/rot", "/rot13+echo", "/echo+rot13", "/rot+echo", "/rot13+rot+rot13+echo", "/echo+echo+rot13"]
    {
        println!("{target}");
        server.open(target).rot13_in_lock_step(ROUNDS);
        server.sends(target, &noise(1, 300 * KIB), odd, &rot13(&noise(1, 300 * KIB)));
    }
    for target in ["/rot+rot", "/rot13+rot", "/rot+rot13"] {
        server.is_exact(target, <[u8]>::to_vec);
    }
}

#[test]
fn bulk_is_exact_and_bounded() {
    const LEN: usize = 16 * MIB;
    let server = serving(&[("rot", rot13_program())]);
    server.sends("/rot+rot13+rot", &noise(7, MIB), at_once, &rot13(&noise(7, MIB)));
    server.settle();
    let before = server.memory_now();
    let sent = noise(7, LEN);
    server.sends("/rot+rot13+rot", &sent, at_once, &rot13(&sent));
    let grown = server.memory_now().saturating_sub(before);
    assert!(grown < 4 * MIB, "memory grew by {grown} bytes");
}

#[test]
fn the_head_leaves_before_the_body() {
    let server = serving(&[("echo", Program::new().echo())]);
    for target in ["/echo+echo", "/echo+rot13", "/rot13+echo"] {
        let mut client = server.open(target);
        client.send_last_chunk();
        assert_eq!(client.rest(), (vec![], Ending::Clean));
    }
}

#[test]
fn a_failure_of_any_stage_fails_the_whole() {
    let server = serving(&[
        ("echo", Program::new().echo()),
        ("failing", Program::new().answer(64).exit(3)),
        ("refusing", Program::new().exit(3)),
    ]);
    for target in ["/failing+echo", "/echo+failing", "/rot13+failing+rot13"] {
        let mark = server.log().mark();
        let mut client = server.open(target);
        client.send_chunk("abc");
        let (_, ending) = client.rest();
        assert_ne!(ending, Ending::Clean, "{target}");
        server.log().wait(mark, &["plugin failed", "plugin=\"failing\"", "exit code 3"]);
    }
    // A stage opens when the one before it has let its head go: then the head is not out yet.
    server.post("/refusing+echo", b"abc").is_error(500);
    server.post("/refusing+rot13", b"abc").is_error(500);
}

#[test]
fn an_early_end_ends_the_whole() {
    let server = serving(&[("echo", Program::new().echo()), ("early", Program::new().answer(64).say(";"))]);
    for (target, expected) in [
        ("/early+echo", "abc;"),
        ("/echo+early", "abc;"),
        ("/early+rot13", "nop;"),
        ("/early+early", "abc;;"),
    ] {
        let mut client = server.open(target);
        client.send_chunk("abc");
        let (body, ending) = client.rest();
        // The second of two that finish early may end before it has all of the first.
        let text = String::from_utf8_lossy(&body).into_owned();
        assert!(text == expected || (target == "/early+early" && text == "abc;"), "{target}: {text}");
        assert_eq!(ending, Ending::Clean);
    }
}

#[test]
fn a_push_goes_through_all_stages() {
    let server = serving(&[
        ("echo", Program::new().echo()),
        ("ticking", Program::new().for_ever(|each| each.say("tick;").sleep(10))),
    ]);
    for target in ["/ticking+echo", "/ticking+echo+echo", "/ticking+rot13+rot13"] {
        let mut client = server.connect();
        client.send(request("GET", target, &[]));
        client.head();
        client.expect("tick;".repeat(20));
        drop(client);
        server.metric_eventually("wasmplex_exchanges_open", &[], 0.0);
    }
}

#[test]
fn a_client_that_leaves_ends_all_stages() {
    let server =
        serving(&[("echo", Program::new().echo()), ("sleeping", Program::new().say(";").sleep(3_600_000))]);
    for target in ["/sleeping+echo", "/echo+sleeping", "/sleeping+rot13", "/rot13+sleeping"] {
        let mut client = server.open(target);
        client.expect(";");
        drop(client);
        server.metric_eventually("wasmplex_exchanges_open", &[], 0.0);
    }
}

/// Stdin to stdout, with each letter turned by 13.
fn rot13_program() -> Program {
    Program::new().field(TURN).wat(
        "(loop $more
           (local.set $n (call $read (i32.const 65536)))
           (call $turn (local.get $n))
           (call $write (i32.const 1) (i32.const 65536) (local.get $n))
           (br_if $more (local.get $n)))",
    )
}

const TURN: &str = "
  (func $turn (param $len i32)
    (local $at i32) (local $byte i32) (local $small i32)
    (block $end
      (loop $next
        (br_if $end (i32.ge_u (local.get $at) (local.get $len)))
        (local.set $byte (i32.load8_u offset=65536 (local.get $at)))
        (local.set $small (i32.sub (i32.or (local.get $byte) (i32.const 32)) (i32.const 97)))
        (if (i32.lt_u (local.get $small) (i32.const 26)) (then
          (i32.store8 offset=65536 (local.get $at) (i32.add (local.get $byte)
            (select (i32.const 13) (i32.const -13) (i32.lt_u (local.get $small) (i32.const 13)))))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next))))";

/// A server of these programs, and of the sample rot13.
#[track_caller]
fn serving(programs: &[(&str, Program)]) -> Server {
    let folder = Folder::of(&["rot13"]);
    for (name, program) in programs {
        folder.program(name, program);
    }
    Server::serve(folder, ADMIN)
}
