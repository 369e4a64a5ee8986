//! `wasmplex run`: standard input through a plugin to standard output.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;

use super::log::LogArgs;
use super::{LimitArgs, load, resolve, serve};
use crate::exchange::chain::{Stage, drive_chain};
use crate::exchange::inbound::Inbound;
use crate::exchange::outbound::Outbound;
use crate::exchange::{Broken, Waterline, flush};
use crate::plugin::{Account, Engine, EngineOptions, ExchangeId, MAX_STAGES, NoRequest, Plugin};
use crate::registry::manifest::Policy;

/// A reader of standard output may pause for as long as it likes.
const NO_WRITE_TIMEOUT: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

/// Places in the instance pool for each stage: enough for components of many modules.
pub(super) const SLOTS_PER_STAGE: u32 = 16;

/// Stream standard input through a plugin to standard output
///
/// The same runtime and budgets as in the server:
///
///     echo hello | wasmplex run plugins/rot13.wasm
///     echo hello | wasmplex run upper+rot13
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Run {
    /// A plugin file, or a name in the plugin folder; several joined by + run in a row
    plugin: String,
    /// Folder to look the name up in
    #[arg(long, value_name = "DIR", default_value = "plugins", env = "WASMPLEX_PLUGINS")]
    plugins: PathBuf,
    /// Folder for compiled code, or off
    /// [default: wasmplex in the user's cache folder]
    #[arg(long, value_name = "DIR", env = "WASMPLEX_CACHE")]
    cache: Option<PathBuf>,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    log: LogArgs,
}

impl Run {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let _log = self.log.start(false);
        let files = stages(&self.plugin, &self.plugins)?;
        let engine = Engine::new(&EngineOptions { max_instances: files.len() as u32 * SLOTS_PER_STAGE })?;
        let policy = Policy::from(self.limits);
        let cache = serve::open_cache(self.cache);
        let plugins = files
            .iter()
            .map(|file| {
                load(&engine, file, &policy, cache.as_ref()).with_context(|| file.display().to_string())
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("no event loop")?;
        let outcome = runtime.block_on(stream(plugins));
        // A read of standard input that nobody needs any more must not hold the end up.
        runtime.shutdown_background();
        outcome.map(|()| ExitCode::SUCCESS)
    }
}

/// The files that `a.wasm+b.wasm` means.
fn stages(plugin: &str, folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if Path::new(plugin).is_file() {
        return Ok(vec![plugin.into()]);
    }
    anyhow::ensure!(plugin.split('+').count() <= MAX_STAGES, "at most {MAX_STAGES} plugins in a row");
    plugin.split('+').map(|part| resolve(part, folder)).collect()
}

async fn stream(plugins: Vec<Arc<Plugin>>) -> anyhow::Result<()> {
    let mut source = Inbound::until_end(tokio::io::stdin());
    // There is one exchange, and its own bounds hold.
    let waterline = Waterline::new(usize::MAX);
    let mut outlet = Outbound::new(tokio::io::stdout(), NO_WRITE_TIMEOUT, Arc::clone(&waterline));
    let account = Account::open(ExchangeId(1), plugins.iter().map(|plugin| plugin.limits()));
    let stage = |plugin: Arc<Plugin>| {
        let request = Arc::new(NoRequest(plugin.name().into()));
        Stage { plugin, request }
    };
    let stages: Vec<Stage> = plugins.into_iter().map(stage).collect();
    let outcome = drive_chain(&stages, &account, &waterline, &mut source, &mut outlet).await;
    let flushed = flush(&mut outlet).await;
    match (outcome, flushed) {
        (Ok(_), Ok(())) => Ok(()),
        (Err((stage, Broken::Plugin { failure, .. })), _) => {
            bail!("{} failed: {failure}", stages[stage].plugin.name())
        }
        (Err((_, Broken::Client(error))), _) => bail!("standard input: {error}"),
        (Err((_, Broken::Gone | Broken::Full | Broken::Spool(_))), _) | (Ok(_), Err(_)) => {
            bail!("standard output is closed")
        }
    }
}
