//! Clients that do what clients do, at a steady pace, and measure how long they wait.
//!
//! The loop is open: a piece is due at its time whatever became of the one before ([`Steps`]).

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::waits::Diary;
use super::{Field, NOBODY};
use crate::connection::{Connection, ROUTE};
use crate::pattern::{PATTERN, PERIOD, wire_chunk};
use crate::steps::Steps;

/// How a stream lives: what comes back, by piece, and how long it took.
type Life = fn(&Field, Steps, usize) -> anyhow::Result<Vec<(usize, Duration)>>;

/// A kind of honest client.
struct Kind {
    name: &'static str,
    clients: u32,
    /// From one piece to the next.
    step: Duration,
    /// Sizes of pieces, the clients in turn.
    sizes: &'static [usize],
    live: Life,
}

const KINDS: [Kind; 5] = [
    Kind { name: "without a server", clients: 8, step: Duration::from_millis(20), sizes: &[64], live: alone },
    // 3,200 pieces a second.
    Kind {
        name: "live streams, 64 B to 4 KiB",
        clients: 64,
        step: Duration::from_millis(20),
        sizes: &[64, 256, 1024, 4096],
        live: stream,
    },
    // 10 MB a second.
    Kind {
        name: "bulk streams, 64 KiB",
        clients: 4,
        step: Duration::from_millis(25),
        sizes: &[64 * 1024],
        live: stream,
    },
    Kind {
        name: "short requests",
        clients: 8,
        step: Duration::from_millis(40),
        sizes: &[64],
        live: keep_alive,
    },
    Kind {
        name: "connections",
        clients: 4,
        step: Duration::from_millis(40),
        sizes: &[64],
        live: connect_for_each,
    },
];

/// The most bytes of one read.
const READ: usize = 80 * 1024;

/// Starts all of them. Each ends with the run, and fails at the first answer that is not right.
pub(super) fn start(field: &Arc<Field>) -> Vec<JoinHandle<anyhow::Result<Diary>>> {
    let begin = Instant::now();
    let mut clients = Vec::new();
    for kind in KINDS {
        for number in 0..kind.clients {
            let field = Arc::clone(field);
            // Spread evenly, so that there is always something to be measured.
            let steps = Steps::new(begin + kind.step * number / kind.clients, kind.step);
            let size = kind.sizes[number as usize % kind.sizes.len()];
            clients.push(thread::spawn(move || {
                let waits = (kind.live)(&field, steps, size).context(kind.name)?;
                Ok(Diary { kind: kind.name, waits })
            }));
        }
    }
    clients
}

/// Waits of one client.
struct Record<'a> {
    field: &'a Field,
    waits: Vec<(usize, Duration)>,
}

impl<'a> Record<'a> {
    fn new(field: &'a Field) -> Self {
        Self { field, waits: Vec::new() }
    }

    /// A piece is back. A wait is of the phase in which it ends.
    fn add(&mut self, since: Instant) {
        let phase = self.field.phase.load(Ordering::Relaxed);
        if phase != NOBODY {
            self.waits.push((phase, since.elapsed()));
        }
    }
}

/// One exchange for the whole run, and piece after piece on it.
fn stream(field: &Field, mut steps: Steps, size: usize) -> anyhow::Result<Vec<(usize, Duration)>> {
    let mut connection = Connection::open_stream(field.address, READ, ROUTE)?;
    let mut record = Record::new(field);
    let (mut wire, mut at) = (Vec::new(), 0);
    while !field.is_over() {
        wire.clear();
        wire_chunk(&mut wire, PATTERN.plain(at..at + size));
        let since = steps.next();
        connection.send(&wire)?;
        connection.read_exactly(PATTERN.rotated(at..at + size))?;
        record.add(since);
        at = (at + size) % PERIOD;
    }
    connection.end_stream()?;
    Ok(record.waits)
}

/// Two threads of ours and no server: what the machine itself adds to waits.
fn alone(field: &Field, mut steps: Steps, size: usize) -> anyhow::Result<Vec<(usize, Duration)>> {
    let (mut ours, mut theirs) = UnixStream::pair()?;
    let echo = thread::spawn(move || {
        let mut piece = vec![0; size];
        while theirs.read_exact(&mut piece).is_ok() && theirs.write_all(&piece).is_ok() {}
    });
    let mut record = Record::new(field);
    let mut piece = vec![0; size];
    while !field.is_over() {
        let since = steps.next();
        ours.write_all(&piece)?;
        ours.read_exact(&mut piece)?;
        record.add(since);
    }
    drop(ours);
    echo.join().map_err(|_| anyhow::anyhow!("the echo panicked"))?;
    Ok(record.waits)
}

/// Requests one after the other on one connection.
fn keep_alive(field: &Field, mut steps: Steps, size: usize) -> anyhow::Result<Vec<(usize, Duration)>> {
    let mut connection = Connection::open(field.address, READ)?;
    let mut record = Record::new(field);
    while !field.is_over() {
        let since = steps.next();
        ask(&mut connection, size, "")?;
        record.add(since);
    }
    Ok(record.waits)
}

/// A connection for each request.
fn connect_for_each(field: &Field, mut steps: Steps, size: usize) -> anyhow::Result<Vec<(usize, Duration)>> {
    let mut record = Record::new(field);
    while !field.is_over() {
        let since = steps.next();
        let mut connection = Connection::open(field.address, READ)?;
        ask(&mut connection, size, "connection: close\r\n")?;
        record.add(since);
        connection.read_close()?;
    }
    Ok(record.waits)
}

fn ask(connection: &mut Connection, size: usize, field: &str) -> anyhow::Result<()> {
    let head = format!("POST /{ROUTE} HTTP/1.1\r\nhost: bench\r\ncontent-length: {size}\r\n{field}\r\n");
    connection.send(&[head.as_bytes(), PATTERN.plain(0..size)].concat())?;
    connection.read_head()?;
    connection.read_exactly(PATTERN.rotated(0..size))?;
    connection.read_end()
}
