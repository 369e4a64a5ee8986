//! Certificates that clients show.

use std::io::Read;

use rustls::version::{TLS12, TLS13};

use super::serve;
use crate::harness::*;

/// What a client with this certificate gets.
fn get(server: &Server, authority: &Authority, own: Option<&Certified>) -> [Result<u16, std::io::Error>; 2] {
    [&TLS12, &TLS13].map(|version| {
        let trust = authority.trust(&[version], own);
        let mut client = Client::try_secure(server.address(), &trust)?;
        // By TLS 1.3 the handshake is over for the client before the server has seen its certificate:
        // a refusal is what it reads.
        client.try_send(request("GET", "/show?:path", &[]));
        let mut answer = [0; 12];
        client.tls().read_exact(&mut answer)?;
        let status = std::str::from_utf8(&answer[9..]).ok().and_then(|status| status.parse().ok());
        Ok(status.expect("a status line"))
    })
}

fn with_ca(mode: &str) -> (Server, Authority, Authority) {
    let clients = Authority::new();
    let ca = clients.ca();
    let ca = ca.to_str().expect("a path in UTF-8");
    let (server, authority) = serve(&["show"], &["--tls-client-ca", ca, "--tls-client-auth", mode]);
    (server, authority, clients)
}

#[test]
fn a_good_one_is_let_in() {
    for mode in ["required", "optional"] {
        let (server, authority, clients) = with_ca(mode);
        let own = clients.issue("somebody");
        for status in get(&server, &authority, Some(&own)) {
            assert_eq!(status.expect("an answer"), 200);
        }
    }
}

#[test]
fn none_is_refused_where_one_is_required() {
    let (server, authority, _clients) = with_ca("required");
    let mark = server.log().mark();
    for status in get(&server, &authority, None) {
        let error = status.expect_err("no answer").to_string();
        assert!(error.contains("CertificateRequired") || error.contains("HandshakeFailure"), "{error}");
    }
    server.log().wait(mark, &["no tls handshake", "peer sent no certificates"]);
    let (server, authority, _clients) = with_ca("optional");
    for status in get(&server, &authority, None) {
        assert_eq!(status.expect("an answer"), 200);
    }
}

#[test]
fn a_bad_one_is_refused_in_any_case() {
    for mode in ["required", "optional"] {
        let (server, authority, _clients) = with_ca(mode);
        let stranger = authority.issue("stranger");
        let mark = server.log().mark();
        for status in get(&server, &authority, Some(&stranger)) {
            status.expect_err("no answer");
        }
        server.log().wait(mark, &["no tls handshake", "invalid peer certificate"]);
    }
}

#[test]
fn no_session_is_taken_up_again_without_its_certificate() {
    let (server, authority, clients) = with_ca("required");
    let own = clients.issue("somebody");
    for version in [&TLS12, &TLS13] {
        // The client keeps what it gets to resume with.
        let trust = authority.trust(&[version], Some(&own));
        for _ in 0..3 {
            let mut client = Client::secure(server.address(), &trust);
            assert_eq!(client.exchange(request("GET", "/show?:path", &[])).head.status, 200);
            assert_eq!(client.tls().conn.handshake_kind(), Some(rustls::HandshakeKind::Full));
        }
    }
}

#[test]
fn without_an_authority_sessions_are_resumed() {
    let (server, authority) = serve(&["show"], &[]);
    for version in [&TLS12, &TLS13] {
        let trust = authority.trust(&[version], None);
        let mut kinds = Vec::new();
        for _ in 0..2 {
            let mut client = Client::secure(server.address(), &trust);
            // Tickets come with or before the answer.
            assert_eq!(client.exchange(request("GET", "/show?:path", &[])).head.status, 200);
            kinds.extend(client.tls().conn.handshake_kind());
        }
        assert_eq!(kinds, [rustls::HandshakeKind::Full, rustls::HandshakeKind::Resumed], "{version:?}");
    }
}

#[test]
fn an_authority_that_changes_holds_for_new_connections() {
    let (server, authority, clients) = with_ca("required");
    let mut old =
        Client::secure(server.address(), &authority.trust(&[&TLS13], Some(&clients.issue("early"))));
    assert_eq!(old.exchange(request("GET", "/show?:path", &[])).head.status, 200);
    let others = Authority::new();
    let pem = std::fs::read(others.ca()).expect("the other authority");
    clients.folder().install("ca.pem", &pem);
    let late = others.issue("late");
    eventually("the other authority to be trusted", || {
        get(&server, &authority, Some(&late)).iter().all(Result::is_ok).then_some(())
    });
    for status in get(&server, &authority, Some(&clients.issue("early"))) {
        status.expect_err("the former authority is trusted no longer");
    }
    assert_eq!(old.exchange(request("GET", "/show?:path", &[])).head.status, 200);
}
