//! One exchange: a body on its way through an instance, both directions at once.
//!
//! [`drive`] is the duplex contract in code. It knows a [`Source`] of body bytes and an
//! [`Outlet`] for response bytes, and nothing of wire formats: HTTP/1.1 over TCP and
//! `wasmplex run`'s standard input and output are pairs of the two in [`inbound`] and
//! [`outbound`], and a WebSocket is [`messages`] between them.
//!
//! Two invariants hold everywhere in here:
//!
//! - no wait for input while emitted bytes are unwritten (`flush` before every wait, and
//!   [`supervise`] pushes whenever a call is pending);
//! - the end of a response is said, never implied: only `Ok` leads to it.

mod buffers;
pub mod chain;
mod date;
mod dress;
pub mod inbound;
pub mod messages;
pub mod outbound;
mod pipe;
mod speech;
mod spool;
mod spool_file;
mod wait;
mod waterline;

pub use spool::{SpoolFault, SpoolOptions, Spools};
pub use waterline::Waterline;

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep_until};
use wait::{Event, receive, wait};

use crate::http::decode::BodyError;
use crate::plugin::abi::{Next, Opened};
use crate::plugin::{CallError, Failure, Instance, Outlet, Plugin, Response, Tally, Waiting, Wiring};
use crate::websocket::decode::Violation;

/// Where body bytes come from.
pub trait Source: Send {
    /// Whether [`Source::poll_read`] has an answer without waiting for the other side.
    fn is_ready(&self) -> bool;

    /// Whether a body was announced at all, empty or not.
    fn has_body(&self) -> bool;

    /// Ready when the stage before this one has let its response head go, with what it wants of it;
    /// at once where there is no such stage.
    fn poll_head(&mut self, _context: &mut Context<'_>) -> Poll<Option<Response>> {
        Poll::Ready(None)
    }

    /// Puts body bytes at the front of `area`, at least one.
    ///
    /// # Errors
    ///
    /// See [`SourceError`].
    fn poll_read(&mut self, context: &mut Context<'_>, area: &mut [u8]) -> Poll<Result<Read, SourceError>>;

    /// Ready when the instance's timer is to fire, which `alarm` tells.
    fn poll_timer(&mut self, context: &mut Context<'_>, alarm: Pin<&mut Sleep>) -> Poll<()> {
        alarm.poll(context)
    }

    /// Ready when the rest of the body will not come, or nobody is there any more. It must not take
    /// bytes to find out.
    fn poll_left(&mut self, context: &mut Context<'_>) -> Poll<Broken>;

    /// Takes what goes on coming, to be read later: called while nothing leaves, which is since `since`.
    /// Ready when it cannot go on like that, or nobody is there any more.
    fn poll_spool(&mut self, _context: &mut Context<'_>, _since: Instant) -> Poll<Broken> {
        Poll::Pending
    }

    /// Nobody wants the rest of the body: from here on, [`Source::poll_spool`] drops what it takes.
    fn drop_rest(&mut self) {}

    /// Ready when nobody is there any more, whatever became of the body.
    fn poll_gone(&mut self, _context: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

/// What a source had.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Read {
    /// So many bytes.
    Data(usize),
    /// The body is complete.
    End,
}

/// Why a body does not come to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SourceError {
    /// The connection ended before the body was complete.
    Incomplete,
    /// The connection is broken.
    Lost,
    /// The client broke the framing.
    Malformed(BodyError),
    /// The client broke the WebSocket protocol.
    Violation(Violation),
    /// No byte for as long as `--body-timeout` says.
    Silent,
    /// A WebSocket's client does not answer a ping.
    Unanswered,
    /// What was taken before it could be read is lost.
    Spool(SpoolFault),
}

/// How an exchange ended well.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Finished {
    /// Body and plugin are at their end.
    Complete,
    /// The plugin finished first; body bytes may still come.
    Early,
}

/// How an exchange ended otherwise.
#[derive(Debug)]
pub enum Broken {
    /// The plugin failed. `status` is what to answer if the head is not out.
    Plugin { failure: Failure, status: u16 },
    /// The client's body is at fault.
    Client(SourceError),
    /// Nobody is there any more.
    Gone,
    /// The client does not read, and the host has no room for more that waits.
    Full,
    /// The client does not read but sends, and nothing more can be taken of it.
    Spool(SpoolFault),
}

/// What to answer where more body bytes came than a plugin may be handed (RFC 9110 section 15.5.14).
pub const CONTENT_TOO_LARGE: u16 = 413;

impl std::fmt::Display for SourceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Incomplete => f.write_str("the body is incomplete"),
            Self::Lost => f.write_str("the connection is broken"),
            Self::Malformed(error) => write!(f, "{error}"),
            Self::Violation(violation) => write!(f, "{violation}"),
            Self::Silent => f.write_str("the body was silent for too long"),
            Self::Unanswered => f.write_str("the client does not answer a ping"),
            Self::Spool(fault) => write!(f, "{fault}"),
        }
    }
}

