//! The many ways in which people and programs write files.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::harness::*;

#[test]
fn a_link_in_the_folder_is_turned_to_another_file() {
    let store = Folder::new();
    store.put("a", "A");
    store.put("b", "B");
    let folder = Folder::new();
    folder.symlink(store.path().join("a.wat"), "tell.wat");
    let server = Server::serve(folder, &[]);
    server.serves("tell", "A");
    for (file, letter) in [("b.wat", "B"), ("a.wat", "A")] {
        server.folder().symlink(store.path().join(file), "tell.wat");
        server.serves("tell", letter);
    }
    server.folder().remove("tell.wat");
    server.serves_no("tell");
}

#[test]
fn the_file_behind_a_link_changes() {
    let store = Folder::new();
    store.put("tell", "A");
    let folder = Folder::new();
    folder.symlink(store.path().join("tell.wat"), "tell.wat");
    let server = Server::serve(folder, &[]);
    server.serves("tell", "A");
    store.put("tell", "B");
    server.serves("tell", "B");
    store.install("tell.wat", version_plugin("C").as_bytes());
    server.serves("tell", "C");
}

#[test]
fn a_link_to_nothing_is_not_loaded_and_comes_to_life() {
    let store = Folder::new();
    let server = Server::telling(&[]);
    server.folder().symlink(store.path().join("later.wat"), "later.wat");
    server.folder().put("tell", "B");
    server.serves("tell", "B");
    server.get("/later").is_error(404);
    store.put("later", "A");
    server.serves("later", "A");
}

#[test]
fn the_folder_itself_is_a_link_to_releases() {
    let releases = Folder::new();
    for (release, letter) in [("1", "A"), ("2", "B"), ("3", "C")] {
        release_of(&releases, release, letter);
    }
    releases.symlink("1", "current");
    let plugins = releases.path().join("current");
    let server = Server::serve_at(releases, &plugins, &[]);
    server.serves("tell", "A");
    for (release, letter) in [("2", "B"), ("3", "C"), ("1", "A")] {
        server.folder().symlink(release, "current");
        server.serves("tell", letter);
    }
    // It watches the one it has now.
    fs::write(server.folder().path().join("1/tell.wat"), version_plugin("D")).expect("write");
    server.serves("tell", "D");
}

/// A volume of a config map: every file is a link through `..data`, which is swapped.
#[test]
fn the_links_of_kubernetes() {
    let folder = Folder::new();
    release_of(&folder, "..2024_01", "A");
    folder.symlink("..2024_01", "..data");
    folder.symlink("..data/tell.wat", "tell.wat");
    let server = Server::serve(folder, &[]);
    server.serves("tell", "A");
    for (release, before, letter) in [("..2024_02", "..2024_01", "B"), ("..2024_03", "..2024_02", "C")] {
        release_of(server.folder(), release, letter);
        server.folder().symlink(release, "..data");
        fs::remove_dir_all(server.folder().path().join(before)).expect("remove the old release");
        server.serves("tell", letter);
    }
    assert_eq!(server.log().count(0, &["removed"]), 0);
}

#[test]
fn the_way_of_vim() {
    let server = Server::telling(&[]);
    for letter in ["B", "C"] {
        let folder = server.folder();
        folder.write("4913", b"");
        folder.remove("4913");
        folder.rename("tell.wat", "tell.wat~");
        folder.put("tell", letter);
        folder.remove("tell.wat~");
        server.serves("tell", letter);
    }
    assert_eq!(server.log().count(0, &["not loaded"]), 0);
}

#[test]
fn the_way_of_editors_that_write_elsewhere_and_rename() {
    let server = Server::telling(&[]);
    for letter in ["B", "C"] {
        let temporary = format!("tell.wat.tmp.{letter}");
        server.folder().write(&temporary, version_plugin(letter).as_bytes());
        server.folder().rename(&temporary, "tell.wat");
        server.serves("tell", letter);
    }
    // From another folder, as `mv` does.
    let elsewhere = Folder::new();
    elsewhere.put("tell", "D");
    let target = server.folder().path().join("tell.wat");
    fs::rename(elsewhere.path().join("tell.wat"), target).expect("move");
    server.serves("tell", "D");
}

