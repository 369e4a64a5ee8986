//! All measurements, and what they must reach.

use super::{CPU, Load, Measurement, WALL, bulk, idle, pipe, scale};
use crate::connection::{COMMAND, COMPONENT, ROUTE};
use crate::contender::{NATIVE, Need};
use crate::goals::Goal;
use crate::peers::{GO_DUPLEX, GO_HIJACK};

/// In the order of the table.
pub(crate) fn all() -> Vec<Measurement> {
    let parts = [bulks(), ping_pongs(), pipes(), shorts(), memory(), kinds(), scales(), reloads()];
    parts.into_iter().flatten().collect()
}

fn measurement(name: String, load: Load, need: Need, goals: Vec<Goal>) -> Measurement {
    Measurement { name, load, need, goals }
}

fn bulks() -> Vec<Measurement> {
    // The bound on the cost of a plugin. Tiny wire chunks cost what their framing does, on both sides.
    let sizes = [("64 KiB", 65_536, Some(1.15)), ("4 KiB", 4_096, Some(1.25)), ("512 B", 512, None)];
    let mut all = Vec::new();
    for (text, wire_chunk, most) in sizes {
        for streams in [1, 4] {
            let mut goals = vec![Goal::ratio(bulk::CPU_PER_BYTE, GO_HIJACK, 0.6)];
            goals.extend(most.map(|most| Goal::ratio(bulk::CPU_PER_BYTE, NATIVE, most)));
            let name = format!("bulk, wire chunks of {text} x {streams}");
            all.push(measurement(name, Load::Bulk { wire_chunk, streams }, Need::Stream, goals));
        }
    }
    all
}

fn ping_pongs() -> Vec<Measurement> {
    let mut all = Vec::new();
    for (text, size) in [("64 B", 64), ("4 KiB", 4_096)] {
        for streams in [1, 32] {
            // With one stream, what is measured is above all how a processor falls asleep and wakes.
            let goals = if streams == 1 { vec![] } else { vec![Goal::ratio(CPU, NATIVE, 1.10)] };
            let load = Load::PingPong { route: ROUTE, size, streams };
            all.push(measurement(format!("ping-pong {text} x {streams}"), load, Need::Stream, goals));
        }
    }
    all
}

fn pipes() -> Vec<Measurement> {
    let name = "ping-pong 64 B x 32, a pipe of 3".to_owned();
    let goal = Goal::at_most(pipe::CPU_OF_A_STAGE, 1.5);
    vec![measurement(name, Load::Pipe { streams: 32 }, Need::Plugins, vec![goal])]
}

fn shorts() -> Vec<Measurement> {
    let goals = || vec![Goal::ratio(CPU, NATIVE, 1.8), Goal::ratio(CPU, GO_DUPLEX, 0.35)];
    let keep_alive = [1, 32].map(|connections| {
        let load = Load::Short { route: ROUTE, connections };
        measurement(format!("short, keep-alive x {connections}"), load, Need::KeepAlive, goals())
    });
    let closing = vec![Goal::ratio(CPU, NATIVE, 1.15)];
    let first = vec![Goal::ratio(CPU, NATIVE, 1.3), Goal::ratio(WALL, NATIVE, 1.3)];
    let others = [
        measurement("short, a connection each".to_owned(), Load::ShortClosing, Need::Stream, closing),
        measurement("first byte".to_owned(), Load::FirstByte, Need::Stream, first),
    ];
    keep_alive.into_iter().chain(others).collect()
}

fn memory() -> Vec<Measurement> {
    let resident = Goal::at_most(idle::RESIDENT, 14.0);
    [("2,000", 2_000, vec![resident]), ("10,000", 10_000, vec![resident, Goal::held(idle::RESIDENT)])]
        .map(|(text, exchanges, goals)| {
            measurement(format!("idle, {text} exchanges"), Load::Idle { exchanges }, Need::Stream, goals)
        })
        .into()
}

/// The other kinds of plugin, beside the same native server.
fn kinds() -> Vec<Measurement> {
    let mut all = Vec::new();
    for route in [COMMAND, COMPONENT] {
        let ping_pong = Load::PingPong { route, size: 64, streams: 32 };
        all.push(measurement(format!("{route}, ping-pong 64 B x 32"), ping_pong, Need::Closely, vec![]));
        let short = Load::Short { route, connections: 32 };
        all.push(measurement(format!("{route}, short, keep-alive x 32"), short, Need::Closely, vec![]));
    }
    all
}

fn scales() -> Vec<Measurement> {
    [("short x 8, others idle", Load::Beside), ("ping-pong, all at once", Load::Among)]
        .map(|(name, load)| {
            let goal = Goal::at_most(scale::WORST_TO_BEST, 1.5);
            measurement(format!("scale: {name}"), load, Need::Closely, vec![goal])
        })
        .into()
}

fn reloads() -> Vec<Measurement> {
    vec![measurement("others, while a plugin changes".to_owned(), Load::Reload, Need::Plugins, vec![])]
}
