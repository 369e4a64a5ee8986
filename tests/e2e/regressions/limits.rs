//! Limits that counted wrongly.

use std::time::{Duration, Instant};

use crate::harness::*;

/// CPU was counted in ticks, and a plugin that woke from a short sleep was charged for the ticks
/// that it had slept through.
#[test]
fn sleeping_costs_no_cpu() {
    let flags = ["--cpu-per-call", "100ms", "--time-per-call", "30s"];
    let server = Server::with(&["naps"], &flags);
    server.post("/naps", b"good night").is_clean(200, "rested");
}

/// The other way round: one `random_get` over all of the memory ran on the host's side, where no
/// tick interrupts it: a limit of 100 ms took effect after seconds.
#[test]
fn a_flood_of_random_bytes_ends_within_the_limits() {
    let server = Server::with(&["random_bomb", "rot13"], &["--memory", "64MiB", "--cpu-per-call", "100ms"]);
    let canary = Canary::start(&server);
    let begun = Instant::now();
    server.post("/random_bomb", b"go").is_cut("");
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(3), "it took {took:?}");
    server.log().wait(0, &["plugin failed", "random_bomb"]);
    canary.sings(3);
    canary.stop();
}

#[test]
fn random_bytes_beyond_64_kib_at_once_are_refused() {
    let server = Server::of(&["random"]);
    server.post("/random?064", b"go").is_clean(200, "filled");
    for too_many in ["065", "999"] {
        let answer = server.post(&format!("/random?{too_many}"), b"go");
        assert_eq!(answer.text(), "", "{too_many} KiB");
    }
}

/// The pool had one table for each instance, so that a plugin with two found it empty at half of
/// the exchanges that were promised; alone, with room for one, it did not load at all.
#[test]
fn two_tables_take_one_place() {
    let server = Server::with(&["two_tables"], &["--max-exchanges", "2"]);
    let mut clients: Vec<Client> = (0..2)
        .map(|_| {
            let mut client = server.connect();
            client.send(request("POST", "/two_tables", &[CHUNKED]));
            assert_eq!(client.head().status, 200);
            client
        })
        .collect();
    for _ in 0..3 {
        for client in &mut clients {
            client.send_chunk("Hello");
            client.expect("Hello");
        }
    }
    for client in &mut clients {
        client.send_last_chunk();
        assert_eq!(client.rest(), (vec![], Ending::Clean));
    }
}

#[test]
fn two_tables_run_and_are_inspected() {
    let mut process = Process::spawn(wasmplex(&["run"]).arg(fixture("two_tables")));
    process.write(b"Hello");
    let finished = process.finish();
    assert_eq!((finished.code, &finished.stdout[..]), (Some(0), &b"Hello"[..]), "{}", finished.stderr);
    let finished = ran(wasmplex(&["inspect"]).arg(fixture("two_tables")));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
}