/// A file that is copied slowly is whole and valid many times before it is finished: each piece of
/// it ends in a comment. Only the last one may be served.
#[test]
fn a_slow_copy_is_left_alone_until_it_is_whole() {
    let server = Server::telling(ADMIN);
    let generation = server.generation();
    let mut copy = File::create(server.folder().path().join("tell.wat")).expect("open for writing");
    copy.write_all(version_plugin("B").as_bytes()).expect("write");
    for _ in 0..15 {
        assert_eq!(server.version("tell").as_deref(), Some("A"));
        // The time that passes between two pieces is what is tested.
        thread::sleep(Duration::from_millis(100));
        copy.write_all(b";; and so on\n").expect("write");
    }
    assert_eq!(server.version("tell").as_deref(), Some("A"));
    drop(copy);
    server.serves("tell", "B");
    assert_eq!(server.generation(), generation + 1);
    let size = fs::metadata(server.folder().path().join("tell.wat")).expect("its size").len();
    assert_eq!(server.plugin("tell")["size"].as_u64(), Some(size), "all of it");
    assert_eq!(server.log().count(0, &["not loaded"]), 0);
}

#[test]
fn a_slow_copy_of_a_new_plugin_is_not_there_until_it_is_whole() {
    let server = Server::of(&["echo"]);
    let text = version_plugin("A");
    let mut copy = File::create(server.folder().path().join("tell.wat")).expect("open for writing");
    for piece in text.as_bytes().chunks(text.len().div_ceil(8)) {
        server.get("/tell").is_error(404);
        copy.write_all(piece).expect("write");
        // The time that passes between two pieces is what is tested.
        thread::sleep(Duration::from_millis(100));
    }
    drop(copy);
    server.serves("tell", "A");
    assert_eq!(server.log().count(0, &["not loaded"]), 0);
}

/// The notice of one file must not have another one read that has just been begun.
#[test]
fn a_slow_copy_is_left_alone_while_others_beside_it_are_quick() {
    let server = Server::telling(&[]);
    for round in 0..20 {
        let (quick, slow) = (format!("quick-{round}"), format!("slow-{round}"));
        server.folder().put(&quick, "A");
        let mut copy = File::create(server.folder().path().join(format!("{slow}.wat"))).expect("open");
        copy.write_all(version_plugin("X").as_bytes()).expect("write");
        server.serves(&quick, "A");
        assert_eq!(server.version(&slow), None, "round {round}");
        copy.write_all(b";; and so on\n").expect("write");
        server.folder().put(&quick, "B");
        server.serves(&quick, "B");
        assert_eq!(server.version(&slow), None, "round {round}");
        drop(copy);
        server.serves(&slow, "X");
    }
    assert_eq!(server.log().count(0, &["not loaded"]), 0);
}

/// Some programs keep a file open when they are done with it.
#[test]
fn a_file_that_stays_open_settles_when_nothing_comes_any_more() {
    let server = Server::telling(&[]);
    let mut kept = File::create(server.folder().path().join("tell.wat")).expect("open for writing");
    kept.write_all(version_plugin("B").as_bytes()).expect("write");
    server.serves("tell", "B");
    drop(kept);
    server.serves("tell", "B");
}

#[test]
fn a_folder_that_is_missing_for_a_while_changes_nothing() {
    let parent = Folder::new();
    let plugins = parent.folder("plugins");
    fs::write(plugins.join("tell.wat"), version_plugin("A")).expect("write");
    let server = Server::serve_at(parent, &plugins, ADMIN);
    let generation = server.generation();
    server.folder().rename("plugins", "elsewhere");
    // Longer than the rescan takes to come round: that time is what is tested.
    thread::sleep(Duration::from_millis(2500));
    assert_eq!(server.version("tell").as_deref(), Some("A"));
    assert_eq!(server.generation(), generation);
    server.folder().folder("plugins");
    fs::write(plugins.join("tell.wat"), version_plugin("B")).expect("write");
    server.serves("tell", "B");
    // It watches the new folder, and not the old one.
    fs::write(server.folder().path().join("elsewhere/tell.wat"), version_plugin("X")).expect("write");
    fs::write(plugins.join("tell.wat"), version_plugin("C")).expect("write");
    server.serves("tell", "C");
}

#[test]
fn a_folder_that_is_removed_with_all_that_is_in_it_and_made_again() {
    let parent = Folder::new();
    let plugins = parent.folder("plugins");
    fs::write(plugins.join("tell.wat"), version_plugin("A")).expect("write");
    let server = Server::serve_at(parent, &plugins, &[]);
    server.serves("tell", "A");
    fs::remove_dir_all(&plugins).expect("remove the folder");
    server.folder().folder("plugins");
    fs::write(plugins.join("tell.wat"), version_plugin("B")).expect("write");
    server.serves("tell", "B");
}

/// A folder of this name with one version in it.
fn release_of(parent: &Folder, release: &str, letter: &str) {
    let file = parent.folder(release).join(Path::new("tell.wat"));
    fs::write(file, version_plugin(letter)).expect("write a release");
}
