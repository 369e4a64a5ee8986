//! A server under test: how it is started, and what it has used so far.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail};
use rustix::process::{Resource, getrlimit, setrlimit};

/// What a server prints when it takes connections, before its address.
const READY: &str = "listening on http://";

/// A way to start a server. It must print a ready line like that of wasmplex.
pub(crate) struct Contender {
    name: String,
    program: PathBuf,
    arguments: Vec<String>,
    /// What it logs goes nowhere.
    is_muted: bool,
}

impl Contender {
    /// The ceiling: this program, as a server.
    pub(crate) fn native() -> anyhow::Result<Self> {
        let arguments = vec!["--serve-native".to_owned()];
        Ok(Self { name: "native".to_owned(), program: std::env::current_exe()?, arguments, is_muted: false })
    }

    /// The server of this build.
    pub(crate) fn wasmplex(plugins: &Plugins) -> Self {
        Self::build(env!("CARGO_BIN_EXE_wasmplex").into(), plugins)
    }

    /// Any build of wasmplex, under the name of its file.
    pub(crate) fn build(program: PathBuf, plugins: &Plugins) -> Self {
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let serve = ["serve", "--listen", "127.0.0.1:0", "--log-level", "warn", "--plugins"];
        let folder = plugins.0.display().to_string();
        Self {
            name,
            program,
            arguments: serve.into_iter().map(str::to_owned).chain([folder]).collect(),
            is_muted: false,
        }
    }

    /// With the log that servers usually write; nobody reads it here.
    pub(crate) fn logging(mut self) -> Self {
        if let Some(level) = self.arguments.iter_mut().find(|argument| *argument == "warn") {
            "info".clone_into(level);
        }
        self.is_muted = true;
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Starts the server and waits until it takes connections.
    pub(crate) fn start(&self) -> anyhow::Result<Server> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdout(Stdio::piped());
        if self.is_muted {
            command.stderr(Stdio::null());
        }
        let mut child =
            command.spawn().with_context(|| format!("cannot start {}", self.program.display()))?;
        let output = child.stdout.take();
        let mut server =
            Server { name: self.name.clone(), child, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let mut line = String::new();
        output.map(BufReader::new).context("no output")?.read_line(&mut line)?;
        let Some(address) = line.trim_end().strip_prefix(READY) else {
            bail!("{} did not get ready: {line:?}", self.name);
        };
        server.address = address.parse().with_context(|| line.clone())?;
        Ok(server)
    }
}

/// A running server, killed when dropped.
pub(crate) struct Server {
    name: String,
    child: Child,
    address: SocketAddr,
}

impl Server {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
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
fn coarse_cpu(stat: &str) -> anyhow::Result<u64> {
    const TICK: u64 = 10_000_000;
    // The name before the bracket may contain blanks; user and system time are fields 14 and 15.
    let fields = stat.rsplit_once(") ").context("odd stat")?.1.split_whitespace();
    let ticks = fields.skip(11).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(ticks * TICK)
}

/// Every connection is a descriptor, on both sides; children inherit the limit.
pub(crate) fn raise_descriptor_limit() -> anyhow::Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("cannot raise the limit on open files")
}

/// A folder with the sample plugin, removed when dropped.
pub(crate) struct Plugins(PathBuf);

impl Plugins {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/rot13/rot13.wat");
        let folder = std::env::temp_dir().join(format!("wasmplex-bench-{}", std::process::id()));
        fs::create_dir(&folder).with_context(|| folder.display().to_string())?;
        let plugins = Self(folder);
        fs::copy(&source, plugins.0.join("rot13.wat")).with_context(|| source.display().to_string())?;
        Ok(plugins)
    }

    /// Where they are.
    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }
}

impl Drop for Plugins {
    fn drop(&mut self) {
        // It is a temporary folder; the system removes it some day.
        let _ = fs::remove_dir_all(&self.0);
    }
}
