//! How long the first piece of a fresh exchange takes.

use std::time::{Duration, Instant};

use super::{CPU, Clock, Sample, WALL};
use crate::connection::{Connection, ROUTE, stream_head};
use crate::figures::median;
use crate::pattern::{PATTERN, wire_chunk};
use crate::server::Server;

const SIZE: usize = 64;
const READ: usize = 1024;

/// One exchange after the other, each on a connection of its own. Wall time is from sending head
/// and first piece, in one write, to its transformed bytes; the median of all exchanges. CPU time
/// is that of the whole life of the connection.
pub(super) fn run(server: &Server, time: Duration) -> anyhow::Result<Sample> {
    let mut opening = stream_head(ROUTE);
    wire_chunk(&mut opening, PATTERN.plain(0..SIZE));
    let clock = Clock::start(server)?;
    let mut latencies = Vec::new();
    while !clock.ran_for(time) {
        let mut connection = Connection::open(server.address(), READ)?;
        let start = Instant::now();
        connection.send(&opening)?;
        connection.read_head()?;
        connection.read_exactly(PATTERN.rotated(0..SIZE))?;
        latencies.push(start.elapsed().as_nanos() as f64 / 1e3);
        connection.end_stream()?;
    }
    let (cpu, _) = clock.stop()?;
    let cpu = cpu / 1e3 / latencies.len() as f64;
    Ok(Sample(vec![(CPU, cpu), (WALL, median(latencies))]))
}
