//! Pieces that are sent when the one before is back.

use std::time::Duration;

use super::{Clock, Sample};
use crate::connection::Connection;
use crate::contender::Server;
use crate::pattern::{PATTERN, PERIOD, wire_chunk};

/// The most bytes of one read, framing included.
const READ: usize = 8 * 1024;

pub(super) fn run(
    server: &Server,
    time: Duration,
    route: &str,
    size: usize,
    streams: usize,
) -> anyhow::Result<Sample> {
    let open = || Connection::open_stream(server.address(), READ, route);
    let mut connections = std::iter::repeat_with(open).take(streams).collect::<anyhow::Result<Vec<_>>>()?;
    let clock = Clock::start(server)?;
    let mut wire = Vec::new();
    let mut trips = 0;
    let mut at = 0;
    while !clock.ran_for(time) {
        wire.clear();
        wire_chunk(&mut wire, PATTERN.plain(at..at + size));
        for connection in &mut connections {
            connection.send(&wire)?;
        }
        for connection in &mut connections {
            connection.read_exactly(PATTERN.rotated(at..at + size))?;
        }
        trips += streams as u64;
        at = (at + size) % PERIOD;
    }
    let sample = clock.stop_per_unit(trips)?;
    for connection in &mut connections {
        connection.end_stream()?;
    }
    Ok(sample)
}
