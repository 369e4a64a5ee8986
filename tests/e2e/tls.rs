//! HTTPS: the contract of plain connections, and ends that nobody can forge.

mod clients;
mod files;
mod handshakes;
mod reload;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use rustls::ProtocolVersion;
use rustls::version::{TLS12, TLS13};

use crate::harness::*;

/// A server of these plugins by TLS, and who signed its certificate.
fn serve(plugins: &[&str], more: &[&str]) -> (Server, Authority) {
    let authority = Authority::new();
    let flags = authority.flags(more);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    (Server::with(plugins, &flags), authority)
}

/// Clients of both versions.
fn versions(authority: &Authority) -> [(ProtocolVersion, Trust); 2] {
    [
        (ProtocolVersion::TLSv1_2, authority.trust(&[&TLS12], None)),
        (ProtocolVersion::TLSv1_3, authority.trust(&[&TLS13], None)),
    ]
}

/// A client of either version.
fn client(server: &Server, authority: &Authority) -> Client {
    Client::secure(server.address(), &authority.trust(&[&TLS13, &TLS12], None))
}

#[test]
fn both_versions_stream_in_lock_step() {
    let (server, authority) = serve(&["rot13"], &[]);
    for (version, trust) in versions(&authority) {
        let mut client = Client::secure(server.address(), &trust);
        assert_eq!(client.tls().conn.protocol_version(), Some(version));
        client.send(request("POST", "/rot13", &[CHUNKED]));
        assert_eq!(client.head().status, 200, "before any byte of the body");
        client.rot13_in_lock_step(200);
    }
}

#[test]
fn what_is_emitted_leaves_before_the_host_waits() {
    let (server, authority) = serve(&["scripted"], &[]);
    for (_, trust) in versions(&authority) {
        // The timer is an hour away: what comes, comes before it is waited for.
        let script = Script::new().open(say(Act::SetTimerInAnHour));
        let mut client = Client::secure(server.address(), &trust);
        client.send(request("POST", &script.target(), &[CHUNKED]));
        client.head();
        client.expect("open;");
    }
}

#[test]
fn a_connection_stays_in_step() {
    let (server, authority) = serve(&["echo"], &[]);
    let mut client = client(&server, &authority);
    for size in [0, 1, 16 * KIB - 1, 16 * KIB, 16 * KIB + 1, 100_000] {
        let body = noise(size as u64, size);
        let mut bytes = request("POST", "/echo", &[&format!("Content-Length: {size}")]);
        bytes.extend_from_slice(&body);
        let answer = client.exchange(&bytes);
        assert!(answer.body == body, "{size} bytes come back as they went");
        assert_eq!(answer.ending, Ending::Clean);
    }
}

#[test]
fn pipelined_requests_in_one_record() {
    let (server, authority) = serve(&["show"], &[]);
    let mut client = client(&server, &authority);
    let mut bytes = request("GET", "/show?:path", &[]);
    bytes.extend(request("GET", "/show?:query", &[]));
    client.send(bytes);
    for _ in 0..2 {
        assert_eq!(client.head().status, 200);
        assert_eq!(client.rest().1, Ending::Clean);
    }
}

#[test]
fn long_bodies_both_ways_at_once() {
    const BLOCKS: usize = 128;
    const BLOCK: usize = 256 * KIB;
    let (server, authority) = serve(&["echo"], &[]);
    for (_, trust) in versions(&authority) {
        let mut client = Client::secure(server.address(), &trust);
        client.send(request("POST", "/echo", &[CHUNKED]));
        client.head();
        for number in 0..BLOCKS {
            let block = noise(number as u64, BLOCK);
            client.send_chunk(&block);
            let same = client.read(BLOCK) == block;
            assert!(same, "block {number} is not what was sent");
        }
        client.send_last_chunk();
        assert_eq!(client.rest(), (vec![], Ending::Clean));
    }
}

#[test]
fn records_cut_at_every_byte() {
    let (server, authority) = serve(&["rot13"], &[]);
    for (_, trust) in versions(&authority) {
        let mut client = Client::secure(server.address(), &trust);
        let mut bytes = request("POST", "/rot13", &["Content-Length: 5"]);
        bytes.extend_from_slice(b"Hello");
        let link = client.tls();
        link.conn.writer().write_all(&bytes).expect("encrypt");
        let mut records = Vec::new();
        while link.conn.wants_write() {
            link.conn.write_tls(&mut records).expect("into memory");
        }
        for byte in records {
            link.sock.write_all(&[byte]).expect("send");
        }
        assert_eq!(client.head().status, 200);
        assert_eq!(client.rest(), (b"Uryyb".to_vec(), Ending::Clean));
    }
}

