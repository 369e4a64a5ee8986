//! What joins two stages of a chain: the outlet of one is the source of the next.
//!
//! Both ends belong to one task, which polls the stages in turn, the writer before the reader (see
//! [`super::chain`]). So a pipe needs no wakers: what is written is read in the same turn, and only
//! when a writer that waits for room gets it is there a mark that another turn is due.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::time::Instant;

use super::{Broken, Read, Source, SourceError, buffers};
use crate::copy::{append, copy};
use crate::http::encode::is_settable_field;
use crate::plugin::{Outlet, OutletError, Response, Tally};

/// The most bytes that wait between two stages: a chunk's worth. `emit` waits beyond.
const MAX_PENDING: usize = 64 * 1024;

/// The writing end. Clones share it.
#[derive(Clone)]
pub(super) struct PipeOutlet {
    pipe: Arc<Pipe>,
    tally: Tally,
}

/// The reading end.
pub(super) struct PipeSource {
    pipe: Arc<Pipe>,
    has_body: bool,
}

struct Pipe {
    state: Mutex<State>,
    signs: Arc<Signs>,
}

/// What all pipes of a chain share.
#[derive(Default)]
pub(super) struct Signs {
    /// A stage that waited can go on, and those before it in line had their turn: another is due.
    pub(super) is_due: AtomicBool,
    /// The last stage's output goes nowhere: see [`Outlet::is_mute`].
    pub(super) is_mute: AtomicBool,
    /// The client waits for the head: see [`Outlet::is_awaited`].
    pub(super) is_awaited: AtomicBool,
    /// Since when the client takes nothing: see [`Outlet::stalled_since`].
    stalled: Mutex<Option<Instant>>,
}

impl Signs {
    /// The client takes nothing since then, or takes. Says whether that is news for those who keep what
    /// goes on coming meanwhile.
    pub(super) fn set_stalled(&self, since: Option<Instant>) -> bool {
        let before = std::mem::replace(&mut *self.lock_stalled(), since);
        since.is_some() && since != before
    }

    fn lock_stalled(&self) -> MutexGuard<'_, Option<Instant>> {
        // What a panic left behind is still a point in time.
        self.stalled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct State {
    buffer: Vec<u8>,
    /// Bytes of `buffer` that were read. `read <= buffer.len()`.
    read: usize,
    head: Option<Response>,
    ended: bool,
    /// The writer waits for room.
    is_blocked: bool,
}

/// A pipe whose traffic shows in `signs`. `has_body` is the exchange's, `tally` the writing stage's.
pub(super) fn pipe(signs: &Arc<Signs>, has_body: bool, tally: Tally) -> (PipeOutlet, PipeSource) {
    let pipe = Arc::new(Pipe { state: Mutex::default(), signs: Arc::clone(signs) });
    (PipeOutlet { pipe: Arc::clone(&pipe), tally }, PipeSource { pipe, has_body })
}

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves bytes and positions that are still consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unblock(&self, state: &mut State) {
        if std::mem::take(&mut state.is_blocked) {
            self.signs.is_due.store(true, Ordering::Relaxed);
        }
    }
}

impl PipeOutlet {
    /// No more bytes will come.
    pub(super) fn end(&self) {
        self.pipe.lock().ended = true;
    }

    /// Bytes that wait for the next stage.
    pub(super) fn pending(&self) -> usize {
        let state = self.pipe.lock();
        state.buffer.len() - state.read
    }
}

impl Outlet for PipeOutlet {
    fn begin(&mut self, response: &Response) -> Result<(), OutletError> {
        self.pipe.lock().head = Some(response.inherited());
        Ok(())
    }

    fn offer(&mut self, bytes: &[u8]) -> Result<usize, OutletError> {
        let mut state = self.pipe.lock();
        if state.buffer.capacity() == 0 {
            state.buffer = buffers::take();
        }
        let room = MAX_PENDING.saturating_sub(state.buffer.len());
        let taken = bytes.len().min(room);
        append(&mut state.buffer, &bytes[..taken]);
        self.tally.usage().sent.add(taken as u64);
        Ok(taken)
    }

