//! One exchange on its connection, by whatever way its bytes come: the only place that sees plugin
//! and socket together.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use smallvec::SmallVec;
use tokio::sync::SemaphorePermit;
use tokio::time::timeout;

use super::connection::Connection;
use super::request::RequestView;
use super::verdict::{Ending, Verdict, judge};
use super::{ServerOptions, Shared, report, websocket};
use crate::capsule::Incident;
use crate::exchange::chain::{Stage, drive_chain};
use crate::exchange::outbound::Plan;
use crate::exchange::{Broken, Finished, Read, Source as _, discard, flush_taking};
use crate::http::Refusal;
use crate::http::encode::EXCHANGE_FIELD;
use crate::http::head::{Method, RequestHead, Version};
use crate::http::upgrade::Protocol;
use crate::metrics::{Origin, Ticket, Way};
use crate::plugin::{Account, Failure, Tally};
use crate::registry::{Served, Stages};
use crate::websocket::handshake::Handshake;

/// After an early finish, so much of the body may still come before the connection is given up …
const DRAIN_BYTES: usize = 256 * 1024;

/// … and so long. Beyond, closing is cheaper than reading.
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// What is to be run, and how it is answered.
pub(super) struct Errand {
    pub(super) stages: Stages,
    pub(super) way: Way,
    /// The request's head, where there is one.
    pub(super) head: Option<Arc<RequestHead>>,
    /// How the response is dressed; `None` is bytes as they are.
    pub(super) plan: Option<Plan>,
    /// It becomes a WebSocket.
    pub(super) handshake: Option<Handshake>,
}

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

/// What an exchange left behind.
pub(super) enum Left {
    /// A response with its proper end; the body may be unread.
    Whole,
    /// No such thing.
    Broken(After),
}

/// Room for an exchange, held to its end: every stage has an instance, and counts.
pub(super) fn place<'a>(shared: &'a Shared, stages: &[Arc<Served>]) -> Result<SemaphorePermit<'a>, Refusal> {
    let slots = stages.iter().map(|stage| stage.plugin.code().slots()).sum();
    shared.exchanges.try_acquire_many(slots).map_err(|_| Refusal::new(503, busy(slots, &shared.options)))
}

/// Why there is no place for an exchange.
const fn busy(slots: u32, options: &ServerOptions) -> &'static str {
    if slots > options.max_exchanges {
        "this pipe takes more places than --max-exchanges gives"
    } else {
        "too many exchanges are open; try again later"
    }
}

/// Runs it to the end of its response.
pub(super) async fn run(connection: &mut Connection, errand: Errand) -> Left {
    let shared = Arc::clone(&connection.shared);
    let Errand { stages, way, head, plan, handshake } = errand;
    let totals = stages.iter().map(|stage| Arc::clone(&stage.totals)).collect();
    let limits = stages.iter().map(|stage| stage.plugin.limits());
    let ticket = shared.metrics.begin(totals, limits, Origin { peer: connection.peer, way, head });
    let account = &ticket.open().account;
    if let Some(capsules) = &shared.capsules {
        capsules.record(account);
    }
    let tally = Tally::of(account, stages.len() - 1);
    match plan {
        Some(plan) => connection.outbound.plan(plan, tally),
        None => connection.outbound.bare(tally),
    }
    if let Some(handshake) = handshake {
        websocket::begin(connection, handshake);
    }
    // Whatever ends this connection before the response is whole must not look like its end.
    let ends_with_close =
        plan.is_none_or(|plan| plan.version == Version::Http10 || matches!(plan.switch, Some(Protocol::Raw)));
    if ends_with_close {
        connection.inbound.wire().end_with_reset(true);
    }
    let stage = |served: &Arc<Served>| {
        let plugin = Arc::clone(&served.plugin);
        let request = Arc::new(RequestView::new(&ticket.open().origin, &plugin));
        Stage { plugin, request }
    };
    let driven: SmallVec<[Stage; 1]> = stages.iter().map(stage).collect();
    let outcome = if connection.talk.is_some() {
        Box::pin(websocket::duplex(connection, account, &driven)).await
    } else {
        duplex(connection, account, &driven).await
    };
    let is_answered = plan.is_some() && !connection.outbound.has_begun();
    if ends_with_close && (outcome.is_ok() || is_answered) {
        connection.inbound.wire().end_with_reset(false);
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
    inbound.drop_rest();
    let ends_with_close = outbound.is_close_delimited();
    outbound.finish().map_err(|total| {
        let failure = Failure::short_of(total);
        (stages.len() - 1, Broken::Plugin { failure, status: 500 })
    })?;
    if ends_with_close || inbound.carry().is_empty() {
        // It is not over before it has left. Only answers to pipelined requests leave together.
        flush_taking(inbound, outbound).await.map_err(|broken| (stages.len() - 1, broken))?;
    }
    Ok(finished)
}

/// Answers or cuts.
fn carry_out(
    connection: &mut Connection,
    plan: Option<Plan>,
    verdict: &Verdict,
    ticket: &Ticket<'_>,
) -> After {
    if connection.outbound.has_begun() {
        connection.inbound.wire().cut();
        return match verdict.ending {
            // Where the response ends with the connection, only a reset tells that it is not whole.
            Ending::Cut if connection.outbound.is_close_delimited() => After::Delivered,
            Ending::Cut => {
                websocket::fail(connection, verdict);
                After::Linger
            }
            Ending::Close => After::Close,
            Ending::Reset => After::Reset,
        };
    }
    let (status, line, plan) = match (&verdict.answer, plan) {
        (None, _) => return After::Close,
        // Nobody could tell an answer from what a plugin emits.
        (Some(_), None) => return After::Reset,
        (Some((status, line)), Some(plan)) => (*status, line, plan),
    };
    connection.talk = None;
    let exchange = ticket.open().account.id.to_string();
    let extra = [(EXCHANGE_FIELD, exchange.as_str())];
    connection.outbound.answer(status, line, &extra, true, plan.method != Method::Head);
    After::Linger
}

/// Brings the connection to where the next request can be read, or to its end.
pub(super) async fn settle(connection: &mut Connection, left: Left, keep_alive: bool) -> After {
    match left {
        Left::Broken(After::Delivered) => {
            connection.inbound.drop_rest();
            match flush_taking(&mut connection.inbound, &mut connection.outbound).await {
                Ok(()) => After::Delivered,
                // As far as the client took it.
                Err(_) => After::Reset,
            }
        }
        Left::Broken(after) => after,
        Left::Whole if connection.inbound.is_complete() => {
            if keep_alive && !connection.shared.is_draining() {
                After::KeepAlive
            } else {
                After::Linger
            }
        }
        Left::Whole => drain(connection, keep_alive).await,
    }
}

/// The plugin finished first. The response is whole, and leaves at once; what is left of the body
/// is read and dropped, within bounds.
async fn drain(connection: &mut Connection, keep_alive: bool) -> After {
    if flush_taking(&mut connection.inbound, &mut connection.outbound).await.is_err() {
        return After::Close;
    }
    if !keep_alive {
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
