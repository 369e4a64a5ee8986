//! Accepts connections, and survives what goes wrong with that.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::clients::Place;
use super::connection::Connection;
use super::listen::Listener;
use super::socket::Stream;
use super::{Phase, Shared};
use crate::metrics::Peer;

/// How long to wait after an accept that failed for lack of descriptors or memory: the kernel
/// would say the same at once.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Accepts until the server drains.
pub(super) async fn run(listener: Listener, shared: Arc<Shared>, alive: mpsc::Sender<()>) {
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
                let connection = Connection::new(stream, peer, Arc::clone(&shared));
                let service = listener.service.clone();
                tokio::spawn(async move {
                    connection.run(&service).await;
                    drop(guest);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(BACK_OFF).await;
            }
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
