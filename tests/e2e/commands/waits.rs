//! `poll_oneoff`: a command may sleep, and wait for input with a timeout.

use std::time::{Duration, Instant};

use crate::harness::*;

const NAP: Duration = Duration::from_millis(50);

/// Says what a wait of 50 ms for input found ("1" input, "2" the time is over), and answers input.
const ASK: &str = "
  (local.set $n (call $input_within (i64.const 50)))
  (call $tell (local.get $n))
  (if (i32.eq (local.get $n) (i32.const 1)) (then
    (if (i32.eqz (call $answer (i32.const 65536))) (then (return)))))";

#[test]
fn it_sleeps_between_writes_and_each_arrives_at_once() {
    let server = ticking().serve(FAR_LIMITS);
    let mut client = server.connect();
    client.send(request("GET", "/command", &[]));
    client.head();
    client.expect("tick;");
    let begun = Instant::now();
    for _ in 0..10 {
        let before = begun.elapsed();
        client.expect("tick;");
        // None comes in one with the next. (Nor much before its time: that would be no sleep.)
        assert!(begun.elapsed() - before < 20 * NAP, "{:?}", begun.elapsed() - before);
    }
    assert!(begun.elapsed() > 9 * NAP, "{:?}", begun.elapsed());
}

#[test]
fn a_half_closed_client_is_pushed_to() {
    let server = ticking().serve(FAR_LIMITS);
    for bytes in [request("GET", "/command", &[]), request("POST", "/command", &["Content-Length: 0"])] {
        let mut client = server.connect();
        client.send(bytes);
        client.half_close();
        client.head();
        client.expect("tick;".repeat(10));
        client.shut();
        server.metric_eventually("wasmplex_exchanges_open", &[], 0.0);
    }
}

#[test]
fn a_push_during_an_upload() {
    let server = ticking().serve(FAR_LIMITS);
    let mut client = server.open("/command");
    for round in 0..5 {
        client.send_chunk(letters(round));
        client.expect("tick;");
    }
}

/// Whatever it would still push, nobody would get it.
#[test]
fn head_does_not_pin_an_endless_sleeper() {
    for program in [ticking(), Program::new().say("once;").sleep(3_600_000), Program::new().sleep(3_600_000)]
    {
        let server = program.serve(FAR_LIMITS);
        let mut client = server.connect();
        for _ in 0..2 {
            client.send(request("HEAD", "/command", &[]));
            assert_eq!(client.head_without_body().status, 200);
            server.metric_eventually("wasmplex_exchanges_open", &[], 0.0);
        }
    }
}

#[test]
fn a_wait_for_input_ends_with_the_time_and_then_with_input() {
    let server = Program::new().for_ever(|each| each.wat(ASK)).serve(FAR_LIMITS);
    let mut client = server.open("/command");
    client.expect("2\n2\n2\n");
    for round in 0..5 {
        client.send_chunk(letters(round));
        let line = letters(round);
        let answer = [b"1\n", &line[..]].concat();
        read_past_timeouts(&mut client, &answer);
        client.expect("2\n2\n");
    }
    client.send_last_chunk();
    // The end of the body is input as well: a read gives 0 at once.
    let (body, ending) = client.rest();
    assert!(String::from_utf8_lossy(&body).ends_with("1\n"), "{}", String::from_utf8_lossy(&body));
    assert_eq!(ending, Ending::Clean);
}

#[test]
fn a_wait_for_input_ends_as_soon_as_it_is_there() {
    let server = Program::new()
        .for_ever(|each| {
            each.wat("(drop (call $input_within (i64.const 3600000)))")
                .wat("(if (i32.eqz (call $answer (i32.const 65536))) (then (return)))")
        })
        .serve(FAR_LIMITS);
    server.is_exact("/command", <[u8]>::to_vec);
    server.in_lock_step("/command", 1000, <[u8]>::to_vec);
    server.get("/command").is_clean(200, "");
}

