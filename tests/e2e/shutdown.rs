//! SIGTERM and SIGINT drain; a second one ends.

use crate::harness::*;

#[test]
fn an_open_exchange_is_finished() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::with(&["rot13"], &["--drain-timeout", "10m"]);
        let mut client = open(&server);
        server.signal(signal);
        server.wait_until_closed();
        for round in 0..20 {
            client.send_chunk(letters(round));
            client.expect(rot13(&letters(round)));
        }
        client.send_last_chunk();
        assert_eq!(client.rest(), (vec![], Ending::Clean));
        client.is_closed();
        drop(client);
        assert_eq!(server.wait_for_exit().code(), Some(0));
    }
}

#[test]
fn idle_connections_do_not_hold_it_up() {
    let flags = ["--drain-timeout", "10m", "--keep-alive-timeout", "10m"];
    let mut server = Server::with(&["rot13"], &flags);
    let mut idle = server.connect();
    idle.exchange(request("GET", "/rot13", &[])).is_clean(200, "");
    let mut fresh = server.connect();
    server.signal("TERM");
    assert_eq!(server.wait_for_exit().code(), Some(0));
    idle.is_closed();
    fresh.is_closed();
}

#[test]
fn an_exchange_that_does_not_end_is_cut() {
    let mut server = Server::with(&["rot13"], &["--drain-timeout", "300ms"]);
    let mut client = open(&server);
    server.signal("TERM");
    server.wait_for_exit();
    assert_ne!(client.rest().1, Ending::Clean);
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut server = Server::with(&["rot13"], &["--drain-timeout", "10m"]);
    let mut client = open(&server);
    server.signal("TERM");
    server.wait_until_closed();
    server.signal("TERM");
    server.wait_for_exit();
    assert_ne!(client.rest().1, Ending::Clean);
}

#[test]
fn a_plugin_that_never_returns_does_not_hold_it_up() {
    let mut server = Server::with(&["scripted"], FAR_LIMITS);
    let script = Script::new().chunk(say(Act::Loop));
    let mut client = server.connect();
    client.send(request("POST", &script.target(), &[CHUNKED]));
    client.send_chunk("a chunk");
    client.head();
    client.expect("chunk;");
    server.signal("TERM");
    server.wait_until_closed();
    server.signal("TERM");
    server.wait_for_exit();
}

/// An exchange with `rot13` that is under way.
fn open(server: &Server) -> Client {
    let mut client = server.connect();
    client.send(request("POST", "/rot13", &[CHUNKED]));
    client.head();
    client.send_chunk("Hello");
    client.expect("Uryyb");
    client
}
