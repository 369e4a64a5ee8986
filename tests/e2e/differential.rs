//! The same bytes to wasmplex and to other HTTP/1.1 parsers (Go's net/http, Node's llhttp, h11,
//! gunicorn): where two of them understand a connection differently, one can be used to smuggle
//! requests past the other.
//!
//! What counts is one direction: whatever wasmplex runs, each peer must have run as well, with the same
//! method, target, Host and body, at the same place of the connection. It may always refuse what they
//! take. A difference that is right has an entry in `tests/differential/accepted.json`, with its reason;
//! an entry that nothing needs is an error too.
//!
//! The inputs are the rows of `tests/differential/smuggling.cases`, the raw cases of
//! `tests/corpus/http`, and seeded mutants of both: `WASMPLEX_MUTANTS` says how many of each,
//! `WASMPLEX_SEED` which. `scripts/peers.sh` gets the peers into `target/peers`; those that are not there
//! are skipped, unless `WASMPLEX_REQUIRE_PEERS` is set.

mod accepted;
mod inputs;
mod mutants;
mod outcome;
mod peers;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use accepted::Accepted;
use inputs::Input;
use outcome::{Outcome, ask, difference};
use peers::Peer;

use crate::harness::*;

/// Mutants of each input in an ordinary run.
const MUTANTS: usize = 1;

/// The mutants of an ordinary run are always the same: what they find is looked at once and for all.
const SEED: u64 = 9112;

/// Connections at a time to each of the parsers.
const AT_ONCE: usize = 4;

/// Fewer requests that wasmplex runs in all would say that it refuses everything.
const LEAST_RUN: usize = 200;

/// Differences that are shown; the rest is counted.
const SHOWN: usize = 100;

#[test]
fn no_peer_understands_a_connection_differently() {
    let peers = peers::start();
    if peers.is_empty() {
        println!("skipped: no peer is here (scripts/peers.sh gets them)");
        return;
    }
    let mut inputs = inputs::all();
    let folder = folder(&inputs);
    let number = |name: &str| env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let (each, seed) = (number("WASMPLEX_MUTANTS"), number("WASMPLEX_SEED"));
    let is_ordinary = each.is_none() && seed.is_none();
    inputs.extend(mutants::of(&inputs, each.map_or(MUTANTS, |each| each as usize), seed.unwrap_or(SEED)));
    let server = Server::serve(folder, &[]);

    let mut asked: Vec<(&str, SocketAddr)> = vec![("wasmplex", server.address())];
    asked.extend(peers.iter().map(|peer| (peer.name, peer.address)));
    let outcomes: Vec<Vec<Outcome>> = thread::scope(|scope| {
        let inputs = &inputs;
        let ask_all = |(name, address)| scope.spawn(move || ask_for_all(name, address, inputs));
        let threads: Vec<_> = asked.iter().copied().map(ask_all).collect();
        threads.into_iter().map(|thread| thread.join().expect("all inputs were answered")).collect()
    });
    drop(server); // its log says nothing of what is found
    let mut accepted = Accepted::read();
    let mut found = compare(&inputs, &outcomes, &peers, &mut accepted);
    if is_ordinary {
        found.extend(accepted.unused(&peers));
    }
    let run: usize = outcomes[0].iter().map(Outcome::runs).sum();
    println!("{} inputs, {run} requests run by wasmplex, {} peers", inputs.len(), peers.len());
    assert!(run > LEAST_RUN, "so few can only be a fault of this test");
    let shown: Vec<&str> = found.iter().take(SHOWN).map(String::as_str).collect();
    assert!(found.is_empty(), "{} findings:\n{}", found.len(), shown.join("\n"));
}

/// What is not accepted, in words. The first of the outcomes are wasmplex's.
fn compare(
    inputs: &[Input],
    outcomes: &[Vec<Outcome>],
    peers: &[Peer],
    accepted: &mut Accepted,
) -> Vec<String> {
    let mut found = Vec::new();
    for (peer, theirs) in peers.iter().zip(&outcomes[1..]) {
        for ((input, ours), theirs) in inputs.iter().zip(&outcomes[0]).zip(theirs) {
            let Some(difference) = difference(ours, theirs) else {
                continue;
            };
            if !accepted.covers(input, peer.name, &difference) {
                let bytes: String = input.bytes.escape_ascii().to_string().chars().take(600).collect();
                found.push(format!("{}: {} {difference}\n    {bytes}", input.name, peer.name));
            }
        }
    }
    found
}

/// A folder in which every name that an input's target may begin with is the recording plugin.
fn folder(inputs: &[Input]) -> Folder {
    let folder = Folder::new();
    let recorder = fs::read(inputs::sources().join("record.wat")).expect("record.wat");
    let names: BTreeSet<&str> = inputs.iter().flat_map(Input::names).collect();
    for name in names {
        folder.write(&format!("{name}.wat"), &recorder);
    }
    folder
}

fn ask_for_all(name: &str, address: SocketAddr, inputs: &[Input]) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(input) = inputs.get(index) else {
                return done;
            };
            let outcome = ask(address, &input.bytes);
            let outcome = outcome.unwrap_or_else(|error| panic!("{name} at {}: {error}", input.name));
            done.push((index, outcome));
        }
    };
    let mut outcomes: Vec<(usize, Outcome)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a client's thread")).collect()
    });
    outcomes.sort_by_key(|(index, _)| *index);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}
