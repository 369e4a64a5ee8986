//! The hijack: from the end of a request head to the end of its response, the exchange owns both
//! directions of the raw connection. The only place that sees HTTP, plugin and socket together.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::timeout;

use super::connection::Connection;
use super::request::RequestView;
use super::send_half::end_with_reset;
use super::verdict::{Ending, Verdict, judge};
use super::{ServerOptions, Shared, report};
use crate::capsule::Incident;
use crate::exchange::chain::{Stage, drive_chain};
use crate::exchange::outbound::Plan;
use crate::exchange::{Broken, CONTENT_TOO_LARGE, Finished, Read, discard, flush};
use crate::http::Refusal;
use crate::http::encode::EXCHANGE_FIELD;
use crate::http::framing::{self, Framing, Manner};
use crate::http::head::{Method, RequestHead, Version};
use crate::http::method::MethodSet;
use crate::metrics::Ticket;
use crate::plugin::{Account, Failure, Tally};
use crate::registry::{NoRoute, Registry, Served};

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
    /// Reset, once what was emitted has left.
    Delivered,
}

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
    // Held to the end: it is what `--max-exchanges` counts.
    let shared = Arc::clone(&connection.shared);
    let admitted = admit(&shared.registry, &head, manner.framing).and_then(|stages| {
        // Every stage has an instance, and counts.
        let slots = stages.iter().map(|stage| stage.plugin.code().slots()).sum();
        match shared.exchanges.try_acquire_many(slots) {
            Ok(permit) => Ok((stages, permit)),
            Err(_) => Err(Refused::from(Refusal::new(503, busy(slots, &shared.options)))),
        }
    });
    match admitted {
        Ok((stages, permit)) => {
            let after = run(connection, head, manner, stages).await;
            drop(permit);
            settle(connection, after, manner).await
        }
        Err(Refused { refusal, allowed }) => {
            // A body that nobody reads would be in the way of the next request.
            let close = !manner.keep_alive || !connection.inbound.is_complete() || shared.is_draining();
            connection.refuse(&refusal, allowed, close, !is_head);
            if close { After::Linger } else { After::KeepAlive }
        }
    }
}

/// Why there is no place for an exchange.
const fn busy(slots: u32, options: &ServerOptions) -> &'static str {
    if slots > options.max_exchanges {
        "this pipe takes more places than --max-exchanges gives"
    } else {
        "too many exchanges are open; try again later"
    }
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
fn admit(registry: &Registry, head: &RequestHead, framing: Framing) -> Result<Vec<Arc<Served>>, Refused> {
    let stages = registry.resolve(head.first_segment()).map_err(|error| match error {
        NoRoute::Unknown => Refusal::new(404, "no plugin has this name"),
        NoRoute::TooLong => Refusal::bad_request("too many plugins in a row (at most 8)"),
    })?;
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
    stages: Vec<Arc<Served>>,
) -> Left {
    let shared = Arc::clone(&connection.shared);
    let head = Arc::new(head);
    let totals = stages.iter().map(|stage| Arc::clone(&stage.totals)).collect();
    let limits = stages.iter().map(|stage| stage.plugin.limits());
    let ticket = shared.metrics.begin(totals, limits, connection.peer, Arc::clone(&head));
    let account = &ticket.open().account;
    if let Some(capsules) = &shared.capsules {
        capsules.record(account);
    }
    let plan = Plan {
        version: head.version(),
        method: head.method(),
        close: !manner.keep_alive || shared.is_draining(),
        // RFC 9110 section 10.1.1: needless once the body is coming.
        interim: manner.expects_continue
            && !connection.inbound.is_complete()
            && connection.inbound.carry().is_empty(),
    };
    connection.outbound.plan(plan, Tally::of(account, stages.len() - 1));
    // Whatever ends this connection before the response is whole must not look like its end.
    let ends_with_close = head.version() == Version::Http10;
    if ends_with_close {
        end_with_reset(connection.inbound.wire().as_ref(), true);
    }
    let stage = |served: &Arc<Served>| {
        let plugin = Arc::clone(&served.plugin);
        let view =
            RequestView { head: Arc::clone(&head), peer: connection.peer, plugin: plugin.name().into() };
        Stage { plugin, request: Arc::new(view) }
    };
    let driven: Vec<Stage> = stages.iter().map(stage).collect();
    let outcome = duplex(connection, account, &driven).await;
    if ends_with_close && (outcome.is_ok() || !connection.outbound.has_begun()) {
        end_with_reset(connection.inbound.wire().as_ref(), false);
    }
    connection.outbound.settle_times();
    match outcome {
        Ok(finished) => {
            report::finished(ticket, connection.outbound.status(), finished);
            Left::Whole
        }
        Err((stage, broken)) => {
            let verdict = judge(broken, connection.outbound.fault());
            let after = carry_out(connection, plan, &verdict, &ticket);
            let capsule = keep(&shared, &ticket, &stages[stage], stage, &verdict);
            report::broken(ticket, connection.outbound.status(), stage, &verdict, capsule.as_deref());
            Left::Broken(after)
        }
    }
}

