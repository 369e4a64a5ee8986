//! `wasmplex serve`: the server.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::error::ErrorKind;
use clap::{Args, Parser, ValueEnum};
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::capsules::CapsuleArgs;
use super::listen::{ListenArgs, announce, first_address};
use super::log::LogArgs;
use super::spool::SpoolArgs;
use super::tls::TlsArgs;
use super::websocket::WebSocketArgs;
use super::{FAILED, LimitArgs, Switch, descriptors};
use crate::admin::{Admin, View};
use crate::config::{self, Optional};
use crate::exchange::Waterline;
use crate::metrics::Metrics;
use crate::plugin::{CodeCache, Engine, EngineOptions};
use crate::registry::Registry;
use crate::registry::loader::{Loader, LoaderOptions};
use crate::registry::watcher::{Mode, Watcher};
use crate::server::{Parts, SPARE_CONNECTIONS, Server, ServerOptions, Tls};

/// How many exchanges may be open by default, where the system has the memory mappings for them.
const DEFAULT_MAX_EXCHANGES: u32 = 10_000;

/// How long the end of the process waits for capsules that are still to be written.
const CAPSULE_PATIENCE: Duration = Duration::from_secs(2);

/// Serve the plugins of a folder over HTTP
///
/// POST /NAME runs DIR/NAME.wasm (or .wat): the request body goes through it piece by piece, and
/// what it emits is written at once. Try it:
///
///     curl -sN -T . http://127.0.0.1:8080/NAME
///
/// When it is ready, it prints a line for every listener: `listening on http://127.0.0.1:8080`.
/// The folder is watched: files that come, change or go are served as they are now, exchanges that
/// run stay with the code they began with, and a file that does not load changes nothing. SIGHUP reads
/// all of it again. NAME.json beside a plugin is its manifest, routes.json names pipes.
///
/// SIGTERM or SIGINT lets open exchanges finish; a second one ends at once.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Serve {
    /// Folder with the plugins: every *.wasm and *.wat
    #[arg(long, value_name = "DIR", default_value = "plugins", env = "WASMPLEX_PLUGINS")]
    plugins: PathBuf,
    #[command(flatten)]
    listen: ListenArgs,
    #[command(flatten)]
    tls: TlsArgs,
    /// Address for operators: /metrics /plugins /exchanges /healthz /readyz; off if not given
    #[arg(long, value_name = "ADDR", env = "WASMPLEX_ADMIN")]
    admin: Option<SocketAddr>,
    /// How changes of the folder are noticed: by the system's events, by polling (network file
    /// systems), or only at SIGHUP
    #[arg(long, value_enum, default_value_t = Watch::Events, env = "WASMPLEX_WATCH")]
    watch: Watch,
    /// Time between two looks at the folder when polling
    #[arg(long, value_name = "TIME", default_value = "1s", env = "WASMPLEX_POLL_INTERVAL", value_parser = config::time)]
    poll_interval: Duration,
    /// Folder for compiled code, or off; it must be readable by this user alone
    /// [default: wasmplex in the user's cache folder]
    #[arg(long, value_name = "DIR", env = "WASMPLEX_CACHE")]
    cache: Option<PathBuf>,
    /// Exchanges that may be open at a time; one more is answered 503
    /// [default: 10000, or what the system has memory mappings for]
    #[arg(long, value_name = "N", env = "WASMPLEX_MAX_EXCHANGES", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    max_exchanges: Option<u32>,
    /// Connections that may be open at a time; others wait
    /// [default: 1024 more than exchanges]
    #[arg(long, value_name = "N", env = "WASMPLEX_MAX_CONNECTIONS", value_parser = clap::value_parser!(u32).range(1..=2_000_000))]
    max_connections: Option<u32>,
    /// Connections of one IP address (of IPv6, one /64) that may be open at a time, or off; one more is
    /// closed at once. Leave it off behind a proxy: there all come from one address
    #[arg(long, value_name = "N", default_value = "off", env = "WASMPLEX_MAX_CONNECTIONS_PER_CLIENT", value_parser = config::optional_count)]
    max_connections_per_client: Optional<u64>,
    /// Bytes of all exchanges together that may wait for clients that do not read; an exchange that
    /// needs more is cut
    #[arg(long, value_name = "SIZE", default_value = "256MiB", env = "WASMPLEX_MAX_BUFFERED", value_parser = config::size)]
    max_buffered: usize,
    /// Time for a request head to arrive
    #[arg(long, value_name = "TIME", default_value = "10s", env = "WASMPLEX_HEAD_TIMEOUT", value_parser = config::time)]
    head_timeout: Duration,
    /// Time that a connection may be idle between two requests
    #[arg(long, value_name = "TIME", default_value = "75s", env = "WASMPLEX_KEEP_ALIVE_TIMEOUT", value_parser = config::time)]
    keep_alive_timeout: Duration,
    /// Longest silence of a request body, or off: live streams are silent at times
    #[arg(long, value_name = "TIME", default_value = "off", env = "WASMPLEX_BODY_TIMEOUT", value_parser = config::optional_time)]
    body_timeout: Optional<Duration>,
    /// Longest time that a client may take nothing of what is to be written
    #[arg(long, value_name = "TIME", default_value = "2m", env = "WASMPLEX_WRITE_TIMEOUT", value_parser = config::time)]
    write_timeout: Duration,
    /// Time that open exchanges have to finish after SIGTERM
    #[arg(long, value_name = "TIME", default_value = "30s", env = "WASMPLEX_DRAIN_TIMEOUT", value_parser = config::time)]
    drain_timeout: Duration,
    #[command(flatten)]
    log: LogArgs,
    /// A line in the log for every exchange
    #[arg(long, value_enum, value_name = "on|off", hide_possible_values = true, default_value_t = Switch::On, env = "WASMPLEX_ACCESS_LOG")]
    access_log: Switch,
    #[command(flatten)]
    spool: SpoolArgs,
    #[command(flatten)]
    websocket: WebSocketArgs,
    #[command(flatten)]
    capsules: CapsuleArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[arg(skip)]
    hooks: Hooks,
}

