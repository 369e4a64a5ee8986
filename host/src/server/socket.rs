//! The raw connection: TCP, TLS or a Unix socket, in two halves.

use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::RecvFlags;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream, tcp, unix};

use super::tls::{TlsReadHalf, TlsWriteHalf};
use crate::exchange::inbound::Wire;

/// A connection.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    /// After the handshake.
    Tls(TlsReadHalf, TlsWriteHalf),
    Unix(UnixStream),
}

/// Its receiving half, which also knows the socket.
#[derive(Debug)]
pub(super) enum ReadHalf {
    Tcp(tcp::OwnedReadHalf),
    Tls(TlsReadHalf),
    Unix(unix::OwnedReadHalf),
}

/// Its sending half, which says the end of the stream only when asked to. Tokio's halves send FIN
/// when they are dropped: on a response that ends with its connection, that would make any failure
/// look like a proper end.
#[derive(Debug)]
pub(super) struct SendHalf(Option<WriteHalf>);

#[derive(Debug)]
enum WriteHalf {
    Tcp(tcp::OwnedWriteHalf),
    Tls(TlsWriteHalf),
    Unix(unix::OwnedWriteHalf),
}

impl Stream {
    /// Both directions by themselves.
    pub(super) fn into_split(self) -> (ReadHalf, SendHalf) {
        let (read, write) = match self {
            Self::Tcp(stream) => {
                let (read, write) = stream.into_split();
                (ReadHalf::Tcp(read), WriteHalf::Tcp(write))
            }
            Self::Tls(read, write) => (ReadHalf::Tls(read), WriteHalf::Tls(write)),
            Self::Unix(stream) => {
                let (read, write) = stream.into_split();
                (ReadHalf::Unix(read), WriteHalf::Unix(write))
            }
        };
        (read, SendHalf(Some(write)))
    }
}

impl ReadHalf {
    /// Whether the connection ends with RST when it is dropped, by whatever reason: return, panic, or
    /// the end of the process. A Unix socket knows no such thing: there an end is an end.
    pub(super) fn end_with_reset(&self, reset: bool) {
        match self {
            Self::Tcp(half) => end_with_reset(half.as_ref(), reset),
            Self::Tls(half) => {
                half.with_socket(|tcp| end_with_reset(tcp, reset));
                half.set_cut(reset);
            }
            Self::Unix(_) => {}
        }
    }

    /// The present response is not whole: where the end of a connection is said in bytes, by TLS's
    /// `close_notify`, it is not said.
    pub(super) fn cut(&self) {
        if let Self::Tls(half) = self {
            half.set_cut(true);
        }
    }
}

/// Whether no byte waits to be sent. With a low-water mark of one byte, that is when more may be written
/// (`tcp(7)`, `TCP_NOTSENT_LOWAT`).
fn has_sent(stream: &TcpStream) -> bool {
    let has_mark = SockRef::from(stream).set_tcp_notsent_lowat(1).is_ok();
    // Where there is no such mark, or nobody is there any more, waiting is of no use.
    !has_mark || is_polled(stream, PollFlags::OUT)
}

/// See [`ReadHalf::end_with_reset`].
pub(super) fn end_with_reset(stream: &TcpStream, reset: bool) {
    // Failing that it is an ordinary close, which is the best there is then.
    let _ = SockRef::from(stream).set_linger(reset.then_some(Duration::ZERO));
}

impl ReadHalf {
    /// Whether the system has sent all that was written, or never will.
    pub(super) fn has_sent(&self) -> bool {
        match self {
            Self::Tcp(half) => has_sent(half.as_ref()),
            Self::Tls(half) => half.with_socket(has_sent),
            // What is written there has arrived.
            Self::Unix(_) => true,
        }
    }
}

impl AsyncRead for ReadHalf {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(half) => Pin::new(half).poll_read(context, buffer),
            Self::Tls(half) => Pin::new(half).poll_read(context, buffer),
            Self::Unix(half) => Pin::new(half).poll_read(context, buffer),
        }
    }
}

impl Wire for ReadHalf {
    fn poll_peek(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(half) => half.poll_peek(context, &mut ReadBuf::new(&mut [0])),
            Self::Tls(half) => half.poll_peek(context),
            Self::Unix(half) => poll_peek(half.as_ref(), context),
        }
    }

    fn is_broken(&self) -> bool {
        match self {
            Self::Tcp(half) => !matches!(half.as_ref().take_error(), Ok(None)),
            Self::Tls(half) => half.is_broken(),
            Self::Unix(half) => is_hung_up(half.as_ref()),
        }
    }
}

/// What tokio has for TCP only.
fn poll_peek(stream: &UnixStream, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
    // Each turn takes a readiness that was there: it ends when there is none.
    loop {
        ready!(stream.poll_read_ready(context))?;
        let peeked = stream.try_io(Interest::READABLE, || {
            let (length, _) = rustix::net::recv(stream, &mut [0; 1], RecvFlags::PEEK)?;
            Ok(length)
        });
        match peeked {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            peeked => return Poll::Ready(peeked),
        }
    }
}

/// Whether the other side has closed its socket, and not only its sending direction (`unix(7)`).
fn is_hung_up(stream: &UnixStream) -> bool {
    is_polled(stream, PollFlags::empty())
}

/// Whether one of `flags` holds now, or the connection is over.
fn is_polled(socket: &impl AsFd, flags: PollFlags) -> bool {
    let mut watched = [PollFd::new(socket, flags)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let polled = rustix::event::poll(&mut watched, Some(&now));
    polled.is_ok() && watched[0].revents().intersects(flags | PollFlags::HUP | PollFlags::ERR)
}

impl SendHalf {
    fn half(&mut self) -> io::Result<&mut WriteHalf> {
        self.0.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Drop for SendHalf {
    fn drop(&mut self) {
        match self.0.take() {
            Some(WriteHalf::Tcp(half)) => half.forget(),
            Some(WriteHalf::Unix(half)) => half.forget(),
            Some(WriteHalf::Tls(_)) | None => {}
        }
    }
}

impl AsyncWrite for SendHalf {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut().half()? {
            WriteHalf::Tcp(half) => Pin::new(half).poll_write(context, bytes),
            WriteHalf::Tls(half) => Pin::new(half).poll_write(context, bytes),
            WriteHalf::Unix(half) => Pin::new(half).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut().half()? {
            WriteHalf::Tcp(half) => Pin::new(half).poll_flush(context),
            WriteHalf::Tls(half) => Pin::new(half).poll_flush(context),
            WriteHalf::Unix(half) => Pin::new(half).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut().half()? {
            WriteHalf::Tcp(half) => Pin::new(half).poll_shutdown(context),
            WriteHalf::Tls(half) => Pin::new(half).poll_shutdown(context),
            WriteHalf::Unix(half) => Pin::new(half).poll_shutdown(context),
        }
    }
}