    /// Ready when there is room: the next stage has its turn before anybody waits.
    fn poll_flush(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), OutletError>> {
        let mut state = self.pipe.lock();
        state.is_blocked = state.buffer.len() >= MAX_PENDING;
        if state.is_blocked { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn stalled_since(&self) -> Option<Instant> {
        *self.pipe.signs.lock_stalled()
    }

    fn is_mute(&self) -> bool {
        self.pipe.signs.is_mute.load(Ordering::Relaxed)
    }

    fn is_awaited(&self) -> bool {
        self.pipe.signs.is_awaited.load(Ordering::Relaxed)
    }

    fn accepts_field(&self, name: &[u8], value: &[u8]) -> bool {
        is_settable_field(name, value)
    }
}

impl Source for PipeSource {
    fn is_ready(&self) -> bool {
        let state = self.pipe.lock();
        state.ended || !state.buffer.is_empty()
    }

    fn has_body(&self) -> bool {
        self.has_body
    }

    fn poll_head(&mut self, _context: &mut Context<'_>) -> Poll<Option<Response>> {
        self.pipe.lock().head.take().map_or(Poll::Pending, |head| Poll::Ready(Some(head)))
    }

    fn poll_read(&mut self, _context: &mut Context<'_>, area: &mut [u8]) -> Poll<Result<Read, SourceError>> {
        let mut state = self.pipe.lock();
        let rest = &state.buffer[state.read..];
        if rest.is_empty() {
            return if state.ended { Poll::Ready(Ok(Read::End)) } else { Poll::Pending };
        }
        let length = rest.len().min(area.len());
        copy(&mut area[..length], &rest[..length]);
        state.read += length;
        if state.read == state.buffer.len() {
            state.read = 0;
            buffers::give(std::mem::take(&mut state.buffer));
            self.pipe.unblock(&mut state);
        }
        Poll::Ready(Ok(Read::Data(length)))
    }

    fn poll_left(&mut self, _context: &mut Context<'_>) -> Poll<Broken> {
        // The first stage watches the client for all.
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::{Account, ExchangeId, Limits};
    use std::task::Waker;

    #[test]
    fn bytes_pass_in_order_within_the_bound() {
        let signs = Arc::new(Signs::default());
        let account = Account::open(ExchangeId(1), std::iter::once(&Limits::default()));
        let (mut outlet, mut source) = pipe(&signs, true, Tally::of(&account, 0));
        let context = &mut Context::from_waker(Waker::noop());
        let sent: Vec<u8> = (0..200_000_u32).map(|index| (index % 251) as u8).collect();
        let mut received = Vec::new();
        let mut offered = 0;
        let mut area = [0; 50_000];
        while received.len() < sent.len() {
            offered += outlet.offer(&sent[offered..]).unwrap();
            assert!(offered - received.len() <= MAX_PENDING);
            let is_full = offered < sent.len();
            assert_eq!(outlet.poll_flush(context).is_pending(), is_full);
            let Poll::Ready(Ok(Read::Data(length))) = source.poll_read(context, &mut area) else {
                panic!("bytes are there");
            };
            received.extend_from_slice(&area[..length]);
            let is_drained = outlet.pending() == 0;
            assert_eq!(signs.is_due.swap(false, Ordering::Relaxed), is_full && is_drained);
        }
        assert_eq!(received, sent);
        assert_eq!(account.stages[0].sent.get(), sent.len() as u64);
        assert!(outlet.poll_flush(context).is_ready() && !source.is_ready());
        assert!(source.poll_read(context, &mut area).is_pending());
        outlet.end();
        assert_eq!(source.poll_read(context, &mut area), Poll::Ready(Ok(Read::End)));
    }
}
