//! `wasmplex serve` as a child process on a free port.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::thread;
use std::time::Duration;

use super::{Answer, Client, Folder, Log, Process, eventually, request};

pub struct Server {
    process: Process,
    /// Where it listens first, as its first ready line says.
    place: String,
    /// Where else; what was read of it and not asked for.
    places: VecDeque<String>,
    /// Where the admin listener is, if the flags ask for one.
    admin: Option<SocketAddr>,
    log: Log,
    folder: Folder,
}

impl Server {
    /// Serves the named fixtures, with the default limits.
    #[track_caller]
    pub fn of(plugins: &[&str]) -> Server {
        Server::with(plugins, &[])
    }

    #[track_caller]
    pub fn with(plugins: &[&str], flags: &[&str]) -> Server {
        Server::serve(Folder::of(plugins), flags)
    }

    #[track_caller]
    pub fn serve(folder: Folder, flags: &[&str]) -> Server {
        let path = folder.path().to_owned();
        Server::serve_at(folder, &path, flags)
    }

    /// The same by another path than the folder's own.
    #[track_caller]
    pub fn serve_at(folder: Folder, plugins: &Path, flags: &[&str]) -> Server {
        let mut command = wasmplex(&["serve", "--listen", "127.0.0.1:0", "--log-level", "debug"]);
        command.args(flags).arg("--plugins").arg(plugins);
        Server::spawn(folder, &mut command)
    }

    /// A server that a test has put together itself. The folder stays for as long as it runs.
    #[track_caller]
    pub fn spawn(folder: Folder, command: &mut Command) -> Server {
        let mut process = Process::spawn(command);
        let place = listener(&process.stdout.line());
        let mut places = VecDeque::new();
        let mut admin = None;
        let with_admin = command.get_args().any(|argument| argument == "--admin");
        while with_admin && admin.is_none() {
            let line = process.stdout.line();
            match line.strip_prefix("admin on http://") {
                Some(address) => admin = Some(address.parse().expect("an address with a port")),
                None => places.push_back(listener(&line)),
            }
        }
        Server { place, places, admin, log: process.stderr.clone(), process, folder }
    }

    /// The address of the next listener, which must be one of this scheme.
    #[track_caller]
    pub fn next_listener(&mut self, scheme: &str) -> SocketAddr {
        let place = self.next_place();
        let address =
            place.split(" for ").next().and_then(|place| place.strip_prefix(scheme)?.strip_prefix("://"));
        address
            .unwrap_or_else(|| panic!("no {scheme} listener: {place}"))
            .parse()
            .expect("an address with a port")
    }

    /// The address of the first listener, which must be one of the network.
    #[track_caller]
    pub fn address(&self) -> SocketAddr {
        let (_, address) = self.place.split_once("://").expect("an address of the network");
        address.parse().expect("an address with a port")
    }

    /// What the first ready line says behind "listening on ".
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The same of the next listener.
    #[track_caller]
    pub fn next_place(&mut self) -> String {
        self.places.pop_front().unwrap_or_else(|| listener(&self.process.stdout.line()))
    }

    #[track_caller]
    pub fn admin_address(&self) -> SocketAddr {
        self.admin.expect("a server with an admin listener")
    }

    pub fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address())
    }

    pub fn log(&self) -> &Log {
        &self.log
    }

    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    #[track_caller]
    pub fn connect(&self) -> Client {
        Client::connect(self.address())
    }

    /// A whole exchange on a connection of its own.
    #[track_caller]
    pub fn get(&self, target: &str) -> Answer {
        self.connect().exchange(request("GET", target, &[]))
    }

    /// The same with a body.
    #[track_caller]
    pub fn post(&self, target: &str, body: &[u8]) -> Answer {
        let length = format!("Content-Length: {}", body.len());
        let mut bytes = request("POST", target, &[&length]);
        bytes.extend_from_slice(body);
        self.connect().exchange(bytes)
    }

    /// The memory that the server holds now (RSS).
    pub fn memory_now(&self) -> usize {
        self.process.memory()
    }

    /// Waits until the server does nothing: less than 20 ms of CPU within 200 ms.
    #[track_caller]
    pub fn settle(&self) {
        eventually("the server to have nothing to do", || {
            let before = self.process.cpu_ticks();
            thread::sleep(Duration::from_millis(200));
            (self.process.cpu_ticks() - before < 2).then_some(())
        });
    }

    pub fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    #[track_caller]
    pub fn wait_for_exit(&mut self) -> ExitStatus {
        self.process.wait()
    }

    /// Waits until nobody listens any more.
    #[track_caller]
    pub fn wait_until_closed(&self) {
        let address = self.address();
        eventually("the listener to close", || std::net::TcpStream::connect(address).err());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the server's log:\n{}", self.log.since(0));
        }
    }
}

/// What a ready line says.
#[track_caller]
fn listener(line: &str) -> String {
    let place = line.strip_prefix("listening on ");
    place.unwrap_or_else(|| panic!("not a ready line: {line}")).to_owned()
}

/// The command under test, without settings from the environment and without a cache.
pub fn wasmplex(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wasmplex"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("WASMPLEX_") {
            command.env_remove(name);
        }
    }
    command.env("WASMPLEX_CACHE", "off").args(arguments);
    command
}
