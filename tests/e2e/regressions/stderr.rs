//! The host's own stderr, when it does not take what is written.
//!
//! Log lines were written with a macro that panics when stderr cannot take them, and some of those
//! writes happened while an instance was being dropped: the panic in a drop aborted the process. And
//! they were written where they were made, on the threads that serve: a pipe that was full stopped
//! every exchange, and the signals too.

use std::fs::File;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::*;

#[test]
fn a_log_that_cannot_be_written_harms_nobody() {
    let mut deserted = Unheard::start(&["partial_line", "rot13"], Stdio::piped());
    drop(deserted.child.stderr.take());
    serves_on(deserted);
    let full = File::options().write(true).open("/dev/full").expect("open /dev/full");
    serves_on(Unheard::start(&["partial_line", "rot13"], full.into()));
}

#[test]
fn a_log_that_nobody_reads_stops_nobody() {
    // A pipe holds 64 KiB; two thousand debug lines are several times as much.
    let mut server = Unheard::start(&["rot13"], Stdio::piped());
    let mut client = Client::connect(server.address);
    for _ in 0..2000 {
        client.exchange(request("GET", "/rot13", &[])).is_clean(200, "");
    }
    drop(client);
    server.ends_well();
}

/// WASI hands on what is written to stderr piece by piece, and each newline makes a log line: two
/// gigabytes of newlines in one call, which no limit interrupted, held a thread and silenced others.
#[test]
fn a_flood_of_newlines_in_one_call() {
    let server = Server::with(&["stderr_bomb", "rot13"], &["--memory", "64MiB"]);
    let canary = Canary::start(&server);
    let begun = Instant::now();
    let answer = server.post("/stderr_bomb", b"go");
    let took = begun.elapsed();
    assert_eq!(answer.head.status, 200);
    assert!(took < Duration::from_secs(6), "it took {took:?}");
    canary.sings(3);
    canary.stop();
}

/// The answers are right whatever happens to the log, several times over.
#[track_caller]
fn serves_on(mut server: Unheard) {
    for round in 0..3 {
        println!("round {round}");
        server.post("/partial_line", "Hello").is_clean(200, "Hello");
        server.post("/partial_line?trap", "Hello").is_cut("");
        server.post("/rot13", "Hello").is_clean(200, "Uryyb");
    }
    server.ends_well();
}

/// A server whose stderr is in a bad way.
struct Unheard {
    child: Child,
    address: SocketAddr,
    _folder: Folder,
}

impl Unheard {
    #[track_caller]
    fn start(plugins: &[&str], stderr: Stdio) -> Unheard {
        let folder = Folder::of(plugins);
        let mut command = wasmplex(&["serve", "--listen", "127.0.0.1:0", "--log-level", "debug"]);
        command.arg("--plugins").arg(folder.path()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = command.spawn().expect("start the server");
        let line = Piped::new(child.stdout.take().expect("stdout is a pipe")).line();
        let address = line.strip_prefix("listening on http://").expect(&line);
        Unheard { child, address: address.parse().expect("an address"), _folder: folder }
    }

    /// A whole chunked exchange on a connection of its own.
    #[track_caller]
    fn post(&self, target: &str, body: &str) -> Answer {
        let mut client = Client::connect(self.address);
        let head = request("POST", target, &[CHUNKED]);
        client.exchange([&head, &wire_chunk(body)[..], LAST_CHUNK].concat())
    }

    /// It obeys a signal, and its exit code is 0.
    #[track_caller]
    fn ends_well(&mut self) {
        let kill = format!("kill -TERM {}", self.child.id());
        let status = Command::new("sh").args(["-c", &kill]).status();
        assert!(status.expect("run sh").success(), "{kill}");
        let child = &mut self.child;
        let status = eventually("the server's end", || child.try_wait().expect("its status"));
        assert_eq!(status.code(), Some(0), "{status}");
    }
}

impl Drop for Unheard {
    fn drop(&mut self) {
        // Both fail only when the child has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
