//! The measurements: what is done to a server, and the figures that come of it.

mod bulk;
mod catalogue;
mod first_byte;
mod idle;
mod ping_pong;
mod pipe;
mod reload;
mod scale;
mod short;

use std::thread;
use std::time::{Duration, Instant};

use crate::contender::Need;
use crate::goals::Goal;
use crate::server::{Cpu, Server};

pub(crate) use catalogue::all;

/// One kind of load.
pub(crate) struct Measurement {
    name: String,
    load: Load,
    need: Need,
    /// What its figures must reach.
    goals: Vec<Goal>,
}

#[derive(Clone, Copy)]
enum Load {
    /// Streams as fast as they go, in wire chunks of this size.
    Bulk { wire_chunk: usize, streams: usize },
    /// A piece on each stream, and the next one when it is back.
    PingPong { route: &'static str, size: usize, streams: usize },
    /// The same through a pipe and through one of its stages.
    Pipe { streams: usize },
    /// One short request after the other on each of so many connections.
    Short { route: &'static str, connections: usize },
    /// The same with a connection for every request.
    ShortClosing,
    /// From the first piece of a fresh exchange to its transformed bytes.
    FirstByte,
    /// So many open exchanges that do nothing.
    Idle { exchanges: usize },
    /// Short requests beside ever more open exchanges.
    Beside,
    /// Ping-pong on ever more streams.
    Among,
    /// Ping-pong while another plugin changes.
    Reload,
}

impl Measurement {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What a server must be able to do.
    pub(crate) const fn need(&self) -> Need {
        self.need
    }

    pub(crate) fn goals(&self) -> &[Goal] {
        &self.goals
    }

    /// Memory is measured from the start of a server, everything else on one that is warm.
    pub(crate) const fn wants_fresh_server(&self) -> bool {
        matches!(self.load, Load::Idle { .. })
    }

    /// How often to repeat, out of the `rounds` that are wanted: what takes seconds, less often.
    pub(crate) fn rounds(&self, rounds: u32) -> u32 {
        match self.load {
            Load::Idle { .. } => rounds.div_ceil(4).min(MEMORY_ROUNDS),
            Load::Beside | Load::Among | Load::Reload => rounds.div_ceil(2),
            _ => rounds,
        }
    }

    /// The name of a further figure, if there is one: of all others, the largest median over the smallest.
    pub(crate) const fn quotient(&self) -> Option<&'static str> {
        match self.load {
            Load::Beside | Load::Among => Some(scale::WORST_TO_BEST),
            _ => None,
        }
    }

    /// Puts the load on `server` for about `time`.
    pub(crate) fn run(&self, server: &Server, time: Duration) -> anyhow::Result<Sample> {
        match self.load {
            Load::Bulk { wire_chunk, streams } => bulk::run(server, time, wire_chunk, streams),
            Load::PingPong { route, size, streams } => {
                Ok(ping_pong::run(server, time, route, size, streams)?.into())
            }
            Load::Pipe { streams } => pipe::run(server, time, streams),
            Load::Short { route, connections } => {
                Ok(short::keep_alive(server, time, route, connections)?.into())
            }
            Load::ShortClosing => short::closing(server, time),
            Load::FirstByte => first_byte::run(server, time),
            Load::Idle { exchanges } => idle::run(server, exchanges),
            Load::Beside => scale::beside(server, time),
            Load::Among => scale::among(server, time),
            Load::Reload => reload::run(server, time),
        }
    }
}

/// Enough to see that the figure stays.
const MEMORY_ROUNDS: u32 = 3;

/// What one run gave: names, with their unit, and values. Lower is better for all of them.
pub(crate) struct Sample(pub(crate) Vec<(&'static str, f64)>);

/// What a unit (a round trip, a request) took, in microseconds.
#[derive(Clone, Copy)]
struct Cost {
    cpu: f64,
    wall: f64,
}

/// The names of the usual figures.
const CPU: &str = "cpu us";
const WALL: &str = "wall us";

impl From<Cost> for Sample {
    fn from(cost: Cost) -> Self {
        Self(vec![(CPU, cost.cpu), (WALL, cost.wall)])
    }
}

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

    /// The same for each of `count` units.
    fn stop_per_unit(self, count: u64) -> anyhow::Result<Cost> {
        let (cpu, wall) = self.stop()?;
        let each = |nanos: f64| nanos / 1e3 / count as f64;
        Ok(Cost { cpu: each(cpu), wall: each(wall) })
    }
}

/// What a thread of the load came to.
fn joined<T>(thread: thread::ScopedJoinHandle<'_, anyhow::Result<T>>) -> anyhow::Result<T> {
    thread.join().map_err(|_| anyhow::anyhow!("a thread of the load panicked"))?
}
