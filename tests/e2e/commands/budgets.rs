//! Budgets of a command. A call is what it does from one wait to the next.

use std::thread;
use std::time::Duration;

use crate::harness::*;

/// One page more at a time until it is refused; the local `n` counts all of them.
const GROW: &str = "
  (loop $more
    (local.set $n (memory.size))
    (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))";

#[test]
fn too_much_processor_time_between_two_reads() {
    let flags = ["--cpu-per-call", "100ms", "--time-per-call", "10m"];
    let server = Program::new().answer(64).spin().serve(&flags);
    let mut client = server.open("/command");
    client.send_chunk("Hello");
    let (body, ending) = client.rest();
    assert!(body == b"Hello" && ending != Ending::Clean, "{ending:?}");
    failed(&server, "cpu_per_call", "cpu per call is beyond its limit of 100ms");
}

#[test]
fn too_much_processor_time_before_the_head() {
    let flags = ["--cpu-per-call", "100ms", "--time-per-call", "10m"];
    let server = Program::new().spin().serve(&flags);
    server.get("/command").is_error(500);
    failed(&server, "cpu_per_call", "cpu per call is beyond its limit of 100ms");
}

#[test]
fn too_much_processor_time_after_the_bodys_end() {
    let flags = ["--cpu-per-call", "100ms", "--time-per-call", "10m"];
    let server = Program::new().echo().spin().serve(&flags);
    server.post("/command", b"Hello").is_cut("Hello");
    failed(&server, "cpu_per_call", "cpu per call is beyond its limit of 100ms");
}

/// Writing is no end of a call: whoever writes for ever without a wait computes for ever.
#[test]
fn writing_does_not_renew_the_budget() {
    let flags = ["--cpu-per-call", "200ms", "--time-per-call", "10m"];
    let server = Program::new().for_ever(|each| each.compute(20).say(".")).serve(&flags);
    let mut client = server.connect();
    client.send(request("GET", "/command", &[]));
    assert_eq!(client.head().status, 200);
    assert_ne!(client.rest().1, Ending::Clean);
    failed(&server, "cpu_per_call", "cpu per call is beyond its limit of 200ms");
}

/// Nor is asking for what is there already and is no input: the end of the body, the time now, a
/// descriptor that is always ready. A loop that has missed the end is the most common of all mistakes.
#[test]
fn asking_without_a_wait_does_not_renew_it() {
    let flags = ["--cpu-per-call", "200ms", "--time-per-call", "10m"];
    for ask in [
        "(drop (call $read (i32.const 64)))",
        "(drop (call $read (i32.const 0)))",
        "(drop (call $input_within (i64.const 0)))",
        "(drop (call $input_within (i64.const 1000)))",
        "(call $sleep (i64.const 0))",
        "(call $descriptor_at (i32.const 64) (i32.const 2) (i32.const 1)) (drop (call $poll (i32.const 1)))",
    ] {
        println!("{ask}");
        let server = Program::new().drain().for_ever(|each| each.compute(20).wat(ask)).serve(&flags);
        server.get("/command").is_error(500);
        failed(&server, "cpu_per_call", "cpu per call is beyond its limit of 200ms");
    }
}

/// Each read that gives something begins a new call, whether it had to wait for it or not: a long upload
/// is many calls.
#[test]
fn a_bulk_of_short_calls_lives_on() {
    let flags = ["--cpu-per-call", "250ms", "--time-per-call", "10m"];
    let body = noise(1, 6 * MIB);
    let mut server = slow_echo(65_536).serve(&flags);
    let before = server.process().cpu_ticks();
    server.sends("/command", &body, at_once, &body);
    let ticks = server.process().cpu_ticks() - before;
    assert!(ticks > 50, "{ticks} ticks are no test of it");
}

/// However much they take together.
#[test]
fn a_long_stream_of_short_calls_lives_on() {
    let flags = ["--cpu-per-call", "250ms", "--time-per-call", "10m"];
    let mut server = slow_echo(64).serve(&flags);
    let mut client = server.open("/command");
    let before = server.process().cpu_ticks();
    // Three times the budget of a call, in ticks of 10 ms.
    for round in 0.. {
        client.send_chunk(letters(round));
        client.expect(letters(round));
        if server.process().cpu_ticks() - before > 75 {
            break;
        }
    }
    client.send_last_chunk();
    assert_eq!(client.rest(), (vec![], Ending::Clean));
}

#[test]
fn sleeping_renews_it_too() {
    let flags = ["--cpu-per-call", "250ms", "--time-per-call", "10m"];
    let mut server = Program::new().for_ever(|each| each.compute(30).say(".").sleep(1)).serve(&flags);
    let mut client = server.connect();
    client.send(request("GET", "/command", &[]));
    client.head();
    let before = server.process().cpu_ticks();
    while server.process().cpu_ticks() - before < 75 {
        client.expect(".");
    }
}

#[test]
fn too_much_wall_time() {
    let flags = ["--cpu-per-call", "10m", "--time-per-call", "300ms"];
    let server = Program::new().answer(64).spin().serve(&flags);
    server.post("/command", b"Hello").is_cut("Hello");
    failed(&server, "time_per_call", "time per call is beyond its limit of 300ms");
}

