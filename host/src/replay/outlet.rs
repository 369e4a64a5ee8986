//! What a replayed plugin emits, kept instead of sent.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::Sink;

use crate::exchange::outbound::Outbound;
use crate::http::encode::is_settable_field;
use crate::plugin::{Outlet, OutletError, Response};

/// The most bytes of output that are kept, to be compared.
const MAX_KEPT: usize = 64 * 1024 * 1024;

/// An outlet that keeps what it takes. Clones share it.
#[derive(Clone)]
pub(super) struct Kept {
    /// The way to a client that takes everything, with its rules on content-length and HEAD. Where
    /// another stage followed, there are no such rules.
    wire: Option<Outbound<Sink>>,
    output: Arc<Mutex<Vec<u8>>>,
}

impl Kept {
    pub(super) fn new(wire: Option<Outbound<Sink>>) -> Self {
        Self { wire, output: Arc::default() }
    }

    /// What was kept.
    pub(super) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        // Bytes that a panic left behind are still bytes.
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outlet for Kept {
    fn begin(&mut self, response: &Response) -> Result<(), OutletError> {
        self.wire.as_mut().map_or(Ok(()), |wire| wire.begin(response))
    }

    fn invite(&mut self) {
        if let Some(wire) = &mut self.wire {
            wire.invite();
        }
    }

    fn offer(&mut self, bytes: &[u8]) -> Result<usize, OutletError> {
        let taken = match &mut self.wire {
            Some(wire) => wire.offer(bytes)?,
            None => bytes.len(),
        };
        let mut output = self.lock();
        let room = MAX_KEPT - output.len();
        output.extend_from_slice(&bytes[..taken.min(room)]);
        Ok(taken)
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), OutletError>> {
        self.wire.as_mut().map_or(Poll::Ready(Ok(())), |wire| wire.poll_flush(context))
    }

    fn is_mute(&self) -> bool {
        self.wire.as_ref().is_some_and(Outlet::is_mute)
    }

    fn accepts_field(&self, name: &[u8], value: &[u8]) -> bool {
        is_settable_field(name, value)
    }
}