/// What is left of a piece is input that is there: the wait ends at once, again and again.
#[test]
fn input_that_was_read_in_part_is_there() {
    let server = Program::new()
        .for_ever(|each| {
            each.wat("(drop (call $input_within (i64.const 3600000)))")
                .wat("(if (i32.eqz (call $answer (i32.const 3))) (then (return)))")
        })
        .serve(FAR_LIMITS);
    server.is_exact("/command", <[u8]>::to_vec);
}

/// `select` with no time at all is how programs look whether there is input.
#[test]
fn a_look_without_a_wait() {
    let server = Program::new()
        .say("ready;")
        .tell("(call $input_within (i64.const 0))")
        .answer(64)
        .wat("(call $descriptor_at (i32.const 64) (i32.const 1) (i32.const 0))")
        .tell("(call $poll (i32.const 1))")
        .tell("(call $read (i32.const 64))")
        .serve(FAR_LIMITS);
    let mut client = server.open("/command");
    client.expect("ready;2\n");
    client.send_chunk("Hello");
    client.expect("Hello");
    client.send_last_chunk();
    assert_eq!(client.rest(), (b"1\n0\n".to_vec(), Ending::Clean));
}

#[test]
fn stdout_is_ready_for_more() {
    let server = Program::new()
        .wat("(call $descriptor_at (i32.const 64) (i32.const 2) (i32.const 1))")
        .tell("(call $poll (i32.const 1))")
        .wat("(call $descriptor_at (i32.const 64) (i32.const 2) (i32.const 2))")
        .tell("(call $poll (i32.const 1))")
        .serve(FAR_LIMITS);
    server.get("/command").is_clean(200, "1\n1\n");
}

/// The earliest of several decides; each that has come is told.
#[test]
fn several_clocks() {
    let clock = |at: u32, milliseconds: u64| {
        let nanoseconds = milliseconds * 1_000_000;
        format!("(call $clock_at (i32.const {at}) (i32.const 1) (i64.const {nanoseconds}) (i32.const 0))")
    };
    let server = Program::new()
        .wat(&clock(64, 3_600_000))
        .wat(&clock(112, 30))
        .wat(&clock(160, 3_600_000))
        .wat("(i64.store (i32.const 112) (i64.const 4))")
        .tell("(call $poll (i32.const 3))")
        .serve(FAR_LIMITS);
    server.get("/command").is_clean(200, "4\n");
}

#[test]
fn absolute_times_of_both_clocks() {
    for clock in [0, 1] {
        let until = |offset: &str| {
            format!(
                "(call $clock_at (i32.const 64) (i32.const {clock})
                   (i64.add (call $now (i32.const {clock})) (i64.const {offset})) (i32.const 1))
                 (call $tell (call $poll (i32.const 1)))"
            )
        };
        let server = Program::new().wat(&until("100000000")).wat(&until("-100000000")).serve(FAR_LIMITS);
        let begun = Instant::now();
        server.get("/command").is_clean(200, "2\n2\n");
        assert!(begun.elapsed() >= 2 * NAP, "clock {clock}: {:?}", begun.elapsed());
    }
}

#[test]
fn sleepers_cost_no_processor_time() {
    let server = Program::new().say("good night;").sleep(3_600_000).serve(FAR_LIMITS);
    let mut sleepers: Vec<Client> = (0..200).map(|_| server.open("/command")).collect();
    for client in &mut sleepers {
        client.expect("good night;");
    }
    server.settle();
    drop(sleepers);
    server.metric_eventually("wasmplex_exchanges_open", &[], 0.0);
}

fn ticking() -> Program {
    Program::new().for_ever(|each| each.say("tick;").sleep(50))
}

/// Reads up to an answer, which timeouts may precede.
#[track_caller]
fn read_past_timeouts(client: &mut Client, answer: &[u8]) {
    loop {
        let next = client.read(2);
        if next == b"2\n" {
            continue;
        }
        let rest = client.read(answer.len() - 2);
        assert_eq!([next, rest].concat(), answer);
        return;
    }
}
