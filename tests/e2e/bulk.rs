//! Long bodies and many streams, byte-exact and in bounded memory.

use std::io::Write;
use std::sync::{Arc, Barrier};
use std::thread;

use crate::harness::*;

#[test]
fn sixty_four_mib_stream_through_in_bounded_memory() {
    const BLOCKS: usize = 64;
    let server = Server::of(&["rot13"]);
    server.post("/rot13", &noise(1, MIB));
    let before = server.memory_now();

    let mut client = server.connect();
    client.send(request("POST", "/rot13", &[CHUNKED]));
    client.head();
    let mut sender = client.sender();
    let upload = thread::spawn(move || {
        let mut blocks = Blocks::new(2);
        for number in 0..BLOCKS {
            let chunk = wire_chunk(blocks.block(number));
            sender.write_all(&chunk).expect("send");
        }
        sender.write_all(LAST_CHUNK).expect("send");
    });
    let mut blocks = Blocks::new(2).rot13();
    let mut most = 0;
    for number in 0..BLOCKS {
        let same = client.read(MIB) == blocks.block(number);
        assert!(same, "MiB number {number} is not the rot13 of what was sent");
        most = most.max(server.memory_now());
    }
    assert_eq!(client.rest(), (vec![], Ending::Clean));
    upload.join().expect("the upload went through");

    let grown = most.saturating_sub(before);
    assert!(grown < 4 * MIB, "the server grew by {grown} bytes");
}

#[test]
fn two_hundred_streams_at_once() {
    const STREAMS: usize = 200;
    const ROUNDS: usize = 20;
    let server = Server::of(&["rot13"]);
    let address = server.address();
    let all_open = Arc::new(Barrier::new(STREAMS));
    let streams: Vec<_> = (0..STREAMS)
        .map(|stream| {
            let all_open = all_open.clone();
            thread::spawn(move || {
                let mut client = Client::connect(address);
                client.send(request("POST", "/rot13", &[CHUNKED]));
                assert_eq!(client.head().status, 200);
                all_open.wait();
                for round in 0..ROUNDS {
                    let body = noise((stream * ROUNDS + round) as u64, 4 * KIB);
                    client.send_chunk(&body);
                    assert!(client.read(body.len()) == rot13(&body), "round {round}");
                }
                client.send_last_chunk();
                assert_eq!(client.rest(), (vec![], Ending::Clean));
            })
        })
        .collect();
    for stream in streams {
        stream.join().expect("every stream is byte-exact");
    }
}

#[test]
fn idle_open_exchanges_cost_little_memory() {
    const EXCHANGES: usize = 300;
    let server = Server::of(&["rot13"]);
    let open = |client: &mut Client| {
        client.send(request("POST", "/rot13", &[CHUNKED]));
        assert_eq!(client.head().status, 200);
        client.send_chunk("Hello");
        client.expect("Uryyb");
    };
    let mut first = server.connect();
    open(&mut first);
    let before = server.memory_now();
    let mut clients: Vec<Client> = (0..EXCHANGES).map(|_| server.connect()).collect();
    for client in &mut clients {
        open(client);
    }
    let each = server.memory_now().saturating_sub(before) / EXCHANGES;
    assert!(each < 25 * KIB, "{each} bytes for each idle exchange");
}
