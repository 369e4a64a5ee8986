//! The two ends of a staged exchange: a body that is there already, and a response that is kept.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use crate::exchange::{Broken, Read, Source, SourceError};
use crate::http::encode::is_settable_field;
use crate::plugin::{Outlet, OutletError, Response};

/// The most bytes of a response. What emits more in a test does not come to an end.
pub(super) const MAX_OUTPUT: usize = 256 * 1024 * 1024;

/// A body in pieces.
pub(super) struct Pieces<'a> {
    body: &'a [u8],
    lengths: std::slice::Iter<'a, usize>,
    /// What is left of the present piece: a call takes less than a large one.
    left: usize,
    has_body: bool,
}

impl<'a> Pieces<'a> {
    /// `lengths` are those of the pieces, together the body's.
    pub(super) fn new(body: Option<&'a [u8]>, lengths: &'a [usize]) -> Self {
        Self { body: body.unwrap_or_default(), lengths: lengths.iter(), left: 0, has_body: body.is_some() }
    }
}

impl Source for Pieces<'_> {
    fn is_ready(&self) -> bool {
        true
    }

    fn has_body(&self) -> bool {
        self.has_body
    }

    fn poll_read(&mut self, _context: &mut Context<'_>, area: &mut [u8]) -> Poll<Result<Read, SourceError>> {
        if self.left == 0 {
            self.left = self.lengths.next().copied().unwrap_or_default();
        }
        let (piece, rest) = self.body.split_at(self.left.min(area.len()));
        if piece.is_empty() {
            return Poll::Ready(Ok(Read::End));
        }
        area[..piece.len()].copy_from_slice(piece);
        self.body = rest;
        self.left -= piece.len();
        Poll::Ready(Ok(Read::Data(piece.len())))
    }

    fn poll_left(&mut self, _context: &mut Context<'_>) -> Poll<Broken> {
        Poll::Pending
    }
}

/// Keeps what a client would get. Clones share it.
#[derive(Clone)]
pub(super) struct Keeper(Arc<Mutex<Kept>>);

/// A response so far.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) head: Option<Response>,
    pub(super) output: Vec<u8>,
    /// There was more than [`MAX_OUTPUT`].
    pub(super) is_too_much: bool,
    is_head_request: bool,
}

impl Keeper {
    pub(super) fn new(is_head_request: bool) -> Self {
        Self(Arc::new(Mutex::new(Kept { is_head_request, ..Kept::default() })))
    }

    /// All that was kept; nothing is left.
    pub(super) fn take(&self) -> Kept {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Bytes and a head are consistent whatever panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Answers to HEAD, and 204 and 304, have no body.
    fn is_mute(&self) -> bool {
        self.head.as_ref().is_some_and(|head| self.is_head_request || matches!(head.status(), 204 | 304))
    }
}

impl Outlet for Keeper {
    fn begin(&mut self, response: &Response) -> Result<(), OutletError> {
        self.lock().head = Some(response.clone());
        Ok(())
    }

    fn offer(&mut self, bytes: &[u8]) -> Result<usize, OutletError> {
        let mut kept = self.lock();
        if kept.is_mute() {
            return Ok(bytes.len());
        }
        if kept.output.len() + bytes.len() > MAX_OUTPUT {
            kept.is_too_much = true;
            return Err(OutletError::Gone);
        }
        kept.output.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn poll_flush(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), OutletError>> {
        Poll::Ready(Ok(()))
    }

    fn is_mute(&self) -> bool {
        self.lock().is_mute()
    }

    fn accepts_field(&self, name: &[u8], value: &[u8]) -> bool {
        is_settable_field(name, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    #[test]
    fn pieces_come_one_by_one_and_no_larger_than_the_area() {
        let (body, lengths) = (b"abcdefg", [1, 4, 2]);
        let mut source = Pieces::new(Some(body), &lengths);
        let context = &mut Context::from_waker(Waker::noop());
        let mut area = [0; 3];
        let mut read = || match source.poll_read(context, &mut area) {
            Poll::Ready(Ok(Read::Data(length))) => area[..length].to_vec(),
            Poll::Ready(Ok(Read::End)) => vec![],
            _ => panic!("it is all there"),
        };
        assert_eq!(
            [read(), read(), read(), read(), read(), read()],
            [&b"a"[..], b"bcd", b"e", b"fg", b"", b""]
        );
        assert!(!Pieces::new(None, &[]).has_body() && Pieces::new(Some(b""), &[]).has_body());
    }
}