/// What another subcommand that serves wants to be told.
#[derive(Default)]
pub(super) struct Hooks {
    /// The server listens, at this address before others.
    pub(super) ready: Option<Box<dyn FnOnce(SocketAddr) + Send>>,
    /// The process ends at once, and nothing is unwound.
    pub(super) abandoned: Option<Box<dyn FnOnce() + Send>>,
}

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hooks").finish_non_exhaustive()
    }
}

/// The flags by themselves.
#[derive(Debug, Parser)]
#[command(no_binary_name = true, args_override_self = true)]
struct Alone {
    #[command(flatten)]
    serve: Serve,
}

/// How changes are noticed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Watch {
    Events,
    Poll,
    Off,
}

impl From<Watch> for Mode {
    fn from(watch: Watch) -> Self {
        match watch {
            Watch::Events => Self::Events,
            Watch::Poll => Self::Poll,
            Watch::Off => Self::Off,
        }
    }
}

impl Serve {
    /// What these flags say, those of the environment included; the last one of a name counts.
    pub(super) fn from_flags(flags: Vec<OsString>, hooks: Hooks) -> Result<Self, clap::Error> {
        Ok(Self { hooks, ..Alone::try_parse_from(flags)?.serve })
    }

    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        if let Err(reason) = self.listen.check(self.tls.is_on()) {
            clap::Error::raw(ErrorKind::MissingRequiredArgument, reason).exit();
        }
        let max_exchanges =
            self.max_exchanges.unwrap_or_else(|| DEFAULT_MAX_EXCHANGES.min(Engine::max_instances_here()));
        let max_connections = match self.max_connections {
            Some(connections) => connections as usize,
            None => max_exchanges as usize + SPARE_CONNECTIONS,
        };
        let raised = descriptors::raise_limit();
        descriptors::reserve(max_connections);
        let _log = self.log.start(self.access_log == Switch::On);
        if let Err(error) = raised {
            tracing::warn!(%error, "cannot raise the limit on open files");
        }
        let control = Control::new()?;
        let engine = Engine::new(&EngineOptions { max_instances: max_exchanges })?;
        let parts = Parts {
            registry: Arc::default(),
            metrics: Arc::default(),
            waterline: Waterline::new(self.max_buffered),
            spools: self.spool.open(self.write_timeout)?,
            capsules: self.capsules.open()?,
            origins: self.websocket.origins(),
            ticker: engine.ticker(),
        };
        let capsules = parts.capsules.clone();
        let tls = self.tls.load()?;
        let watcher = self.load(engine, &parts)?;
        let options = ServerOptions {
            max_exchanges,
            max_connections,
            max_connections_per_client: self
                .max_connections_per_client
                .0
                .map(|limit| u32::try_from(limit).unwrap_or(u32::MAX)),
            head_timeout: self.head_timeout,
            keep_alive_timeout: self.keep_alive_timeout,
            body_timeout: self.body_timeout.0,
            write_timeout: self.write_timeout,
            drain_timeout: self.drain_timeout,
            websocket_message: self.websocket.message(),
            websocket_ping: self.websocket.ping(),
        };
        let Hooks { ready, abandoned } = self.hooks;
        let places = Places { listen: self.listen, tls, admin: self.admin, folder: self.plugins, ready };
        let cut = control.supervise(places, parts, options, &watcher, abandoned);
        if let Some(capsules) = capsules {
            capsules.flush(CAPSULE_PATIENCE);
        }
        let cut = cut?;
        if cut > 0 {
            tracing::warn!(cut, "the drain timeout is over: open exchanges are cut");
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Loads the folder, and goes on watching it.
    fn load(&self, engine: Engine, parts: &Parts) -> anyhow::Result<Watcher> {
        let options = LoaderOptions {
            folder: self.plugins.clone(),
            policy: self.limits.into(),
            cache: open_cache(self.cache.clone()),
            keeps_source: parts.capsules.is_some(),
        };
        let (registry, metrics): (Arc<Registry>, Arc<Metrics>) =
            (Arc::clone(&parts.registry), Arc::clone(&parts.metrics));
        let mut loader = Loader::new(engine, registry, metrics, options)?;
        loader.reconcile(false, |_| false)?;
        Watcher::start(loader, self.watch.into(), self.poll_interval)
            .context("no thread to watch the plugin folder")
    }
}

/// The cache of compiled code: what was asked for, or the user's usual place. Without one, starting
/// takes longer, and nothing else.
pub(super) fn open_cache(asked: Option<PathBuf>) -> Option<CodeCache> {
    let folder = match asked {
        Some(folder) if folder.as_os_str() == "off" => return None,
        Some(folder) => folder,
        None => default_cache()?,
    };
    match CodeCache::open(&folder) {
        Ok(cache) => Some(cache),
        Err(reason) => {
            tracing::warn!(folder = %folder.display(), reason = reason.as_str(), "no cache of compiled code");
            None
        }
    }
}

/// Where systemd says (its unit's `CacheDirectory`), or in the user's cache folder.
fn default_cache() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // systemd's may be a link to where only the service's user can look.
    let managed = std::env::var("CACHE_DIRECTORY").ok().and_then(|folders| {
        let first = PathBuf::from(folders.split(':').next()?);
        Some(first.canonicalize().unwrap_or(first)).filter(|folder| !folder.as_os_str().is_empty())
    });
    managed
        .or_else(|| variable("XDG_CACHE_HOME").map(|folder| folder.join("wasmplex")))
        .or_else(|| variable("HOME").map(|folder| folder.join(".cache").join("wasmplex")))
        .filter(|folder| folder.is_absolute())
}