#[test]
fn waiting_of_any_kind_is_not_wall_time_of_a_call() {
    let flags = ["--cpu-per-call", "10m", "--time-per-call", "300ms"];
    let server = Program::new()
        .sleep(700)
        .say("slept;")
        .answer(64)
        .wat("(drop (call $input_within (i64.const 700)))")
        .say("polled;")
        .drain()
        .repeat(64, |each| each.wat("(call $write (i32.const 1) (i32.const 65536) (i32.const 65536))"))
        .serve(&flags);
    let mut client = server.open("/command");
    client.expect("slept;");
    // What passes is what is tested: three waits that are longer than any call may be.
    thread::sleep(Duration::from_millis(700));
    client.send_chunk("Hello");
    client.expect("Hellopolled;");
    client.send_last_chunk();
    thread::sleep(Duration::from_millis(700));
    let (body, ending) = client.rest();
    assert_eq!((body.len(), ending), (64 * 64 * KIB, Ending::Clean));
}

#[test]
fn processor_time_of_the_exchange() {
    let server = Program::new()
        .for_ever(|each| each.compute(10).say(".").sleep(1))
        .serve(&["--cpu-per-exchange", "100ms"]);
    let answer = server.get("/command");
    assert_eq!(answer.head.status, 200);
    assert_ne!(answer.ending, Ending::Clean);
    failed(&server, "cpu_per_exchange", "cpu_per_exchange");
}

#[test]
fn memory_ends_at_the_limit_and_it_is_told() {
    let program = Program::new().wat(GROW).tell("(local.get $n)");
    program.serve(&["--memory", "2MiB"]).get("/command").is_clean(200, "32\n");
    program.serve_with(r#"{"limits": {"memory": "128MiB"}}"#).get("/command").is_clean(200, "2048\n");
}

#[test]
fn the_trap_behind_a_refused_growth_names_the_limit() {
    let server = Program::new().wat(GROW).trap().serve(&["--memory", "2MiB"]);
    server.get("/command").is_error(500);
    failed(&server, "memory", "memory beyond its limit");
}

#[test]
fn an_initial_memory_beyond_the_limit_is_refused() {
    let server = Program::new().serve(&["--memory", "128KiB"]);
    server.log().wait(0, &["not loaded", "plugin=\"command\"", "memory"]);
    server.get("/command").is_error(404);
}

#[test]
fn the_byte_beyond_is_cut() {
    for limit in ["emitted", "received"] {
        let flag = format!("--{limit}");
        let server = Program::new().echo().serve(&[&flag, "10"]);
        server.post("/command", b"ten bytes!").is_clean(200, "ten bytes!");
        let mut client = server.open("/command");
        for half in ["hello", "world"] {
            client.send_chunk(half);
            client.expect(half);
        }
        client.send_chunk("!");
        let (body, ending) = client.rest();
        assert!(body.is_empty() && ending != Ending::Clean, "{limit}: {ending:?}");
        failed(&server, limit, &format!("{limit}: more than the limit of 10 B"));
    }
}

#[test]
fn a_body_that_is_announced_too_long_is_413() {
    let server = Program::new().echo().serve(&["--received", "10"]);
    let mut client = server.connect();
    client.send(request("POST", "/command", &["Content-Length: 11"]));
    client.answer().is_error(413);
}

#[test]
fn emitted_bytes_of_an_endless_writer() {
    let page = "(call $write (i32.const 1) (i32.const 65536) (i32.const 65536))";
    let server = Program::new().for_ever(|each| each.wat(page)).serve(&["--emitted", "1MiB"]);
    let answer = server.get("/command");
    assert_eq!(answer.head.status, 200);
    assert!(answer.body.len() <= MIB && answer.ending != Ending::Clean, "{} bytes", answer.body.len());
    failed(&server, "emitted", "emitted");
}

#[test]
fn lines_in_the_log() {
    let server = Program::new().for_ever(|each| each.complain("a line\n")).serve(&["--log-lines", "4"]);
    server.get("/command").is_error(500);
    failed(&server, "log_lines", "log_lines");
    assert_eq!(server.log().count(0, &["a line"]), 4);
}

/// Copies stdin to stdout, and computes for 30 ms each time.
fn slow_echo(most: usize) -> Program {
    Program::new().wat(&format!(
        "(loop $more
           (local.set $n (call $read (i32.const {most})))
           (call $compute (i64.const 30))
           (call $write (i32.const 1) (i32.const 65536) (local.get $n))
           (br_if $more (local.get $n)))"
    ))
}

#[track_caller]
fn failed(server: &Server, key: &str, reason: &str) {
    server.log().wait(0, &["WARN", "plugin failed", "plugin=\"command\"", reason]);
    server.log().wait(0, &["exchange ended", "command", "failed"]);
    let labels = [("plugin", "command"), ("reason", key)];
    server.metric_eventually("wasmplex_failures_total", &labels, 1.0);
    server.metric_eventually("wasmplex_exchanges_open", &[], 0.0);
}
