//! Listeners: several of them and of all kinds, what cannot be one, and how many a client may have.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::FileTypeExt;

use crate::harness::*;

#[test]
fn all_kinds_at_once() {
    let folder = Folder::of(&["rot13", "echo"]);
    let (path, raw_path) = (folder.path().join("w.sock"), folder.path().join("raw.sock"));
    let (unix, raw_unix) =
        (format!("unix:{}", path.display()), format!("unix:{}=echo+rot13", raw_path.display()));
    let mut server = Server::serve(
        folder,
        &[
            "--listen",
            "http://127.0.0.1:0",
            "--listen",
            &unix,
            "--tcp",
            "127.0.0.1:0=rot13",
            "--tcp",
            &raw_unix,
            "--tcp",
            "tcp://127.0.0.1:0=echo+rot13",
            "--admin",
            "127.0.0.1:0",
        ],
    );
    // The lines come in the order of the flags, those of HTTP before the raw ones.
    let second = server.next_place();
    let second: SocketAddr = second.strip_prefix("http://").expect(&second).parse().expect("an address");
    assert_eq!(server.next_place(), unix);
    let raw = server.next_raw("rot13");
    assert_eq!(server.next_place(), format!("unix:{} for echo+rot13", raw_path.display()));
    let piped = server.next_raw("echo+rot13");
    for mut client in [server.connect(), Client::connect(second), Client::connect_unix(&path)] {
        client.send(request("POST", "/rot13", &[CHUNKED]));
        assert_eq!(client.head().status, 200);
        client.rot13_in_lock_step(10);
    }
    for client in [Client::connect(raw), Client::connect(piped), Client::connect_unix(&raw_path)] {
        client.raw().rot13_in_raw_lock_step(10);
    }
    assert_eq!(server.admin("/readyz").head.status, 200);
}

#[test]
fn settings_from_the_environment() {
    let folder = Folder::of(&["rot13"]);
    let path = folder.path().join("w.sock");
    let mut command = wasmplex(&["serve", "--plugins"]);
    command.arg(folder.path()).env("WASMPLEX_UNIX_MODE", "600");
    command.env("WASMPLEX_LISTEN", format!("127.0.0.1:0,unix:{}", path.display()));
    let mut server = Server::spawn(folder, &mut command);
    assert_eq!(server.next_place(), format!("unix:{}", path.display()));
    server.post("/rot13", b"Hello").is_clean(200, "Uryyb");
    let mut client = Client::connect_unix(&path);
    client.exchange(request("GET", "/rot13", &[])).is_clean(200, "");
}

#[test]
fn tls_without_a_certificate_is_wrong_usage() {
    for (flag, value) in [("--listen", "https://127.0.0.1:0"), ("--tcp", "tls://127.0.0.1:0=rot13")] {
        let folder = Folder::of(&["rot13"]);
        let mut command = wasmplex(&["serve", flag, value, "--plugins"]);
        let finished = ran(command.arg(folder.path()));
        assert_eq!(finished.code, Some(2), "{value}: {}", finished.stderr);
        let said = &finished.stderr;
        assert!(said.contains("--tls-cert"), "{value}: {said}");
        assert!(finished.stdout.is_empty(), "it served nothing");
    }
}

#[test]
fn wrong_values_are_explained() {
    for value in [
        "",
        "nonsense",
        "8080",
        ":8080",
        "localhost:8080",
        "127.0.0.1",
        "127.0.0.1:65536",
        "::1:8080",
        "ftp://127.0.0.1:8080",
        "http://",
        "http://127.0.0.1:8080/path",
        "unix:",
        "unix:/run/",
    ] {
        let finished = ran(&mut wasmplex(&["serve", "--listen", value]));
        assert_eq!(finished.code, Some(2), "{value}: {}", finished.stderr);
        let said = &finished.stderr;
        assert!(
            said.contains("--listen") && (said.contains("such as") || said.contains("http://")),
            "{said}"
        );
        assert!(finished.stdout.is_empty(), "it served nothing");
    }
}

#[test]
fn one_address_twice_is_an_error() {
    let folder = Folder::of(&["rot13"]);
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let tcp = free.expect("a free port").to_string();
    let unix = format!("unix:{}", folder.path().join("w.sock").display());
    for address in [tcp, unix] {
        let raw = format!("{address}=rot13");
        for second in [["--listen", &address], ["--tcp", &raw]] {
            let mut command = wasmplex(&["serve", "--listen", &address]);
            let finished = ran(command.args(second).arg("--plugins").arg(folder.path()));
            assert_eq!(finished.code, Some(1), "{}", finished.stderr);
            assert!(finished.stderr.contains(&address), "{}", finished.stderr);
            assert!(finished.stdout.is_empty(), "it served nothing");
            assert!(!folder.path().join("w.sock").exists(), "it left its socket");
        }
    }
}