/// Addresses and folder.
struct Places {
    listen: ListenArgs,
    tls: Option<Arc<Tls>>,
    admin: Option<SocketAddr>,
    folder: PathBuf,
    ready: Option<Box<dyn FnOnce(SocketAddr) + Send>>,
}

/// The main thread's part: signals.
struct Control {
    runtime: tokio::runtime::Runtime,
    hangup: Signal,
    /// Never waited for: to be told is what keeps the process alive. Writing beyond `ulimit -f` then
    /// fails like any other write, be it the cache's or a plugin's.
    _file_too_large: Signal,
}

impl Control {
    /// From here on SIGHUP and SIGXFSZ do not end the process, also while plugins are loaded.
    fn new() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("no event loop for signals")?;
        let file_too_large = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
        let context = runtime.enter();
        let hangup = signal(SignalKind::hangup()).context("cannot wait for SIGHUP")?;
        let file_too_large = signal(file_too_large).context("cannot wait for SIGXFSZ")?;
        drop(context);
        Ok(Self { runtime, hangup, _file_too_large: file_too_large })
    }

    /// Runs the server on threads of its own, and waits for signals on this one: no plugin can keep
    /// the second signal from ending the process. Returns how many exchanges were cut.
    fn supervise(
        mut self,
        places: Places,
        parts: Parts,
        options: ServerOptions,
        watcher: &Watcher,
        abandoned: Option<Box<dyn FnOnce() + Send>>,
    ) -> anyhow::Result<usize> {
        let workers = tokio::runtime::Runtime::new().context("no threads for the server")?;
        let outcome = self.runtime.block_on(async {
            let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
            let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
            let (stop, stopped) = oneshot::channel();
            let tls = places.tls.clone();
            let mut server = workers.spawn(serve(places, parts, options, stopped));
            loop {
                tokio::select! {
                    outcome = &mut server => return outcome?,
                    () = either(&mut terminate, &mut interrupt) => break,
                    _ = self.hangup.recv() => {
                        watcher.rescan();
                        if let Some(tls) = &tls {
                            tls.rescan();
                        }
                    }
                }
            }
            // It has ended by itself if this fails, and then says so below.
            let _ = stop.send(());
            tokio::select! {
                outcome = &mut server => outcome?,
                () = either(&mut terminate, &mut interrupt) => {
                    tracing::warn!("a second signal: ending at once");
                    if let Some(abandoned) = abandoned {
                        abandoned();
                    }
                    std::process::exit(FAILED.into());
                }
            }
        });
        // What is still open ends here, without a proper end of its response.
        workers.shutdown_background();
        outcome
    }
}

