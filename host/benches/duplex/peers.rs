//! Servers of other makers, where their toolchains are: Go's net/http and Node.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use crate::contender::{Contender, Need};

/// Their programs, built or found, for as long as this is there.
pub(crate) struct Peers {
    pub(crate) contenders: Vec<Contender>,
    /// What they are: name and version.
    pub(crate) versions: Vec<String>,
    /// It holds what was built.
    built: TempDir,
}

/// The first Go with `EnableFullDuplex`: 1 dot this.
const OLDEST_GO: u32 = 21;

/// The names of Go's two: ratios refer to them.
pub(crate) const GO_HIJACK: &str = "go-hijack";
pub(crate) const GO_DUPLEX: &str = "go-duplex";

/// What servers of other makers are good for; a connection that was hijacked serves one exchange.
const ALL: &[Need] = &[Need::Stream, Need::KeepAlive];
const HIJACKED: &[Need] = &[Need::Stream];

impl Peers {
    /// Nobody is asked for.
    pub(crate) fn none() -> anyhow::Result<Self> {
        let built = tempfile::Builder::new().prefix("wasmplex-bench-").tempdir()?;
        Ok(Self { contenders: Vec::new(), versions: Vec::new(), built })
    }

    /// Finds and builds what can be had, and says what is missing.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let mut peers = Self::none()?;
        if let Err(error) = peers.add_go() {
            eprintln!("without Go's handlers ({error:#}): scripts/toolchains.sh go gets a Go");
        }
        if let Err(error) = peers.add_node() {
            eprintln!("without Node ({error:#}): https://nodejs.org, or the package nodejs");
        }
        Ok(peers)
    }

    fn add_go(&mut self) -> anyhow::Result<()> {
        let (go, version) = programs("go")
            .find_map(|go| {
                let version = said(isolated(&go).args(["env", "GOVERSION"]))?;
                is_new_enough(&version).then_some((go, version))
            })
            .with_context(|| format!("there is no Go of at least 1.{OLDEST_GO}"))?;
        let program = self.built.path().join("duplex");
        let mut build = isolated(&go);
        build.args(["build", "-trimpath", "-o"]).arg(&program).arg(source("duplex.go"));
        ensure!(build.status()?.success(), "it does not build with {}", go.display());
        for (name, mode, gives) in [(GO_HIJACK, "hijack", HIJACKED), (GO_DUPLEX, "full-duplex", ALL)] {
            self.contenders.push(Contender::foreign(name, program.clone(), vec![mode.into()], gives));
        }
        self.versions.push(version.replacen("go", "Go ", 1));
        Ok(())
    }

    fn add_node(&mut self) -> anyhow::Result<()> {
        let (node, version) = programs("node")
            .find_map(|node| {
                let version = said(Command::new(&node).arg("--version"))?;
                Some((node, version))
            })
            .context("there is no node")?;
        let arguments: Vec<OsString> = vec![source("duplex.mjs").into()];
        self.contenders.push(Contender::foreign("node", node, arguments, ALL));
        self.versions.push(version.replacen('v', "Node ", 1));
        Ok(())
    }
}

/// Where a program of this name may be: in `PATH`, then where scripts/toolchains.sh puts things.
fn programs(name: &str) -> impl Iterator<Item = PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let toolchains = std::env::var_os("WASMPLEX_TOOLCHAINS").map(PathBuf::from);
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/toolchains");
    let ours = toolchains.into_iter().chain([usual]).map(|folder| folder.join("bin"));
    let folders: Vec<PathBuf> = std::env::split_paths(&path).chain(ours).collect();
    let name = name.to_owned();
    folders.into_iter().map(move |folder| folder.join(&name)).filter(|program| program.is_file())
}

fn source(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/duplex/contenders").join(file)
}

/// Go, with no other toolchain than itself, no module around here, and no C compiler.
fn isolated(go: &Path) -> Command {
    let mut command = Command::new(go);
    command.env("GOTOOLCHAIN", "local").env("GO111MODULE", "off").env("GOFLAGS", "").env("CGO_ENABLED", "0");
    command
}

/// What a program says, if it ends well.
fn said(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// `version` is like go1.21.3.
fn is_new_enough(version: &str) -> bool {
    let mut numbers = version.trim_start_matches("go").split(|char: char| !char.is_ascii_digit());
    let mut next = || numbers.next()?.parse::<u32>().ok();
    next().zip(next()).is_some_and(|version| version >= (1, OLDEST_GO))
}
