//! What a further stage in a pipe costs.

use std::time::Duration;

use super::{CPU, Cost, Sample, WALL, ping_pong};
use crate::connection::{PIPE_OF_THREE, ROUTE};
use crate::server::Server;

/// Bytes of a piece.
const SIZE: usize = 64;

pub(super) const CPU_OF_A_STAGE: &str = "cpu us, one stage more";

/// Ping-pong through one stage and through three, in one run: half of the difference is what a stage
/// costs. One, three, three, one: what drifts hits both alike.
pub(super) fn run(server: &Server, time: Duration, streams: usize) -> anyhow::Result<Sample> {
    let play = |route| ping_pong::run(server, time / 2, route, SIZE, streams);
    let first = play(ROUTE)?;
    let piped = mean(play(PIPE_OF_THREE)?, play(PIPE_OF_THREE)?);
    let single = mean(first, play(ROUTE)?);
    Ok(Sample(vec![
        (CPU, piped.cpu),
        (WALL, piped.wall),
        (CPU_OF_A_STAGE, (piped.cpu - single.cpu) / 2.0),
        ("wall us, one stage more", (piped.wall - single.wall) / 2.0),
    ]))
}

fn mean(one: Cost, other: Cost) -> Cost {
    Cost { cpu: f64::midpoint(one.cpu, other.cpu), wall: f64::midpoint(one.wall, other.wall) }
}
