//! Rule 9: one fresh instance per exchange, and nobody sees another's memory.

use std::thread;

use crate::harness::*;

/// What `marker` reports when nothing is left from anyone.
const FRESH: &[u8] = b"original\
    \0\0\0\0\0\0\0\0\
    \0\0\0\0\0\0\0\0\
    \0\0\0\0\0\0\0\0\
    \0\0\0\0\0\0\0\0\
    \x01";

#[test]
fn nothing_is_left_from_the_exchange_before() {
    let server = Server::of(&["marker"]);
    let mut client = server.connect();
    for _ in 0..50 {
        client.send(request("POST", "/marker", &["Content-Length: 14"]));
        client.exchange("what I confide").is_clean(200, FRESH);
    }
}

#[test]
fn nothing_is_left_from_failed_exchanges_or_other_plugins() {
    let server = Server::of(&["marker", "scripted", "grow_memory"]);
    for _ in 0..10 {
        server.post("/marker", b"what I confide").is_clean(200, FRESH);
        server.post("/grow_memory", b"a body");
        let script = Script::new().chunk(say(Act::Trap));
        server.post(&script.target(), b"a body").is_cut("chunk;");
    }
}

#[test]
fn nothing_is_seen_of_exchanges_at_the_same_time() {
    let server = Server::of(&["marker"]);
    let address = server.address();
    let others: Vec<_> = (0..16)
        .map(|_| {
            thread::spawn(move || {
                let mut client = Client::connect(address);
                for _ in 0..20 {
                    client.send(request("POST", "/marker", &["Content-Length: 14"]));
                    client.exchange("what I confide").is_clean(200, FRESH);
                }
            })
        })
        .collect();
    for other in others {
        other.join().expect("every instance was fresh");
    }
}
