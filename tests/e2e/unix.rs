//! Unix sockets: `--listen unix:PATH` and `--tcp unix:PATH=PLUGIN`.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use crate::harness::*;

/// The longest path of a socket (`sun_path` less its NUL).
const LONGEST: usize = 107;

/// A server that listens at this path only.
#[track_caller]
fn serve_at(path: &Path, folder: Folder, flags: &[&str]) -> Server {
    let mut command = wasmplex(&["serve", "--log-level", "debug", "--listen"]);
    command.arg(unix(path)).args(flags).arg("--plugins").arg(folder.path());
    let server = Server::spawn(folder, &mut command);
    assert_eq!(server.place(), unix(path));
    server
}

/// The same in a folder of its own.
#[track_caller]
fn serve(plugins: &[&str], flags: &[&str]) -> (Server, PathBuf, Folder) {
    let place = Folder::new();
    let path = place.path().join("w.sock");
    let server = serve_at(&path, Folder::of(plugins), flags);
    (server, path, place)
}

/// A server with a raw listener at a path, beside the ordinary one.
#[track_caller]
fn serve_raw(plugins: &[&str], route: &str, flags: &[&str]) -> (Server, PathBuf, Folder) {
    let place = Folder::new();
    let path = place.path().join("raw.sock");
    let tcp = format!("{}={route}", unix(&path));
    let mut server = Server::with(plugins, &[&["--tcp", &tcp], flags].concat());
    assert_eq!(server.next_place(), format!("{} for {route}", unix(&path)));
    (server, path, place)
}

/// What a server says that must not start, and with which code it ends.
#[track_caller]
fn refused_at(path: &Path) -> String {
    let folder = Folder::of(&["rot13"]);
    let mut command = wasmplex(&["serve", "--listen"]);
    let finished = ran(command.arg(unix(path)).arg("--plugins").arg(folder.path()));
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert!(finished.stdout.is_empty(), "it served");
    let said = finished.stderr;
    assert!(said.contains(&unix(path)) && !said.contains("panicked"), "{said}");
    said
}

fn unix(path: &Path) -> String {
    format!("unix:{}", path.display())
}

fn post(target: &str, body: &str) -> Vec<u8> {
    let length = format!("Content-Length: {}", body.len());
    [request("POST", target, &[&length]), body.as_bytes().to_vec()].concat()
}

#[test]
fn http_in_lock_step_and_keep_alive() {
    let (_server, path, _place) = serve(&["rot13"], &[]);
    let mut client = Client::connect_unix(&path);
    for _ in 0..3 {
        client.send(request("POST", "/rot13", &[CHUNKED]));
        assert_eq!(client.head().status, 200);
        client.rot13_in_lock_step(200);
    }
    client.exchange(post("/rot13", "Hello")).is_clean(200, "Uryyb");
    // Pipelined.
    client.send([post("/rot13", "Hello"), request("GET", "/nobody", &[]), post("/rot13", "World")].concat());
    client.answer().is_clean(200, "Uryyb");
    client.answer().is_error(404);
    client.answer().is_clean(200, "Jbeyq");
}

#[test]
fn a_body_that_was_all_is_answered_after_a_half_close() {
    let (_server, path, _place) = serve(&["rot13"], &[]);
    let mut client = Client::connect_unix(&path);
    client.send(post("/rot13", "Hello"));
    client.half_close();
    client.answer().is_clean(200, "Uryyb");
    client.is_closed();
}

#[test]
fn an_incomplete_body_and_a_failure_are_cut() {
    let (_server, path, _place) = serve(&["rot13", "scripted"], &[]);
    let mut client = Client::connect_unix(&path);
    client.send(request("POST", "/rot13", &["Content-Length: 10"]));
    client.send("Hello");
    client.half_close();
    client.answer().is_cut("Uryyb");
    let mut client = Client::connect_unix(&path);
    client.send(post(&Script::new().chunk(say(Act::Trap)).target(), "a body"));
    client.answer().is_cut("chunk;");
}

#[test]
fn a_raw_upgrade() {
    let (_server, path, _place) = serve(&["rot13"], FAR_LIMITS);
    Client::connect_unix(&path).upgrade("/rot13").rot13_raw_and_whole();
}

#[test]
fn raw_connections() {
    let (_server, path, _place) = serve_raw(&["rot13", "echo"], "rot13+echo", FAR_LIMITS);
    Client::connect_unix(&path).raw().rot13_raw_and_whole();
}

