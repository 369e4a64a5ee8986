//! A plugin is swapped a thousand times under load: no request fails, no byte is wrong, every answer
//! is wholly of one version, and the server holds no more afterwards than before.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::harness::*;

/// Swaps of a run at the least, however slow the machine.
const FEWEST: u16 = 100;

/// The time of a short run. It is over with the last of `MANY` swaps; a long one (`WASMPLEX_SOAK`)
/// has as many at the least.
const SHORT_RUN: Duration = Duration::from_secs(20);
const MANY: u16 = 1000;

/// The number of a version has 16 bits.
const MOST: u16 = 60_000;

/// After so many swaps the server has all that it keeps: threads, warm instances, buffers.
const WARM: u16 = 20;

/// Data of each version. Eighty versions that stay would be 20 MiB.
const PADDING: usize = 256 * KIB;

/// What the server may hold more at the end than when it was warm: allocators give back what they
/// like. It is far less than versions that stay would need.
const MORE_MEMORY: usize = 8 * MIB;

/// The same for memory mappings. A version has two or more.
const MORE_MAPPINGS: usize = 100;

/// Threads with streams, and streams of each: 32 in all.
const STREAM_THREADS: usize = 4;
const STREAMS: usize = 8;

/// Threads with short requests.
const SHORT_THREADS: usize = 2;

/// Between rounds, to leave processors to the compiler and to other tests.
const BREATH: Duration = Duration::from_millis(1);

/// Versions that are no longer served and keep series of their own.
const KEPT_SERIES: usize = 4;

/// What the threads of the load share.
#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    reign: Reign,
    ledger: Ledger,
}

#[test]
fn swaps_under_load_lose_no_request_no_byte_and_no_memory() {
    let folder = Folder::new();
    folder.write("mill.wat", &mill(0, PADDING));
    let mut server = Server::serve(folder, &[ADMIN, &["--access-log", "off"]].concat());
    let shared = Arc::<Shared>::default();
    shared.ledger.add(Item::GoodReloads, 1);
    let load = start_load(server.address(), &shared);

    let begun = Instant::now();
    let is_enough = |swaps| match soak_time() {
        Some(time) => swaps >= MANY && (begun.elapsed() >= time || swaps >= MOST),
        None => swaps >= MANY || (swaps >= FEWEST && begun.elapsed() >= SHORT_RUN),
    };
    let mut warm = None;
    let mut version = 0;
    while !is_enough(version) {
        assert!(load.iter().all(|thread| !thread.is_finished()), "a client has given up");
        version += 1;
        swap(&server, &shared, version);
        if version == WARM {
            warm = Some(server.holds());
        }
    }
    println!("{version} swaps in {:.1?}", begun.elapsed());
    shared.stop.store(true, Ordering::Relaxed);
    for thread in load {
        thread.join().expect("every answer was right");
    }
    server.is_idle();
    // What nobody uses any more is folded at the next change.
    version += 1;
    swap(&server, &shared, version);
    server.is_idle();

    let (warm, now) = (warm.expect("more swaps than it takes to get warm"), server.holds());
    println!("warm: {warm:?}, at the end: {now:?}");
    series_are_folded(&server);
    shared.ledger.agrees_with(&server);
    assert_eq!(server.metric("wasmplex_reloads_total", &[("result", "bad")]), 0.0);
    assert_eq!(server.generation(), u64::from(version) + 1, "each swap is one generation");
    assert!(now.memory < warm.memory + MORE_MEMORY, "it held {warm:?}, and holds {now:?}");
    assert!(now.mappings < warm.mappings + MORE_MAPPINGS, "it held {warm:?}, and holds {now:?}");
    assert!(now.descriptors <= warm.descriptors, "it held {warm:?}, and holds {now:?}");
}

