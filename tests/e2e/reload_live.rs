//! Exchanges that are open while plugins change: each stays with the code it began with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::harness::*;

#[test]
fn an_open_exchange_stays_on_its_code_when_that_is_replaced() {
    let server = Server::telling(&[]);
    let mut old = server.open("/tell");
    old.expect("A");
    server.folder().put("tell", "B");
    server.serves("tell", "B");
    let mut new = server.open("/tell");
    for _ in 0..20 {
        old.send_chunk("one");
        old.expect("AAA");
        new.send_chunk("two");
    }
    new.expect("B".repeat(1 + 20 * 3));
    for (mut client, letter) in [(old, "A"), (new, "B")] {
        client.send_last_chunk();
        assert_eq!(client.rest(), (letter.as_bytes().to_vec(), Ending::Clean));
    }
}

#[test]
fn an_open_exchange_outlives_its_plugin() {
    let server = Server::telling(&[]);
    let mut client = server.open("/tell");
    client.expect("A");
    server.folder().remove("tell.wat");
    server.serves_no("tell");
    for _ in 0..20 {
        client.send_chunk("one");
        client.expect("AAA");
    }
    client.send_last_chunk();
    assert_eq!(client.rest(), (b"A".to_vec(), Ending::Clean));
    // The connection is still good, and finds what all others find.
    client.exchange(request("GET", "/tell", &[])).is_error(404);
}

#[test]
fn an_open_exchange_outlives_many_versions() {
    let server = Server::telling(&[]);
    let mut clients = vec![(server.open("/tell"), "A")];
    for letter in ["B", "C", "D", "E", "F", "G", "H"] {
        server.folder().put("tell", letter);
        server.serves("tell", letter);
        clients.push((server.open("/tell"), letter));
    }
    server.folder().remove("tell.wat");
    server.serves_no("tell");
    for (client, letter) in &mut clients {
        client.send_chunk("one");
        client.send_last_chunk();
        let expected = whole(letter, 3).into_bytes();
        assert_eq!(client.rest(), (expected, Ending::Clean));
    }
}

#[test]
fn the_next_exchange_of_a_connection_gets_the_new_version() {
    let server = Server::telling(&[]);
    let mut client = server.connect();
    for letter in ["A", "B", "C"] {
        server.folder().put("tell", letter);
        server.serves("tell", letter);
        client.exchange(request("GET", "/tell", &[])).is_clean(200, whole(letter, 0));
    }
}

#[test]
fn the_stages_of_an_open_pipe_stay_as_they_were() {
    let folder = Folder::of(&["rot13"]);
    folder.put("tell", "A");
    let server = Server::serve(folder, &[]);
    let mut client = server.open("/tell+rot13");
    client.expect("N");
    server.folder().put("tell", "B");
    server.folder().remove("rot13.wat");
    server.serves("tell", "B");
    server.serves_no("rot13");
    client.send_chunk("one");
    client.expect("NNN");
    client.send_last_chunk();
    assert_eq!(client.rest(), (b"N".to_vec(), Ending::Clean));
    server.get("/tell+rot13").is_error(404);
}

#[test]
fn an_answer_that_nobody_reads_outlives_its_plugin() {
    let server = Server::with(&["counter"], FAR_LIMITS);
    let mut client = server.connect();
    client.send(request("GET", "/counter?256", &[]));
    client.head();
    server.folder().remove("counter.wat");
    eventually("the plugin to be gone", || (server.get("/counter?1").head.status == 404).then_some(()));
    let (body, ending) = client.rest();
    assert_eq!((body.len(), ending), (16 * MIB, Ending::Clean));
}

#[test]
fn other_plugins_keep_their_pace_while_versions_come_and_go() {
    let folder = Folder::of(&["rot13"]);
    folder.put("tell", "A");
    let server = Server::serve(folder, &[]);
    let canary = Canary::start(&server);
    for letter in ["B", "C", "D", "E", "F", "G"] {
        server.folder().put("tell", letter);
        server.serves("tell", letter);
        canary.sings(5);
        let mark = server.log().mark();
        server.folder().write("tell.wat", b"broken");
        server.log().wait(mark, &["not loaded", "tell.wat"]);
        canary.sings(5);
    }
    server.folder().remove("tell.wat");
    server.serves_no("tell");
    canary.sings(5);
    canary.stop();
}

/// Under fire: every answer is one version's as a whole, nobody goes back to an earlier one, and
/// no exchange fails.
#[test]
fn a_swap_is_seen_by_nobody() {
    let server = Server::telling(&[]);
    let address = server.address();
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let stop = stop.clone();
            thread::spawn(move || {
                let mut client = Client::connect(address);
                let mut seen = String::new();
                while !stop.load(Ordering::Relaxed) {
                    client.send(request("POST", "/tell", &["Content-Length: 5"]));
                    let answer = client.exchange("hello");
                    let letter = answer.text().chars().take(1).collect::<String>();
                    answer.is_clean(200, whole(&letter, 5));
                    assert!(letter >= seen, "{letter} after {seen}");
                    seen = letter;
                }
                seen
            })
        })
        .collect();
    for letter in ["B", "C", "D", "E", "F", "G", "H", "I", "J", "K"] {
        server.folder().put("tell", letter);
        server.serves("tell", letter);
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        let last = client.join().expect("no exchange noticed anything");
        assert!(last.as_str() >= "J", "{last}");
    }
}

#[test]
fn versions_that_nobody_needs_any_more_leave_no_memory_behind() {
    let server = Server::telling(&[]);
    let letters: Vec<String> = ('A'..='Z').map(String::from).collect();
    let rounds = |server: &Server| {
        for letter in &letters {
            server.folder().put("tell", letter);
            server.serves("tell", letter);
        }
    };
    rounds(&server);
    let before = server.memory_now();
    rounds(&server);
    rounds(&server);
    let grown = server.memory_now().saturating_sub(before);
    assert!(grown < 8 * MIB, "the server grew by {grown} bytes");
}

#[test]
fn a_drain_ends_on_the_old_code() {
    let mut server = Server::with(&["rot13"], &["--drain-timeout", "10m"]);
    let mut client = server.open("/rot13");
    server.signal("TERM");
    server.wait_until_closed();
    server.folder().remove("rot13.wat");
    client.rot13_in_lock_step(20);
    drop(client);
    assert_eq!(server.wait_for_exit().code(), Some(0));
}
