//! A body that was recorded, with exactly the borders that it had.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::capsule::form::EventKind;
use crate::exchange::{Broken, Read, Source, SourceError};
use crate::plugin::Response;

/// How often a program that sleeps is woken where the record has no timer, before it is taken for one
/// that never ends.
const MAX_MORE_TIMERS: usize = 1_000;

/// Something that is to happen again.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    /// Since the exchange began.
    pub(super) at: Duration,
    pub(super) kind: EventKind,
    /// Those of a chunk.
    pub(super) bytes: Vec<u8>,
}

/// What the record is followed by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Beyond {
    /// Nothing: the replay stops there.
    Stop,
    /// The body's end, if the record has none: to see what a plugin would make of it.
    End,
}

/// A [`Source`] that plays a record.
///
/// Without timing it is the record that says when a timer fires, not the clock: a timer fires when
/// the record has it next, and if the plugin has set none then, that one is left out. A program that
/// sleeps where it did not then is woken at once.
pub(super) struct Recorded {
    moments: std::vec::IntoIter<Moment>,
    has_body: bool,
    inherited: Option<Response>,
    beyond: Beyond,
    /// When the replay began, and how long the record took, where it is played in its own time.
    timing: Option<(Instant, Duration)>,
    alarm: Option<Pin<Box<Sleep>>>,
    /// The record has a timer next, and it is not known yet whether the plugin has set one.
    is_in_doubt: bool,
    /// The plugin has waited for a timer since it was last offered input.
    is_only_timed: bool,
    /// Sleeps that ended though the record has no timer there.
    more_timers: usize,
    /// The body's end was said.
    is_ended: bool,
    /// It was not in the record.
    pub(super) is_end_made_up: bool,
    /// The plugin waits for more than the record has.
    pub(super) is_past: bool,
    /// Timers of the record that the plugin had not set.
    pub(super) unset_timers: usize,
}

impl Recorded {
    /// Plays `moments`. With `length`, how long the exchange took, in their own time.
    pub(super) fn new(
        moments: Vec<Moment>,
        has_body: bool,
        inherited: Option<Response>,
        beyond: Beyond,
        length: Option<Duration>,
    ) -> Self {
        Self {
            moments: moments.into_iter(),
            has_body,
            inherited,
            beyond,
            timing: length.map(|length| (Instant::now(), length)),
            alarm: None,
            is_in_doubt: false,
            is_only_timed: false,
            more_timers: 0,
            is_ended: false,
            is_end_made_up: false,
            is_past: false,
            unset_timers: 0,
        }
    }

    fn next(&self) -> Option<&Moment> {
        self.moments.as_slice().first()
    }

    fn next_is(&self, kind: EventKind) -> bool {
        self.next().is_some_and(|moment| moment.kind == kind)
    }

    /// Takes the next moment off the record.
    fn pass(&mut self) -> Option<Moment> {
        self.is_in_doubt = false;
        self.alarm = None;
        self.moments.next()
    }

    /// Ready at this point of the exchange, if it is played in its own time; otherwise at once.
    fn poll_time(&mut self, context: &mut Context<'_>, at: Duration) -> Poll<()> {
        let Some((began, _)) = self.timing else {
            return Poll::Ready(());
        };
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(began + at)));
        alarm.as_mut().poll(context)
    }

    /// Ready when nothing of the record can still come, a timer that is a little late included.
    fn poll_over(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let length = self.timing.map_or(Duration::ZERO, |(_, length)| length);
        self.poll_time(context, length)
    }

    /// Whether nothing but timers is left.
    fn is_spent(&self) -> bool {
        self.moments.as_slice().iter().all(|moment| moment.kind == EventKind::Timer)
    }

    /// The replay ends at the next look.
    fn stop(&mut self, context: &Context<'_>) {
        self.is_past = true;
        context.waker().wake_by_ref();
    }

    /// What comes when the record is over.
    fn after(&mut self) -> Result<Read, SourceError> {
        if self.beyond == Beyond::Stop {
            self.is_past = true;
            return Err(SourceError::Incomplete);
        }
        self.is_ended = true;
        self.is_end_made_up = true;
        Ok(Read::End)
    }
}

impl Source for Recorded {
    fn is_ready(&self) -> bool {
        self.timing.is_none()
    }

    fn has_body(&self) -> bool {
        self.has_body
    }

    fn poll_head(&mut self, _context: &mut Context<'_>) -> Poll<Option<Response>> {
        Poll::Ready(self.inherited.take())
    }

    fn poll_read(&mut self, context: &mut Context<'_>, area: &mut [u8]) -> Poll<Result<Read, SourceError>> {
        self.is_only_timed = false;
        while self.next_is(EventKind::Timer) {
            if self.timing.is_none() && !std::mem::replace(&mut self.is_in_doubt, true) {
                // If the plugin has set a timer, `poll_timer` comes before the next call of this.
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            self.unset_timers += usize::from(self.timing.is_none());
            self.pass();
        }
        let Some(at) = self.next().map(|moment| moment.at) else {
            return self.poll_over(context).map(|()| self.after());
        };
        if self.poll_time(context, at).is_pending() {
            return Poll::Pending;
        }
        Poll::Ready(Ok(match self.pass() {
            Some(Moment { kind: EventKind::Chunk, bytes, .. }) => {
                area[..bytes.len()].copy_from_slice(&bytes);
                Read::Data(bytes.len())
            }
            _ => {
                self.is_ended = true;
                Read::End
            }
        }))
    }

    fn poll_timer(&mut self, context: &mut Context<'_>, alarm: Pin<&mut Sleep>) -> Poll<()> {
        self.is_in_doubt = false;
        if self.timing.is_some() {
            if alarm.poll(context).is_ready() {
                return Poll::Ready(());
            }
            if self.is_spent() && self.poll_over(context).is_ready() {
                self.stop(context);
            }
            return Poll::Pending;
        }
        if self.next_is(EventKind::Timer) {
            self.pass();
            return Poll::Ready(());
        }
        // A program that sleeps takes no input, and is not to hold the record up.
        let is_asleep = std::mem::replace(&mut self.is_only_timed, true);
        if self.is_ended || self.more_timers > MAX_MORE_TIMERS {
            // Nothing but timers would come from here on, for ever perhaps.
            self.stop(context);
        } else if is_asleep {
            self.more_timers += 1;
            return Poll::Ready(());
        }
        Poll::Pending
    }

    fn poll_left(&mut self, _context: &mut Context<'_>) -> Poll<Broken> {
        if self.is_past { Poll::Ready(Broken::Gone) } else { Poll::Pending }
    }
}
