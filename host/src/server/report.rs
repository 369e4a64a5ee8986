//! What is written down when an exchange ends: its counters, the plugin's failure, the access line.

use super::verdict::{Ending, Guilty, Verdict};
use crate::exchange::Finished;
use crate::metrics::{Open, Outcome, Ticket, Totals};

/// An exchange came to its proper end.
pub(super) fn finished(ticket: Ticket<'_>, status: u16, finished: Finished) {
    let detail = if finished == Finished::Early { "the plugin finished first" } else { "complete" };
    access(ticket.open(), Outcome::Clean, detail, status, None);
    ticket.end(Outcome::Clean, None);
}

/// An exchange ended otherwise, in this stage. `capsule` is the name of the file that tells more.
pub(super) fn broken(
    ticket: Ticket<'_>,
    status: u16,
    stage: usize,
    verdict: &Verdict,
    capsule: Option<&str>,
) {
    let outcome = match (verdict.guilty, verdict.ending) {
        (Guilty::Plugin, _) => Outcome::Failed,
        (Guilty::Client, Ending::Cut | Ending::Reset) => Outcome::Cut,
        (Guilty::Client, Ending::Close) => Outcome::Gone,
    };
    if verdict.guilty == Guilty::Plugin {
        failure(ticket.open(), stage, &verdict.reason, capsule);
    }
    if verdict.is_host_bound {
        overfull(ticket.open(), &verdict.reason);
    }
    access(ticket.open(), outcome, &verdict.reason, status, capsule);
    ticket.end(outcome, verdict.failure.as_ref().map(|failure| (stage, failure)));
}

/// The drain is over, and the exchange is cut with the process's end.
pub(super) fn cut(open: &Open) {
    access(open, Outcome::Cut, "the drain timeout is over", 0, None);
}

fn failure(open: &Open, stage: usize, reason: &str, capsule: Option<&str>) {
    let usage = &open.account.stages[stage];
    let totals = &open.plugins[stage];
    let chunk = usage.chunks.get();
    tracing::warn!(
        plugin = totals.plugin(),
        version = totals.version(),
        exchange = %open.account.id,
        reason,
        chunk,
        offset = usage.chunk_offset.get(),
        trace_id = open.origin.trace_id(),
        capsule,
        "plugin failed"
    );
}

/// A bound of the host's ended an exchange that would have gone on.
fn overfull(open: &Open, reason: &str) {
    let plugin = plugins(open, Totals::plugin);
    let exchange = open.account.id;
    tracing::warn!(plugin, %exchange, reason, trace_id = open.origin.trace_id(), "exchange cut");
}

fn access(open: &Open, outcome: Outcome, detail: &str, status: u16, capsule: Option<&str>) {
    if !tracing::enabled!(target: "access", tracing::Level::INFO) {
        return;
    }
    let stages = &open.account.stages;
    tracing::info!(
        target: "access",
        plugin = plugins(open, Totals::plugin),
        version = plugins(open, Totals::version),
        exchange = %open.account.id,
        outcome = outcome.as_str(),
        detail,
        way = open.origin.way.as_str(),
        method = open.origin.method(),
        path = open.origin.path(),
        status = (status > 0).then_some(status),
        received = stages.first().map_or(0, |first| first.received.get()),
        sent = stages.last().map_or(0, |last| last.sent.get()),
        ms = open.since.elapsed().as_millis() as u64,
        peer = %open.origin.peer,
        trace_id = open.origin.trace_id(),
        capsule,
        "exchange ended"
    );
}

/// A name of all stages' plugins, joined by `+`.
fn plugins(open: &Open, name: fn(&Totals) -> &str) -> String {
    open.plugins.iter().map(|totals| name(totals)).collect::<Vec<_>>().join("+")
}