#[test]
fn the_client_of_a_raw_connection_ends_first_and_still_listens() {
    let (_server, path, _place) = serve_raw(&["lifecycle"], "lifecycle", &[]);
    let mut client = Client::connect_unix(&path).raw();
    client.send("x");
    client.half_close();
    assert_eq!(client.rest(), (b"siboce".to_vec(), Ending::Clean));
}

#[test]
fn the_plugin_of_a_raw_connection_ends_first() {
    let folder = Folder::new();
    folder.program("command", &Program::new().take(1).say("enough"));
    let path = folder.path().join("raw.sock");
    let tcp = format!("{}=command", unix(&path));
    let _server = Server::serve(folder, &["--tcp", &tcp]);
    let mut client = Client::connect_unix(&path).raw();
    client.send("x");
    assert_eq!(client.rest(), (b"enough".to_vec(), Ending::Clean));
    client.send("what nobody wants");
    client.half_close();
    client.is_closed();
}

#[test]
fn what_was_emitted_before_a_failure_arrives() {
    let folder = Folder::new();
    folder.write("fussy.wat", fussy(false).as_bytes());
    let path = folder.path().join("raw.sock");
    let tcp = format!("{}=fussy", unix(&path));
    let server = Server::serve(folder, &["--tcp", &tcp]);
    let mut client = Client::connect_unix(&path).raw();
    client.send("Hello");
    client.expect("Hello");
    client.send("X");
    // A Unix socket has no RST, so that this looks like an end; the log knows better.
    assert_eq!(client.rest().0, b"");
    server.log().wait(0, &["exchange ended", "fussy", "failed", "unix"]);
}

#[test]
fn the_client_is_called_unix() {
    let (server, path, _place) = serve(&["show", "rot13"], &["--admin", "127.0.0.1:0", "--log", "json"]);
    let mut client = Client::connect_unix(&path);
    client.exchange(request("GET", "/show?:peer", &[])).is_clean(200, "unix");
    let line = server.log().wait(0, &["exchange ended", "show"]);
    let line: serde_json::Value = serde_json::from_str(&line).expect("a line of JSON");
    assert_eq!((&line["peer"], &line["way"]), (&"unix".into(), &"http".into()), "{line}");
    client.send(request("POST", "/rot13", &[CHUNKED]));
    client.head();
    let listed = server.admin_json("/exchanges")["exchanges"][0].clone();
    assert_eq!(listed["peer"], "unix", "{listed}");
}

#[test]
fn the_mode_is_660_or_what_is_asked_for() {
    for (flags, mode) in [
        (&[][..], 0o660),
        (&["--unix-mode", "600"], 0o600),
        (&["--unix-mode", "0666"], 0o666),
        (&["--unix-mode", "777"], 0o777),
    ] {
        let (_server, path, place) = serve(&["rot13"], flags);
        let file = fs::symlink_metadata(&path).expect("the socket");
        assert!(file.file_type().is_socket());
        assert_eq!(file.permissions().mode() & 0o7777, mode, "{flags:?}");
        assert_eq!(names(&place), ["w.sock"], "nothing is left beside it");
    }
    for mode in ["rw-rw----", "888", "1777", "-1", ""] {
        let finished = ran(&mut wasmplex(&["serve", &format!("--unix-mode={mode}")]));
        assert_eq!(finished.code, Some(2), "{mode}: {}", finished.stderr);
        assert!(finished.stderr.contains("--unix-mode"), "{mode}: {}", finished.stderr);
    }
}

#[test]
fn a_stale_socket_is_replaced() {
    let place = Folder::new();
    let path = place.path().join("w.sock");
    drop(UnixListener::bind(&path).expect("a socket"));
    assert!(fs::symlink_metadata(&path).expect("the socket stays").file_type().is_socket());
    let mut server = serve_at(&path, Folder::of(&["rot13"]), &[]);
    Client::connect_unix(&path).exchange(post("/rot13", "Hello")).is_clean(200, "Uryyb");
    // What a killed server leaves is stale too.
    server.signal("KILL");
    server.wait_for_exit();
    assert!(path.exists(), "nobody removed it");
    let _server = serve_at(&path, Folder::of(&["rot13"]), &[]);
    Client::connect_unix(&path).exchange(post("/rot13", "Hello")).is_clean(200, "Uryyb");
    assert_eq!(names(&place), ["w.sock"]);
}