#[test]
fn a_cut_is_no_end_in_good_order() {
    let (server, authority) = serve(&["scripted"], &[]);
    for (_, trust) in versions(&authority) {
        for (script, body) in [
            (Script::new().chunk(say(Act::Trap)), "chunk;"),
            (Script::new().chunk(say(Act::Reject)), "chunk;"),
        ] {
            let mut client = Client::secure(server.address(), &trust);
            client.send(request("POST", &script.target(), &[CHUNKED]));
            client.head();
            client.send_chunk("x");
            client.expect(body);
            assert_eq!(client.rest(), (vec![], Ending::Truncated));
        }
    }
}

#[test]
fn an_old_response_ends_with_close_notify() {
    let (server, authority) = serve(&["rot13"], &[]);
    for (_, trust) in versions(&authority) {
        let mut client = Client::secure(server.address(), &trust);
        client.send("POST /rot13 HTTP/1.0\r\nContent-Length: 5\r\n\r\nHello");
        client.head();
        assert_eq!(client.rest(), (b"Uryyb".to_vec(), Ending::Clean));
    }
}

#[test]
fn an_old_response_that_failed_does_not() {
    let (server, authority) = serve(&["scripted"], &[]);
    for (_, trust) in versions(&authority) {
        for (script, body) in
            [(Script::new().chunk(say(Act::Trap)), "chunk;"), (Script::new().end(say(Act::Reject)), "end;")]
        {
            let mut client = Client::secure(server.address(), &trust);
            let target = script.target();
            client.send(format!("POST {target} HTTP/1.0\r\nContent-Length: 5\r\n\r\n"));
            client.head();
            client.send("Hello");
            client.expect(body);
            assert_eq!(client.rest(), (vec![], Ending::Reset));
        }
    }
}

#[test]
fn an_end_without_close_notify_completes_no_body() {
    let (mut server, authority) = serve(&["scripted"], &["--tcp", "tls://127.0.0.1:0=scripted"]);
    for (_, trust) in versions(&authority) {
        let mut client = Client::secure(server.address(), &trust);
        client.send(request("POST", &Script::new().end(say(Act::GoOn)).target(), &[CHUNKED]));
        client.head();
        client.send_chunk("x");
        client.tls().sock.shutdown(Shutdown::Write).expect("FIN alone");
        let (body, ending) = client.rest();
        assert_eq!(String::from_utf8_lossy(&body), "", "on_end must not run");
        assert_ne!(ending, Ending::Clean);
    }
    // On a raw connection the end of the stream is all there is.
    let raw = server.next_listener("tls");
    for (_, trust) in versions(&authority) {
        let mut link = trust.shake(TcpStream::connect(raw).expect("connect")).expect("a handshake");
        link.write_all(b"x").expect("send");
        link.sock.shutdown(Shutdown::Write).expect("FIN alone");
        let mut rest = Vec::new();
        let error = link.read_to_end(&mut rest).expect_err("no clean end");
        assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof), "{error}");
    }
}

#[test]
fn a_half_close_by_close_notify_is_an_end() {
    let (mut server, authority) = serve(&["echo"], &["--tcp", "tls://127.0.0.1:0=echo"]);
    let raw = server.next_listener("tls");
    for (_, trust) in versions(&authority) {
        let mut link = trust.shake(TcpStream::connect(raw).expect("connect")).expect("a handshake");
        link.write_all(b"one").expect("send");
        let mut echoed = [0; 3];
        link.read_exact(&mut echoed).expect("the echo");
        link.write_all(b"two").expect("send");
        link.conn.send_close_notify();
        link.flush().expect("send");
        link.sock.shutdown(Shutdown::Write).expect("half-close");
        let mut rest = Vec::new();
        link.read_to_end(&mut rest).expect("an end by close_notify");
        assert_eq!((&echoed, &rest[..]), (b"one", &b"two"[..]));
    }
}

#[test]
fn a_client_that_leaves_is_noticed() {
    let (server, authority) = serve(&["scripted"], FAR_LIMITS);
    for (_, trust) in versions(&authority) {
        let mut client = Client::secure(server.address(), &trust);
        client.send(request("POST", &Script::new().chunk(quiet(Act::Loop)).target(), &[CHUNKED]));
        client.head();
        client.send_chunk("x");
        let mark = server.log().mark();
        client.shut();
        server.log().wait(mark, &["outcome=\"gone\""]);
    }
}

#[test]
fn a_client_that_takes_nothing_is_cut() {
    let (server, authority) = serve(&["echo"], &["--write-timeout", "500ms"]);
    for (_, trust) in versions(&authority) {
        let mut client = Client::secure(server.address(), &trust);
        client.send(request("POST", "/echo", &[CHUNKED]));
        client.head();
        let mark = server.log().mark();
        // More than the sockets hold; nothing of what comes back is read.
        client.try_send(wire_chunk(noise(1, 64 * MIB)));
        server.log().wait(mark, &["access", "the client did not read for too long"]);
    }
}
