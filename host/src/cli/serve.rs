//! `wasmplex serve`: the server.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::log::LogArgs;
use super::{FAILED, LimitArgs};
use crate::config::{self, OptionalTime};
use crate::plugin::{Engine, EngineOptions};
use crate::registry::{Generation, Registry, folder};
use crate::server::{Server, ServerOptions};

/// How many exchanges may be open by default, where the system has the memory mappings for them.
const DEFAULT_MAX_EXCHANGES: u32 = 10_000;

/// Serve the plugins of a folder over HTTP
///
/// POST /NAME runs DIR/NAME.wasm (or .wat): the request body goes through it piece by piece, and
/// what it emits is written at once. Try it:
///
///     curl -sN -T . http://127.0.0.1:8080/NAME
///
/// When it is ready, it prints a line for every listener: `listening on http://127.0.0.1:8080`.
/// SIGTERM or SIGINT lets open exchanges finish; a second one ends at once.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Serve {
    /// Folder with the plugins: every *.wasm and *.wat
    #[arg(long, value_name = "DIR", default_value = "plugins", env = "WASMPLEX_PLUGINS")]
    plugins: PathBuf,
    /// Address to listen on; port 0 takes a free one. May be given several times
    #[arg(
        long,
        value_name = "ADDR",
        default_value = "127.0.0.1:8080",
        env = "WASMPLEX_LISTEN",
        value_delimiter = ','
    )]
    listen: Vec<SocketAddr>,
    /// Exchanges that may be open at a time; one more is answered 503
    /// [default: 10000, or what the system has memory mappings for]
    #[arg(long, value_name = "N", env = "WASMPLEX_MAX_EXCHANGES", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    max_exchanges: Option<u32>,
    /// Time for a request head to arrive
    #[arg(long, value_name = "TIME", default_value = "10s", env = "WASMPLEX_HEAD_TIMEOUT", value_parser = config::time)]
    head_timeout: Duration,
    /// Time that a connection may be idle between two requests
    #[arg(long, value_name = "TIME", default_value = "75s", env = "WASMPLEX_KEEP_ALIVE_TIMEOUT", value_parser = config::time)]
    keep_alive_timeout: Duration,
    /// Longest silence of a request body, or off: live streams are silent at times
    #[arg(long, value_name = "TIME", default_value = "off", env = "WASMPLEX_BODY_TIMEOUT")]
    body_timeout: OptionalTime,
    /// Longest time that a client may take nothing of what is to be written
    #[arg(long, value_name = "TIME", default_value = "2m", env = "WASMPLEX_WRITE_TIMEOUT", value_parser = config::time)]
    write_timeout: Duration,
    /// Time that open exchanges have to finish after SIGTERM
    #[arg(long, value_name = "TIME", default_value = "30s", env = "WASMPLEX_DRAIN_TIMEOUT", value_parser = config::time)]
    drain_timeout: Duration,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    log: LogArgs,
}

impl Serve {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let _log = self.log.start();
        raise_descriptor_limit();
        let max_exchanges =
            self.max_exchanges.unwrap_or_else(|| DEFAULT_MAX_EXCHANGES.min(Engine::max_instances_here()));
        let engine = Engine::new(&EngineOptions { max_instances: max_exchanges })?;
        let generation = load(&engine, &self.plugins, self.limits)?;
        let options = ServerOptions {
            max_exchanges,
            head_timeout: self.head_timeout,
            keep_alive_timeout: self.keep_alive_timeout,
            body_timeout: self.body_timeout.0,
            write_timeout: self.write_timeout,
            drain_timeout: self.drain_timeout,
        };
        let registry = Arc::new(Registry::new(generation));
        let cut = supervise(self.listen, registry, options)?;
        if cut > 0 {
            tracing::warn!(cut, "the drain timeout is over: open exchanges are cut");
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Runs the server on threads of its own, and waits for signals on this one: no plugin can keep the
/// second signal from ending the process. Returns how many exchanges were cut.
fn supervise(
    listen: Vec<SocketAddr>,
    registry: Arc<Registry>,
    options: ServerOptions,
) -> anyhow::Result<usize> {
    let workers = tokio::runtime::Runtime::new().context("no threads for the server")?;
    let control = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = control.context("no event loop for signals")?.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
        let (stop, stopped) = oneshot::channel();
        let mut server = workers.spawn(serve(listen, registry, options, stopped));
        tokio::select! {
            outcome = &mut server => return outcome?,
            () = either(&mut terminate, &mut interrupt) => {}
        }
        // It has ended by itself if this fails, and then says so below.
        let _ = stop.send(());
        tokio::select! {
            outcome = &mut server => outcome?,
            () = either(&mut terminate, &mut interrupt) => {
                tracing::warn!("a second signal: ending at once");
                std::process::exit(FAILED.into());
            }
        }
    });
    // What is still open ends here, without a proper end of its response.
    workers.shutdown_background();
    outcome
}

/// Loads the folder and reports what is in it.
fn load(engine: &Engine, plugins: &Path, limits: LimitArgs) -> anyhow::Result<Generation> {
    let (generation, bad) = folder::load(engine, plugins, limits.into())?;
    for bad in bad {
        tracing::error!(file = ?bad.file, reason = bad.reason.as_str(), "not served");
    }
    let loaded = generation.sorted();
    for plugin in &loaded {
        tracing::info!(plugin = plugin.name(), version = plugin.version(), "loaded");
    }
    if loaded.is_empty() {
        tracing::warn!(folder = %plugins.display(), "there is no plugin to serve in the folder");
    }
    Ok(generation)
}

async fn serve(
    listen: Vec<SocketAddr>,
    registry: Arc<Registry>,
    options: ServerOptions,
    stopped: oneshot::Receiver<()>,
) -> anyhow::Result<usize> {
    let server = Server::bind(&listen, registry, options).await?;
    announce(&server.addresses()?);
    let cut = server
        .run(async {
            // An error is the sender's end, which is a reason to stop as well.
            let _ = stopped.await;
        })
        .await;
    Ok(cut)
}

/// The ready lines. Nobody may be reading them; that is no reason not to serve.
fn announce(addresses: &[SocketAddr]) {
    let mut stdout = std::io::stdout().lock();
    for address in addresses {
        let _ = writeln!(stdout, "listening on http://{address}");
    }
    let _ = stdout.flush();
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// Every connection is a descriptor, and the usual soft limit is 1,024. Going up to the hard limit
/// is what it is there for.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "cannot raise the limit on open files");
    }
}
