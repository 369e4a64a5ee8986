//! Bounds of the whole server: connections, bytes that wait for clients, exchanges.

use std::thread;
use std::time::Duration;

use crate::harness::*;

#[test]
fn the_next_connection_waits_for_a_place() {
    let server = Server::with(&["echo"], &[ADMIN, &["--max-connections", "2"]].concat());
    let mut first = server.open("/echo");
    let mut second = server.connect();
    second.exchange(request("GET", "/echo", &[])).is_clean(200, "");
    let mut third = server.connect();
    third.send(request("POST", "/echo", &["Content-Length: 5"]));
    third.send("Hello");
    // Nothing may happen for a while: that time is what is tested.
    thread::sleep(Duration::from_millis(500));
    assert_eq!(server.metric("wasmplex_connections_open", &[]), 2.0);
    assert_eq!(server.metric("wasmplex_connections_total", &[]), 2.0);
    first.send_chunk("Hello");
    first.expect("Hello");
    drop(second);
    third.answer().is_clean(200, "Hello");
    server.metric_eventually("wasmplex_connections_total", &[], 3.0);
    first.send_last_chunk();
    assert_eq!(first.rest(), (vec![], Ending::Clean));
}

#[test]
fn connections_that_wait_are_served_in_turn() {
    const CLIENTS: usize = 40;
    let server = Server::with(&["echo"], &["--max-connections", "3"]);
    let address = server.address();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            thread::spawn(move || {
                let mut client = Client::connect(address);
                client.send(request("POST", "/echo", &["Content-Length: 5", "Connection: close"]));
                let body = format!("{number:05}");
                client.exchange(&body).is_clean(200, &body);
            })
        })
        .collect();
    for client in clients {
        client.join().expect("every client is served");
    }
}

/// The admin listener is there for the one who wants to know why nothing goes on.
#[test]
fn a_full_server_still_answers_its_admin() {
    let flags = [ADMIN, &["--max-connections", "1", "--max-exchanges", "1"]].concat();
    let server = Server::with(&["echo"], &flags);
    let _open = server.open("/echo");
    let _waiting = server.connect();
    assert_eq!(server.admin("/healthz").head.status, 200);
    assert_eq!(server.admin_json("/exchanges")["open"], 1);
}

#[test]
fn what_waits_for_clients_that_do_not_read_is_bounded() {
    let flags = [ADMIN, FAR_LIMITS, &["--max-buffered", "1MiB"]].concat();
    let server = Server::with(&["counter", "rot13"], &flags);
    let mut stalled = Vec::new();
    for _ in 0..64 {
        let mut client = server.connect();
        client.send(request("GET", "/counter", &[]));
        stalled.push(client);
    }
    let line = server.log().wait(0, &["exchange ended", "counter"]);
    assert!(line.contains("cut"), "{line}");
    server.settle();
    let buffered = server.metric("wasmplex_buffered_bytes", &[]);
    assert!(buffered <= MIB as f64, "{buffered} bytes wait");
    let open = server.metric("wasmplex_exchanges_open", &[("plugin", "counter")]);
    assert!((1.0..64.0).contains(&open), "{open} are open: some were cut, and not all");
    drop(stalled);
    server.metric_eventually("wasmplex_exchanges_open", &[("plugin", "counter")], 0.0);
    server.metric_eventually("wasmplex_buffered_bytes", &[], 0.0);
    server.open("/rot13").rot13_in_lock_step(100);
}

#[test]
fn what_waits_is_told_and_a_client_that_reads_gets_it_all() {
    let server = Server::with(&["counter"], &[ADMIN, FAR_LIMITS].concat());
    let mut client = server.connect();
    client.send(request("GET", "/counter?256", &[]));
    client.head();
    eventually("bytes that wait", || (server.metric("wasmplex_buffered_bytes", &[]) > 0.0).then_some(()));
    let (body, ending) = client.rest();
    assert_eq!((body.len(), ending), (16 * MIB, Ending::Clean));
    server.metric_eventually("wasmplex_buffered_bytes", &[], 0.0);
}

#[test]
fn refused_exchanges_are_counted_and_ran_no_plugin() {
    let server = Server::with(&["echo"], &[ADMIN, &["--max-exchanges", "1"]].concat());
    let mut open = server.open("/echo");
    for _ in 0..3 {
        let answer = server.get("/echo");
        answer.is_error(503);
        assert!(answer.head.field("retry-after").is_some(), "{:?}", answer.head);
    }
    server.metric_eventually("wasmplex_refused_total", &[("status", "503")], 3.0);
    assert_eq!(server.metric("wasmplex_exchanges_open", &[("plugin", "echo")]), 1.0);
    open.send_last_chunk();
    open.rest();
    server.metric_eventually("wasmplex_exchanges_total", &[("plugin", "echo")], 1.0);
}

#[test]
fn bounds_that_cannot_be() {
    let folder = Folder::of(&["rot13"]);
    for (flag, value) in [
        ("--max-connections", "0"),
        ("--max-connections", "some"),
        ("--max-buffered", "much"),
        ("--memory-per-exchange", "off"),
        ("--cpu-per-exchange", "0s"),
        ("--emitted", "some"),
        ("--log-lines", "1KiB"),
        ("--max-emitted", "some"),
        ("--max-cpu-per-call", "off"),
        ("--access-log", "maybe"),
        ("--admin", "nonsense"),
        ("--spool", "off"),
        ("--max-spool", "much"),
    ] {
        let mut command = wasmplex(&["serve", "--listen", "127.0.0.1:0", flag, value, "--plugins"]);
        let finished = ran(command.arg(folder.path()));
        assert_eq!(finished.code, Some(2), "{flag} {value}: {}", finished.stderr);
        assert!(finished.stderr.contains(flag), "{flag} {value}: {}", finished.stderr);
    }
}
