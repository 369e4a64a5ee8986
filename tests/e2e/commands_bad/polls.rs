//! `poll_oneoff` with what it should not be given.

use crate::harness::*;

/// One subscription to a clock that is due in a millisecond.
const SOON: &str = "(call $clock_at (i32.const 64) (i32.const 1) (i64.const 1000000) (i32.const 0))";

const INVALID: &str = "28\n";

#[test]
fn nothing_to_wait_for() {
    let server = Program::new().tell(&poll("64", "256", "0", "8")).serve(FAR_LIMITS);
    server.get("/command").is_clean(200, INVALID);
}

#[test]
fn pointers_beyond_the_memory() {
    let mut program = Program::new().wat(SOON);
    let mut expected = String::new();
    for (subscriptions, events, result) in [
        ("0x2fff0", "256", "8"),
        ("0xfffffff0", "256", "8"),
        ("64", "0x2fff0", "8"),
        ("64", "0xfffffff0", "8"),
        ("64", "256", "0x2fffd"),
        ("64", "256", "0xffffffff"),
    ] {
        program = program.tell(&poll(subscriptions, events, "1", result));
        expected.push_str("21\n");
    }
    program.serve(FAR_LIMITS).get("/command").is_clean(200, expected);
}

/// A count whose size in bytes is more than 32 bits, or the memory.
#[test]
fn more_subscriptions_than_there_can_be() {
    for count in ["0xffffffff", "0x80000000", "0x05555556", "100000"] {
        let server = Program::new().tell(&poll("64", "256", count, "8")).serve(FAR_LIMITS);
        let text = server.get("/command").text();
        assert!(["21\n", INVALID].contains(&text.as_str()), "{count}: {text}");
    }
}

/// There is room for them in the program's memory; in the host's there need not be. Nobody waits for it.
#[test]
fn a_million_subscriptions() {
    const COUNT: usize = 1_000_000;
    // 48 MB of subscriptions from page 3 on, and 32 MB for events behind them.
    let fill = format!(
        "(if (i32.eq (memory.grow (i32.const 1300)) (i32.const -1)) (then unreachable))
         (local.set $n (i32.const {COUNT}))
         (loop $more
           (local.set $n (i32.sub (local.get $n) (i32.const 1)))
           (i32.store offset=16 (i32.add (i32.const 196608) (i32.mul (local.get $n) (i32.const 48))) (i32.const 1))
           (i64.store offset=24 (i32.add (i32.const 196608) (i32.mul (local.get $n) (i32.const 48))) (i64.const 1000000))
           (br_if $more (local.get $n)))"
    );
    let program = Program::new()
        .wat(&fill)
        .wat(&format!("(local.set $n {})", poll("196608", "48300000", &COUNT.to_string(), "8")))
        .say("alive");
    let folder = Folder::of(&["rot13"]);
    folder.program("command", &program);
    let flags = [ADMIN, FAR_LIMITS, &["--memory", "128MiB"]].concat();
    let server = Server::serve(folder, &flags);
    let canary = Canary::start(&server);
    for _ in 0..3 {
        let answer = server.get("/command");
        let told = answer.head.status == 200 && answer.text() == "alive";
        assert!(told || answer.head.status == 500, "{}: {}", answer.head.status, answer.text());
    }
    canary.sings(5);
    canary.stop();
}

#[test]
fn subscriptions_that_make_no_sense() {
    let clock = "(call $clock_at (i32.const 64) (i32.const 99) (i64.const 1000000) (i32.const 0))";
    let tag = "(call $descriptor_at (i32.const 64) (i32.const 7) (i32.const 0))";
    let descriptor = "(call $descriptor_at (i32.const 64) (i32.const 1) (i32.const 99))";
    let read_of_stdout = "(call $descriptor_at (i32.const 64) (i32.const 1) (i32.const 1))";
    let write_of_stdin = "(call $descriptor_at (i32.const 64) (i32.const 2) (i32.const 0))";
    for subscription in [clock, tag, descriptor, read_of_stdout, write_of_stdin] {
        println!("{subscription}");
        let told = "(call $tell (i32.or (local.get $n) (i32.load16_u offset=8 (i32.const 256))))";
        let server = Program::new()
            .wat(SOON)
            .wat("(memory.copy (i32.const 112) (i32.const 64) (i32.const 48))")
            .wat(subscription)
            .wat(&format!("(local.set $n {})", poll("64", "256", "2", "8")))
            .wat(told)
            .serve(FAR_LIMITS);
        let answer = server.get("/command");
        assert_eq!((answer.head.status, answer.ending), (200, Ending::Clean), "{}", answer.text());
        let errno: u32 = answer.text().trim().parse().expect("a number");
        let is_told = errno != 0 || subscription == write_of_stdin || subscription == read_of_stdout;
        assert!(is_told, "{}", answer.text());
    }
}

/// Times so far away that they overflow: relative, absolute, of both clocks. Nothing wakes such a program
/// but input, or the end of its client.
#[test]
fn times_beyond_all_measure() {
    for clock in [0, 1] {
        for time in ["0xffffffffffffffff", "0x8000000000000000", "0x7fffffffffffffff"] {
            for flags in [0, 1] {
                println!("clock {clock}, {time}, flags {flags}");
                let server = Program::new()
                    .say("begun;")
                    .wat("(call $descriptor_at (i32.const 64) (i32.const 1) (i32.const 0))")
                    .wat(&format!(
                        "(call $clock_at (i32.const 112) (i32.const {clock}) (i64.const {time}) (i32.const {flags}))"
                    ))
                    .tell("(call $poll (i32.const 2))")
                    .wat(&format!(
                        "(call $clock_at (i32.const 64) (i32.const {clock}) (i64.const {time}) (i32.const {flags}))"
                    ))
                    .tell("(call $poll (i32.const 1))")
                    .serve(FAR_LIMITS);
                let mut client = server.open("/command");
                client.expect("begun;");
                client.send_chunk("Hello");
                client.expect("1\n");
                server.settle();
                drop(client);
                server.metric_eventually("wasmplex_exchanges_open", &[], 0.0);
                assert_eq!(server.log().count(0, &["panicked"]), 0);
                assert_eq!(server.log().count(0, &["plugin failed"]), 0);
            }
        }
    }
}

/// The same subscription twice, and both ready.
#[test]
fn the_same_twice() {
    let server = Program::new()
        .wat("(call $descriptor_at (i32.const 64) (i32.const 1) (i32.const 0))")
        .wat("(call $descriptor_at (i32.const 112) (i32.const 1) (i32.const 0))")
        .tell(&poll("64", "256", "2", "8"))
        .tell("(i32.load (i32.const 8))")
        .serve(FAR_LIMITS);
    server.get("/command").is_clean(200, "0\n2\n");
}

/// A call that gives its errno.
fn poll(subscriptions: &str, events: &str, count: &str, result: &str) -> String {
    format!(
        "(call $poll_oneoff (i32.const {subscriptions}) (i32.const {events}) (i32.const {count}) (i32.const {result}))"
    )
}
