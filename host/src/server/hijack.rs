//! The hijack: from the end of a request head to the end of its response, the exchange owns both
//! directions of the raw connection. Here is what HTTP says about it: whether the request may go
//! where it wants, and how it is to be answered.

use std::sync::Arc;

use super::Shared;
use super::connection::Connection;
use super::errand::{self, After, Errand};
use crate::exchange::CONTENT_TOO_LARGE;
use crate::exchange::outbound::Plan;
use crate::http::Refusal;
use crate::http::framing::{self, Framing, Manner};
use crate::http::head::{ALLOW, Method, RequestHead};
use crate::http::method::MethodSet;
use crate::http::upgrade::Protocol;
use crate::metrics::Way;
use crate::registry::{NoRoute, Registry, Stages};
use crate::websocket::handshake::{self, Handshake};

/// Runs the exchange of one request.
pub(super) async fn exchange(connection: &mut Connection, head: RequestHead) -> After {
    let is_head = head.method() == Method::Head;
    let manner = match framing::decide(&head) {
        Ok(manner) => manner,
        Err(refusal) => {
            connection.refuse(&refusal, None, true, !is_head);
            return After::Linger;
        }
    };
    connection.inbound.expect(manner.framing);
    if head.is_server_wide() {
        return describe(connection, manner);
    }
    // Held to the end: it is what `--max-exchanges` counts.
    let shared = Arc::clone(&connection.shared);
    let admitted = admit(&shared.registry, &head, manner.framing).and_then(|stages| {
        let handshake = handshake(&shared, &head, manner)?;
        let permit = errand::place(&shared, &stages)?;
        Ok((stages, handshake, permit))
    });
    match admitted {
        Ok((stages, handshake, permit)) => {
            let keep_alive = manner.keep_alive && manner.upgrade.is_none();
            let errand = Errand { handshake, ..errand(connection, head, manner, stages) };
            let left = errand::run(connection, errand).await;
            drop(permit);
            errand::settle(connection, left, keep_alive).await
        }
        Err(Refused { refusal, allowed }) => {
            // A body that nobody reads would be in the way of the next request; so would bytes of
            // another protocol.
            let is_in_step = connection.inbound.is_complete() && manner.upgrade.is_none();
            let close = !manner.keep_alive || !is_in_step || shared.is_draining();
            connection.refuse(&refusal, allowed, close, !is_head);
            if close { After::Linger } else { After::KeepAlive }
        }
    }
}

/// Answers `OPTIONS *` (RFC 9110 section 9.3.7): the methods that plugins may have, and nothing else.
fn describe(connection: &Connection, manner: Manner) -> After {
    let is_in_step = connection.inbound.is_complete() && manner.upgrade.is_none();
    let close = !manner.keep_alive || !is_in_step || connection.shared.is_draining();
    connection.outbound.answer(200, "", &[("allow", ALLOW)], close, false);
    if close { After::Linger } else { After::KeepAlive }
}

/// How the exchange is to be run.
fn errand(connection: &mut Connection, head: RequestHead, manner: Manner, stages: Stages) -> Errand {
    let way = match manner.upgrade {
        Some(Protocol::Raw) => {
            connection.inbound.expect_rest();
            Way::Upgrade
        }
        Some(Protocol::WebSocket) => {
            connection.inbound.expect_rest();
            Way::WebSocket
        }
        None => Way::Http,
    };
    let plan = Plan {
        version: head.version(),
        method: head.method(),
        close: !manner.keep_alive || connection.shared.is_draining(),
        // RFC 9110 section 10.1.1: needless once the body is coming.
        interim: manner.expects_continue
            && manner.upgrade.is_none()
            && !connection.inbound.is_complete()
            && connection.inbound.carry().is_empty(),
        switch: manner.upgrade,
    };
    Errand { stages, way, head: Some(Arc::new(head)), plan: Some(plan), handshake: None }
}

/// What makes the request a WebSocket, if it is to be one.
fn handshake(shared: &Shared, head: &RequestHead, manner: Manner) -> Result<Option<Handshake>, Refusal> {
    let is_asked_for = manner.upgrade == Some(Protocol::WebSocket);
    is_asked_for.then(|| handshake::check(head, &shared.origins)).transpose()
}

/// A refusal before any plugin runs, and the methods that would have been good.
struct Refused {
    refusal: Refusal,
    allowed: Option<MethodSet>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, allowed: None }
    }
}

/// The stages of a request's route, if it may go there.
fn admit(registry: &Registry, head: &RequestHead, framing: Framing) -> Result<Stages, Refused> {
    let stages = resolve(registry, head.first_segment())?;
    let allowed = stages.iter().fold(MethodSet::ALL, |set, stage| set.and(stage.methods));
    if !allowed.has(head.method()) {
        let refusal = Refusal::new(405, "this method does not reach the plugin");
        return Err(Refused { refusal, allowed: Some(allowed) });
    }
    let limit = stages.first().and_then(|first| first.plugin.limits().received);
    match (framing, limit) {
        (Framing::Length(length), Some(limit)) if length > limit => {
            Err(Refusal::new(CONTENT_TOO_LARGE, "received: the body is beyond the plugin's limit").into())
        }
        _ => Ok(stages),
    }
}

/// The stages of a route.
pub(super) fn resolve(registry: &Registry, route: &str) -> Result<Stages, Refusal> {
    registry.resolve(route).map_err(|error| match error {
        NoRoute::Unknown => Refusal::new(404, "no plugin has this name"),
        NoRoute::TooLong => Refusal::bad_request("too many plugins in a row (at most 8)"),
    })
}
