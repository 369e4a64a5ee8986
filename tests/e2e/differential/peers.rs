//! The other parsers, each a small server that says what it understood. Their sources are in
//! `tests/differential`.

use std::env;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::inputs;
use crate::harness::Process;

pub struct Peer {
    pub name: &'static str,
    pub version: String,
    pub address: SocketAddr,
    /// It ends with this value.
    _process: Process,
}

/// Starts all peers that are here.
pub fn start() -> Vec<Peer> {
    let sources = inputs::sources();
    let installed = env::var_os("WASMPLEX_PEERS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/peers"), PathBuf::from);
    let python = |name| {
        let library = installed.join("python");
        let mut command = Command::new("python3");
        command.arg(sources.join("peer.py")).arg(name).env("PYTHONPATH", &library);
        (library.is_dir() && is_there("python3")).then_some(command)
    };
    let go = installed.join("go");
    let mut node = Command::new("node");
    node.arg(sources.join("peer.mjs"));
    let commands = [
        ("go", go.is_file().then(|| Command::new(&go))),
        ("gunicorn", python("gunicorn")),
        ("h11", python("h11")),
        ("node", is_there("node").then_some(node)),
    ];
    commands.into_iter().filter_map(|(name, command)| peer(name, command)).collect()
}

fn peer(name: &'static str, command: Option<Command>) -> Option<Peer> {
    let Some(mut command) = command else {
        assert!(env::var_os("WASMPLEX_REQUIRE_PEERS").is_none(), "{name} is not here: scripts/peers.sh");
        println!("without {name}: scripts/peers.sh gets it");
        return None;
    };
    let mut process = Process::spawn(&mut command);
    let line = process.stdout.line();
    let words: Vec<&str> = line.split(' ').collect();
    let ["ready", port, version] = words[..] else {
        panic!("{name} is not ready: {line}\n{}", process.stderr.all());
    };
    let address = SocketAddr::from(([127, 0, 0, 1], port.parse().expect("a port")));
    println!("{name} {version}");
    Some(Peer { name, version: version.to_owned(), address, _process: process })
}

fn is_there(program: &str) -> bool {
    let version = Command::new(program).arg("--version").stdout(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}
