//! What the host is started with, and what happens to it before it serves.

use std::process::Command;

use crate::harness::*;

/// A write beyond `ulimit -f` is a signal first, and nobody was there to hear it: the cache that keeps
/// compiled code, or a plugin that writes to its folder, ended the host.
#[test]
fn a_file_that_may_not_grow_ends_nobody() {
    let folder = Folder::of(&["echo"]);
    let cache = Folder::new();
    let mut inner = wasmplex(&["serve", "--listen", "127.0.0.1:0", "--plugins"]);
    inner.arg(folder.path()).arg("--cache").arg(cache.path().join("code"));
    let mut command = Command::new("sh");
    // In blocks of 512 bytes or of 1 KiB: less than any compiled code in each case.
    command.args(["-c", "ulimit -f 4 && exec \"$0\" \"$@\""]);
    command.arg(inner.get_program()).args(inner.get_args());
    let mut server = Server::spawn(folder, &mut command);
    server.post("/echo", b"Hello").is_clean(200, "Hello");
    let text = std::fs::read_to_string(fixture("echo")).expect("read a fixture");
    server.folder().write("later.wat", format!("{text};; later").as_bytes());
    eventually("a plugin that comes later", || {
        (server.post("/later", b"Hello").text() == "Hello").then_some(())
    });
    server.signal("TERM");
    assert_eq!(server.wait_for_exit().code(), Some(0));
}

/// Whoever reloads does not know whether the host has loaded yet. The signal ended it.
#[test]
fn a_reload_while_it_starts_does_not_end_it() {
    let folder = Folder::of(&["rot13"]);
    let text = std::fs::read_to_string(fixture("loop_in_start")).expect("read a fixture");
    for number in 0..4 {
        folder.write(&format!("loop{number}.wat"), format!("{text};; {number}").as_bytes());
    }
    let mut command = wasmplex(&["serve", "--listen", "127.0.0.1:0", "--cpu-per-call", "500ms"]);
    let mut process = Process::spawn(command.arg("--plugins").arg(folder.path()));
    // The first is through, three more are to come.
    process.stderr.wait(0, &["not loaded", "loop0"]);
    process.signal("HUP");
    let line = process.stdout.line();
    let address = line.strip_prefix("listening on http://").expect(&line).parse();
    let mut client = Client::connect(address.expect("an address"));
    client.send(request("POST", "/rot13", &["Content-Length: 5"]));
    client.exchange("Hello").is_clean(200, "Uryyb");
    process.signal("TERM");
    assert_eq!(process.wait().code(), Some(0));
}

/// A listener took a place for the connection that it waited for: with one place and two listeners, one
/// of them never answered.
#[test]
fn listeners_do_not_keep_places_from_each_other() {
    let folder = Folder::of(&["echo"]);
    let flags = ["serve", "--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--max-connections", "1"];
    let mut command = wasmplex(&flags);
    command.arg("--plugins").arg(folder.path());
    let mut server = Server::spawn(folder, &mut command);
    let line = server.process().stdout.line();
    let second = line.strip_prefix("listening on http://").expect(&line).parse().expect("an address");
    let addresses = [server.address(), second];
    for address in [addresses, addresses, [second, second], addresses].concat() {
        let mut client = Client::connect(address);
        client.send(request("POST", "/echo", &["Content-Length: 5", "Connection: close"]));
        client.exchange("Hello").is_clean(200, "Hello");
    }
}
