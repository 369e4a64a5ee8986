//! `wasmplex serve` as a child process on a free port.

use std::net::SocketAddr;
use std::process::{Command, ExitStatus};
use std::thread;
use std::time::Duration;

use super::{Answer, Client, Folder, Log, Process, eventually, request};

pub struct Server {
    process: Process,
    address: SocketAddr,
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
        let mut command = wasmplex(&["serve", "--listen", "127.0.0.1:0", "--log-level", "debug"]);
        command.args(flags).arg("--plugins").arg(folder.path());
        let mut process = Process::spawn(&mut command);
        let line = process.stdout.line();
        let address = line.strip_prefix("listening on http://");
        let address = address.unwrap_or_else(|| panic!("not the ready line: {line}"));
        Server {
            address: address.parse().expect("an address with a port"),
            log: process.stderr.clone(),
            process,
            folder,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
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
        Client::connect(self.address)
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
        eventually("the listener to close", || std::net::TcpStream::connect(self.address).err());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the server's log:\n{}", self.log.since(0));
        }
    }
}

/// The command under test, without settings from the environment.
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
