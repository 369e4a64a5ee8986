//! Pieces that are sent when the one before is back.

use std::time::Duration;

use super::{Clock, Cost};
use crate::connection::Connection;
use crate::pattern::{PATTERN, PERIOD, wire_chunk};
use crate::server::Server;

/// The most bytes of one read, framing included.
const READ: usize = 8 * 1024;

pub(super) fn run(
    server: &Server,
    time: Duration,
    route: &str,
    size: usize,
    streams: usize,
) -> anyhow::Result<Cost> {
    let mut connections = open(server, route, streams)?;
    let cost = play(server, time, size, &mut connections)?;
    connections.iter_mut().try_for_each(Connection::end_stream)?;
    Ok(cost)
}

/// Streams whose response heads are here.
pub(super) fn open(server: &Server, route: &str, streams: usize) -> anyhow::Result<Vec<Connection>> {
    let open = || Connection::open_stream(server.address(), READ, route);
    std::iter::repeat_with(open).take(streams).collect()
}

/// A piece on each stream, and the next when all of them are back. The first ones are not measured: what
/// they touch for the first time belongs to the opening.
pub(super) fn play(
    server: &Server,
    time: Duration,
    size: usize,
    connections: &mut [Connection],
) -> anyhow::Result<Cost> {
    let mut wire = Vec::new();
    trip(connections, &mut wire, 0, size)?;
    let clock = Clock::start(server)?;
    let mut trips = 0;
    let mut at = 0;
    while !clock.ran_for(time) {
        trip(connections, &mut wire, at, size)?;
        trips += connections.len() as u64;
        at = (at + size) % PERIOD;
    }
    clock.stop_per_unit(trips)
}

fn trip(connections: &mut [Connection], wire: &mut Vec<u8>, at: usize, size: usize) -> anyhow::Result<()> {
    wire.clear();
    wire_chunk(wire, PATTERN.plain(at..at + size));
    for connection in &mut *connections {
        connection.send(wire)?;
    }
    connections.iter_mut().try_for_each(|connection| connection.read_exactly(PATTERN.rotated(at..at + size)))
}
