//! A named pipe where a file is expected.
//!
//! The host looked whether a file is a regular one, and then opened it: a named pipe that took its place
//! in between made it wait for somebody to write. Nothing was loaded any more then, not even at SIGHUP.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::*;

#[test]
fn a_named_pipe_in_the_place_of_a_plugin_holds_up_nobody() {
    goes_on("pipe.wat", version_plugin("P").as_bytes());
}

#[test]
fn nor_does_one_in_the_place_of_a_manifest() {
    goes_on("tell.json", b"{}");
}

#[test]
fn nor_does_one_in_the_place_of_the_routes() {
    goes_on("routes.json", b"{}");
}

/// A file and a named pipe take the place of each other; then the pipe stays. All the time other
/// changes are seen.
#[track_caller]
fn goes_on(name: &str, contents: &[u8]) {
    let server = Server::telling(&["--watch", "events"]);
    let folder = server.folder().path();
    server.folder().write(".file", contents);
    make_pipe(&folder.join(".pipe"));
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            // With an end of its own, for the case that the test fails.
            let begun = Instant::now();
            while !stop.load(Ordering::Relaxed) && begun.elapsed() < 3 * DEADLINE {
                for source in [".file", ".pipe"] {
                    place(&folder.join(source), &folder.join(name));
                }
                let _ = fs::remove_file(folder.join(name));
            }
        });
        let begun = Instant::now();
        for round in 0.. {
            if begun.elapsed() > Duration::from_secs(2) {
                break;
            }
            server.signal("HUP");
            let other = format!("other{round}");
            server.folder().put(&other, "A");
            server.serves(&other, "A");
            server.folder().remove(&format!("{other}.wat"));
            server.serves_no(&other);
        }
        stop.store(true, Ordering::Relaxed);
    });
    place(&folder.join(".pipe"), &folder.join(name));
    let mark = server.log().mark();
    server.signal("HUP");
    server.log().wait(mark, &[name, "not a regular file"]);
    server.folder().put("last", "A");
    server.serves("last", "A");
}

/// Puts a file, or what it is, in the place of another in one step.
fn place(source: &Path, target: &Path) {
    let link = source.with_extension("link");
    fs::hard_link(source, &link).expect("link a file");
    fs::rename(&link, target).expect("rename a link");
    // Two names of the same file: the rename has left both.
    let _ = fs::remove_file(&link);
}

#[track_caller]
fn make_pipe(path: &Path) {
    let status = std::process::Command::new("mkfifo").arg(path).status();
    assert!(status.expect("run mkfifo").success(), "mkfifo {}", path.display());
}