/// Runs one exchange to its end on a fresh instance of `plugin`. `wiring` holds another handle of
/// `outlet`. All that was emitted is in `outlet` when this returns, not necessarily flushed, and
/// the end of the response is the caller's to say.
///
/// # Errors
///
/// [`Broken`] when there is no proper end to be said.
pub async fn drive(
    plugin: &Arc<Plugin>,
    mut wiring: Wiring,
    source: &mut impl Source,
    outlet: &mut impl Outlet,
) -> Result<Finished, Broken> {
    wiring.inherited = poll_fn(|context| source.poll_head(context)).await;
    if let Some(tape) = wiring.tally.usage().tape() {
        tape.open(source.has_body(), wiring.inherited.as_ref());
    }
    // Not in the exchange's own future: it needs as much room as all that follows, and for a moment only.
    let mut start = Box::pin(Instance::start(plugin, wiring));
    let started = supervise(start.as_mut(), source, outlet).await;
    drop(start);
    let mut instance = started.map_err(|stopped| stopped.into_broken(500))?;
    match run(&mut instance, source, outlet).await {
        Ok(Then::End(finished)) => Ok(finished),
        Ok(Then::Pass) => {
            // The plugin has said its last word: its memory need not wait for the body's end.
            let tally = instance.tally().clone();
            drop(instance);
            pass(&tally, source, outlet).await
        }
        Err(stopped) => Err(stopped.into_broken(instance.rejection_status())),
    }
}

/// Reads body bytes and drops them.
///
/// # Errors
///
/// See [`SourceError`].
pub async fn discard(source: &mut impl Source) -> Result<Read, SourceError> {
    poll_fn(|context| buffers::with_area(|area| source.poll_read(context, area))).await
}

/// What is left to do when the instance has no more to say.
enum Then {
    End(Finished),
    Pass,
}

/// Why the instance stopped early: its own fault, or somebody else's.
enum Stopped {
    Call(CallError),
    Broken(Broken),
}

impl Stopped {
    /// `rejection_status` is what a plugin that rejects wants to be answered.
    fn into_broken(self, rejection_status: u16) -> Broken {
        match self {
            Self::Broken(broken) => broken,
            Self::Call(CallError::Gone) => Broken::Gone,
            Self::Call(CallError::Failed(failure)) => {
                let is_rejection = matches!(failure, Failure::Rejected { .. });
                Broken::Plugin { failure, status: if is_rejection { rejection_status } else { 500 } }
            }
        }
    }
}

