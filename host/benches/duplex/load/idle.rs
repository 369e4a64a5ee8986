//! The memory of exchanges that are open and do nothing.

use anyhow::Context as _;

use super::Sample;
use crate::connection::{Connection, ROUTE};
use crate::contender::Server;
use crate::pattern::{PATTERN, wire_chunk};

const SIZE: usize = 64;
const READ: usize = 1024;

/// Opens `exchanges`, lets each handle one piece, and looks at what the server has grown by.
pub(super) fn run(server: &Server, exchanges: usize) -> anyhow::Result<Sample> {
    let resident = server.memory("VmRSS")?;
    let tables = server.memory("VmPTE")?;
    let mut piece = Vec::new();
    wire_chunk(&mut piece, PATTERN.plain(0..SIZE));
    let mut open = Vec::new();
    for number in 0..exchanges {
        let mut connection = Connection::open_stream(server.address(), READ, ROUTE)
            .with_context(|| format!("with {number} open exchanges"))?;
        connection.send(&piece)?;
        connection.read_exactly(PATTERN.rotated(0..SIZE))?;
        open.push(connection);
    }
    let each = |before: f64, now: f64| (now - before) / exchanges as f64;
    Ok(Sample(vec![
        ("resident KiB", each(resident, server.memory("VmRSS")?)),
        ("page tables KiB", each(tables, server.memory("VmPTE")?)),
    ]))
}