#[test]
fn a_socket_that_is_listened_on_is_left_alone() {
    let (_server, path, place) = serve(&["rot13"], &[]);
    let before = fs::symlink_metadata(&path).expect("the socket").modified().expect("a time");
    let said = refused_at(&path);
    assert!(said.contains("listens there"), "{said}");
    let after = fs::symlink_metadata(&path).expect("the socket").modified().expect("a time");
    assert_eq!(before, after, "it is another file");
    Client::connect_unix(&path).exchange(post("/rot13", "Hello")).is_clean(200, "Uryyb");
    assert_eq!(names(&place), ["w.sock"]);
}

#[test]
fn other_files_are_never_removed() {
    let place = Folder::new();
    let plain = place.write("plain", b"something dear");
    place.folder("folder");
    place.symlink(&plain, "link");
    place.symlink("nowhere", "dangling");
    let all = ["dangling", "folder", "link", "plain"];
    for name in all {
        let said = refused_at(&place.path().join(name));
        assert!(said.contains("no socket"), "{said}");
        assert_eq!(names(&place), all);
    }
    assert_eq!(fs::read(&plain).expect("it is there"), b"something dear");
    assert!(!place.path().join("nowhere").exists(), "it followed the link");
    refused_at(&place.path().join("no/such/folder/w.sock"));
}

#[test]
fn it_is_removed_at_the_end() {
    for signal in ["TERM", "INT"] {
        let (mut server, path, place) = serve(&["rot13"], &[]);
        let mut client = Client::connect_unix(&path);
        client.send(request("POST", "/rot13", &[CHUNKED]));
        client.head();
        server.signal(signal);
        // As soon as nobody listens there any more; the exchange goes on.
        eventually("the socket to be gone", || names(&place).is_empty().then_some(()));
        client.rot13_in_lock_step(20);
        assert_eq!(server.wait_for_exit().code(), Some(0));
    }
    // Its own only: not what somebody put there in its place.
    let (mut server, path, place) = serve(&["rot13"], &[]);
    fs::remove_file(&path).expect("remove the socket");
    let _other = UnixListener::bind(&path).expect("another socket");
    server.signal("TERM");
    assert_eq!(server.wait_for_exit().code(), Some(0));
    assert_eq!(names(&place), ["w.sock"]);
}

#[test]
fn a_server_that_does_not_start_leaves_no_socket() {
    let place = Folder::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    let mut command =
        wasmplex(&["serve", "--listen", &unix(&place.path().join("w.sock")), "--listen", &address]);
    let finished = ran(command.arg("--plugins").arg(place.path()));
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert!(finished.stderr.contains(&address), "{}", finished.stderr);
    assert!(names(&place).is_empty(), "{:?}", names(&place));
}

#[test]
fn a_path_may_be_long_but_not_longer() {
    let place = Folder::new();
    for (length, name) in [(LONGEST, None), (LONGEST, Some("s")), (LONGEST + 1, None), (4000, None)] {
        let path = path_of(&place, length, name);
        if length > LONGEST {
            let said = refused_at(&path);
            assert!(said.contains(&LONGEST.to_string()) && said.contains(&length.to_string()), "{said}");
            continue;
        }
        let _server = serve_at(&path, Folder::of(&["rot13"]), &[]);
        // The client's own path has the same bound.
        Client::connect_unix(&path).exchange(post("/rot13", "Hello")).is_clean(200, "Uryyb");
    }
}

#[test]
fn any_name_of_a_file_will_do() {
    let place = Folder::new();
    for name in ["with a space", "a=b", "a:b", "[::1]:80", ".hidden", "ünï"] {
        let path = place.path().join(name);
        let _server = serve_at(&path, Folder::of(&["rot13"]), &[]);
        Client::connect_unix(&path).exchange(post("/rot13", "Hello")).is_clean(200, "Uryyb");
    }
    let path = place.path().join("a=b=c");
    let tcp = format!("{}=rot13", unix(&path));
    let mut server = Server::with(&["rot13"], &["--tcp", &tcp]);
    assert_eq!(server.next_place(), format!("{} for rot13", unix(&path)));
    Client::connect_unix(&path).raw().rot13_in_raw_lock_step(3);
}

