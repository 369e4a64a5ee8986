//! Raw connections: all that the client sends is the body, all that is emitted is the answer.

use std::sync::Arc;

use super::connection::Connection;
use super::errand::{self, After, Errand};
use super::hijack::resolve;
use crate::metrics::Way;

/// Runs the one exchange of a connection through the plugins of `route`, as they are now.
pub(super) async fn exchange(connection: &mut Connection, route: &str) -> After {
    let shared = Arc::clone(&connection.shared);
    let admitted = resolve(&shared.registry, route).and_then(|stages| {
        let permit = errand::place(&shared, &stages)?;
        Ok((stages, permit))
    });
    match admitted {
        Ok((stages, permit)) => {
            connection.inbound.expect_rest();
            let errand = Errand { stages, way: Way::Tcp, head: None, plan: None, handshake: None };
            let left = errand::run(connection, errand).await;
            drop(permit);
            errand::settle(connection, left, false).await
        }
        Err(refusal) => {
            // There is no way to say it to the client, but for not ending in good order.
            tracing::debug!(peer = %connection.peer, route, reason = %refusal.reason, "refused");
            shared.metrics.host.refuse(refusal.status);
            After::Reset
        }
    }
}
