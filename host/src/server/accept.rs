//! Accepts connections, and survives what goes wrong with that.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::clients::Place;
use super::connection::Connection;
use super::lanes::Lanes;
use super::listen::{Listener, Service};
use super::socket::Stream;
use super::tls::{Inside, Tls, Unshaken};
use super::{Phase, Shared};
use crate::metrics::Peer;

/// How long to wait after an accept that failed for lack of descriptors or memory: the kernel
/// would say the same at once.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Accepts until the server drains.
pub(super) async fn run(listener: Listener, shared: Arc<Shared>, lanes: Arc<Lanes>, alive: mpsc::Sender<()>) {
    let listener = Arc::new(listener);
    let mut phase = shared.phase.clone();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &shared) => accepted,
            _ = phase.wait_for(|phase| *phase == Phase::Draining) => return,
        };
        match accepted {
            Ok((stream, peer, permit)) => {
                let Some(place) = shared.clients.enter(peer) else {
                    // Nothing is said: whoever has that many knows.
                    tracing::debug!(%peer, "the client has too many connections");
                    shared.metrics.host.crowded.increment();
                    continue;
                };
                let guest = Guest::new(&shared, place, permit, alive.clone());
                let (service, tls) = (listener.service.clone(), listener.tls.clone());
                let shared = Arc::clone(&shared);
                lanes.spawn(async move {
                    if let Some(stream) = shake(stream, peer, tls, &service, &shared).await {
                        Connection::new(stream, peer, shared).run(&service).await;
                    }
                    drop(guest);
                });
            }
            Err(error) if is_shortage(&error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(BACK_OFF).await;
            }
            // It is that connection's own (`accept(2)`), and the next one is not to wait for it.
            Err(error) => tracing::debug!(%error, "a connection broke before it was accepted"),
        }
    }
}

/// Whether there was not enough of something. An error that nobody has foreseen is taken for that, too:
/// it may be there again at once.
fn is_shortage(error: &std::io::Error) -> bool {
    !matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::InvalidInput
    )
}

/// The handshake, where one is due. Heads have their own time after it.
async fn shake(
    stream: Stream,
    peer: Peer,
    tls: Option<Arc<Tls>>,
    service: &Service,
    shared: &Shared,
) -> Option<Stream> {
    let (tls, tcp) = match (tls, stream) {
        (Some(tls), Stream::Tcp(tcp)) => (tls, tcp),
        (_, stream) => return Some(stream),
    };
    let inside = match service {
        Service::Http => Inside::Http,
        Service::Raw(_) => Inside::Raw,
    };
    let mut phase = shared.phase.clone();
    let shaken = tokio::select! {
        shaken = Box::pin(tls.shake(tcp, inside, shared.options.head_timeout)) => shaken,
        _ = phase.wait_for(|phase| *phase == Phase::Draining) => return None,
    };
    match shaken {
        Ok((read, write)) => Some(Stream::Tls(read, write)),
        Err(reason) => {
            tracing::debug!(%peer, %reason, "no TLS handshake");
            if !matches!(reason, Unshaken::Closed) {
                shared.metrics.host.unshaken.increment();
            }
            None
        }
    }
}

/// What a connection takes as long as it lives: its place among all, among those of its client, and
/// in the host's counters; a drain waits for it.
struct Guest {
    shared: Arc<Shared>,
    _place: Place,
    _permit: OwnedSemaphorePermit,
    _alive: mpsc::Sender<()>,
}

impl Guest {
    fn new(
        shared: &Arc<Shared>,
        place: Place,
        permit: OwnedSemaphorePermit,
        alive: mpsc::Sender<()>,
    ) -> Self {
        shared.metrics.host.connections.increment();
        shared.metrics.host.open_connections.increment();
        Self { shared: Arc::clone(shared), _place: place, _permit: permit, _alive: alive }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.shared.metrics.host.open_connections.decrement();
    }
}

/// Takes a connection from the kernel's queue, and waits until there is room for it. In that order:
/// a listener that nobody comes to must not keep a place from the others.
async fn accept(
    listener: &Listener,
    shared: &Shared,
) -> std::io::Result<(Stream, Peer, OwnedSemaphorePermit)> {
    let (stream, peer) = listener.accept().await?;
    let permit = Arc::clone(&shared.connections).acquire_owned().await;
    Ok((stream, peer, permit.map_err(std::io::Error::other)?))
}