/// Has a capsule made of an exchange that failed by a plugin's fault, and says its name.
fn keep(
    shared: &Shared,
    ticket: &Ticket<'_>,
    served: &Served,
    stage: usize,
    verdict: &Verdict,
) -> Option<String> {
    let (capsules, failure) = (shared.capsules.as_ref()?, verdict.failure.as_ref()?);
    capsules.keep(Incident {
        open: Arc::clone(ticket.open()),
        stage,
        plugin: Arc::clone(&served.plugin),
        methods: served.methods,
        failure: failure.clone(),
        at: SystemTime::now(),
    })
}

/// Both directions at once, to a response with its proper end.
async fn duplex(
    connection: &mut Connection,
    account: &Arc<Account>,
    stages: &[Stage],
) -> Result<Finished, (usize, Broken)> {
    let waterline = Arc::clone(&connection.shared.waterline);
    let Connection { inbound, outbound, .. } = connection;
    let finished = drive_chain(stages, account, &waterline, inbound, outbound).await?;
    let ends_with_close = outbound.is_close_delimited();
    outbound.finish().map_err(|total| {
        let failure = Failure::short_of(total);
        (stages.len() - 1, Broken::Plugin { failure, status: 500 })
    })?;
    if ends_with_close || inbound.carry().is_empty() {
        // It is not over before it has left. Only answers to pipelined requests leave together.
        flush(outbound).await.map_err(|broken| (stages.len() - 1, broken))?;
    }
    Ok(finished)
}

/// Answers or cuts.
fn carry_out(connection: &Connection, plan: Plan, verdict: &Verdict, ticket: &Ticket<'_>) -> After {
    if connection.outbound.has_begun() {
        return match verdict.ending {
            // Where the response ends with the connection, only a reset tells that it is not whole.
            Ending::Cut if connection.outbound.is_close_delimited() => After::Delivered,
            Ending::Cut => After::Linger,
            Ending::Close => After::Close,
            Ending::Reset => After::Reset,
        };
    }
    let Some((status, line)) = &verdict.answer else {
        return After::Close;
    };
    let exchange = ticket.open().account.id.to_string();
    let extra = [(EXCHANGE_FIELD, exchange.as_str())];
    connection.outbound.answer(*status, line, &extra, true, plan.method != Method::Head);
    After::Linger
}

/// Brings the connection to where the next request can be read, or to its end.
async fn settle(connection: &mut Connection, left: Left, manner: Manner) -> After {
    match left {
        Left::Broken(After::Delivered) => {
            // As far as the client takes it.
            let _ = flush(&mut connection.outbound).await;
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
    if flush(&mut connection.outbound).await.is_err() {
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
