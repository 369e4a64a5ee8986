//! A server that runs, and what it has used so far.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Resource, getrlimit};

use crate::folder::Folder;

/// What a server prints when it takes connections, before its address.
const READY: &str = "listening on http://";

/// A server that is not ready by then does not get ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server, killed when dropped.
pub(crate) struct Server {
    name: String,
    child: Child,
    address: SocketAddr,
    folder: Option<Arc<Folder>>,
}

impl Server {
    /// Starts `command`, whose output is piped, and waits until it takes connections.
    pub(crate) fn start(
        name: &str,
        mut command: Command,
        folder: Option<Arc<Folder>>,
    ) -> anyhow::Result<Self> {
        let mut child =
            command.spawn().with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let output = child.stdout.take();
        let mut server =
            Self { name: name.to_owned(), child, address: SocketAddr::from(([127, 0, 0, 1], 0)), folder };
        let line = first_line(output.context("no output")?).with_context(|| format!("of {name}"))?;
        let address = line.trim_end().strip_prefix(READY).and_then(|address| address.parse().ok());
        server.address = address.with_context(|| format!("{name} did not get ready: {line:?}"))?;
        Ok(server)
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its plugins are.
    pub(crate) fn folder(&self) -> anyhow::Result<&Folder> {
        self.folder.as_deref().with_context(|| format!("{} has no plugins", self.name))
    }

    /// The CPU time of all threads so far.
    pub(crate) fn cpu(&self) -> anyhow::Result<Cpu> {
        let process = self.process();
        let mut nanos = BTreeMap::new();
        for entry in fs::read_dir(process.join("task"))? {
            let task = entry?;
            // A thread may end between the listing and here; a kernel may not have the file.
            let Ok(text) = fs::read_to_string(task.path().join("schedstat")) else { continue };
            let ran = text.split_whitespace().next().and_then(|word| word.parse().ok());
            nanos.insert(task.file_name().to_string_lossy().into_owned(), ran.context("odd schedstat")?);
        }
        if nanos.is_empty() {
            nanos.insert(String::new(), coarse_cpu(&fs::read_to_string(process.join("stat"))?)?);
        }
        Ok(Cpu { nanos })
    }

    /// A size in KiB out of the process's status: `VmRSS`, `VmPTE`.
    pub(crate) fn memory(&self, field: &str) -> anyhow::Result<f64> {
        let status = fs::read_to_string(self.process().join("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        kib.with_context(|| format!("no {field} in the status"))
    }

    fn process(&self) -> PathBuf {
        Path::new("/proc").join(self.child.id().to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Failing that it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn first_line(output: impl Read + Send + 'static) -> anyhow::Result<String> {
    let (sender, receiver) = mpsc::channel();
    // It ends with the line, or with the server.
    thread::spawn(move || {
        let mut line = String::new();
        let read = BufReader::new(output).read_line(&mut line);
        // Nobody waits any more when it was too late.
        let _ = sender.send(read.map(|_| line));
    });
    let line = receiver.recv_timeout(PATIENCE);
    Ok(line.with_context(|| format!("no ready line within {} s", PATIENCE.as_secs()))??)
}

/// CPU time by thread.
pub(crate) struct Cpu {
    nanos: BTreeMap<String, u64>,
}

impl Cpu {
    /// Nanoseconds since `start`. A thread that ended in between does not count.
    pub(crate) fn since(&self, start: &Self) -> f64 {
        let before = |thread| start.nanos.get(thread).copied().unwrap_or(0);
        let sum: u64 = self.nanos.iter().map(|(thread, nanos)| nanos.saturating_sub(before(thread))).sum();
        sum as f64
    }
}

/// User and system time out of /proc/PID/stat, in nanoseconds but only as exact as 10 ms.
pub(crate) fn coarse_cpu(stat: &str) -> anyhow::Result<u64> {
    const TICK: u64 = 10_000_000;
    // The name before the bracket may contain blanks; user and system time are fields 14 and 15.
    let fields = stat.rsplit_once(") ").context("odd stat")?.1.split_whitespace();
    let ticks = fields.skip(11).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(ticks * TICK)
}

/// How many descriptors a process may have here.
pub(crate) fn descriptor_limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