/// Puts a version in the place of the one before, and waits until it answers.
#[track_caller]
fn swap(server: &Server, shared: &Shared, version: u16) {
    shared.reign.comes(version);
    server.folder().install("mill.wat", &mill(version, PADDING));
    let mut client = server.connect();
    shared.ledger.add(Item::Connections, 1);
    shared.ledger.add(Item::GoodReloads, 1);
    eventually("the new version to answer", || {
        (short_request(&mut client, shared, b"which?") == version).then_some(())
    });
    shared.reign.is_here(version);
}

fn start_load(address: SocketAddr, shared: &Arc<Shared>) -> Vec<JoinHandle<()>> {
    let spawn = |run: fn(SocketAddr, &Shared, usize), number| {
        let shared = Arc::clone(shared);
        thread::spawn(move || run(address, &shared, number))
    };
    let streams = (0..STREAM_THREADS).map(|number| spawn(lock_step_streams, number));
    streams.chain((0..SHORT_THREADS).map(|number| spawn(short_requests, number))).collect()
}

/// Streams in lock step. Half of them last as long as the load, the others end now and then and
/// begin anew.
fn lock_step_streams(address: SocketAddr, shared: &Shared, thread: usize) {
    shared.ledger.add(Item::Connections, STREAMS);
    let mut streams: Vec<Milling> = (0..STREAMS).map(|_| begin(Client::connect(address), shared)).collect();
    let mut round = thread * 1_000_000;
    while !shared.stop.load(Ordering::Relaxed) {
        for stream in &mut streams {
            stream.client.send_chunk(letters(round));
        }
        for stream in &mut streams {
            stream.expect(&letters(round));
        }
        round += 1;
        if round.is_multiple_of(10) {
            let which = STREAMS / 2 + round / 10 % (STREAMS / 2);
            let ended = end(streams.swap_remove(which), shared);
            streams.push(begin(ended, shared));
        }
        thread::sleep(BREATH);
    }
    for stream in streams {
        end(stream, shared);
    }
}

#[track_caller]
fn begin(client: Client, shared: &Shared) -> Milling {
    let before = shared.reign.before();
    let Ok(stream) = Milling::begin(client, "/mill") else {
        panic!("a stream was refused");
    };
    shared.reign.allows(&before, stream.version);
    stream
}

#[track_caller]
fn end(stream: Milling, shared: &Shared) -> Client {
    shared.ledger.clean("mill", stream.ground, stream.ground + 2 * TAG);
    stream.end()
}

fn short_requests(address: SocketAddr, shared: &Shared, thread: usize) {
    let mut client = Client::connect(address);
    shared.ledger.add(Item::Connections, 1);
    let mut number = thread * 1_000_000;
    while !shared.stop.load(Ordering::Relaxed) {
        short_request(&mut client, shared, &letters(number));
        number += 1;
        thread::sleep(BREATH);
    }
}

/// A whole exchange on a connection that is kept; returns the version that it got.
#[track_caller]
fn short_request(client: &mut Client, shared: &Shared, body: &[u8]) -> u16 {
    let before = shared.reign.before();
    let length = format!("Content-Length: {}", body.len());
    let answer = client.exchange([&request("POST", "/mill", &[&length]), body].concat());
    assert_eq!((answer.head.status, answer.ending), (200, Ending::Clean), "{}", answer.text());
    let version = version_of(&answer.body);
    shared.reign.allows(&before, version);
    assert!(answer.body == ground(version, body), "wrong bytes of version {version}");
    shared.ledger.clean("mill", body.len(), answer.body.len());
    version
}

/// The version that is served, the last few before it, and one for all the others.
#[track_caller]
fn series_are_folded(server: &Server) {
    let metrics = server.metrics();
    let series = metrics.all("wasmplex_exchanges_total", &[("plugin", "mill")]);
    let versions: BTreeSet<&str> = series.filter_map(|sample| sample.label("version")).collect();
    assert!(versions.contains("older") && versions.len() <= 1 + KEPT_SERIES + 1, "{versions:?}");
}
