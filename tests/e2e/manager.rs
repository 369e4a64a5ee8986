//! Under a service manager: a listening socket that it passes, and what it is told.

use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;

use crate::harness::*;

/// What systemd does: the socket becomes descriptor 3, the environment says so.
const MANAGER: &str = "
import os, socket, sys
listener = socket.socket()
listener.bind(('127.0.0.1', 0))
listener.listen()
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[1], sys.argv[1:])
";

#[test]
fn a_passed_socket_is_served_and_readiness_is_told() {
    let Some(mut python) = command("python3") else {
        return;
    };
    let folder = Folder::of(&["rot13"]);
    let notices = folder.path().join("notices.socket");
    let manager = UnixDatagram::bind(&notices).expect("a socket for notices");
    manager.set_read_timeout(Some(DEADLINE)).expect("set a timeout");
    // The address would be refused if anybody tried to listen there.
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("its address").to_string();
    let plugins = folder.path().to_str().expect("a path as text");
    let serve = wasmplex(&["serve", "--listen", &address, "--plugins", plugins, "--drain-timeout", "1s"]);
    python.args(["-c", MANAGER]).arg(serve.get_program()).args(serve.get_args());
    let mut process = Process::spawn(python.env("NOTIFY_SOCKET", &notices).env("WASMPLEX_CACHE", "off"));
    assert_eq!(notice(&manager), "READY=1\n");
    let line = process.stdout.line();
    let passed = line.strip_prefix("listening on http://").expect(&line);
    assert_ne!(passed, address);
    let mut client = Client::connect(passed.parse().expect("an address"));
    let mut post = request("POST", "/rot13", &["Content-Length: 5"]);
    post.extend_from_slice(b"Hello");
    client.exchange(post).is_clean(200, "Uryyb");
    process.signal("TERM");
    assert_eq!(notice(&manager), "STOPPING=1\n");
    assert_eq!(process.wait().code(), Some(0));
}

#[track_caller]
fn notice(manager: &UnixDatagram) -> String {
    let mut notice = [0; 256];
    let length = manager.recv(&mut notice).expect("a notice");
    String::from_utf8_lossy(&notice[..length]).into_owned()
}
