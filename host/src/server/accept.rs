//! Accepts connections, and survives what goes wrong with that.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::connection::Connection;
use super::{Phase, Shared};

/// How long to wait after an accept that failed for lack of descriptors or memory: the kernel
/// would say the same at once.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Accepts until the server drains.
pub(super) async fn run(listener: TcpListener, shared: Arc<Shared>, alive: mpsc::Sender<()>) {
    let mut phase = shared.phase.clone();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &shared) => accepted,
            _ = phase.wait_for(|phase| *phase == Phase::Draining) => return,
        };
        match accepted {
            Ok((stream, peer, permit)) => {
                let connection = Connection::new(stream, peer, Arc::clone(&shared));
                let alive = alive.clone();
                let counted = Counted::new(&shared);
                tokio::spawn(async move {
                    connection.run().await;
                    drop((permit, alive, counted));
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(BACK_OFF).await;
            }
        }
    }
}

/// A connection in the host's counters, as long as it lives.
struct Counted(Arc<Shared>);

impl Counted {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.metrics.host.connections.increment();
        shared.metrics.host.open_connections.increment();
        Self(Arc::clone(shared))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.metrics.host.open_connections.decrement();
    }
}

type Accepted = (tokio::net::TcpStream, std::net::SocketAddr, tokio::sync::OwnedSemaphorePermit);

/// Takes a connection from the kernel's queue, and waits until there is room for it. In that order:
/// a listener that nobody comes to must not keep a place from the others.
async fn accept(listener: &TcpListener, shared: &Shared) -> std::io::Result<Accepted> {
    let (stream, peer) = listener.accept().await?;
    let permit = Arc::clone(&shared.connections).acquire_owned().await;
    let permit = permit.map_err(std::io::Error::other)?;
    // Small emits must not wait for an acknowledgement of earlier ones.
    stream.set_nodelay(true)?;
    Ok((stream, peer, permit))
}
