//! One stream as fast as it goes.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::{Clock, Sample};
use crate::connection::{Connection, LAST_CHUNK, ROUTE};
use crate::contender::Server;
use crate::pattern::{PATTERN, PERIOD, wire_chunk};

/// Body bytes of one write. The wire chunks in it are what differs, not the system calls.
const WRITE: usize = 64 * 1024;

/// The most bytes of one read: the client is to be cheap.
const READ: usize = 256 * 1024;

pub(super) fn run(server: &Server, time: Duration, chunk: usize) -> anyhow::Result<Sample> {
    let writes = encode(chunk);
    let mut connection = Connection::open_stream(server.address(), READ, ROUTE)?;
    let sender = connection.sender()?;
    let clock = Clock::start(server)?;
    let stop = AtomicBool::new(false);
    let (sent, received) = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let sent = write(sender, &writes, || stop.load(Ordering::Relaxed) || clock.ran_for(time));
            sent.context("sending")
        });
        let received = read(&mut connection).context("receiving");
        stop.store(true, Ordering::Relaxed);
        (writer.join(), received)
    });
    let received = received?;
    let sent = sent.map_err(|_| anyhow::anyhow!("the writer panicked"))??;
    ensure!(sent == received, "{sent} bytes were sent, {received} came back");
    let (cpu, wall) = clock.stop()?;
    let each = |nanos: f64| nanos / received as f64;
    Ok(Sample(vec![("cpu ns/byte", each(cpu)), ("wall ns/byte", each(wall))]))
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
