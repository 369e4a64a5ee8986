//! Raw bytes against the real server: every case of `tests/corpus/http`, in every segmentation.
//!
//! `docs/http.md` says the rules; a test holds it against the cases.

mod docs;
pub mod format;
mod plan;
mod rounds;
mod transcript;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use format::{Case, End, Expected};
use plan::{Plan, plans};

use crate::harness::*;

/// What is sent behind every case whose connection lives on or is closed by the server: in the first
/// case it must be answered, in the second it must not.
const PROBE: &[u8] = b"GET /show/probe?:path HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n";

/// The connections of one thread that are open at a time.
const SIDE_BY_SIDE: usize = 48;

/// The server listens on as many addresses, so that the connections of one run do not use up the
/// client's ports to one of them.
const LISTENERS: usize = 4;

/// Where a run stops that found so many cases at fault.
const MOST_FAULTS: usize = 40;

/// What went wrong with each case that did: how often, and the first time.
type Faults = Mutex<BTreeMap<String, (usize, String)>>;

#[test]
fn every_case_in_every_segmentation() {
    let cases = cases();
    assert!(cases.len() >= 200, "{} cases", cases.len());
    let (_server, addresses) = served();
    let seed = seed();
    let all: Vec<(&Case, Plan)> = cases
        .iter()
        .enumerate()
        .flat_map(|(index, case)| {
            let behind = if case.half_closes() { &[] } else { PROBE };
            let mut random = Random::new(seed.wrapping_add(index as u64));
            plans(case, behind, &mut random).into_iter().map(move |plan| (case, plan))
        })
        .collect();
    println!("{} cases, {} connections", cases.len(), all.len());
    let next = AtomicUsize::new(0);
    let faults = Faults::default();
    thread::scope(|scope| {
        for address in &addresses {
            scope.spawn(|| work(*address, &all, &next, &faults));
        }
    });
    let faults = faults.into_inner().expect("no thread panicked");
    for (name, (times, first)) in &faults {
        println!("{name}: {times} times, {first}");
    }
    assert!(faults.is_empty(), "{} cases are at fault", faults.len());
}

#[test]
fn every_rule_has_its_cases_and_every_case_its_rule() {
    docs::check(&cases());
}

/// Takes batches of plans until there are no more.
fn work(address: SocketAddr, all: &[(&Case, Plan)], next: &AtomicUsize, faults: &Faults) {
    loop {
        let begin = next.fetch_add(SIDE_BY_SIDE, Ordering::Relaxed).min(all.len());
        let batch = &all[begin..(begin + SIDE_BY_SIDE).min(all.len())];
        if batch.is_empty() || faults.lock().expect("no thread panicked").len() >= MOST_FAULTS {
            return;
        }
        let plans: Vec<&Plan> = batch.iter().map(|(_, plan)| plan).collect();
        let outcomes = rounds::carry_out(address, &plans);
        for ((case, plan), outcome) in batch.iter().zip(outcomes) {
            if let Err(fault) = outcome.and_then(|(received, ended)| judge(case, &received, ended)) {
                let mut faults = faults.lock().expect("no thread panicked");
                let (times, _) = faults
                    .entry(case.name.clone())
                    .or_insert_with(|| (0, format!("{}: {fault}", plan.label)));
                *times += 1;
            }
        }
    }
}

fn judge(case: &Case, received: &[u8], ended: transcript::Ended) -> Result<(), String> {
    let answer = Expected { statuses: vec![200], body: Some(b"/show/probe".to_vec()), ..Expected::default() };
    let probe = (case.end == End::Keep).then_some(&answer);
    transcript::check(case, received, ended, probe).map_err(|fault| {
        let shown = &received[..received.len().min(2_000)];
        format!("{fault}; {ended:?} behind \"{}\"", shown.escape_ascii())
    })
}

/// The server of the cases, and its addresses.
fn served() -> (Server, Vec<SocketAddr>) {
    let folder = Folder::of(&["echo", "late", "respond", "scripted", "show"]);
    let echo = fs::read(fixture("echo")).expect("read a fixture");
    folder.write("posts.wat", &echo);
    folder.write("posts.json", br#"{"methods": ["POST"]}"#);
    let mut command = wasmplex(&["serve", "--access-log", "off", "--listen", "127.0.0.1:0"]);
    for number in 1..LISTENERS {
        command.args(["--listen", &format!("127.0.0.{}:0", number + 1)]);
    }
    command.args(FAR_LIMITS).arg("--plugins").arg(folder.path());
    let mut server = Server::spawn(folder, &mut command);
    let mut addresses = vec![server.address()];
    for _ in 1..LISTENERS {
        let line = server.process().stdout.line();
        let address = line.strip_prefix("listening on http://").expect("a ready line");
        addresses.push(address.parse().expect("an address"));
    }
    (server, addresses)
}

/// All cases of the corpus.
pub fn cases() -> Vec<Case> {
    let mut files: Vec<PathBuf> = fs::read_dir(repository().join("tests/corpus/http"))
        .expect("the corpus")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "case"))
        .collect();
    files.sort();
    let mut cases: Vec<Case> = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("read a file of cases");
        let parsed = format::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert!(!parsed.is_empty(), "{} has no cases", file.display());
        for case in parsed {
            assert!(cases.iter().all(|other| other.name != case.name), "{} is there twice", case.name);
            cases.push(case);
        }
    }
    cases
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the host is in a folder of the repository")
}
