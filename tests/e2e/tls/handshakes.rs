//! Handshakes that are none, or take their time.

use std::io::{Read, Write};
use std::net::TcpStream;

use rustls::version::TLS13;

use super::{client, serve, versions};
use crate::harness::*;

/// The bytes of a client's first flight.
fn hello(trust: &Trust) -> Vec<u8> {
    let mut bytes = Vec::new();
    trust.session().write_tls(&mut bytes).expect("into memory");
    bytes
}

/// All that the server says on a connection until it closes it.
fn said(mut tcp: TcpStream) -> Vec<u8> {
    tcp.set_read_timeout(Some(DEADLINE)).expect("set a deadline");
    let mut bytes = Vec::new();
    let mut area = [0; 4096];
    loop {
        match tcp.read(&mut area) {
            Ok(0) => return bytes,
            Ok(length) => bytes.extend_from_slice(&area[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return bytes,
            Err(error) => panic!("not closed: {error}, after {bytes:?}"),
        }
    }
}

#[test]
fn one_that_never_ends_is_dropped() {
    let (server, authority) = serve(&["show"], &["--head-timeout", "300ms"]);
    let hello = hello(&authority.trust(&[&TLS13], None));
    for part in [&[][..], &hello[..1], &hello[..hello.len() - 1], &hello[..]] {
        let mark = server.log().mark();
        let mut tcp = TcpStream::connect(server.address()).expect("connect");
        tcp.write_all(part).expect("send");
        said(tcp);
        server.log().wait(mark, &["no tls handshake", "took too long"]);
    }
}

#[test]
fn one_that_comes_byte_by_byte_succeeds() {
    let (server, authority) = serve(&["show"], &[]);
    for (_, trust) in versions(&authority) {
        let mut tcp = TcpStream::connect(server.address()).expect("connect");
        tcp.set_nodelay(true).expect("set nodelay");
        tcp.set_read_timeout(Some(DEADLINE)).expect("set a deadline");
        let mut session = trust.session();
        while session.is_handshaking() {
            let mut flight = Vec::new();
            while session.wants_write() {
                session.write_tls(&mut flight).expect("into memory");
            }
            for byte in flight {
                tcp.write_all(&[byte]).expect("send");
            }
            if session.is_handshaking() {
                assert_ne!(session.read_tls(&mut tcp).expect("receive"), 0);
                session.process_new_packets().expect("a good flight");
            }
        }
        let mut link = rustls::StreamOwned::new(session, tcp);
        link.write_all(&request("GET", "/show?:path", &["Connection: close"])).expect("send");
        let mut answer = String::new();
        link.read_to_string(&mut answer).expect("an answer, and close_notify");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

#[test]
fn plain_http_is_told_what_the_port_speaks() {
    let (server, _authority) = serve(&["show"], &[]);
    let mark = server.log().mark();
    let answer = server.get("/show?:path");
    assert_eq!((answer.head.status, answer.ending), (400, Ending::Clean));
    assert!(answer.text().contains("HTTPS"), "{}", answer.text());
    server.log().wait(mark, &["no tls handshake", "plain http"]);
    // Even one that is still sending when it is dismissed.
    let answer = server.post("/show", &noise(1, 32 * KIB));
    assert_eq!(answer.head.status, 400);
}

#[test]
fn tls_to_a_plain_port_is_a_bad_request() {
    let server = Server::of(&["show"]);
    let authority = Authority::new();
    let trust = authority.trust(rustls::ALL_VERSIONS, None);
    let mut tcp = TcpStream::connect(server.address()).expect("connect");
    tcp.write_all(&hello(&trust)).expect("send");
    let said = said(tcp);
    assert!(said.starts_with(b"HTTP/1.1 400 "), "{}", String::from_utf8_lossy(&said));
    assert!(Client::try_secure(server.address(), &trust).is_err());
}

#[test]
fn garbage_gets_an_alert() {
    let (server, authority) = serve(&["show"], &[]);
    let mut random = Random::new(seed());
    for round in 0..50 {
        let length = 1 + random.below(4_000);
        let mut bytes: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
        // Not a letter, which is plain HTTP.
        bytes[0] = if round % 2 == 0 { 0x16 } else { 0xff };
        let mut tcp = TcpStream::connect(server.address()).expect("connect");
        tcp.write_all(&bytes).expect("send");
        tcp.shutdown(std::net::Shutdown::Write).expect("half-close");
        let said = said(tcp);
        // An alert (RFC 8446 section 6): record type 21, two bytes of content, fatal.
        let is_alert = said.len() == 7 && said[0] == 21 && said[3..6] == [0, 2, 2];
        assert!(said.is_empty() || is_alert, "{said:02x?}");
    }
    assert_eq!(client(&server, &authority).exchange(request("GET", "/show?:path", &[])).head.status, 200);
}

#[test]
fn protocols_are_agreed_on() {
    let (mut server, authority) = serve(&["echo"], &["--tcp", "tls://127.0.0.1:0=echo"]);
    let raw = server.next_listener("tls");
    let trust = authority.trust(&[&TLS13], None);
    for (offered, agreed) in [
        (&[&b"h2"[..], b"http/1.1"][..], Some(&b"http/1.1"[..])),
        (&[b"http/1.0"], Some(b"http/1.0")),
        (&[b"http/1.0", b"http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ] {
        let mut client = Client::secure(server.address(), &trust.offering(offered));
        assert_eq!(client.tls().conn.alpn_protocol(), agreed, "{offered:?}");
    }
    let error = Client::try_secure(server.address(), &trust.offering(&[b"h2"])).err().expect("no agreement");
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
    let mut client = Client::secure(raw, &trust.offering(&[b"h2", b"mqtt"]));
    assert_eq!(client.tls().conn.alpn_protocol(), None);
}

#[test]
fn five_hundred_connections_at_a_time() {
    const COUNT: usize = 500;
    // The first waits with its request until the last has made its handshake.
    let (server, authority) = serve(&["echo"], &["--head-timeout", "10m"]);
    let trust = authority.trust(&[&TLS13], None);
    let mut clients: Vec<Client> = (0..COUNT).map(|_| Client::secure(server.address(), &trust)).collect();
    for client in &mut clients {
        client.send(request("POST", "/echo", &[CHUNKED]));
        client.head();
    }
    for round in 0..3 {
        for client in &mut clients {
            client.send_chunk(letters(round));
        }
        for client in &mut clients {
            client.expect(letters(round));
        }
    }
    for client in &mut clients {
        client.send_last_chunk();
        assert_eq!(client.rest(), (vec![], Ending::Clean));
    }
}

#[test]
fn a_drain_waits_for_exchanges_and_not_for_handshakes() {
    let (mut server, authority) = serve(&["rot13"], &["--head-timeout", "10m"]);
    let silent = TcpStream::connect(server.address()).expect("connect");
    let mut open = client(&server, &authority);
    open.send(request("POST", "/rot13", &[CHUNKED]));
    open.head();
    server.signal("TERM");
    server.wait_until_closed();
    said(silent);
    open.rot13_in_lock_step(3);
    drop(open);
    assert!(server.wait_for_exit().success());
}

#[test]
fn failures_are_counted() {
    let (server, _authority) = serve(&["show"], ADMIN);
    server.get("/show?:path");
    server.metric_eventually("wasmplex_handshakes_failed_total", &[], 1.0);
}
