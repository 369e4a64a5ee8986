//! `wasmplex build`: from a plugin's source to a file that can be served.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args;

use super::run::SLOTS_PER_STAGE;
use super::{LimitArgs, name_of, serve, terminal};
use crate::plugin::{Code, CodeCache, Engine, EngineOptions, Kind, Plugin, probe};
use crate::project::{self, Project};
use crate::registry::folder;
use crate::registry::manifest::{self, Policy, Settled};

/// Build a plugin from its sources, and check it
///
/// A folder's language is told by what lies in it, first match:
///
///     Cargo.toml              Rust            src/main.rs: a command (wasm32-wasip1)
///     go.mod                  Go              no //go:wasmexport: a command
///     package.json, *.ts      AssemblyScript  wasi-shim in package.json: a command
///     *.zig                   Zig             pub fn main: a command
///     *.cpp *.cc              C++             int main: a command
///     *.c                     C               int main: a command
///     *.js *.mjs, wit/        JavaScript      a component
///     *.py, wit/              Python          a component
///     *.wat                   WebAssembly text
///
/// The command line that it runs is printed. Compilers are found in PATH (clang-19 and newer before
/// clang), in `node_modules` or .venv. Variables of the environment name others:
///
///     CARGO CC CXX ZIG GO ASC COMPONENTIZE_QJS COMPONENTIZE_PY
///     WASI_SDK_PATH WASI_SYSROOT      where C's library is
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Build {
    /// The project's folder, or a .wat file
    source: PathBuf,
    /// Where the plugin goes
    /// [default: NAME.wasm in the project's folder, NAME being the folder's]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Folder for compiled code, or off
    /// [default: wasmplex in the user's cache folder]
    #[arg(long, value_name = "DIR", env = "WASMPLEX_CACHE")]
    cache: Option<PathBuf>,
    #[command(flatten)]
    limits: LimitArgs,
}

/// A plugin before it was checked.
struct Built {
    name: String,
    bytes: Vec<u8>,
    output: PathBuf,
    /// The plugin file that its manifest lies beside.
    beside: PathBuf,
    time: Duration,
}

impl Build {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let source = self.source.display().to_string();
        let built = if self.source.is_dir() {
            from_project(&self.source, self.output)?
        } else {
            from_file(&self.source, self.output)?
        };
        let cache = serve::open_cache(self.cache);
        let kind = check(&built, &self.limits.into(), cache.as_ref()).context(source)?;
        project::install(&built.output, &built.bytes)?;
        let (output, size, time) = (built.output.display(), built.bytes.len(), built.time);
        eprintln!("{output}: {size} bytes, {kind}, {}", terminal::time(time));
        Ok(ExitCode::SUCCESS)
    }
}

/// Builds a folder, as others than `build` do too; the compiler's command line is shown.
pub(super) fn build(project: &Project) -> anyhow::Result<project::Made> {
    project::make(project, None, |line| terminal::dim(&format!("$ {line}")))
}

fn from_project(dir: &Path, output: Option<PathBuf>) -> anyhow::Result<Built> {
    let project = Project::find(dir)?;
    let made = build(&project)?;
    let output = output.unwrap_or_else(|| dir.join(format!("{}.wasm", project.name)));
    let beside = if project.manifest().exists() { project.output() } else { output.clone() };
    Ok(Built { name: project.name, bytes: made.bytes, output, beside, time: made.time })
}

fn from_file(file: &Path, output: Option<PathBuf>) -> anyhow::Result<Built> {
    let source = file.display();
    if file.extension().is_none_or(|ending| ending != "wat") {
        bail!("{source}: neither a folder nor a .wat file");
    }
    let Some(output) = output else {
        bail!("{source}: where to? Say -o FILE");
    };
    let began = Instant::now();
    let text = folder::read(file).with_context(|| source.to_string())?;
    let bytes = wat::parse_bytes(&text).with_context(|| source.to_string())?.into_owned();
    let (name, beside) = (name_of(file), file.to_owned());
    Ok(Built { name, bytes, output, beside, time: began.elapsed() })
}

/// What the server would do before it serves anybody. Says what kind of plugin it is.
fn check(built: &Built, policy: &Policy, cache: Option<&CodeCache>) -> anyhow::Result<Kind> {
    let Settled { settings, .. } = manifest::load(&built.beside, policy).map_err(anyhow::Error::msg)?;
    let engine = Engine::new(&EngineOptions { max_instances: SLOTS_PER_STAGE })?;
    let code = Code::load(&engine, &built.bytes, cache)?;
    let plugin = Plugin::new(&engine, &built.name, code, settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("no event loop")?;
    runtime.block_on(probe(&plugin)).map_err(anyhow::Error::msg)?;
    Ok(plugin.code().kind())
}
