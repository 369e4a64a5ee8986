//! Compiled code on disk: it saves the second start its compiling, and is trusted only as far as it
//! can be proved to be what this server wrote.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use crate::harness::*;

#[test]
fn a_second_start_compiles_nothing() {
    let cache = Cache::new();
    let first = cache.serve("A");
    assert!(!cached(&first));
    first.log().wait(0, &["loaded", "compile_ms", "cached=false"]);
    drop(first);
    assert!(!cache.files().is_empty(), "something was kept");
    let second = cache.serve("A");
    assert!(cached(&second));
    second.log().wait(0, &["loaded", "compile_ms", "cached=true"]);
    assert_eq!(second.version("tell").as_deref(), Some("A"));
    drop(second);
    let other = cache.serve("B");
    assert!(!cached(&other));
    assert_eq!(other.version("tell").as_deref(), Some("B"));
}

#[test]
fn what_is_kept_goes_by_content_and_not_by_name() {
    let cache = Cache::new();
    drop(cache.serve("A"));
    let folder = Folder::new();
    folder.put("other", "A");
    let server = Server::serve(folder, &cache.flags());
    assert_eq!(server.plugin("other")["cached"], true);
    server.serves("other", "A");
}

#[test]
fn a_reload_uses_it_too() {
    let cache = Cache::new();
    let server = cache.serve("A");
    for (letter, known) in [("B", false), ("A", true), ("B", true), ("C", false)] {
        server.folder().put("tell", letter);
        server.serves("tell", letter);
        assert_eq!(cached(&server), known, "{letter}");
    }
}

#[test]
fn a_plugin_that_is_refused_is_refused_again() {
    let cache = Cache::new();
    for _ in 0..2 {
        let folder = Folder::of(&["buffer_null"]);
        let server = Server::serve(folder, &cache.flags());
        server.log().wait(0, &["not loaded", "buffer_null", "chunk_buffer"]);
        server.get("/buffer_null").is_error(404);
    }
}

#[test]
fn the_folder_is_made_for_nobody_else() {
    let cache = Cache::new();
    drop(cache.serve("A"));
    for path in [vec![cache.path.clone()], cache.files()].concat() {
        let mode = fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", path.display());
    }
}

#[test]
fn what_was_tampered_with_is_compiled_anew_and_replaced() {
    let flip = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1;
        bytes
    };
    let cache = Cache::new();
    drop(cache.serve("A"));
    let entry = cache.entry();
    let good = fs::read(&entry).expect("read the entry");
    let len = good.len();
    let mut mangled = vec![
        ("empty", Vec::new()),
        ("one byte", good[..1].to_vec()),
        ("the first half", good[..len / 2].to_vec()),
        ("all but a byte", good[..len - 1].to_vec()),
        ("one byte more", [&good[..], b"x"].concat()),
        ("foreign text", b"#!/bin/sh\necho this is no code\n".to_vec()),
        ("zeros", vec![0; len]),
    ];
    for at in [0, 1, 8, 40, len / 4, len / 2, len * 3 / 4, len - 33, len - 1] {
        mangled.push(("a bit turned", flip(&good, at.min(len - 1))));
    }
    for (what, bytes) in mangled {
        println!("{what}");
        fs::write(&entry, bytes).expect("write");
        let server = cache.serve("A");
        assert_eq!(server.version("tell").as_deref(), Some("A"), "{what}");
        assert!(!cached(&server), "{what}");
        drop(server);
        let server = cache.serve("A");
        assert!(cached(&server), "{what}: it was replaced");
    }
}

/// Whatever else is in the folder, a key perhaps: what becomes of it, the right code runs.
#[test]
fn every_other_file_may_be_lost_or_broken_as_well() {
    let cache = Cache::new();
    drop(cache.serve("A"));
    let entry = cache.entry();
    for file in cache.files().into_iter().filter(|file| *file != entry) {
        for contents in [Some(&b""[..]), Some(b"x"), Some(&[0; 64]), None] {
            println!("{}: {contents:?}", file.display());
            match contents {
                Some(contents) => fs::write(&file, contents).expect("write"),
                None => drop(fs::remove_file(&file)),
            }
            let server = cache.serve("A");
            assert_eq!(server.version("tell").as_deref(), Some("A"));
            drop(server);
            let server = cache.serve("A");
            assert_eq!(server.version("tell").as_deref(), Some("A"));
            assert!(cached(&server), "it has healed");
        }
    }
}

