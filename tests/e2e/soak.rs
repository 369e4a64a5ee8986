//! Everything at once, at random: all manners of clients, plugins that fail, and a folder that
//! changes. Every byte of every answer is checked while it goes on; when it is over, all counters are
//! checked against each other and against what the clients saw.
//!
//! `WASMPLEX_SEED` repeats a run in what it provokes (how much of it fits into the time is the
//! machine's), `WASMPLEX_SOAK=5m` makes it long.
//!
//! Two plugins change while they are used. "mill" has clients that behave: each of its bytes counts.
//! "waif" has those that go away in the middle. What fails for reasons of its own is in `failing`,
//! with a plugin for each reason.

mod changes;
mod clean;
mod failing;
mod waifs;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::harness::*;

const SHORT_RUN: Duration = Duration::from_secs(10);

/// Threads of each kind.
const CLEAN: u64 = 8;
const WAIFS: u64 = 4;
const FAILING: u64 = 4;

/// Between two exchanges of a client, to leave processors to the compiler and to other tests.
const BREATH: Duration = Duration::from_millis(1);

/// What the server may hold more at the end than after half of the time. The first half sees all
/// kinds of clients and failures, so what grows in the second goes on growing; but how many of them
/// fall together is chance, and allocators give back what they like.
const MORE_MEMORY: usize = 24 * MIB;
const MORE_MAPPINGS: usize = 200;

/// What all threads share.
struct Soak {
    address: SocketAddr,
    stop: AtomicBool,
    ledger: Ledger,
    mill: Reign,
    waif: Reign,
}

#[test]
fn all_at_once_is_answered_and_counted_to_the_byte() {
    let seed = seed();
    let folder = Folder::new();
    let plugins = failing::write_plugins(&folder);
    changes::write_plugins(&folder);
    let mut server = Server::serve(folder, &[ADMIN, &["--access-log", "off"]].concat());
    let soak = Arc::new(Soak {
        address: server.address(),
        stop: AtomicBool::new(false),
        ledger: Ledger::default(),
        mill: Reign::default(),
        waif: Reign::default(),
    });
    soak.ledger.add(Item::GoodReloads, plugins + 2);

    let clients = start_clients(&soak, seed);
    let mut changes = changes::Changes::new(Arc::clone(&soak), seed);
    let time = soak_time().unwrap_or(SHORT_RUN);
    let begun = Instant::now();
    let mut warm = None;
    while begun.elapsed() < time {
        assert!(clients.iter().all(|client| !client.is_finished()), "a client has given up");
        changes.next(&server);
        if warm.is_none() && begun.elapsed() > time / 2 {
            warm = Some(server.holds());
        }
    }
    soak.stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().expect("every answer was right");
    }
    server.is_idle();

    println!("{}{} changes", soak.ledger, changes.generation());
    soak.ledger.agrees_with(&server);
    times_are_counted(&server);
    assert_eq!(server.generation(), changes.generation(), "one generation for each change");
    let (warm, now) = (warm.expect("the half of the time was over"), server.holds());
    println!("after half of the time: {warm:?}, at the end: {now:?}");
    assert!(now.memory < warm.memory + MORE_MEMORY, "it held {warm:?}, and holds {now:?}");
    assert!(now.mappings < warm.mappings + MORE_MAPPINGS, "it held {warm:?}, and holds {now:?}");
    assert!(now.descriptors <= warm.descriptors, "it held {warm:?}, and holds {now:?}");
}

fn start_clients(soak: &Arc<Soak>, seed: u64) -> Vec<JoinHandle<()>> {
    type Exchange = fn(&Soak, &mut Random);
    let kinds: [(u64, Exchange); 3] =
        [(CLEAN, clean::exchange), (WAIFS, waifs::exchange), (FAILING, failing::exchange)];
    let mut clients = Vec::new();
    for (kind, (count, exchange)) in (1..).zip(kinds) {
        for number in 0..count {
            let soak = Arc::clone(soak);
            let mut random = Random::new(seed ^ (kind << 32) ^ (number << 16));
            clients.push(thread::spawn(move || {
                while !soak.stop.load(Ordering::Relaxed) {
                    exchange(&soak, &mut random);
                    thread::sleep(BREATH);
                }
            }));
        }
    }
    clients
}

/// Every exchange of "mill" had an instance, and an instance has calls.
#[track_caller]
fn times_are_counted(server: &Server) {
    let metrics = server.metrics();
    let mill = |name| metrics.sum(name, &[("plugin", "mill")]);
    let exchanges = mill("wasmplex_exchanges_total");
    assert_eq!(mill("wasmplex_instance_start_seconds_count"), exchanges, "an instance for each");
    assert!(mill("wasmplex_call_seconds_count") >= 2.0 * exchanges, "on_open and on_end at least");
}

impl Soak {
    fn connect(&self) -> Client {
        self.ledger.add(Item::Connections, 1);
        Client::connect(self.address)
    }

    /// Checks an answer of the host's own, and counts it.
    #[track_caller]
    fn is_refused(&self, client: &mut Client, head: Head, status: u16) {
        let (body, ending) = client.rest();
        Answer { head, body, ending }.is_error(status);
        self.ledger.add(Item::Refused(status), 1);
    }

    /// Checks that an answer is that of a folder without this plugin, and that this may be.
    #[track_caller]
    fn is_absent(&self, reign: &Reign, before: &Before, client: &mut Client, head: Head) {
        reign.allows_absence(before);
        self.is_refused(client, head, 404);
    }
}
