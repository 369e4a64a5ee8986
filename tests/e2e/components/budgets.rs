//! Budgets of components, and what many of them cost.

use std::fs;

use super::{component, failed, serving};
use crate::harness::*;

/// Bytes that an open exchange of the fixture `echo` may cost the server.
const COST: usize = 100 * KIB;

#[test]
fn memory_ends_at_the_limit() {
    for (name, pages) in [("grow", 18), ("grow-two", 19)] {
        let server = serving(&[name], &["--memory", "2MiB"]);
        let answer = server.post(&format!("/{name}"), b"go");
        assert_eq!((answer.head.status, answer.ending), (200, Ending::Clean), "{}", answer.text());
        let told = answer.body.first_chunk().map(|four| u32::from_le_bytes(*four));
        assert_eq!(told, Some(pages), "{name}");
    }
}

#[test]
fn processor_time_of_a_call() {
    for name in ["spin", "spin-in-realloc", "spin-in-post-return"] {
        println!("{name}");
        let server = serving(&[name], &["--cpu-per-call", "100ms", "--time-per-call", "10m"]);
        let canary = Canary::start(&server);
        server.post(&format!("/{name}"), b"Hello").is_cut("");
        failed(&server, name, "cpu_per_call", "cpu per call is beyond its limit of 100ms");
        canary.sings(5);
        canary.stop();
    }
}

#[test]
fn wall_time_of_a_call() {
    let server = serving(&["spin"], &["--cpu-per-call", "10m", "--time-per-call", "200ms"]);
    server.post("/spin", b"Hello").is_cut("");
    failed(&server, "spin", "time_per_call", "time per call is beyond its limit of 200ms");
}

/// What it printed is what tells why, however it ends.
#[test]
fn what_was_printed_before_a_failure_is_in_the_log() {
    const FAR: &str = "10m";
    let wasi = fs::read_to_string(component("wasi")).expect("read the fixture");
    let ending = "(call $emit (i32.const 16) (i32.const 2))";
    assert!(wasi.contains(ending), "the fixture ends with an emit");
    let spin = "(loop $for_ever (br $for_ever))";
    for (instead, cpu, time) in [("unreachable", FAR, FAR), (spin, "100ms", FAR), (spin, FAR, "100ms")] {
        println!("{instead} {cpu} {time}");
        let folder = Folder::new();
        folder.write("wasi.wat", wasi.replace(ending, instead).as_bytes());
        let server = Server::serve(folder, &["--cpu-per-call", cpu, "--time-per-call", time]);
        server.post("/wasi", b"x").is_cut("");
        server.log().wait(0, &["plugin failed", "plugin=\"wasi\""]);
        server.log().wait(0, &["plugin=\"wasi\"", "to stdout"]);
    }
}

#[test]
fn bytes_in_and_out() {
    for limit in ["emitted", "received"] {
        let server = serving(&["echo"], &[&format!("--{limit}"), "10"]);
        server.post("/echo", b"ten bytes!").is_clean(200, "ten bytes!");
        let mut client = server.open("/echo");
        client.send_chunk("ten bytes!");
        client.expect("ten bytes!");
        client.send_chunk("!");
        assert_ne!(client.rest().1, Ending::Clean);
        failed(&server, "echo", limit, &format!("{limit}: more than the limit of 10 B"));
    }
}

#[test]
fn what_goes_wrong_in_a_call_is_a_trap() {
    for name in ["bad-emit", "bad-realloc", "deep", "emit-in-realloc"] {
        println!("{name}");
        let server = serving(&[name], &[]);
        let canary = Canary::start(&server);
        server.post(&format!("/{name}"), b"Hello").is_cut("");
        failed(&server, name, "trap", if name == "deep" { "stack" } else { "trap:" });
        canary.sings(5);
        canary.stop();
    }
}

#[test]
fn a_client_that_leaves_takes_it_along() {
    for name in ["spin", "plugin"] {
        let server = serving(&[name], FAR_LIMITS);
        let mut client = server.open(&format!("/{name}"));
        client.send_chunk("Hello");
        if name == "plugin" {
            client.expect("Hello");
        }
        drop(client);
        server.metric_eventually("wasmplex_exchanges_open", &[], 0.0);
        server.settle();
    }
}

#[test]
fn many_open_exchanges() {
    const MANY: usize = 200;
    let server = serving(&["echo"], FAR_LIMITS);
    server.post("/echo", b"warm").is_clean(200, "warm");
    server.settle();
    let before = server.memory_now();
    let mut open: Vec<Client> = (0..MANY).map(|_| server.open("/echo")).collect();
    for (number, client) in open.iter_mut().enumerate() {
        client.send_chunk(letters(number));
        client.expect(letters(number));
    }
    server.metric_eventually("wasmplex_exchanges_open", &[("plugin", "echo")], MANY as f64);
    let grown = server.memory_now().saturating_sub(before);
    println!("{} bytes for each", grown / MANY);
    assert!(grown < MANY * COST, "{grown} bytes for {MANY} exchanges");
    for client in &mut open {
        client.send_last_chunk();
        assert_eq!(client.rest(), (vec![], Ending::Clean));
    }
    drop(open);
    server.is_idle();
}

/// One emit of 8 MiB at a client that does not read: the bytes wait in the plugin, not in the host.
#[test]
fn a_large_emit_waits_for_the_client() {
    const STALLED: usize = 8;
    const EMIT: usize = 8 * MIB;
    let server = serving(&["amplify"], FAR_LIMITS);
    assert_eq!(server.post("/amplify", b"x").body.len(), EMIT);
    server.settle();
    let before = server.memory_now();
    let mut stalled: Vec<Client> = (0..STALLED).map(|_| server.open("/amplify")).collect();
    for client in &mut stalled {
        client.send_chunk("x");
    }
    server.settle();
    let grown = server.memory_now().saturating_sub(before);
    println!("{} bytes for each", grown / STALLED);
    assert!(grown < STALLED * MIB, "the server grew by {grown} bytes for {STALLED} clients that do not read");
    for client in &mut stalled {
        assert_eq!(client.read(EMIT).len(), EMIT);
        client.send_last_chunk();
        assert_eq!(client.rest(), (vec![], Ending::Clean));
    }
}
