//! A file that was deleted between the listing of the folder and the look at the file itself was
//! taken for one that cannot be read: an error in the log, a generation with it as stale, and only
//! then the one without it.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::*;

/// Others in the folder, so that a look takes its time.
const OTHERS: usize = 150;

const DELETIONS: u64 = 150;

#[test]
fn a_file_that_is_deleted_during_a_look_is_gone_and_not_broken() {
    let folder = Folder::new();
    for number in 0..OTHERS {
        folder.put(&format!("other{number}"), "A");
    }
    folder.put("tell", "A");
    let server = Server::serve(folder, ADMIN);
    let (note, stop) = (server.folder().path().join("note.txt"), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            // Notices of something else, so that there is always a look; with an end of its own, for
            // the case that the test fails.
            let begun = Instant::now();
            while !stop.load(Ordering::Relaxed) && begun.elapsed() < 3 * DEADLINE {
                fs::write(&note, b"").expect("write a file that is no plugin");
                thread::sleep(Duration::from_millis(1));
            }
        });
        let mut random = Random::new(1);
        for _ in 0..DELETIONS {
            // Not to wait for anything: the deletion is to fall anywhere in a look.
            thread::sleep(Duration::from_micros(random.next() % 12_000));
            server.folder().remove("tell.wat");
            server.serves_no("tell");
            server.folder().install("tell.wat", version_plugin("A").as_bytes());
            server.serves("tell", "A");
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(server.metric("wasmplex_reloads_total", &[("result", "bad")]), 0.0);
    assert_eq!(server.generation(), 1 + 2 * DELETIONS, "one generation for each change");
}
