//! HEAD: an answer without a body is over when its head is out.
//!
//! What a plugin pushes at a HEAD goes nowhere. The host went on asking such a plugin for more, and
//! since nothing is written for it, nothing told the host that the client had left: every HEAD held
//! an exchange for as long as the server ran, and with `--max-exchanges` of them it was closed.

use crate::harness::*;

/// A plugin that never ends: each of its timers says something and sets the next one.
fn ticking() -> Script {
    Script::new().end(quiet(Act::SetTimer)).timer(say(Act::SetTimer))
}

#[test]
fn a_head_of_a_plugin_that_pushes_holds_no_exchange() {
    let server = Server::with(&["scripted", "echo"], &[ADMIN, &["--max-exchanges", "4"]].concat());
    let target = ticking().target();
    for target in [target.clone(), target.replace("scripted", "scripted+echo")] {
        // More of them than there are places, one after the other.
        for _ in 0..10 {
            let mut client = server.connect();
            client.send(request("HEAD", &target, &[]));
            assert_eq!(client.head_without_body().status, 200, "{target}");
            drop(client);
            server.metric_eventually("wasmplex_exchanges_open", &[], 0.0);
        }
    }
    server.post("/echo", b"Hello").is_clean(200, "Hello");
    server.metric_eventually("wasmplex_connections_open", &[], 0.0);
    server.is_idle();
}

#[test]
fn the_request_after_such_a_head_is_answered() {
    let server = Server::with(&["scripted", "echo"], &["--keep-alive-timeout", "10m"]);
    let target = ticking().target();
    for target in [target.clone(), target.replace("scripted", "scripted+echo")] {
        let mut client = server.connect();
        for _ in 0..3 {
            client.send(request("HEAD", &target, &[]));
            assert_eq!(client.head_without_body().status, 200, "{target}");
            client.send(request("POST", "/echo", &["Content-Length: 5"]));
            client.exchange("Hello").is_clean(200, "Hello");
        }
    }
}
