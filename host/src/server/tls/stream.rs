//! The two halves of a TLS connection.

use std::fmt;
use std::io::Result;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::channel::Channel;
use crate::exchange::inbound::Wire;

/// What both halves share. They belong to one task; the lock is never contended.
#[derive(Clone)]
struct Shared(Arc<Mutex<Channel>>);

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Channel> {
        // What panicked in the middle of a write has lost the connection: it is being dropped.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The receiving half.
#[derive(Debug)]
pub(in crate::server) struct TlsReadHalf(Shared);

/// The sending half. Its drop says nothing, neither `close_notify` nor FIN: an end is said by
/// `poll_shutdown`, or it is none.
///
/// `poll_write` says how many bytes have left, not how many were taken: until it has said all of them,
/// it must be given the same bytes again.
#[derive(Debug)]
pub(in crate::server) struct TlsWriteHalf(Shared);

/// Halves of a connection whose handshake is done.
pub(super) fn split(stream: TlsStream<TcpStream>) -> (TlsReadHalf, TlsWriteHalf) {
    let shared = Shared(Arc::new(Mutex::new(Channel::new(stream))));
    (TlsReadHalf(shared.clone()), TlsWriteHalf(shared))
}

impl TlsReadHalf {
    /// What `look` sees in the TCP socket, or does to it.
    pub(in crate::server) fn with_socket<T>(&self, look: impl FnOnce(&TcpStream) -> T) -> T {
        look(self.0.lock().tcp())
    }

    /// Whether `poll_shutdown` sends FIN without `close_notify`: what was sent is not all that there
    /// was to be.
    pub(in crate::server) fn set_cut(&self, is_cut: bool) {
        self.0.lock().set_cut(is_cut);
    }
}

impl AsyncRead for TlsReadHalf {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        self.0.lock().poll_read(context, buffer)
    }
}

impl Wire for TlsReadHalf {
    /// Takes at most one record from the socket; 0 is `close_notify`, and FIN alone an error.
    fn poll_peek(&mut self, context: &mut Context<'_>) -> Poll<Result<usize>> {
        self.0.lock().poll_peek(context)
    }

    fn is_broken(&self) -> bool {
        self.with_socket(|tcp| !matches!(tcp.take_error(), Ok(None)))
    }
}

impl AsyncWrite for TlsWriteHalf {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        self.0.lock().poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.0.lock().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.0.lock().poll_shutdown(context)
    }
}

#[cfg(test)]
impl TlsWriteHalf {
    pub(super) fn records_left(&self) -> u64 {
        self.0.lock().records_left
    }

    pub(super) fn set_records_left(&self, records: u64) {
        self.0.lock().records_left = records;
    }
}
