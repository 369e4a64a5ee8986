//! Hostile plugins, one after the other on one server: each fails alone, with the right answer and
//! the reason in the log, while a canary stream keeps its pace.

use crate::harness::*;

/// Short limits, so that the endless ones end soon.
const SHORT_LIMITS: &[&str] = &["--cpu-per-call", "100ms", "--time-per-call", "800ms", "--memory", "16MiB"];

const PLUGINS: &[&str] =
    &["deep_stack", "grow_memory", "grow_table", "pointers", "rot13", "scripted", "wasi_probe"];

/// The ways to fail that every export can choose, with their reasons. A loop may meet either limit
/// where it gets little of the CPU; which one ends what has a test of its own.
const MISDEEDS: &[(Act, &str)] = &[
    (Act::Trap, "unreachable"),
    (Act::Reject, "rejected"),
    (Act::ExitWith3, "exit code 3"),
    (Act::Loop, "per call"),
    (Act::SleepAnHour, "time per call"),
];

/// What the client must get.
#[derive(Clone, Copy)]
enum Outcome<'a> {
    /// A proper error response.
    Error,
    /// A head, exactly this, and a cut.
    Cut(&'a str),
}

#[test]
fn every_hostile_plugin_fails_alone() {
    let mine = Mine::with(PLUGINS, SHORT_LIMITS);
    in_on_open(&mine);
    in_on_chunk_and_on_end(&mine);
    in_on_timer(&mine);
    on_the_second_chunk(&mine);
    with_bad_pointers(&mine);
    with_a_stack_without_a_bottom(&mine);
    with_memory_and_tables_without_an_end(&mine);
    with_an_eye_on_files_and_the_environment(&mine);
    mine.canary.stop();
}

#[test]
fn an_endless_emitter_with_a_reading_client() {
    // Emitting is quick and waiting is free: even this little CPU makes hundreds of MB.
    let mine = Mine::with(&["counter", "rot13"], &["--cpu-per-call", "20ms"]);
    let mark = mine.server.log().mark();
    let mut client = mine.server.connect();
    client.send(request("GET", "/counter", &[]));
    client.head();
    let mut emitted = 0;
    let ending = loop {
        match client.step() {
            Step::Data(data) => emitted += data.len(),
            Step::Over(ending) => break ending,
        }
    };
    assert_ne!(ending, Ending::Clean);
    assert!(emitted > 0, "what was emitted before the limit arrives");
    mine.has_failed(mark, "counter", "cpu per call");
    mine.canary.stop();
}

#[test]
fn one_that_fails_before_on_open_is_not_served() {
    let reasons = [
        ("loop_in_start", "per call"),
        ("loop_in_initialize", "per call"),
        ("loop_in_chunk_buffer", "per call"),
        ("buffer_null", "chunk_buffer"),
        ("buffer_beyond", "out of range"),
        ("buffer_past_end", "out of range"),
    ];
    let plugins: Vec<&str> = reasons.iter().map(|(plugin, _)| *plugin).chain(["rot13"]).collect();
    let server = Server::with(&plugins, SHORT_LIMITS);
    for (plugin, reason) in reasons {
        server.log().wait(0, &["not loaded", plugin, reason, "nothing"]);
        server.get(&format!("/{plugin}")).is_error(404);
    }
    server.post("/rot13", b"Hello").is_clean(200, "Uryyb");
}

#[test]
fn each_limit_ends_what_it_is_for() {
    let far = "10m";
    for (act, cpu, time, reason) in [
        (Act::Loop, "50ms", far, "cpu per call"),
        (Act::SleepAnHour, far, "50ms", "time per call"),
        (Act::Loop, far, "50ms", "time per call"),
    ] {
        let flags = ["--cpu-per-call", cpu, "--time-per-call", time];
        let server = Server::with(&["scripted"], &flags);
        let script = Script::new().chunk(say(act));
        server.post(&script.target(), b"a body").is_cut("chunk;");
        server.log().wait(0, &["plugin failed", "scripted", reason]);
    }
}

/// A client whose first chunk has the plugin follow `script`, which says that it does.
fn sets_off(server: &Server, script: &Script) -> Client {
    let mut client = server.connect();
    client.send(request("POST", &script.target(), &[CHUNKED]));
    client.send_chunk("a chunk");
    client.head();
    client.expect("chunk;");
    client
}

#[test]
fn loops_on_every_core_leave_room_for_others() {
    let mine = Mine::with(&["scripted", "rot13"], FAR_LIMITS);
    let script = Script::new().chunk(say(Act::Loop));
    let mut loops = Vec::new();
    for _ in 0..8 {
        loops.push(sets_off(&mine.server, &script));
        mine.canary.sings(5);
    }
    mine.canary.sings(20);
    mine.server.post("/rot13", b"Hello").is_clean(200, "Uryyb");
    drop(loops);
    mine.canary.stop();
    mine.server.settle();
}

#[test]
fn who_computes_is_served_by_threads_that_stand_back() {
    let mut server = Server::with(&["scripted", "rot13"], FAR_LIMITS);
    let script = Script::new().chunk(say(Act::Loop));
    let loops: Vec<Client> = (0..4).map(|_| sets_off(&server, &script)).collect();
    eventually("them to have moved", || {
        (server.process().cpu_ticks_of_threads("patient") > 10).then_some(())
    });
    let patient = server.process().cpu_ticks_of_threads("patient");
    let others = server.process().cpu_ticks_of_threads("");
    eventually("them to compute there", || {
        (server.process().cpu_ticks_of_threads("patient") > patient + 50).then_some(())
    });
    let others = server.process().cpu_ticks_of_threads("") - others;
    let patient = server.process().cpu_ticks_of_threads("patient") - patient;
    assert!(others - patient < patient / 2, "{patient} of {others} ticks");
    server.post("/rot13", b"Hello").is_clean(200, "Uryyb");
    drop(loops);
    server.settle();
}