#[test]
fn ipv6() {
    if let Err(error) = TcpListener::bind("[::1]:0") {
        println!("skipped: there is no IPv6 here: {error}");
        return;
    }
    let folder = Folder::of(&["rot13", "show"]);
    let mut command = wasmplex(&["serve", "--listen", "[::1]:0", "--tcp", "[::1]:0=rot13", "--plugins"]);
    command.arg(folder.path());
    let mut server = Server::spawn(folder, &mut command);
    assert!(server.place().starts_with("http://[::1]:"), "{}", server.place());
    server.post("/rot13", b"Hello").is_clean(200, "Uryyb");
    let peer = server.get("/show?:peer");
    assert!(peer.text().starts_with("[::1]:"), "{}", peer.text());
    let raw = server.next_raw("rot13");
    assert!(raw.is_ipv6());
    Client::connect(raw).raw().rot13_in_raw_lock_step(3);
}

#[test]
fn a_client_may_have_so_many_connections() {
    let folder = Folder::of(&["rot13"]);
    let path = folder.path().join("w.sock");
    let unix = format!("unix:{}", path.display());
    let flags = ["--max-connections-per-client", "2", "--listen", &unix, "--tcp", "127.0.0.1:0=rot13"];
    let mut server = Server::serve(folder, &[&flags, ADMIN].concat());
    assert_eq!(server.next_place(), unix);
    let raw = server.next_raw("rot13");
    let from = |last: u8| Client::connect_from(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)), server.address());
    let is_served = |client: &mut Client| {
        client.exchange(request("GET", "/rot13", &[])).is_clean(200, "");
    };
    let (mut first, mut second) = (from(2), from(2));
    is_served(&mut first);
    is_served(&mut second);
    from(2).is_closed();
    // Raw connections count with those of HTTP.
    Client::connect_from(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), raw).is_closed();
    server.metric_eventually("wasmplex_connections_crowded_total", &[], 2.0);
    // Another address is another client, and who comes by a Unix socket has none.
    let mut others = [from(3), from(3), from(4)];
    others.iter_mut().for_each(is_served);
    let mut local: Vec<Client> = (0..4).map(|_| Client::connect_unix(&path)).collect();
    local.iter_mut().for_each(is_served);
    // Those that there are go on; one that ends makes room.
    is_served(&mut second);
    drop(first);
    eventually("room for another", || {
        let mut client = from(2);
        client.try_send(request("GET", "/rot13", &["Connection: close"]));
        (!client.everything().is_empty()).then_some(())
    });
    is_served(&mut second);
}

#[test]
fn the_number_of_connections_is_off_or_a_number() {
    let server = Server::with(&["rot13"], &["--max-connections-per-client", "off"]);
    let mut clients: Vec<Client> = (0..64).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.exchange(request("GET", "/rot13", &[])).is_clean(200, "");
    }
    for value in ["many", "-1", ""] {
        let finished = ran(&mut wasmplex(&["serve", &format!("--max-connections-per-client={value}")]));
        assert_eq!(finished.code, Some(2), "{value}: {}", finished.stderr);
        assert!(finished.stderr.contains("--max-connections-per-client"), "{value}: {}", finished.stderr);
    }
}

/// What systemd does for a `ListenStream=` that is a path: the socket becomes descriptor 3.
const MANAGER: &str = "
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
";

#[test]
fn a_unix_socket_that_a_service_manager_passes() {
    let Some(mut python) = command("python3") else {
        return;
    };
    let folder = Folder::of(&["rot13"]);
    let path = folder.path().join("passed.sock");
    let other = folder.path().join("other.sock");
    let serve = wasmplex(&["serve", "--tcp", "127.0.0.1:0=rot13", "--listen"]);
    python.args(["-c", MANAGER]).arg(&path).arg(serve.get_program()).args(serve.get_args());
    python.arg(format!("unix:{}", other.display())).arg("--plugins").arg(folder.path());
    let mut server = Server::spawn(folder, python.env("WASMPLEX_CACHE", "off"));
    assert_eq!(server.place(), format!("unix:{}", path.display()));
    // Raw listeners are opened beside what is passed, and --listen is not.
    let raw = server.next_raw("rot13");
    Client::connect(raw).raw().rot13_in_raw_lock_step(3);
    assert!(!other.exists());
    let mut client = Client::connect_unix(&path);
    client.exchange(request("GET", "/rot13", &[])).is_clean(200, "");
    server.signal("TERM");
    assert_eq!(server.wait_for_exit().code(), Some(0));
    // The file is the manager's.
    let file = std::fs::symlink_metadata(&path).expect("the socket stays");
    assert!(file.file_type().is_socket());
}