/// Both are good code that this server wrote: of another plugin.
#[test]
fn swapped_names_do_not_swap_code() {
    let cache = Cache::new();
    drop(cache.serve("A"));
    let a = cache.entry();
    let a_code = fs::read(&a).expect("read the entry");
    drop(cache.serve("B"));
    let entries = cache.files().into_iter().filter(|file| is_like(file, &a));
    let b = entries.into_iter().find(|file| *file != a).expect("an entry of its own");
    let b_code = fs::read(&b).expect("read the entry");
    fs::write(&a, &b_code).expect("write");
    fs::write(&b, &a_code).expect("write");
    for letter in ["A", "B"] {
        let server = cache.serve(letter);
        assert_eq!(server.version("tell").as_deref(), Some(letter));
        assert!(!cached(&server), "{letter}");
    }
    for letter in ["A", "B"] {
        assert!(cached(&cache.serve(letter)), "{letter} was replaced");
    }
}

#[test]
fn an_entry_of_another_cache_is_not_trusted() {
    let (mine, foreign) = (Cache::new(), Cache::new());
    drop(mine.serve("A"));
    drop(foreign.serve("A"));
    fs::copy(foreign.entry(), mine.entry()).expect("copy");
    let server = mine.serve("A");
    assert_eq!(server.version("tell").as_deref(), Some("A"));
    drop(server);
    assert!(cached(&mine.serve("A")));
}

#[test]
fn a_folder_that_others_can_write_is_not_used() {
    for mode in [0o777, 0o770, 0o702] {
        let cache = Cache::new();
        drop(cache.serve("A"));
        fs::set_permissions(&cache.path, fs::Permissions::from_mode(mode)).expect("chmod");
        let server = cache.serve("A");
        cache.is_not_used(&server);
    }
}

#[test]
fn an_entry_that_others_can_write_is_not_used() {
    let cache = Cache::new();
    drop(cache.serve("A"));
    fs::set_permissions(cache.entry(), fs::Permissions::from_mode(0o666)).expect("chmod");
    let server = cache.serve("A");
    assert_eq!(server.version("tell").as_deref(), Some("A"));
    drop(server);
    assert!(cached(&cache.serve("A")), "it was replaced");
}

#[test]
fn a_folder_of_somebody_else_is_not_used() {
    const NOBODY: u32 = 65534;
    let cache = Cache::new();
    drop(cache.serve("A"));
    if chown(&cache.path, Some(NOBODY), None).is_err() {
        println!("skipped: only root can give files away");
        return;
    }
    let server = cache.serve("A");
    cache.is_not_used(&server);
}

#[test]
fn a_folder_that_is_a_link_is_not_followed() {
    let parent = Folder::new();
    let real = Cache::new();
    drop(real.serve("A"));
    let link = parent.path().join("cache");
    symlink(&real.path, &link).expect("link");
    let before = real.files();
    let through = Cache { path: link, _parent: parent };
    through.is_not_used(&through.serve("A"));
    drop(through.serve("B"));
    assert_eq!(real.files(), before, "nothing came through the link");
}

#[test]
fn an_entry_that_is_a_link_is_not_followed() {
    let cache = Cache::new();
    drop(cache.serve("A"));
    let elsewhere = Folder::new();
    let target = elsewhere.path().join("target");
    let entry = cache.entry();
    // As good as it was, but elsewhere.
    fs::rename(&entry, &target).expect("move");
    symlink(&target, &entry).expect("link");
    let before = fs::read(&target).expect("read");
    let server = cache.serve("A");
    assert_eq!(server.version("tell").as_deref(), Some("A"));
    assert!(!cached(&server), "the link was followed");
    drop(server);
    assert!(fs::read(&target).expect("read") == before, "the link was written through");
    assert!(cached(&cache.serve("A")), "a file has taken its place");
    // A link to where nothing is must not make anything there.
    let nowhere = elsewhere.path().join("nowhere");
    fs::remove_file(&entry).expect("remove");
    symlink(&nowhere, &entry).expect("link");
    drop(cache.serve("A"));
    assert!(!nowhere.exists(), "written through a link");
}

#[test]
fn a_folder_that_cannot_be_is_no_reason_not_to_serve() {
    let parent = Folder::new();
    parent.write("file", b"");
    for path in ["/dev/null/cache", "/proc/nosuch/cache", &parent.path().join("file").display().to_string()] {
        let folder = Folder::new();
        folder.put("tell", "A");
        let server = Server::serve(folder, &[ADMIN, &["--cache", path]].concat());
        server.log().wait(0, &["WARN", "cache"]);
        assert_eq!(server.version("tell").as_deref(), Some("A"));
        assert!(!cached(&server));
    }
}

