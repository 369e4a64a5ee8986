//! The measurements: what is done to a server, and the figures that come of it.

mod bulk;
mod first_byte;
mod idle;
mod ping_pong;
mod short;

use std::thread;
use std::time::{Duration, Instant};

use crate::connection::{PIPE_OF_THREE, ROUTE};
use crate::contender::{Cpu, Server};

/// One kind of load.
pub(crate) struct Measurement {
    name: String,
    load: Load,
}

#[derive(Clone, Copy)]
enum Load {
    /// One stream as fast as it goes, in wire chunks of this size.
    Bulk { wire_chunk: usize },
    /// A piece on each stream, and the next one when it is back.
    PingPong { route: &'static str, size: usize, streams: usize },
    /// One short request after the other on each of so many connections.
    Short { connections: usize },
    /// The same with a connection for every request.
    ShortClosing,
    /// From the first piece of a fresh exchange to its transformed bytes.
    FirstByte,
    /// So many open exchanges that do nothing.
    Idle { exchanges: usize },
}

/// All measurements, in the order of the table.
pub(crate) fn all() -> Vec<Measurement> {
    let named = |name: &str, load| Measurement { name: name.to_owned(), load };
    let bulk = [("64 KiB", 65_536), ("4 KiB", 4_096), ("512 B", 512)]
        .map(|(size, wire_chunk)| named(&format!("bulk, wire chunks of {size}"), Load::Bulk { wire_chunk }));
    let ping_pong = [("64 B", 64, 1), ("64 B", 64, 32), ("4 KiB", 4_096, 1), ("4 KiB", 4_096, 32)].map(
        |(text, size, streams)| {
            let load = Load::PingPong { route: ROUTE, size, streams };
            named(&format!("ping-pong {text} x {streams}"), load)
        },
    );
    let short = [1, 32]
        .map(|connections| named(&format!("short, keep-alive x {connections}"), Load::Short { connections }));
    let pipe = Load::PingPong { route: PIPE_OF_THREE, size: 64, streams: 32 };
    let rest = [
        named("ping-pong 64 B x 32, a pipe of 3", pipe),
        named("short, a connection each", Load::ShortClosing),
        named("first byte", Load::FirstByte),
        named("idle, 1000 exchanges", Load::Idle { exchanges: 1_000 }),
    ];
    bulk.into_iter().chain(ping_pong).chain(short).chain(rest).collect()
}

impl Measurement {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Memory is measured from the start of a server, everything else on one that is warm.
    pub(crate) const fn wants_fresh_server(&self) -> bool {
        matches!(self.load, Load::Idle { .. })
    }

    /// How often to repeat, out of the `rounds` that are wanted. Memory hardly differs.
    pub(crate) const fn rounds(&self, rounds: u32) -> u32 {
        if self.wants_fresh_server() && rounds > MEMORY_ROUNDS { MEMORY_ROUNDS } else { rounds }
    }

    /// Puts the load on `server` for about `time`.
    pub(crate) fn run(&self, server: &Server, time: Duration) -> anyhow::Result<Sample> {
        match self.load {
            Load::Bulk { wire_chunk } => bulk::run(server, time, wire_chunk),
            Load::PingPong { route, size, streams } => ping_pong::run(server, time, route, size, streams),
            Load::Short { connections } => short::keep_alive(server, time, connections),
            Load::ShortClosing => short::closing(server, time),
            Load::FirstByte => first_byte::run(server, time),
            Load::Idle { exchanges } => idle::run(server, exchanges),
        }
    }
}

/// Enough to see that the figure stays.
const MEMORY_ROUNDS: u32 = 3;

/// What one run gave: names, with their unit, and values. Lower is better for all of them.
pub(crate) struct Sample(pub(crate) Vec<(&'static str, f64)>);

/// CPU and wall time from one moment to another.
struct Clock<'a> {
    server: &'a Server,
    cpu: Cpu,
    wall: Instant,
}

/// The kernel brings a thread's CPU time up to date when the thread sleeps, or at its own tick.
const SETTLE: Duration = Duration::from_millis(5);

impl<'a> Clock<'a> {
    fn start(server: &'a Server) -> anyhow::Result<Self> {
        Ok(Self { server, cpu: server.cpu()?, wall: Instant::now() })
    }

    fn ran_for(&self, time: Duration) -> bool {
        self.wall.elapsed() >= time
    }

    /// Nanoseconds of CPU and of wall time.
    fn stop(self) -> anyhow::Result<(f64, f64)> {
        let wall = self.wall.elapsed().as_nanos() as f64;
        thread::sleep(SETTLE);
        Ok((self.server.cpu()?.since(&self.cpu), wall))
    }

    /// Microseconds of CPU and of wall time for each of `count` units.
    fn stop_per_unit(self, count: u64) -> anyhow::Result<Sample> {
        let (cpu, wall) = self.stop()?;
        let each = |nanos: f64| nanos / 1e3 / count as f64;
        Ok(Sample(vec![("cpu us", each(cpu)), ("wall us", each(wall))]))
    }
}
