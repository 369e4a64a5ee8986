//! Exchanges that are open and do nothing, and their memory.

use anyhow::{Context as _, ensure};
use wasmplex::plugin::Engine;

use super::Sample;
use crate::connection::{Connection, ROUTE};
use crate::pattern::{PATTERN, wire_chunk};
use crate::server::{self, Server};

const SIZE: usize = 64;
const READ: usize = 1024;

pub(super) const RESIDENT: &str = "resident KiB";

/// Descriptors of a process beside those of connections are fewer.
const OTHER_DESCRIPTORS: u64 = 100;

/// Opens `exchanges`, lets each handle one piece, and looks at what the server has grown by.
pub(super) fn run(server: &Server, exchanges: usize) -> anyhow::Result<Sample> {
    let resident = server.memory("VmRSS")?;
    let tables = server.memory("VmPTE")?;
    let mut held = Vec::new();
    open(server, &mut held, exchanges)?;
    let each = |before: f64, now: f64| (now - before) / exchanges as f64;
    Ok(Sample(vec![
        (RESIDENT, each(resident, server.memory("VmRSS")?)),
        ("page tables KiB", each(tables, server.memory("VmPTE")?)),
    ]))
}

/// Opens streams until `held` has so many, and lets each handle one piece.
pub(super) fn open(server: &Server, held: &mut Vec<Connection>, exchanges: usize) -> anyhow::Result<()> {
    let descriptors = server::descriptor_limit();
    ensure!(
        exchanges as u64 + OTHER_DESCRIPTORS <= descriptors,
        "{exchanges} connections need more than the {descriptors} descriptors of a process here: raise the \
         hard limit (ulimit -Hn, LimitNOFILE)"
    );
    let mut piece = Vec::new();
    wire_chunk(&mut piece, PATTERN.plain(0..SIZE));
    while held.len() < exchanges {
        let connection = open_one(server, &piece).with_context(|| stopped_at(held.len(), descriptors))?;
        held.push(connection);
    }
    Ok(())
}

fn open_one(server: &Server, piece: &[u8]) -> anyhow::Result<Connection> {
    let mut connection = Connection::open_stream(server.address(), READ, ROUTE)?;
    connection.send(piece)?;
    connection.read_exactly(PATTERN.rotated(0..SIZE))?;
    Ok(connection)
}

/// A 503 of wasmplex is `--max-exchanges`, whose default makes do with the mappings that there are.
fn stopped_at(exchanges: usize, descriptors: u64) -> String {
    format!(
        "with {exchanges} open exchanges (a process may have {descriptors} descriptors here, ulimit -n; \
         vm.max_map_count gives wasmplex {} exchanges, and --max-exchanges is 10000 at the most unless set)",
        Engine::max_instances_here()
    )
}
