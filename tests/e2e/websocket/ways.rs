//! The same by TLS, over a Unix socket, and from a client that sends everything before it reads.

use rustls::version::{TLS12, TLS13};

use crate::harness::*;

/// Messages there and back, a ping between them, and the closing handshake.
#[track_caller]
fn speaks(mut client: Client) {
    client.send(request("GET", "/rot13", &HANDSHAKE));
    let mut socket = WebSocket::accepted(client);
    for number in 0..50 {
        socket.text(&format!("Hello {number}"));
        socket.expect_text(&format!("Uryyb {number}"));
        socket.ping([number]);
        socket.expect_pong([number]);
    }
    let bytes = noise(3, 40 * KIB);
    socket.binary(&bytes);
    socket.expect_binary(rot13(&bytes));
    socket.say_goodbye();
}

#[test]
fn by_tls() {
    let authority = Authority::new();
    let flags = authority.flags(&[]);
    let server = Server::with(&["rot13"], &flags.iter().map(String::as_str).collect::<Vec<_>>());
    for version in [&TLS12, &TLS13] {
        speaks(Client::secure(server.address(), &authority.trust(&[version], None)));
    }
}

#[test]
fn over_a_unix_socket() {
    let place = Folder::new();
    let path = place.path().join("w.sock");
    let unix = format!("unix:{}", path.display());
    let server = Server::with(&["rot13"], &["--listen", &unix]);
    speaks(Client::connect_unix(&path));
    server.settle();
}

#[test]
fn a_client_that_sends_all_before_it_reads_gets_its_answer() {
    const COUNT: usize = 40;
    let server = Server::with(&["rot13"], FAR_LIMITS);
    let mut socket = WebSocket::open(&server, "/rot13");
    let messages: Vec<Vec<u8>> = (0..COUNT as u64).map(|seed| noise(seed, MIB)).collect();
    for message in &messages {
        socket.binary(message);
    }
    socket.close(1000, "");
    for (number, sent) in messages.iter().enumerate() {
        let mut received = Vec::new();
        while received.len() < MIB {
            received.extend(socket.message().1);
        }
        assert!(received == rot13(sent), "message {number} is not what is due");
    }
    assert_eq!(socket.ends_with(1000), "");
    server.settle();
}