/// Filling memory for the first time takes long, and nothing interrupts it: whoever has much is moved before.
#[test]
fn who_has_much_memory_is_served_by_threads_that_stand_back() {
    const FILL: &str = r#"(module
        (import "wasmplex" "emit" (func $emit (param i32 i32) (result i32)))
        (memory (export "memory") 2)
        (func (export "chunk_buffer") (param i32) (result i32) (i32.const 65536))
        (func (export "on_chunk") (param i32 i32) (result i32) (i32.const 0))
        (func (export "on_open") (result i32)
            (drop (memory.grow (i32.const 960)))
            (memory.fill (i32.const 0) (i32.const 46) (i32.mul (memory.size) (i32.const 65536)))
            (call $emit (i32.const 0) (i32.const 3))))"#;
    let folder = Folder::of(&["rot13"]);
    folder.write("fill.wat", FILL.as_bytes());
    let mut server = Server::serve(folder, FAR_LIMITS);
    eventually("them to have filled much there", || {
        server.get("/fill").is_clean(200, "...");
        (server.process().cpu_ticks_of_threads("patient") > 10).then_some(())
    });
    server.post("/rot13", b"Hello").is_clean(200, "Uryyb");
    server.settle();
}

fn in_on_open(mine: &Mine) {
    for (act, reason) in MISDEEDS {
        let silent = Script::new().open(quiet(*act));
        mine.survives(&silent.target(), Outcome::Error, reason);
        let after_an_emit = Script::new().open(say(*act));
        mine.survives(&after_an_emit.target(), Outcome::Cut("open;"), reason);
    }
}

fn in_on_chunk_and_on_end(mine: &Mine) {
    for (act, reason) in MISDEEDS {
        let script = Script::new().chunk(say(*act));
        mine.survives(&script.target(), Outcome::Cut("chunk;"), reason);
        let script = Script::new().chunk(say(Act::GoOn)).end(say(*act));
        mine.survives(&script.target(), Outcome::Cut("chunk;end;"), reason);
    }
}

fn in_on_timer(mine: &Mine) {
    for (act, reason) in MISDEEDS {
        let script = Script::new().end(say(Act::SetTimer)).timer(say(*act));
        mine.survives(&script.target(), Outcome::Cut("end;timer;"), reason);
    }
}

fn on_the_second_chunk(mine: &Mine) {
    for (act, reason) in MISDEEDS {
        let script = Script::new().chunk(say(Act::GoOn)).later_chunk(say(*act));
        let mark = mine.server.log().mark();
        let mut client = mine.server.connect();
        client.send(request("POST", &script.target(), &[CHUNKED]));
        client.head();
        client.send_chunk("the first");
        client.expect("chunk;");
        client.send_chunk("the second");
        client.expect("chunk;");
        let (body, ending) = client.rest();
        assert!(body.is_empty() && ending != Ending::Clean, "{ending:?}");
        mine.has_failed(mark, "scripted", reason);
    }
}

fn with_bad_pointers(mine: &Mine) {
    for letter in 'a'..='l' {
        let target = format!("/pointers?{letter}");
        mine.survives(&target, Outcome::Error, "out of range");
    }
}

fn with_a_stack_without_a_bottom(mine: &Mine) {
    mine.survives("/deep_stack", Outcome::Cut(""), "stack");
}

fn with_memory_and_tables_without_an_end(mine: &Mine) {
    let before = mine.server.memory_now();
    for (target, most) in [("/grow_memory", 256), ("/grow_table", 1_000_000)] {
        let answer = mine.server.post(target, b"a body");
        assert_eq!((answer.head.status, answer.ending), (200, Ending::Clean));
        let size = u32::from_le_bytes(answer.body.try_into().expect("a number"));
        assert!((3..=most).contains(&size), "{target} got {size}");
        mine.canary.sings(3);
    }
    let kept = mine.server.memory_now().saturating_sub(before);
    assert!(kept < 24 * MIB, "the server kept {kept} bytes");
}

fn with_an_eye_on_files_and_the_environment(mine: &Mine) {
    let text = mine.server.get("/wasi_probe").text();
    let nothing = text.contains("environ=0\n") && text.contains("open=8\n");
    assert!(nothing, "{text}");
    mine.canary.sings(3);
}

/// A server with a canary on it.
struct Mine {
    canary: Canary,
    server: Server,
}

impl Mine {
    fn with(plugins: &[&str], flags: &[&str]) -> Mine {
        let server = Server::with(plugins, flags);
        let canary = Canary::start(&server);
        Mine { canary, server }
    }

    /// Posts a body, and checks the answer, the log's reason, and the canary.
    fn survives(&self, target: &str, outcome: Outcome<'_>, reason: &str) {
        println!("{target}: {reason}");
        let mark = self.server.log().mark();
        let mut client = self.server.connect();
        client.send(request("POST", target, &[CHUNKED]));
        client.send_chunk("a body");
        client.send_last_chunk();
        match outcome {
            Outcome::Error => client.answer().is_error(500),
            Outcome::Cut(body) => client.answer().is_cut(body),
        }
        let plugin = target.trim_start_matches('/').split('?').next();
        self.has_failed(mark, plugin.unwrap_or_default(), reason);
    }

    /// The plugin failed for this reason, and the canary still sings.
    fn has_failed(&self, mark: usize, plugin: &str, reason: &str) {
        let log = self.server.log();
        log.wait(mark, &["plugin failed", plugin, reason]);
        log.wait(mark, &["exchange ended", plugin, "failed"]);
        self.canary.sings(3);
    }
}
