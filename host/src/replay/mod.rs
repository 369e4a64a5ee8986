//! An exchange out of a capsule, run again.
//!
//! The recorded stage runs through the same [`drive`] as in the server, on a [source](source::Recorded)
//! that hands it what it was handed then, and an [outlet](outlet::Kept) that keeps what it emits. Stages
//! before and behind it are not run: what came from them is in the record.

mod outlet;
mod settle;
mod source;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::sink;

use crate::capsule::form::{Capsule, EventKind, Field};
use crate::capsule::hex;
use crate::capsule::mask::MASK;
use crate::exchange::outbound::{Outbound, Plan};
use crate::exchange::{Broken, Waterline, drive};
use crate::http::head::{Method, Version};
use crate::metrics::Way;
use crate::plugin::{
    Account, Code, Engine, ExchangeId, Failure, Limits, Plugin, Recorder, Request, Response, Tally, Wiring,
};

use outlet::Kept;
use source::{Beyond, Moment, Recorded};

/// How much longer than the recorded exchange a replay in its own time waits for a timer to fire: what
/// fired then may be a little late now.
const GRACE: Duration = Duration::from_secs(1);

/// How a replay is done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct How {
    /// Whether chunks and timers come in their own time, or as fast as the plugin takes them.
    pub timing: bool,
    /// Whether a record without the body's end is given one.
    pub with_end: bool,
    /// Whether granted folders that are there are mounted, for reading.
    pub with_dirs: bool,
}

/// How a replay ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Ending {
    /// The plugin failed, in this chunk, which began at this offset.
    Failed { failure: Failure, chunk: u64, offset: u64 },
    /// The response came to its proper end.
    Well,
    /// The plugin outlived the record.
    Past,
}

/// A replay and what came of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Played {
    pub ending: Ending,
    /// The body's end was not in the record.
    pub is_end_made_up: bool,
    /// Timers in the record that the plugin had not set.
    pub unset_timers: usize,
    /// What the plugin emitted, at most the first 64 MiB.
    pub output: Vec<u8>,
    /// Bytes that it emitted in all.
    pub emitted: u64,
    /// SHA-256 of as many of them as the capsule has in its own.
    pub sha256: String,
}

impl Played {
    /// Whether it is the failure that was recorded: kind, reason with its place in the code, and place
    /// in the body.
    #[must_use]
    pub fn is_same_failure(&self, capsule: &Capsule) -> bool {
        let recorded = &capsule.failure;
        matches!(&self.ending, Ending::Failed { failure, chunk, offset }
            if failure.kind() == recorded.kind
                && failure.to_string() == recorded.reason
                && (*chunk, *offset) == (recorded.chunk, recorded.offset))
    }

    /// Whether as much was emitted as then, and the same as far as it is known.
    #[must_use]
    pub fn is_same_output(&self, capsule: &Capsule) -> bool {
        self.emitted == capsule.output.bytes && self.sha256 == capsule.output.sha256
    }

    /// Whether this was a good replay of a fixed plugin. To reject a body that was cut short by the
    /// record's end is no fault.
    #[must_use]
    pub fn is_good(&self) -> bool {
        match &self.ending {
            Ending::Well | Ending::Past => true,
            Ending::Failed { failure, .. } => {
                self.is_end_made_up && matches!(failure, Failure::Rejected { .. } | Failure::Exit(_))
            }
        }
    }
}

