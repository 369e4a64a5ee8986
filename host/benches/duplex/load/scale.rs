//! Whether the cost of a request depends on how many exchanges are open.

use std::time::Duration;

use super::{Cost, Sample, idle, ping_pong, short};
use crate::connection::{Connection, ROUTE};
use crate::server::Server;

/// Numbers of exchanges, and the names of their figures.
const STEPS: [(usize, &str); 4] =
    [(1, "cpu us, 1 open"), (32, "cpu us, 32 open"), (512, "cpu us, 512 open"), (4_096, "cpu us, 4096 open")];

/// What comes of the medians of all steps.
pub(super) const WORST_TO_BEST: &str = "worst / best";

/// Connections with short requests.
const CONNECTIONS: usize = 8;

/// Bytes of a piece.
const SIZE: usize = 64;

/// Short requests while other exchanges are open and idle.
pub(super) fn beside(server: &Server, time: Duration) -> anyhow::Result<Sample> {
    let mut others = Vec::new();
    let sample = steps(|count| {
        idle::open(server, &mut others, count)?;
        short::keep_alive(server, time, ROUTE, CONNECTIONS)
    })?;
    others.iter_mut().try_for_each(Connection::end_stream)?;
    Ok(sample)
}

/// Round trips on all streams at once.
pub(super) fn among(server: &Server, time: Duration) -> anyhow::Result<Sample> {
    let mut streams = Vec::new();
    let sample = steps(|count| {
        streams.append(&mut ping_pong::open(server, ROUTE, count - streams.len())?);
        ping_pong::play(server, time, SIZE, &mut streams)
    })?;
    streams.iter_mut().try_for_each(Connection::end_stream)?;
    Ok(sample)
}

fn steps(mut measure: impl FnMut(usize) -> anyhow::Result<Cost>) -> anyhow::Result<Sample> {
    let step = |(count, figure)| Ok((figure, measure(count)?.cpu));
    Ok(Sample(STEPS.into_iter().map(step).collect::<anyhow::Result<_>>()?))
}
