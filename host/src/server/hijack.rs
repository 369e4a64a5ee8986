//! The hijack: from the end of a request head to the end of its response, the exchange owns both
//! directions of the raw connection. The only place that sees HTTP, plugin and socket together.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::connection::Connection;
use super::request::RequestView;
use super::send_half::end_with_reset;
use super::verdict::{Ending, Guilty, Verdict, judge};
use crate::exchange::chain::{MAX_STAGES, Stage, drive_chain};
use crate::exchange::outbound::Plan;
use crate::exchange::{Broken, Finished, Read, discard};
use crate::http::Refusal;
use crate::http::framing::{self, Manner};
use crate::http::head::{Method, RequestHead, Version};
use crate::plugin::{Failure, Outlet as _, Plugin};
use crate::registry::Registry;

/// After an early finish, so much of the body may still come before the connection is given up …
const DRAIN_BYTES: usize = 256 * 1024;

/// … and so long. Beyond, closing is cheaper than reading.
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// What becomes of the connection after an exchange.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum After {
    KeepAlive,
    /// Close, with patience for a client that is still sending.
    Linger,
    Close,
    Reset,
}

/// Runs the exchange of one request.
pub(super) async fn exchange(connection: &mut Connection, head: RequestHead) -> After {
    let is_head = head.method() == Method::Head;
    let manner = match framing::decide(&head) {
        Ok(manner) => manner,
        Err(refusal) => {
            connection.refuse(&refusal, true, !is_head);
            return After::Linger;
        }
    };
    connection.inbound.expect(manner.framing);
    // Held to the end: it is what `--max-exchanges` counts.
    let shared = Arc::clone(&connection.shared);
    let admitted = find(&shared.registry, head.first_segment()).and_then(|plugins| {
        // Every stage has an instance, and counts.
        match shared.exchanges.try_acquire_many(plugins.len() as u32) {
            Ok(permit) => Ok((plugins, permit)),
            Err(_) => Err(Refusal::new(503, "too many exchanges are open; try again later")),
        }
    });
    match admitted {
        Ok((plugins, permit)) => {
            let after = run(connection, head, manner, plugins).await;
            drop(permit);
            settle(connection, after, manner).await
        }
        Err(refusal) => {
            // A body that nobody reads would be in the way of the next request.
            let close = !manner.keep_alive || !connection.inbound.is_complete() || shared.is_draining();
            connection.refuse(&refusal, close, !is_head);
            if close { After::Linger } else { After::KeepAlive }
        }
    }
}

/// The plugins of a route, `a` or `a+b+c`, in order.
fn find(registry: &Registry, route: &str) -> Result<Vec<Arc<Plugin>>, Refusal> {
    if route.split('+').count() > MAX_STAGES {
        return Err(Refusal::bad_request("too many plugins in a row (at most 8)"));
    }
    let plugins = route.split('+').map(|name| registry.find(name)).collect::<Option<_>>();
    plugins.ok_or(Refusal::new(404, "no plugin has this name"))
}

/// What an exchange left behind.
enum Left {
    /// A response with its proper end; the body may be unread.
    Whole,
    /// No such thing.
    Broken(After),
}

async fn run(
    connection: &mut Connection,
    head: RequestHead,
    manner: Manner,
    plugins: Vec<Arc<Plugin>>,
) -> Left {
    let exchange = connection.shared.next_exchange();
    let plan = Plan {
        version: head.version(),
        method: head.method(),
        close: !manner.keep_alive || connection.shared.is_draining(),
        // RFC 9110 section 10.1.1: needless once the body is coming.
        interim: manner.expects_continue
            && !connection.inbound.is_complete()
            && connection.inbound.carry().is_empty(),
    };
    connection.outbound.plan(plan);
    // Whatever ends this connection before the response is whole must not look like its end.
    let ends_with_close = head.version() == Version::Http10;
    if ends_with_close {
        end_with_reset(connection.inbound.wire().as_ref(), true);
    }
    let head = Arc::new(head);
    let stage = |plugin: Arc<Plugin>| {
        let view =
            RequestView { head: Arc::clone(&head), peer: connection.peer, plugin: plugin.name().into() };
        Stage { plugin, request: Arc::new(view) }
    };
    let stages: Vec<Stage> = plugins.into_iter().map(stage).collect();
    let outcome = duplex(connection, exchange, &stages).await;
    if ends_with_close && (outcome.is_ok() || !connection.outbound.has_begun()) {
        end_with_reset(connection.inbound.wire().as_ref(), false);
    }
    match outcome {
        Ok(finished) => {
            let detail = if finished == Finished::Early { "the plugin finished first" } else { "complete" };
            log_end(connection, exchange, &stages, "clean", detail);
            Left::Whole
        }
        Err((stage, broken)) => {
            let verdict = judge(broken, connection.outbound.fault());
            log_broken(connection, exchange, &stages, stage, &verdict);
            Left::Broken(carry_out(connection, plan, verdict))
        }
    }
}