async fn serve(
    places: Places,
    parts: Parts,
    options: ServerOptions,
    stopped: oneshot::Receiver<()>,
) -> anyhow::Result<usize> {
    let listeners = places.listen.bind(places.tls.as_ref()).await?;
    places.listen.check_routes(&parts.registry);
    let server = Server::new(listeners, parts.clone(), options)?;
    let admin = match places.admin {
        Some(address) => {
            let view = View { parts, folder: places.folder, phase: server.phase() };
            Some(Admin::bind(address, view).await?)
        }
        None => None,
    };
    announce(server.listeners(), admin.as_ref().map(Admin::address).transpose()?);
    if let (Some(ready), Some(address)) = (places.ready, first_address(server.listeners())) {
        ready(address);
    }
    if let Some(admin) = admin {
        tokio::spawn(admin.run());
    }
    if let Some(tls) = places.tls {
        tokio::spawn(tls.watch());
    }
    notify_manager(NotifyState::Ready);
    let cut = server
        .run(async {
            // An error is the sender's end, which is a reason to stop as well.
            let _ = stopped.await;
            notify_manager(NotifyState::Stopping);
        })
        .await;
    Ok(cut)
}

/// Tells the service manager, if there is one that wants to know (`sd_notify(3)`).
fn notify_manager(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "cannot tell the service manager");
    }
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