impl From<CallError> for Stopped {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<Broken> for Stopped {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

async fn run(
    instance: &mut Instance,
    source: &mut impl Source,
    outlet: &mut impl Outlet,
) -> Result<Then, Stopped> {
    let opened = supervise(pin!(instance.open()), source, outlet).await?;
    match opened {
        Opened::GoOn => instance.begin_response()?,
        Opened::Hold if outlet.is_awaited() => instance.begin_response()?,
        Opened::Hold => outlet.invite(),
        Opened::Finish => return finish(instance, early(source)),
        Opened::Pass => return hand_over(instance),
    }
    let mut was_timer = false;
    loop {
        let event = wait(instance, source, outlet, was_timer).await?;
        was_timer = matches!(event, Event::Timer);
        let next = match event {
            Event::Chunk(length) => supervise(pin!(instance.chunk(length)), source, outlet).await?,
            Event::Timer => supervise(pin!(instance.fire_timer()), source, outlet).await?,
            Event::End => return end(instance, source, outlet).await,
            Event::Mute => return finish(instance, early(source)),
        };
        match next {
            Next::GoOn => {}
            Next::Finish => return finish(instance, early(source)),
            Next::Pass => return hand_over(instance),
        }
    }
}

/// The body is complete: `on_end`, and whatever timers it sets.
///
/// A timer from before the body's end is cancelled, so that a plugin with a heartbeat does not
/// hold its response open by accident. One that is set in `on_end`, or by a plugin that had no
/// body to wait for, does hold it: that is how a plugin pushes.
async fn end(
    instance: &mut Instance,
    source: &mut impl Source,
    outlet: &mut impl Outlet,
) -> Result<Then, Stopped> {
    if source.has_body() {
        instance.cancel_timer();
    }
    supervise(pin!(instance.end()), source, outlet).await?;
    while let Some(due) = instance.timer() {
        instance.begin_before_wait()?;
        flush(outlet).await?;
        let mut alarm = pin!(sleep_until(due));
        let (way_out, way_in) = (&mut *outlet, &mut *source);
        let is_due = poll_fn(move |context| {
            if way_out.is_mute() {
                // Whatever the plugin would still push, nobody would get it.
                return Poll::Ready(Ok(false));
            }
            match way_in.poll_left(context) {
                Poll::Ready(broken) => Poll::Ready(Err(broken)),
                Poll::Pending => way_in.poll_timer(context, alarm.as_mut()).map(|()| Ok(true)),
            }
        });
        if !is_due.await? {
            break;
        }
        instance.tally().usage().tape().inspect(|tape| tape.timer());
        if supervise(pin!(instance.fire_timer()), source, outlet).await? != Next::GoOn {
            break;
        }
    }
    finish(instance, Finished::Complete)
}

/// What it means that the plugin has finished: where there is no body, it is first in nothing.
fn early(source: &impl Source) -> Finished {
    if source.has_body() { Finished::Early } else { Finished::Complete }
}

fn finish(instance: &mut Instance, finished: Finished) -> Result<Then, Stopped> {
    instance.begin_response()?;
    Ok(Then::End(finished))
}

fn hand_over(instance: &mut Instance) -> Result<Then, Stopped> {
    instance.begin_response()?;
    Ok(Then::Pass)
}

/// Drives a call, which comes pinned since an async function keeps a future that it takes twice.
/// While it is pending (its CPU tick is over, it sleeps, it waits in `emit`), what
/// it emitted is pushed out, and a client that left is noticed; dropping the call ends it, even in
/// the middle of wasm.
async fn supervise<T>(
    mut call: Pin<&mut impl Future<Output = Result<T, CallError>>>,
    source: &mut impl Source,
    outlet: &mut impl Outlet,
) -> Result<T, Stopped> {
    poll_fn(|context| {
        if let Poll::Ready(outcome) = call.as_mut().poll(context) {
            return Poll::Ready(outcome.map_err(Stopped::Call));
        }
        if let Poll::Ready(Err(broken)) = push(source, outlet, context) {
            return Poll::Ready(Err(Stopped::Broken(broken)));
        }
        source.poll_left(context).map(|broken| Err(Stopped::Broken(broken)))
    })
    .await
}

/// Waits until all that was offered has left.
///
/// # Errors
///
/// [`Broken`] when it cannot leave.
pub async fn flush(outlet: &mut impl Outlet) -> Result<(), Broken> {
    poll_fn(|context| outlet.poll_flush(context)).await.map_err(broken_by)
}

/// The same; what `source` has meanwhile is taken, so that a client that sends all before it reads comes
/// to reading.
///
/// # Errors
///
/// [`Broken`] when it cannot leave.
pub async fn flush_taking(source: &mut impl Source, outlet: &mut impl Outlet) -> Result<(), Broken> {
    poll_fn(|context| push(source, outlet, context)).await
}

/// Pushes on what was offered. While nothing of it leaves, what `source` has is taken.
fn push(
    source: &mut impl Source,
    outlet: &mut impl Outlet,
    context: &mut Context<'_>,
) -> Poll<Result<(), Broken>> {
    let flushed = outlet.poll_flush(context).map_err(broken_by);
    if flushed.is_pending()
        && let Some(since) = outlet.stalled_since()
    {
        return source.poll_spool(context, since).map(Err);
    }
    flushed
}

/// What an outlet's refusal means for the exchange.
fn broken_by(error: impl Into<CallError>) -> Broken {
    match error.into() {
        CallError::Gone => Broken::Gone,
        CallError::Failed(failure) => Broken::Plugin { failure, status: 500 },
    }
}

/// Copies the rest of the body through unchanged.
async fn pass(tally: &Tally, source: &mut impl Source, outlet: &mut impl Outlet) -> Result<Finished, Broken> {
    loop {
        tally.usage().wait_for(Waiting::Client);
        flush_taking(source, outlet).await?;
        tally.usage().wait_for(Waiting::Input);
        let mut rest = Vec::new();
        let read = poll_fn(|context| {
            buffers::with_area(|area| {
                let read = source.poll_read(context, area);
                if let Poll::Ready(Ok(Read::Data(length))) = read {
                    let tape = tally.usage().tape();
                    tape.inspect(|tape| tape.chunk(&area[..length]));
                    receive(tally, length)?;
                    let emitted = tally.usage().emit(length);
                    emitted.map_err(|failure| Broken::Plugin { failure, status: 500 })?;
                    tape.inspect(|tape| tape.emitted(&area[..length]));
                    match outlet.offer(&area[..length]) {
                        Ok(taken) => rest.extend_from_slice(&area[taken..length]),
                        Err(error) => return Poll::Ready(Err(broken_by(error))),
                    }
                }
                read.map_err(Broken::Client)
            })
        })
        .await?;
        if read == Read::End {
            tally.usage().tape().inspect(|tape| tape.end());
            return Ok(Finished::Complete);
        }
        while !rest.is_empty() {
            flush_taking(source, outlet).await?;
            let taken = outlet.offer(&rest).map_err(broken_by)?;
            rest.drain(..taken);
        }
    }
}

#[cfg(test)]
mod spool_tests;
