//! What attackers do to honest clients: the same honest load in quiet and under attack, in turn.
//!
//! `make bench-attack` runs it, or `cargo bench --bench duplex -- --attack [KIND] [--rounds N]
//! [--time TIME]`.
//!
//! 80 honest clients keep their streams for the whole run. In every other phase 20 attackers come, of
//! all kinds or of those with KIND in their name, each with a pace of its own, and without mercy beyond
//! that. What is told is how long honest clients wait: medians over all rounds, and of the ratio
//! between the two phases of a round.
//!
//! - [`honest`]: clients that are measured
//! - [`network`]: attackers that abuse connections and the protocol
//! - [`hostile`]: attackers whose plugins are on their side
//! - [`waits`]: what was measured
//!
//! Clients and server share the machine's processors. So the honest part of the load is small (some
//! percent of two processors), attackers that need no answer do not wait for one, and their threads are
//! less important than those of honest clients, whose waits would otherwise tell of the client's side.

mod honest;
mod hostile;
mod network;
mod waits;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::contender::Contender;
use crate::server::Server;
use waits::{Phase, Waits};

/// Between two phases, for what one has left behind to end.
const PAUSE: Duration = Duration::from_millis(500);

/// Into a phase, before anything is measured: attackers connect, queues fill.
const RUN_UP: Duration = Duration::from_millis(500);

/// How far attackers' threads stand back: of processors that are short, they get a tenth of what others
/// get.
const NICENESS: i32 = 10;

/// Descriptors of all clients together are fewer.
const DESCRIPTORS: i32 = 4_000;

/// No phase is measured.
const NOBODY: usize = usize::MAX;

/// What all threads of a run share.
pub(super) struct Field {
    address: SocketAddr,
    /// The phase that is measured, or [`NOBODY`].
    phase: AtomicUsize,
    /// The whole run is over.
    over: AtomicBool,
    /// The present attack is over.
    retreat: AtomicBool,
}

impl Field {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn is_retreat(&self) -> bool {
        self.retreat.load(Ordering::Relaxed)
    }
}

/// One of the attackers: what it is called, how many of it there are, and what it does until the
/// retreat. It counts what it has done.
pub(super) struct Attacker {
    name: &'static str,
    count: usize,
    attack: fn(&Field, &AtomicU64) -> anyhow::Result<()>,
}

/// What to run.
pub(crate) struct Plan {
    pub(crate) kinds: String,
    pub(crate) rounds: u32,
    pub(crate) time: Duration,
    pub(crate) program: Option<std::path::PathBuf>,
}

/// Measures, and prints a table.
pub(crate) fn run(plan: &Plan) -> anyhow::Result<()> {
    let attackers: Vec<Attacker> = network::all()
        .into_iter()
        .chain(hostile::all())
        .filter(|attacker| attacker.name.contains(&plan.kinds))
        .collect();
    ensure!(!attackers.is_empty(), "no attacker has {:?} in its name", plan.kinds);
    // With threads, the kernel makes a larger table of descriptors only after a while: honest clients would
    // wait for this program, not for the server.
    drop(rustix::io::fcntl_dupfd_cloexec(std::io::stderr(), DESCRIPTORS)?);
    let contender = match &plan.program {
        Some(program) => Contender::build("another build", program.clone())?,
        None => Contender::wasmplex()?,
    };
    for (name, text) in hostile::PLUGINS {
        contender.folder()?.put(&format!("{name}.wat"), text.as_bytes())?;
    }
    let server = contender.logging().start()?;
    let field = Arc::new(Field {
        address: server.address(),
        phase: AtomicUsize::new(NOBODY),
        over: AtomicBool::new(false),
        retreat: AtomicBool::new(false),
    });
    let honest = honest::start(&field);
    let counts: Vec<AtomicU64> = attackers.iter().map(|_| AtomicU64::new(0)).collect();
    let mut phases = Vec::new();
    for round in 0..plan.rounds {
        for is_attacked in [false, true] {
            let attack = if is_attacked { &attackers[..] } else { &[] };
            let usage = phase(&field, &server, attack, &counts, phases.len(), plan.time)?;
            phases.push(Phase { is_attacked, usage });
            eprintln!(
                "round {} of {}, {}",
                round + 1,
                plan.rounds,
                if is_attacked { "attacked" } else { "quiet" }
            );
        }
    }
    field.over.store(true, Ordering::Relaxed);
    let mut waits = Waits::default();
    for client in honest {
        waits.add(joined(client).context("an honest client")?);
    }
    waits.print(&phases);
    println!("\n{:<24}{:>8}{:>12}", "attackers", "clients", "per second");
    let attacked = plan.time + RUN_UP;
    for (attacker, count) in attackers.iter().zip(&counts) {
        let each = count.load(Ordering::Relaxed) as f64 / (attacked * plan.rounds).as_secs_f64();
        println!("{:<24}{:>8}{:>12.0}", attacker.name, attacker.count, each);
    }
    Ok(())
}

/// One phase: what of the processors the server had, and the load.
fn phase(
    field: &Arc<Field>,
    server: &Server,
    attackers: &[Attacker],
    counts: &[AtomicU64],
    number: usize,
    time: Duration,
) -> anyhow::Result<waits::Usage> {
    field.retreat.store(false, Ordering::Relaxed);
    let usage = thread::scope(|scope| {
        let mut threads = Vec::new();
        for (attacker, count) in attackers.iter().zip(counts) {
            for _ in 0..attacker.count {
                threads.push(scope.spawn(move || {
                    stand_back();
                    (attacker.attack)(field, count).context(attacker.name)
                }));
            }
        }
        thread::sleep(RUN_UP);
        let (cpu, own, began) = (server.cpu()?, waits::own_cpu()?, Instant::now());
        field.phase.store(number, Ordering::Relaxed);
        thread::sleep(time);
        field.phase.store(NOBODY, Ordering::Relaxed);
        let wall = began.elapsed().as_secs_f64() * 1e9;
        let usage = waits::Usage {
            server: server.cpu()?.since(&cpu) / wall,
            clients: (waits::own_cpu()? - own) / wall,
        };
        field.retreat.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.join().map_err(|_| anyhow::anyhow!("an attacker panicked"))??;
        }
        anyhow::Ok(usage)
    })?;
    thread::sleep(PAUSE);
    Ok(usage)
}

fn stand_back() {
    // An attacker of the same importance would do as well, only less exactly.
    let _ = rustix::process::nice(NICENESS);
}

fn joined<T>(thread: JoinHandle<anyhow::Result<T>>) -> anyhow::Result<T> {
    thread.join().map_err(|_| anyhow::anyhow!("it panicked"))?
}

/// Moments at a steady distance. Whoever is late makes up for a little of it, and not for all.
pub(super) struct Pace {
    next: Instant,
    step: Duration,
}

impl Pace {
    /// So many a second.
    pub(super) fn new(rate: u32) -> Self {
        Self { next: Instant::now(), step: Duration::from_secs(1) / rate }
    }

    /// Waits for the next moment.
    pub(super) fn wait(&mut self) {
        const MOST_BEHIND: Duration = Duration::from_millis(50);
        let now = Instant::now();
        self.next = (self.next + self.step).max(now.checked_sub(MOST_BEHIND).unwrap_or(now));
        thread::sleep(self.next.saturating_duration_since(now));
    }
}