#[test]
fn a_relative_path_is_taken_from_the_working_folder() {
    let folder = Folder::of(&["rot13"]);
    let path = folder.path().join("w.sock");
    let mut command = wasmplex(&["serve", "--listen", "unix:w.sock", "--plugins", "."]);
    command.current_dir(folder.path());
    let mut server = Server::spawn(folder, &mut command);
    assert_eq!(server.place(), "unix:w.sock");
    Client::connect_unix(&path).exchange(post("/rot13", "Hello")).is_clean(200, "Uryyb");
    server.signal("TERM");
    server.wait_for_exit();
    assert!(!path.exists());
}

#[test]
fn a_client_that_goes_takes_the_instance_with_it() {
    let (server, path, _place) = serve(&["scripted", "echo"], FAR_LIMITS);
    for act in [Act::Loop, Act::SleepAnHour] {
        let mark = server.log().mark();
        let mut client = Client::connect_unix(&path);
        client.send(request("POST", &Script::new().chunk(say(act)).target(), &[CHUNKED]));
        client.send_chunk("a chunk");
        client.head();
        client.expect("chunk;");
        drop(client);
        let line = server.log().wait(mark, &["exchange ended", "scripted"]);
        assert!(!line.contains("clean"), "{line}");
        server.settle();
    }
    // More input than is taken lies before the news.
    let mark = server.log().mark();
    let mut client = Client::connect_unix(&path);
    client.send(request("POST", &Script::new().open(say(Act::Loop)).target(), &[CHUNKED]));
    client.send_chunk(noise(1, 16 * KIB));
    client.vanish_before_reading("open;");
    server.log().wait(mark, &["exchange ended", "scripted"]);
    // While it only waits for the body.
    let mark = server.log().mark();
    let mut client = Client::connect_unix(&path);
    client.send(request("POST", "/echo", &[CHUNKED]));
    client.head();
    drop(client);
    server.log().wait(mark, &["exchange ended", "echo"]);
}

#[test]
fn a_raw_client_that_goes_is_noticed_and_one_that_listens_is_not_taken_for_it() {
    let folder = Folder::new();
    folder.program("command", &Program::new().take(1).say("begun;").spin());
    let path = folder.path().join("raw.sock");
    let tcp = format!("{}=command", unix(&path));
    let server = Server::serve(folder, &[&["--tcp", &tcp], FAR_LIMITS].concat());
    for half_closes in [false, true] {
        let mark = server.log().mark();
        let mut client = Client::connect_unix(&path).raw();
        client.send("x");
        client.expect("begun;");
        if half_closes {
            client.half_close();
        }
        drop(client);
        let line = server.log().wait(mark, &["exchange ended", "command"]);
        assert!(line.contains("gone"), "{line}");
        server.settle();
    }
    let folder = Folder::new();
    folder.program("command", &Program::new().take(1).compute(300).say("done"));
    let path = folder.path().join("raw.sock");
    let tcp = format!("{}=command", unix(&path));
    let _server = Server::serve(folder, &[&["--tcp", &tcp], FAR_LIMITS].concat());
    let mut client = Client::connect_unix(&path).raw();
    client.send("x");
    client.half_close();
    assert_eq!(client.rest(), (b"done".to_vec(), Ending::Clean));
}

#[test]
fn a_client_that_does_not_read_waits() {
    let (server, path, _place) = serve(&["counter"], FAR_LIMITS);
    let mut client = Client::connect_unix(&path);
    client.send(request("GET", "/counter?64", &[]));
    client.head();
    server.settle();
    let (body, ending) = client.rest();
    assert_eq!((body.len(), ending), (64 * 64 * KIB, Ending::Clean));
}

/// A path with this many bytes in a folder (of folders), whose last name is this one or fills the rest.
fn path_of(place: &Folder, length: usize, name: Option<&str>) -> PathBuf {
    let mut path = place.path().to_str().expect("a path in UTF-8").to_owned();
    let name_length = name.map_or(4, str::len);
    while length - path.len() > 200 {
        path = format!("{path}/{}", "d".repeat(150));
    }
    if name.is_some() {
        path = format!("{path}/{}", "d".repeat(length - path.len() - name_length - 2));
    }
    if length <= LONGEST {
        fs::create_dir_all(&path).expect("create folders");
    }
    let path = match name {
        Some(name) => format!("{path}/{name}"),
        None => format!("{path}/{}", "s".repeat(length - path.len() - 1)),
    };
    assert_eq!(path.len(), length);
    path.into()
}

/// The names in a folder.
fn names(folder: &Folder) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).expect("read the folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
