//! The server: from a listening socket to exchanges, and back to quiet.
//!
//! Three nested owners, each knowing only the next one in: [`Server`] accepts, a connection keeps
//! request and response in step, an exchange ([`hijack`]) owns both directions of the raw socket
//! from the end of the request head to the end of the response. [`verdict`] is the one place that
//! turns an error into a status or a cut.

mod accept;
mod address;
mod clients;
mod connection;
mod errand;
mod hijack;
mod lanes;
mod listen;
mod raw;
mod report;
mod request;
mod socket;
mod tls;
mod verdict;
mod websocket;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};

use crate::capsule::Capsules;
use crate::exchange::{Spools, Waterline};
use crate::metrics::Metrics;
use crate::plugin::Ticker;
use crate::registry::Registry;
use crate::websocket::origin::Origins;
use clients::Clients;
use lanes::Lanes;

pub use address::{Endpoint, ListenAddress, RawAddress, socket_mode};
pub use listen::{Listener, Service};
pub use tls::{ClientAuth, Tls, TlsOptions};

/// Connections beyond the exchanges that may be open, where nothing else is asked for: idle
/// keep-alive ones, and those that are told that the host is full.
pub const SPARE_CONNECTIONS: usize = 1_024;

/// The server's times and bounds.
#[derive(Clone, Copy, Debug)]
pub struct ServerOptions {
    /// The most exchanges at a time; one more is answered 503.
    pub max_exchanges: u32,
    /// The most connections at a time; others wait in the system's queue.
    pub max_connections: usize,
    /// The most connections of one client at a time; one more is closed at once.
    pub max_connections_per_client: Option<u32>,
    /// From the connection (or a head's first byte) to the end of the head.
    pub head_timeout: Duration,
    /// From the end of a response to the next head's first byte.
    pub keep_alive_timeout: Duration,
    /// The longest silence of a body; `None` is no bound.
    pub body_timeout: Option<Duration>,
    /// The longest time that a client may take nothing of what is to be written.
    pub write_timeout: Duration,
    /// How long open exchanges may go on after the first signal.
    pub drain_timeout: Duration,
    /// The longest message of a WebSocket, in bytes; `None` is no bound.
    pub websocket_message: Option<u64>,
    /// The silence after which a WebSocket's client is asked whether it is there, and the one after which
    /// it is not.
    pub websocket_ping: Option<Duration>,
}

/// What all connections share.
struct Shared {
    registry: Arc<Registry>,
    options: ServerOptions,
    metrics: Arc<Metrics>,
    waterline: Arc<Waterline>,
    spools: Option<Arc<Spools>>,
    capsules: Option<Arc<Capsules>>,
    exchanges: Semaphore,
    connections: Arc<Semaphore>,
    clients: Arc<Clients>,
    origins: Arc<Origins>,
    phase: watch::Receiver<Phase>,
}

/// Whether new work is taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phase {
    Serving,
    Draining,
}

/// What the server looks into and counts with, and others too.
#[derive(Clone, Debug)]
pub struct Parts {
    pub registry: Arc<Registry>,
    pub metrics: Arc<Metrics>,
    pub waterline: Arc<Waterline>,
    /// Where bodies are kept that come before the client reads, if they are.
    pub spools: Option<Arc<Spools>>,
    /// Where exchanges are recorded, if they are.
    pub capsules: Option<Arc<Capsules>>,
    /// Whose pages may open a WebSocket, beside the host's own.
    pub origins: Arc<Origins>,
    /// Beats while plugins run.
    pub ticker: Arc<Ticker>,
}

/// Bound listeners and what they will serve.
pub struct Server {
    listeners: Vec<Listener>,
    shared: Arc<Shared>,
    lanes: Arc<Lanes>,
    phase: watch::Sender<Phase>,
}

impl Server {
    /// A server on these listeners, in the present runtime.
    ///
    /// # Errors
    ///
    /// When the system has no threads to give.
    pub fn new(listeners: Vec<Listener>, parts: Parts, options: ServerOptions) -> anyhow::Result<Self> {
        let (phase, receiver) = watch::channel(Phase::Serving);
        let exchanges = options.max_exchanges as usize;
        let shared = Arc::new(Shared {
            registry: parts.registry,
            options,
            metrics: parts.metrics,
            waterline: parts.waterline,
            spools: parts.spools,
            capsules: parts.capsules,
            exchanges: Semaphore::new(exchanges),
            connections: Arc::new(Semaphore::new(options.max_connections)),
            origins: parts.origins,
            clients: Clients::new(options.max_connections_per_client),
            phase: receiver,
        });
        Ok(Self { listeners, shared, lanes: Lanes::start(&parts.ticker)?, phase })
    }

    /// What it listens on.
    #[must_use]
    pub fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    /// Whether new work is taken.
    #[must_use]
    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Serves until `stop` is ready, then drains: accepts nothing new, lets open exchanges finish
    /// for the drain timeout. Returns how many were still open then; they are cut when the runtime
    /// ends.
    pub async fn run(self, stop: impl Future<Output = ()>) -> usize {
        // Every connection holds a sender; when the last one is dropped, the drain is over.
        let (alive, mut all_gone) = mpsc::channel::<()>(1);
        for listener in self.listeners {
            let (shared, lanes) = (Arc::clone(&self.shared), Arc::clone(&self.lanes));
            tokio::spawn(accept::run(listener, shared, lanes, alive.clone()));
        }
        drop(alive);
        stop.await;
        let (_, open) = self.shared.metrics.open_exchanges(0);
        tracing::info!(open, "draining: no new connections, open exchanges may finish");
        // The receivers live in `shared`, so this cannot fail.
        let _ = self.phase.send(Phase::Draining);
        let timeout = self.shared.options.drain_timeout;
        match tokio::time::timeout(timeout, all_gone.recv()).await {
            Ok(_) => 0,
            Err(_) => {
                let (open, count) = self.shared.metrics.open_exchanges(usize::MAX);
                open.iter().for_each(|open| report::cut(open));
                count
            }
        }
    }
}

impl Shared {
    fn is_draining(&self) -> bool {
        *self.phase.borrow() == Phase::Draining
    }
}
