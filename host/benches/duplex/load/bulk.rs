//! Streams as fast as they go.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::{Clock, Sample, joined};
use crate::connection::{Connection, LAST_CHUNK, ROUTE};
use crate::pattern::{PATTERN, PERIOD, wire_chunk};
use crate::server::Server;

/// Body bytes of one write. The wire chunks in it are what differs, not the system calls.
const WRITE: usize = 64 * 1024;

/// The most bytes of one read: the client is to be cheap.
const READ: usize = 256 * 1024;

pub(super) const CPU_PER_BYTE: &str = "cpu ns/byte";

pub(super) fn run(server: &Server, time: Duration, chunk: usize, streams: usize) -> anyhow::Result<Sample> {
    let writes = encode(chunk);
    let open = || Connection::open_stream(server.address(), READ, ROUTE);
    let mut connections = std::iter::repeat_with(open).take(streams).collect::<anyhow::Result<Vec<_>>>()?;
    let clock = Clock::start(server)?;
    let is_over = || clock.ran_for(time);
    let received = thread::scope(|scope| {
        let streams: Vec<_> = connections
            .iter_mut()
            .map(|connection| scope.spawn(|| stream(connection, &writes, &is_over)))
            .collect();
        streams.into_iter().map(joined).sum::<anyhow::Result<usize>>()
    })?;
    let (cpu, wall) = clock.stop()?;
    let each = |nanos: f64| nanos / received as f64;
    Ok(Sample(vec![(CPU_PER_BYTE, each(cpu)), ("wall ns/byte", each(wall))]))
}

/// Sends and receives at once until `is_over`, and says how many body bytes.
fn stream(
    connection: &mut Connection,
    writes: &[Vec<u8>],
    is_over: &(impl Fn() -> bool + Sync),
) -> anyhow::Result<usize> {
    let sender = connection.sender()?;
    let stop = AtomicBool::new(false);
    let (sent, received) = thread::scope(|scope| {
        let writer = scope.spawn(|| write(sender, writes, || stop.load(Ordering::Relaxed) || is_over()));
        let received = read(connection).context("receiving");
        stop.store(true, Ordering::Relaxed);
        (joined(writer).context("sending"), received)
    });
    let (received, sent) = (received?, sent?);
    ensure!(sent == received, "{sent} bytes were sent, {received} came back");
    Ok(received)
}

/// One period of the pattern on the wire, a write's worth each.
fn encode(chunk: usize) -> Vec<Vec<u8>> {
    let one_write = |start| {
        let mut wire = Vec::new();
        for at in (start..start + WRITE).step_by(chunk) {
            wire_chunk(&mut wire, PATTERN.plain(at..at + chunk));
        }
        wire
    };
    (0..PERIOD).step_by(WRITE).map(one_write).collect()
}

/// Sends until `is_over`, and says how many body bytes.
fn write(mut stream: TcpStream, writes: &[Vec<u8>], is_over: impl Fn() -> bool) -> anyhow::Result<usize> {
    let mut sent = 0;
    for wire in writes.iter().cycle() {
        if is_over() {
            break;
        }
        stream.write_all(wire)?;
        sent += WRITE;
    }
    stream.write_all(LAST_CHUNK)?;
    Ok(sent)
}

/// Reads the whole body, and says how many bytes it had.
fn read(connection: &mut Connection) -> anyhow::Result<usize> {
    let mut received = 0;
    loop {
        let at = received % PERIOD;
        let got = connection.read_some(PERIOD - at)?;
        if got.is_empty() {
            return Ok(received);
        }
        ensure!(*got == *PATTERN.rotated(at..at + got.len()), "wrong bytes near byte {received}");
        received += got.len();
    }
}
