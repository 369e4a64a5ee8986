//! Where an exchange waits: for input, for the timer, or for a program that sleeps.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Sleep, sleep_until};

use super::{Broken, CONTENT_TOO_LARGE, Read, Source, SourceError, broken_by, push};
use crate::plugin::{Instance, Outlet, Tally, Waiting};

/// What an exchange waited for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Event {
    Chunk(usize),
    End,
    Timer,
    /// It sleeps, and nobody would get what it writes after.
    Mute,
}

/// Waits for input or for the timer, and never with output in hand: what is there already is taken
/// without a wait, and before a wait everything is flushed.
///
/// Whoever did not have the last turn comes first, so that neither input that never ceases nor a
/// timer that is always due starves the other.
pub(super) async fn wait(
    instance: &mut Instance,
    source: &mut impl Source,
    outlet: &mut impl Outlet,
    input_first: bool,
) -> Result<Event, Broken> {
    let mut alarm: Option<Pin<Box<Sleep>>> = instance.timer().map(|due| Box::pin(sleep_until(due)));
    let mut is_flushed = false;
    let event = poll_fn(|context| {
        loop {
            if is_flushed || !source.is_ready() {
                match push(source, outlet, context) {
                    Poll::Ready(Ok(())) => is_flushed = true,
                    Poll::Ready(Err(broken)) => return Poll::Ready(Err(broken)),
                    Poll::Pending => {
                        instance.tally().usage().wait_for(Waiting::Client);
                        return Poll::Pending;
                    }
                }
            }
            if !input_first && is_due(&mut alarm, source, context) {
                return Poll::Ready(Ok(Event::Timer));
            }
            if !instance.wants_input() {
                match poll_sleep(source, outlet, context) {
                    Poll::Ready(event) => return Poll::Ready(event),
                    Poll::Pending if is_due(&mut alarm, source, context) => {
                        return Poll::Ready(Ok(Event::Timer));
                    }
                    Poll::Pending if is_flushed && !begins(instance)? => return Poll::Pending,
                    Poll::Pending => {
                        is_flushed = true;
                        continue;
                    }
                }
            }
            match read_into(instance, source, context) {
                Poll::Ready(Ok(Read::Data(length))) => return Poll::Ready(Ok(Event::Chunk(length))),
                Poll::Ready(Ok(Read::End)) => return Poll::Ready(Ok(Event::End)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Broken::Client(error))),
                Poll::Pending => {}
            }
            if input_first && is_due(&mut alarm, source, context) {
                return Poll::Ready(Ok(Event::Timer));
            }
            if is_flushed && !begins(instance)? {
                instance.tally().usage().wait_for(Waiting::Input);
                return Poll::Pending;
            }
            // What had arrived was no body byte yet, only framing; or the head is to be flushed now.
            is_flushed = true;
        }
    })
    .await?;
    instance.tally().usage().wait_for(Waiting::Plugin);
    match (event, instance.tally().usage().tape()) {
        (Event::Timer, Some(tape)) => tape.timer(),
        (Event::End, Some(tape)) => tape.end(),
        (Event::Chunk(length), _) => receive(instance.tally(), length)?,
        _ => {}
    }
    Ok(event)
}

/// Whether a program has let its response head go just now, since it has to wait.
fn begins(instance: &mut Instance) -> Result<bool, Broken> {
    instance.begin_before_wait().map_err(broken_by)
}

/// Reads body bytes to where the instance wants them, and puts them on the exchange's tape if it has one.
fn read_into(
    instance: &mut Instance,
    source: &mut impl Source,
    context: &mut Context<'_>,
) -> Poll<Result<Read, SourceError>> {
    let tape = instance.tally().usage().tape().cloned();
    instance.fill(|area| {
        let read = source.poll_read(context, area);
        let length = if let Poll::Ready(Ok(Read::Data(length))) = read { length } else { 0 };
        if let Some(tape) = tape.filter(|_| length > 0) {
            tape.chunk(&area[..length]);
        }
        (length, read)
    })
}

/// While an instance takes no input: whether there is a reason to wait no longer.
fn poll_sleep(
    source: &mut impl Source,
    outlet: &impl Outlet,
    context: &mut Context<'_>,
) -> Poll<Result<Event, Broken>> {
    if outlet.is_mute() {
        // Whatever it would still write, nobody would get it.
        return Poll::Ready(Ok(Event::Mute));
    }
    source.poll_left(context).map(Err)
}

/// Counts body bytes before they are handed on.
pub(super) fn receive(tally: &Tally, length: usize) -> Result<(), Broken> {
    let counted = tally.usage().receive(length);
    counted.map_err(|failure| Broken::Plugin { failure, status: CONTENT_TOO_LARGE })
}

fn is_due(alarm: &mut Option<Pin<Box<Sleep>>>, source: &mut impl Source, context: &mut Context<'_>) -> bool {
    alarm.as_mut().is_some_and(|alarm| source.poll_timer(context, alarm.as_mut()).is_ready())
}
