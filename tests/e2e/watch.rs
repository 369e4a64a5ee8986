//! `--watch` and SIGHUP: how the server learns that the folder has changed.

use std::fs::{self, File};
use std::thread;
use std::time::Duration;

use crate::harness::*;

const OFF: &[&str] = &["--watch", "off"];

#[test]
fn polling_sees_what_events_see() {
    let server = Server::telling(&["--watch", "poll", "--poll-interval", "100ms"]);
    server.folder().put("tell", "B");
    server.serves("tell", "B");
    server.folder().install("tell.wat", version_plugin("C").as_bytes());
    server.serves("tell", "C");
    server.folder().put("other", "A");
    server.serves("other", "A");
    server.folder().write("other.wat", b"broken");
    server.log().wait(0, &["not loaded", "other.wat"]);
    assert_eq!(server.version("other").as_deref(), Some("A"));
    server.folder().remove("other.wat");
    server.serves_no("other");
    let store = Folder::new();
    store.put("tell", "D");
    server.folder().symlink(store.path().join("tell.wat"), "tell.wat");
    server.serves("tell", "D");
    store.put("tell", "E");
    server.serves("tell", "E");
}

#[test]
fn polling_leaves_a_slow_copy_alone() {
    use std::io::Write;
    let server = Server::telling(&["--watch", "poll", "--poll-interval", "50ms"]);
    let mut copy = File::create(server.folder().path().join("tell.wat")).expect("open for writing");
    copy.write_all(version_plugin("B").as_bytes()).expect("write");
    for _ in 0..12 {
        assert_eq!(server.version("tell").as_deref(), Some("A"));
        // The time that passes between two pieces is what is tested.
        thread::sleep(Duration::from_millis(100));
        copy.write_all(b";; and so on\n").expect("write");
    }
    drop(copy);
    server.serves("tell", "B");
    assert_eq!(server.log().count(0, &["not loaded"]), 0);
}

#[test]
fn switched_off_nothing_is_seen_until_sighup() {
    let server = Server::telling(OFF);
    server.folder().put("tell", "B");
    server.folder().put("new", "A");
    // Longer than the slow rescan takes to come round: that time is what is tested.
    thread::sleep(Duration::from_millis(2500));
    assert_eq!(server.version("tell").as_deref(), Some("A"));
    assert_eq!(server.version("new"), None);
    server.signal("HUP");
    server.serves("tell", "B");
    server.serves("new", "A");
    server.folder().remove("new.wat");
    server.signal("HUP");
    server.serves_no("new");
}

#[test]
fn sighup_keeps_the_last_good_version_as_well() {
    let server = Server::telling(OFF);
    server.folder().write("tell.wat", b"broken");
    server.signal("HUP");
    server.log().wait(0, &["not loaded", "tell.wat"]);
    assert_eq!(server.version("tell").as_deref(), Some("A"));
}

/// A file whose length and time are as before looks unchanged; SIGHUP reads it all the same.
#[test]
fn sighup_reads_every_file_again() {
    for mode in ["events", "poll", "off"] {
        let server = Server::telling(&["--watch", mode, "--poll-interval", "1h"]);
        let path = server.folder().path().join("tell.wat");
        let time = fs::metadata(&path).and_then(|metadata| metadata.modified()).expect("a time");
        server.folder().put("tell", "B");
        let file = File::options().append(true).open(&path).expect("open");
        file.set_modified(time).expect("turn the clock back");
        drop(file);
        server.signal("HUP");
        server.serves("tell", "B");
    }
}

#[test]
fn sighup_harms_no_exchange() {
    let server = Server::with(&["rot13"], &[]);
    let canary = Canary::start(&server);
    for _ in 0..20 {
        server.signal("HUP");
        canary.sings(2);
    }
    canary.stop();
}

#[test]
fn sighup_while_draining_does_not_end_it() {
    let mut server = Server::with(&["rot13"], &["--drain-timeout", "10m"]);
    let mut client = server.open("/rot13");
    server.signal("TERM");
    server.wait_until_closed();
    server.signal("HUP");
    client.rot13_in_lock_step(20);
    drop(client);
    assert_eq!(server.wait_for_exit().code(), Some(0));
}

#[test]
fn ways_to_watch_that_there_are_not() {
    let folder = Folder::of(&["rot13"]);
    for (flag, value) in [("--watch", "sometimes"), ("--poll-interval", "0s"), ("--poll-interval", "often")] {
        let mut command = wasmplex(&["serve", "--listen", "127.0.0.1:0", flag, value, "--plugins"]);
        let finished = ran(command.arg(folder.path()));
        assert_eq!(finished.code, Some(2), "{}", finished.stderr);
        assert!(finished.stderr.contains(value), "{}", finished.stderr);
    }
}