/// Runs a capsule on `code`, which may be another than the recorded one.
///
/// # Errors
///
/// When the capsule makes no sense, or the code does not fit the recorded limits.
pub fn play(engine: &Engine, code: Arc<Code>, capsule: &Capsule, how: How) -> anyhow::Result<Played> {
    let settings = settle::settings(&capsule.manifest, how.with_dirs)?;
    let plugin = Plugin::new(engine, &capsule.plugin.name, code, settings)?;
    let account = account(&plugin, capsule)?;
    let tally = Tally::of(&account, 0);
    tally.usage().record(Recorder::of_output(usize::try_from(capsule.output.hashed)?).tape());
    let mut source = source(capsule, how)?;
    let wire = wire(capsule, &account)?;
    let mut outlet = Kept::new(wire.clone());
    let wiring = Wiring {
        tally: tally.clone(),
        outlet: Box::new(outlet.clone()),
        request: Arc::new(Recalled::of(capsule)?),
        inherited: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("no event loop")?;
    let outcome = runtime.block_on(drive(&plugin, wiring, &mut source, &mut outlet));
    // Without waiting for an operation on a file that hangs.
    runtime.shutdown_background();
    let usage = tally.usage();
    let failed =
        |failure| Ending::Failed { failure, chunk: usage.chunks.get(), offset: usage.chunk_offset.get() };
    let ending = match (outcome, wire) {
        (Err(Broken::Plugin { failure, .. }), _) => failed(failure),
        (Err(Broken::Client(_) | Broken::Gone | Broken::Full | Broken::Spool(_)), _) => Ending::Past,
        (Ok(_), Some(wire)) => {
            wire.finish().map_or_else(|total| failed(Failure::short_of(total)), |()| Ending::Well)
        }
        (Ok(_), None) => Ending::Well,
    };
    let recording = usage.tape().map(|tape| tape.take()).context("nothing was recorded")?;
    Ok(Played {
        ending,
        is_end_made_up: source.is_end_made_up,
        unset_timers: source.unset_timers,
        output: outlet.take(),
        emitted: recording.emitted,
        sha256: hex(&recording.output_digest()),
    })
}

/// The account of the recorded stage; what the others used stands on a page of its own.
fn account(plugin: &Plugin, capsule: &Capsule) -> anyhow::Result<Arc<Account>> {
    let route = &capsule.route;
    let elsewhere = usize::try_from(route.memory_elsewhere)?;
    let others = Limits { memory: elsewhere, ..settle::shared_limits(route)? };
    let limits = [*plugin.limits(), others];
    let id = u64::from_str_radix(&capsule.exchange, 16).unwrap_or_default();
    let account = Account::open(ExchangeId(id), limits.iter());
    let taken = Tally::of(&account, 1).take_memory(elsewhere);
    taken.map_err(|limit| anyhow::anyhow!("route.memory_elsewhere: beyond {limit}"))?;
    Ok(account)
}

fn source(capsule: &Capsule, how: How) -> anyhow::Result<Recorded> {
    let moments = capsule.events.iter().map(|event| {
        Ok(Moment { at: Duration::from_micros(event.at_us), kind: event.event, bytes: event.bytes()? })
    });
    let moments = moments.collect::<anyhow::Result<Vec<_>>>()?;
    let ends = moments.iter().filter(|moment| moment.kind == EventKind::End).count();
    let is_whole = capsule.input.truncated.is_none();
    anyhow::ensure!(ends <= 1, "events: the body ends more than once");
    let beyond = if how.with_end && is_whole && ends == 0 { Beyond::End } else { Beyond::Stop };
    let length = Duration::from_micros(capsule.failure.at_us).saturating_add(GRACE);
    let inherited = match &capsule.inherited {
        Some(inherited) => Some(response(inherited.status, &inherited.fields)?),
        None => None,
    };
    let length = how.timing.then_some(length);
    Ok(Recorded::new(moments, capsule.request.has_body, inherited, beyond, length))
}

/// The way to the client, if the recorded stage was the last one.
fn wire(capsule: &Capsule, account: &Arc<Account>) -> anyhow::Result<Option<Outbound<tokio::io::Sink>>> {
    if capsule.route.failed < capsule.route.stages.len() {
        return Ok(None);
    }
    let wire = Outbound::new(sink(), GRACE, Waterline::new(usize::MAX));
    if capsule.request.way != Way::Http.as_str() {
        wire.bare(Tally::of(account, 0));
        return Ok(Some(wire));
    }
    let method = Method::parse(&capsule.request.method);
    let method = method.map_err(|refusal| anyhow::anyhow!("request.method: {}", refusal.reason))?;
    let is_old = capsule.request.version == Version::Http10.as_str();
    let version = if is_old { Version::Http10 } else { Version::Http11 };
    let plan = Plan { version, method, close: true, interim: false, switch: None };
    wire.plan(plan, Tally::of(account, 0));
    Ok(Some(wire))
}

fn response(status: u16, fields: &[Field]) -> anyhow::Result<Response> {
    let fields = fields.iter().map(recall).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(Response::shaped(status, fields.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))))
}

fn recall(field: &Field) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
    let value = field.value.as_ref().map_or_else(|| Ok(MASK.as_bytes().to_vec()), |value| value.get());
    Ok((field.name.as_bytes().to_vec(), value?))
}

/// The request as it is in a capsule.
struct Recalled {
    pseudo: Vec<(&'static str, Vec<u8>)>,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Recalled {
    fn of(capsule: &Capsule) -> anyhow::Result<Self> {
        let asked = &capsule.request;
        let text = |text: &str| text.as_bytes().to_vec();
        let mut pseudo = vec![(":peer", text(&asked.peer)), (":plugin", text(&capsule.plugin.name))];
        let request = [(":method", &asked.method), (":path", &asked.path), (":version", &asked.version)];
        pseudo.extend(
            request.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (*name, text(value))),
        );
        if let Some(query) = &asked.query {
            pseudo.push((":query", query.get()?));
        }
        let fields = asked.fields.iter().map(recall).collect::<anyhow::Result<_>>()?;
        Ok(Self { pseudo, fields })
    }
}

impl Request for Recalled {
    fn field(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        let pseudo = self.pseudo.iter().find(|(key, _)| key.as_bytes().eq_ignore_ascii_case(name));
        if let Some((_, value)) = pseudo {
            return Some(Cow::Borrowed(value));
        }
        let values = self.fields.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let values: Vec<&[u8]> = values.map(|(_, value)| value.as_slice()).collect();
        (!values.is_empty()).then(|| Cow::Owned(values.join(&b", "[..])))
    }
}

/// How two outputs compare.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Difference {
    None,
    /// The first one is the beginning of the second.
    Longer,
    /// The second one is the beginning of the first.
    Shorter,
    /// They differ from this byte on.
    At(usize),
}

/// Compares two outputs.
#[must_use]
pub fn difference(before: &[u8], after: &[u8]) -> Difference {
    match before.iter().zip(after).position(|(a, b)| a != b) {
        Some(at) => Difference::At(at),
        None if before.len() == after.len() => Difference::None,
        None if before.len() < after.len() => Difference::Longer,
        None => Difference::Shorter,
    }
}
