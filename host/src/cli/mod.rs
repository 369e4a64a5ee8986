//! The command line: one file per subcommand, and what they share.

mod build;
mod capsules;
pub mod descriptors;
mod dev;
mod inspect;
mod limits;
mod listen;
mod log;
mod new;
mod replay;
mod run;
mod serve;
mod spool;
mod terminal;
mod test;
mod tls;
mod websocket;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand, ValueEnum};
use limits::LimitArgs;

use crate::plugin::{Code, CodeCache, Engine, Plugin};
use crate::project::Missing;
use crate::registry::folder;
use crate::registry::manifest::{self, Policy, Settled};

/// Exit code when something failed at run time. clap itself exits with 2 on wrong usage.
const FAILED: u8 = 1;

/// Exit code when a compiler is missing: scripts that build many projects can go on to the next.
const TOOL_MISSING: u8 = 3;

/// Full-duplex streams through sandboxed WebAssembly plugins, on plain HTTP/1.1.
///
/// `wasmplex serve --plugins DIR` answers POST /NAME by streaming the request body through
/// DIR/NAME.wasm and writing what the plugin emits at once, while the body is still coming in.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Box<serve::Serve>),
    Run(run::Run),
    Inspect(inspect::Inspect),
    New(new::New),
    Build(build::Build),
    Test(test::Test),
    Dev(dev::Dev),
    Replay(replay::Replay),
}

/// `on` or `off`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Switch {
    On,
    Off,
}

/// Parses the command line and does what it says.
#[must_use]
pub fn main() -> ExitCode {
    main_with(std::env::args_os())
}

/// The same with a command line that is not the process's own. The first argument is the command's name.
#[must_use]
pub fn main_with(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let outcome = match Cli::parse_from(arguments).command {
        Command::Serve(serve) => serve.execute(),
        Command::Run(run) => run.execute(),
        Command::Inspect(inspect) => inspect.execute(),
        Command::New(new) => new.execute(),
        Command::Build(build) => build.execute(),
        Command::Test(test) => test.execute(),
        Command::Dev(dev) => dev.execute(),
        Command::Replay(replay) => replay.execute(),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            // Standard error may be closed; the exit code says it all the same.
            let _ = writeln!(std::io::stderr(), "wasmplex: {error:#}");
            ExitCode::from(if error.is::<Missing>() { TOOL_MISSING } else { FAILED })
        }
    }
}

/// The name that a plugin file gets in logs.
fn name_of(file: &Path) -> String {
    file.file_stem().map_or_else(|| "plugin".to_owned(), |stem| stem.to_string_lossy().into_owned())
}

/// The plugin that an argument means: a file, or a name in the plugin folder.
fn resolve(plugin: &str, folder: &Path) -> anyhow::Result<PathBuf> {
    let file = PathBuf::from(plugin);
    if file.is_file() {
        return Ok(file);
    }
    let candidates = ["wasm", "wat"].map(|ending| folder.join(format!("{plugin}.{ending}")));
    candidates.into_iter().find(|file| file.is_file()).ok_or_else(|| {
        anyhow::anyhow!(
            "there is no file {plugin}, and no {plugin}.wasm or {plugin}.wat in {}",
            folder.display()
        )
    })
}

/// Loads one plugin with its manifest, without a server.
fn load(
    engine: &Engine,
    file: &Path,
    policy: &Policy,
    cache: Option<&CodeCache>,
) -> anyhow::Result<Arc<Plugin>> {
    let bytes = folder::read(file)?;
    let Settled { settings, .. } = manifest::load(file, policy).map_err(anyhow::Error::msg)?;
    let code = Code::load(engine, &bytes, cache)?;
    Ok(Plugin::new(engine, &name_of(file), code, settings)?)
}
