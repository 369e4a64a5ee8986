//! Ten thousand connections that are opened and dropped at random points: none of them leaves
//! anything behind.
//!
//! `WASMPLEX_SEED` repeats a run in what its clients do (what the server has done by then is the
//! machine's).

mod visits;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::harness::*;
use visits::{Left, Place};

const CONNECTIONS: usize = 10_000;

/// Half of them, and then every place taken once, shows what a server keeps of any load: warm instances,
/// buffers of threads, what allocators hold. What grows in the other half goes on growing.
const HALF: usize = CONNECTIONS / 2;

/// Clients at work at a time.
const CLIENTS: usize = 8;

/// Connections that each of them leaves open as they are, until it throws one out for the next.
const ROOM: usize = 24;

/// More than all clients together take, a pipe for each connection.
const MAX_EXCHANGES: usize = 640;

/// What the server may hold more than after the first half: which exchanges fall together is chance, and
/// allocators give back what they like (3 to 9 MiB were seen). It is 3.3 KiB for each connection: no instance
/// and no buffer is that small.
const MORE_MEMORY: usize = 16 * MIB;
const MORE_MAPPINGS: usize = 200;

/// What all clients share, and what they did.
#[derive(Default)]
struct Town {
    places: Vec<Place>,
    connections: AtomicUsize,
    /// Stages of exchanges that must have begun.
    begun: AtomicUsize,
    /// Stages of exchanges that may have: their request went out before a reset, or behind another.
    sent: AtomicUsize,
    /// Stages of exchanges whose whole answer was read, and right.
    answered: AtomicUsize,
    visits: [AtomicUsize; visits::KINDS],
}

#[test]
fn ten_thousand_dropped_connections_leave_nothing_behind() {
    let seed = seed();
    let max_exchanges = MAX_EXCHANGES.to_string();
    let flags = ["--access-log", "off", "--head-timeout", "5m", "--max-exchanges", &max_exchanges];
    let flags = [ADMIN, &flags].concat();
    let mut server = Server::serve(visits::plugins(), &flags);
    let address = server.address();
    town(address, seed, HALF);
    every_place_is_free(&server);
    let warm = at_rest(&mut server);
    let before = Counted::of(&server);
    let town = town(address, seed ^ 1, HALF);
    server.is_idle();
    let counted = Counted::of(&server).since(&before);
    println!("{:?}\n{counted:?}", town.visits);
    adds_up(&town, &counted);

    every_place_is_free(&server);
    let mut now = at_rest(&mut server);
    println!("warm {warm:?}\nnow {now:?}");
    eventually("the last helping thread to end", || {
        now = server.holds();
        (now.threads <= warm.threads).then_some(())
    });
    assert!(now.memory < warm.memory + MORE_MEMORY, "it held {warm:?}, and holds {now:?}");
    assert!(now.mappings < warm.mappings + MORE_MAPPINGS, "it held {warm:?}, and holds {now:?}");
    assert!(now.descriptors <= warm.descriptors, "it held {warm:?}, and holds {now:?}");
    server.is_exact("/rot13", rot13);
}

/// Has clients open and drop so many connections.
fn town(address: SocketAddr, seed: u64, connections: usize) -> Arc<Town> {
    let town = Arc::new(Town { places: visits::places(), ..Town::default() });
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let town = Arc::clone(&town);
            let random = Random::new(seed ^ ((number as u64 + 1) << 32));
            thread::spawn(move || client(&town, address, random, connections / CLIENTS))
        })
        .collect();
    for client in clients {
        client.join().expect("whatever was answered was right");
    }
    assert_eq!(town.connections.load(Ordering::Relaxed), connections);
    town
}

fn client(town: &Town, address: SocketAddr, mut random: Random, connections: usize) {
    let mut room: Vec<Left> = Vec::new();
    for _ in 0..connections {
        let left = visits::visit(town, address, &mut random);
        // Half of them go at once.
        if random.below(2) == 0 {
            room.push(left);
        }
        if room.len() > ROOM {
            room.swap_remove(random.below(room.len()));
        }
    }
}

/// What the server holds when all has ended.
#[track_caller]
fn at_rest(server: &mut Server) -> Held {
    server.is_idle();
    server.settle();
    server.holds()
}

/// Counters of all plugins together.
#[derive(Debug)]
struct Counted {
    connections: usize,
    exchanges: usize,
    clean: usize,
    failed: usize,
    failures: usize,
    refused: usize,
}

impl Counted {
    #[track_caller]
    fn of(server: &Server) -> Counted {
        let metrics = server.metrics();
        let sum = |name, labels: &[(&str, &str)]| metrics.sum(name, labels) as usize;
        Counted {
            connections: sum("wasmplex_connections_total", &[]),
            exchanges: sum("wasmplex_exchanges_total", &[]),
            clean: sum("wasmplex_exchanges_total", &[("outcome", "clean")]),
            failed: sum("wasmplex_exchanges_total", &[("outcome", "failed")]),
            failures: sum("wasmplex_failures_total", &[]),
            refused: sum("wasmplex_refused_total", &[]),
        }
    }

    fn since(self, before: &Counted) -> Counted {
        Counted {
            connections: self.connections - before.connections,
            exchanges: self.exchanges - before.exchanges,
            clean: self.clean - before.clean,
            failed: self.failed - before.failed,
            failures: self.failures - before.failures,
            refused: self.refused - before.refused,
        }
    }
}

/// What the server counted and what the clients did.
fn adds_up(town: &Town, counted: &Counted) {
    let [begun, sent, answered] =
        [&town.begun, &town.sent, &town.answered].map(|number| number.load(Ordering::Relaxed));
    assert_eq!(counted.connections, HALF);
    assert!(
        (begun..=begun + sent).contains(&counted.exchanges),
        "{begun} exchanges must have begun and {sent} more may have"
    );
    assert!(counted.clean >= answered, "{answered} answers were whole");
    // Plugins that fail are in no pipe here, so that each failure is one exchange's.
    assert_eq!(counted.failed, counted.failures);
    assert_eq!(counted.refused, 0, "there was room for all, and no request broke a rule");
}

/// No permit was lost: as many exchanges as ever can be open, and not one more.
fn every_place_is_free(server: &Server) {
    server.is_idle();
    let mut all: Vec<Client> = (0..MAX_EXCHANGES).map(|_| server.open("/rot13")).collect();
    server.get("/rot13").is_error(503);
    for client in &mut all {
        client.send_chunk("Hello");
    }
    for client in &mut all {
        client.expect("Uryyb");
        client.send_last_chunk();
        assert_eq!(client.rest(), (vec![], Ending::Clean));
    }
}