#[test]
fn off_is_off() {
    let cache = Cache::new();
    drop(cache.serve("A"));
    let before = cache.files();
    for _ in 0..2 {
        let folder = Folder::new();
        folder.put("tell", "A");
        let mut command = serve_command(&folder);
        command.args(["--cache", "off"]).env("XDG_CACHE_HOME", &cache.path).env("HOME", &cache.path);
        let server = Server::spawn(folder, &mut command);
        assert!(!cached(&server));
    }
    assert_eq!(cache.files(), before);
}

#[test]
fn where_it_is_by_default() {
    let homes = Folder::new();
    let (systemd, xdg, home) = (homes.path().join("s"), homes.path().join("x"), homes.folder("h"));
    for (variables, expected) in [
        (
            vec![("CACHE_DIRECTORY", &systemd), ("XDG_CACHE_HOME", &xdg), ("HOME", &home)],
            homes.path().join("s"),
        ),
        (vec![("XDG_CACHE_HOME", &xdg), ("HOME", &home)], xdg.join("wasmplex")),
        (vec![("HOME", &home)], home.join(".cache/wasmplex")),
    ] {
        let folder = Folder::new();
        folder.put("tell", "A");
        let mut command = serve_command(&folder);
        for name in ["WASMPLEX_CACHE", "CACHE_DIRECTORY", "XDG_CACHE_HOME", "HOME"] {
            command.env_remove(name);
        }
        command.envs(variables);
        assert!(!expected.exists());
        let server = Server::spawn(folder, &mut command);
        assert_eq!(server.version("tell").as_deref(), Some("A"));
        assert!(!files_below(&expected).is_empty(), "nothing in {}", expected.display());
    }
}

#[test]
fn looking_at_a_file_leaves_nothing_behind() {
    let homes = Folder::new();
    let mut command = wasmplex(&["inspect"]);
    command.env_remove("WASMPLEX_CACHE").env_remove("CACHE_DIRECTORY");
    command.env("XDG_CACHE_HOME", homes.path()).env("HOME", homes.path());
    let finished = ran(command.arg(fixture("rot13")));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(files_below(homes.path()).is_empty());
}

/// A cache folder that the server makes itself.
struct Cache {
    path: PathBuf,
    _parent: Folder,
}

impl Cache {
    fn new() -> Cache {
        let parent = Folder::new();
        Cache { path: parent.path().join("cache"), _parent: parent }
    }

    fn flags(&self) -> Vec<&str> {
        [ADMIN, &["--cache", self.path.to_str().expect("a plain path")]].concat()
    }

    /// A server of a version of "tell" with this cache.
    #[track_caller]
    fn serve(&self, letter: &str) -> Server {
        let folder = Folder::new();
        folder.put("tell", letter);
        Server::serve(folder, &self.flags())
    }

    fn files(&self) -> Vec<PathBuf> {
        files_below(&self.path)
    }

    /// The largest file: the compiled code.
    #[track_caller]
    fn entry(&self) -> PathBuf {
        let size = |file: &PathBuf| fs::metadata(file).map_or(0, |metadata| metadata.len());
        self.files().into_iter().max_by_key(size).expect("an entry")
    }

    /// The server says why, compiles for itself, and serves.
    #[track_caller]
    fn is_not_used(&self, server: &Server) {
        server.log().wait(0, &["WARN", "cache"]);
        assert!(!cached(server));
        assert_eq!(server.version("tell").as_deref(), Some("A"));
    }
}

#[track_caller]
fn cached(server: &Server) -> bool {
    server.plugin("tell")["cached"].as_bool().expect("a truth value")
}

fn serve_command(folder: &Folder) -> std::process::Command {
    let mut command = wasmplex(&["serve", "--listen", "127.0.0.1:0"]);
    command.args(ADMIN).arg("--plugins").arg(folder.path());
    command
}

/// All files in and below a folder, sorted.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.is_symlink() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Whether two files are of one kind: in the same folder, with the same ending.
fn is_like(file: &Path, other: &Path) -> bool {
    let large = fs::metadata(file).is_ok_and(|metadata| metadata.len() > KIB as u64);
    large && file.extension() == other.extension()
}