/// Both directions at once, to a response with its proper end.
async fn duplex(
    connection: &mut Connection,
    exchange: u64,
    stages: &[Stage],
) -> Result<Finished, (usize, Broken)> {
    let finished = drive_chain(stages, exchange, &mut connection.inbound, &mut connection.outbound).await?;
    connection.outbound.finish().map_err(|total| {
        let failure = Failure::trap(format!("it emitted less than its content-length of {total}"));
        (stages.len() - 1, Broken::Plugin { failure, status: 500 })
    })?;
    Ok(finished)
}

/// Answers or cuts.
fn carry_out(connection: &Connection, plan: Plan, verdict: Verdict) -> After {
    if connection.outbound.has_begun() {
        return match verdict.ending {
            // Where the response ends with the connection, only a reset tells that it is not whole.
            Ending::Cut if connection.outbound.is_close_delimited() => After::Reset,
            Ending::Cut => After::Linger,
            Ending::Close => After::Close,
            Ending::Reset => After::Reset,
        };
    }
    let Some((status, line)) = verdict.answer else {
        return After::Close;
    };
    connection.outbound.answer(status, &line, None, true, plan.method != Method::Head);
    After::Linger
}

/// Brings the connection to where the next request can be read, or to its end.
async fn settle(connection: &mut Connection, left: Left, manner: Manner) -> After {
    match left {
        Left::Broken(After::Reset) => {
            // What was emitted before still goes out, as far as the client takes it.
            let outbound = &mut connection.outbound;
            let _ = poll_fn(|context| outbound.poll_flush(context)).await;
            After::Reset
        }
        Left::Broken(after) => after,
        Left::Whole if connection.inbound.is_complete() => {
            if manner.keep_alive && !connection.shared.is_draining() {
                After::KeepAlive
            } else {
                After::Linger
            }
        }
        Left::Whole => drain(connection, manner).await,
    }
}

/// The plugin finished first. The response is whole, and leaves at once; what is left of the body
/// is read and dropped, within bounds.
async fn drain(connection: &mut Connection, manner: Manner) -> After {
    let outbound = &mut connection.outbound;
    if poll_fn(|context| outbound.poll_flush(context)).await.is_err() {
        return After::Close;
    }
    if !manner.keep_alive {
        return After::Linger;
    }
    let inbound = &mut connection.inbound;
    let rest = async {
        let mut dropped = 0;
        while dropped < DRAIN_BYTES {
            match discard(inbound).await {
                Ok(Read::Data(length)) => dropped += length,
                Ok(Read::End) => return After::KeepAlive,
                Err(_) => break,
            }
        }
        After::Linger
    };
    timeout(DRAIN_TIME, rest).await.unwrap_or(After::Linger)
}

fn log_broken(connection: &Connection, exchange: u64, stages: &[Stage], stage: usize, verdict: &Verdict) {
    let reason = verdict.reason.as_str();
    match verdict.guilty {
        Guilty::Plugin => {
            let plugin = &stages[stage].plugin;
            tracing::warn!(
                plugin = plugin.name(),
                version = plugin.version(),
                exchange,
                reason,
                "plugin failed"
            );
            log_end(connection, exchange, stages, "failed", reason);
        }
        Guilty::Client => {
            let outcome = if verdict.ending == Ending::Cut { "cut" } else { "gone" };
            log_end(connection, exchange, stages, outcome, reason);
        }
    }
}

fn log_end(connection: &Connection, exchange: u64, stages: &[Stage], outcome: &str, detail: &str) {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    let join = |part: fn(&Plugin) -> &str| {
        stages.iter().map(|stage| part(&stage.plugin)).collect::<Vec<_>>().join("+")
    };
    tracing::debug!(
        plugin = join(Plugin::name),
        version = join(Plugin::version),
        exchange,
        outcome,
        detail,
        status = connection.outbound.status(),
        received = connection.inbound.received(),
        sent = connection.outbound.sent(),
        "exchange ended"
    );
}
