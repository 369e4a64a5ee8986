//! Plugins that fail, one for each reason, and what their clients must see of it.

use std::fs;

use super::Soak;
use crate::harness::*;

/// Grows its memory until that is refused, then traps: `hog` by its own limit, `herd` by that of the
/// exchange.
const HOG: &str = r#"(module
  (memory (export "memory") 2)
  (func (export "chunk_buffer") (param $cap i32) (result i32) (i32.const 65536))
  (func (export "on_chunk") (param $ptr i32) (param $len i32) (result i32) (i32.const 0))
  (func (export "on_open") (result i32)
    (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
    unreachable))"#;

/// Logs five lines.
const GOSSIP: &str = r#"(module
  (import "wasmplex" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 2)
  (data (i32.const 0) "have you heard")
  (global $lines (mut i32) (i32.const 5))
  (func (export "chunk_buffer") (param $cap i32) (result i32) (i32.const 65536))
  (func (export "on_chunk") (param $ptr i32) (param $len i32) (result i32) (i32.const 0))
  (func (export "on_open") (result i32)
    (loop $more
      (call $log (i32.const 1) (i32.const 0) (i32.const 14))
      (global.set $lines (i32.sub (global.get $lines) (i32.const 1)))
      (br_if $more (global.get $lines)))
    (i32.const 0)))"#;

/// Plugins that are copies of the fixture `scripted` or `echo`, or have a text of their own, and the
/// limits in their manifests.
const PLUGINS: [(&str, &str, &str); 10] = [
    ("scripted", "scripted", ""),
    ("spin", "scripted", r#""cpu_per_call": "20ms""#),
    ("burn", "scripted", r#""cpu_per_exchange": "20ms""#),
    ("nap", "scripted", r#""time_per_call": "30ms""#),
    ("glut", "echo", r#""emitted": 1000"#),
    ("maw", "echo", r#""received": 1000"#),
    ("through", "scripted", r#""emitted": 1000"#),
    ("hog", HOG, r#""memory": "1MiB""#),
    ("herd", HOG, r#""memory_per_exchange": "1MiB""#),
    ("gossip", GOSSIP, r#""log_lines": 3"#),
];

/// Writes them all, and says how many.
pub fn write_plugins(folder: &Folder) -> usize {
    for (name, source, limits) in PLUGINS {
        let text = match source {
            "scripted" | "echo" => fs::read(fixture(source)).expect("a fixture"),
            text => text.as_bytes().to_vec(),
        };
        folder.write(&format!("{name}.wat"), &text);
        if !limits.is_empty() {
            folder.write(&format!("{name}.json"), format!(r#"{{"limits": {{{limits}}}}}"#).as_bytes());
        }
    }
    PLUGINS.len()
}

/// What the client sees.
enum Sees {
    /// The host's own answer: the head was not out.
    Error(u16),
    /// This, and no proper end.
    Cut(&'static str),
    /// As much of its own body as one call gets, at most this, and no proper end. How much is up to
    /// the network, which may deliver in pieces.
    CutWithin(usize),
}

pub fn exchange(soak: &Soak, random: &mut Random) {
    use Sees::{Cut, CutWithin, Error};
    let (plugin, script, reason, sees) = match random.below(17) {
        0 => ("scripted", Script::new().open(say(Act::Reject)), "rejected", Cut("open;")),
        1 => ("scripted", Script::new().open(quiet(Act::Forbid)), "rejected", Error(403)),
        2 => ("scripted", Script::new().open(quiet(Act::Trap)), "trap", Error(500)),
        3 => ("scripted", Script::new().chunk(say(Act::Trap)), "trap", Cut("chunk;")),
        4 => ("scripted", Script::new().chunk(say(Act::Reject)), "rejected", Cut("chunk;")),
        5 => ("scripted", Script::new().end(say(Act::ExitWith3)), "exit", Cut("end;")),
        6 => ("spin", Script::new().chunk(say(Act::Loop)), "cpu_per_call", Cut("chunk;")),
        7 => ("burn", Script::new().open(quiet(Act::Loop)), "cpu_per_exchange", Error(500)),
        8 => ("nap", Script::new().open(say(Act::SleepAnHour)), "time_per_call", Cut("open;")),
        9 => ("through", Script::new().open(quiet(Act::Pass)), "emitted", CutWithin(1000)),
        10 => ("glut", Script::new(), "emitted", CutWithin(1000)),
        11 => ("hog", Script::new(), "memory", Error(500)),
        12 => ("herd", Script::new(), "memory_per_exchange", Error(500)),
        13 => ("gossip", Script::new(), "log_lines", Error(500)),
        14 => return too_much_is_announced(soak),
        15 => return too_much_comes(soak),
        _ => return pipe_fails(soak),
    };
    let body = noise(random.next(), 1001 + random.below(500));
    let sent = fails(soak, &script.target().replace("scripted", plugin), &body, &sees);
    soak.ledger.add(Item::Sent(plugin), sent);
    soak.ledger.add(Item::Exchanges(plugin, "failed"), 1);
    soak.ledger.add(Item::Failures(plugin, reason), 1);
}

/// Runs an exchange that must fail, and returns how many of the plugin's bytes came.
#[track_caller]
fn fails(soak: &Soak, target: &str, body: &[u8], sees: &Sees) -> usize {
    let length = format!("Content-Length: {}", body.len());
    let mut client = soak.connect();
    let answer = client.exchange([&request("POST", target, &[&length]), body].concat());
    match sees {
        Sees::Error(status) => {
            answer.is_error(*status);
            return 0;
        }
        Sees::Cut(said) => answer.is_cut(said),
        Sees::CutWithin(most) => {
            assert_eq!((answer.head.status, answer.ending), (200, Ending::Cut), "{target}");
            let len = answer.body.len();
            assert!(len <= *most && answer.body == body[..len], "{target}: {len} bytes");
        }
    }
    answer.body.len()
}

/// A body that says at once that it is too long is refused before there is an exchange.
fn too_much_is_announced(soak: &Soak) {
    let mut client = soak.connect();
    client.send(request("POST", "/maw", &["Content-Length: 1001"]));
    let head = client.head();
    soak.is_refused(&mut client, head, 413);
}

/// One that turns out to be too long is cut, where it does.
fn too_much_comes(soak: &Soak) {
    let mut client = soak.connect();
    client.send(request("POST", "/maw", &[CHUNKED]));
    assert_eq!(client.head().status, 200);
    for piece in [noise(1, 500), noise(2, 500)] {
        client.send_chunk(&piece);
        assert!(client.read(500) == piece, "wrong bytes before the limit");
    }
    client.send_chunk("x");
    assert_eq!(client.rest(), (vec![], Ending::Cut));
    soak.ledger.add(Item::Sent("maw"), 1000);
    soak.ledger.add(Item::Exchanges("maw", "failed"), 1);
    soak.ledger.add(Item::Failures("maw", "received"), 1);
}

/// All stages of a pipe fail with the one that does, which alone is to blame.
fn pipe_fails(soak: &Soak) {
    fails(soak, "/scripted+hog", b"a body", &Sees::Error(500));
    for stage in ["scripted", "hog"] {
        soak.ledger.add(Item::Exchanges(stage, "failed"), 1);
    }
    soak.ledger.add(Item::Failures("hog", "memory"), 1);
}
