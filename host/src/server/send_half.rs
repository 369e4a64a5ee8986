//! The sending half of a connection, which says the end of the stream only when asked to.

use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::AsyncWrite;
use tokio::net::tcp::OwnedWriteHalf;

/// Wraps tokio's half, whose drop would send FIN: on a response that ends with its connection, that
/// would make any failure look like a proper end.
pub(super) struct SendHalf(Option<OwnedWriteHalf>);

impl SendHalf {
    pub(super) const fn new(half: OwnedWriteHalf) -> Self {
        Self(Some(half))
    }

    fn half(&mut self) -> std::io::Result<Pin<&mut OwnedWriteHalf>> {
        let half = self.0.as_mut().map(Pin::new);
        half.ok_or_else(|| std::io::ErrorKind::NotConnected.into())
    }
}

/// Whether the connection ends with RST when it is dropped, by whatever reason: return, panic, or
/// the end of the process.
pub(super) fn end_with_reset(stream: &tokio::net::TcpStream, reset: bool) {
    let linger = reset.then_some(std::time::Duration::ZERO);
    // Failing that it is an ordinary close, which is the best there is then.
    let _ = SockRef::from(stream).set_linger(linger);
}

impl Drop for SendHalf {
    fn drop(&mut self) {
        if let Some(half) = self.0.take() {
            half.forget();
        }
    }
}

impl AsyncWrite for SendHalf {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.get_mut().half()?.poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.get_mut().half()?.poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.get_mut().half()?.poll_shutdown(context)
    }
}
