//! One TLS connection: records in and out of a TCP socket, without hiding what has not left.

use std::io::{Error, ErrorKind, Read as _, Result, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustls::SupportedCipherSuite;
use rustls::server::ServerConnection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// The most bytes that are encrypted before they are on the socket: four records (RFC 8446 section
/// 5.1) leave in one system call. While a client does not read, so much is held twice.
pub(super) const MAX_ENCRYPTED: usize = 64 * 1024;

/// The most bytes of one record.
const MAX_RECORD: usize = 16 * 1024;

/// TLS 1.2 has no new keys for an old connection. So many records before they are used up the
/// connection fails here, for rustls would end it with `close_notify`, as if all had been said.
const KEY_MARGIN: u64 = 64;

/// A connection after its handshake.
///
/// A write is done when its bytes are on the socket, not when they are encrypted: [`Channel::poll_write`]
/// says how many of the bytes that it was given have left. Until all of them have, it must be given
/// the same ones again, less those that it said. (OpenSSL wants the same.)
pub(super) struct Channel {
    tcp: TcpStream,
    session: ServerConnection,
    /// Bytes that were encrypted, and not yet said to be written.
    unsaid: usize,
    /// Bytes of records that went to the socket for them.
    pushed: usize,
    /// How many more records the keys are good for.
    pub(super) records_left: u64,
    ending: Ending,
    /// What broke reading, if bytes that came before it had to be handed out first.
    fault: Option<Error>,
}

/// How the end of the stream is, or was, said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ending {
    /// By `close_notify` and FIN, when the time comes.
    Whole,
    /// By FIN alone: what was sent is not all that there was to be.
    Cut,
    /// It was.
    Said,
}

impl Channel {
    /// What a handshake gave.
    pub(super) fn new(stream: TlsStream<TcpStream>) -> Self {
        let (tcp, session) = stream.into_inner();
        let records_left = records_left(&session);
        Self { tcp, session, unsaid: 0, pushed: 0, records_left, ending: Ending::Whole, fault: None }
    }

    pub(super) const fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// Whether the end of the stream, when it is said, is to be one that tells that not all was.
    pub(super) fn set_cut(&mut self, is_cut: bool) {
        if self.ending != Ending::Said {
            self.ending = if is_cut { Ending::Cut } else { Ending::Whole };
        }
    }

    /// Fills `buffer` with what has arrived. Nothing is the end, said by `close_notify`; an end without
    /// it is an error (`UnexpectedEof`).
    pub(super) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let before = buffer.filled().len();
        while buffer.remaining() > 0 {
            let has_some = buffer.filled().len() > before;
            match self.session.reader().read(buffer.initialize_unfilled()) {
                Ok(0) => break,
                Ok(length) => buffer.advance(length),
                Err(error) if error.kind() == ErrorKind::WouldBlock => match self.poll_receive(context) {
                    Poll::Pending if has_some => break,
                    Poll::Ready(Err(error)) if has_some => {
                        self.fault = Some(error);
                        break;
                    }
                    received => ready!(received)?,
                },
                Err(_) if has_some => break,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Ready with 1 when there are bytes to read, with 0 after `close_notify`.
    pub(super) fn poll_peek(&mut self, context: &mut Context<'_>) -> Poll<Result<usize>> {
        loop {
            match self.session.reader().into_first_chunk() {
                Ok(bytes) => return Poll::Ready(Ok(usize::from(!bytes.is_empty()))),
                Err(error) if error.kind() == ErrorKind::WouldBlock => ready!(self.poll_receive(context))?,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Takes records from the socket, once.
    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        if let Some(fault) = self.fault.take() {
            return Poll::Ready(Err(fault));
        }
        let mut socket = Socket { tcp: &mut self.tcp, context };
        match self.session.read_tls(&mut socket) {
            // The end is the reader's to tell: with or without close_notify.
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Poll::Pending,
            Err(error) => return Poll::Ready(Err(error)),
        }
        let outcome = self.session.process_new_packets();
        // An alert, or a refusal to renegotiate: there may never be a write to take it along. Where
        // there is no room for it now, it leaves with the next.
        if self.session.wants_write() && self.ending != Ending::Said {
            let _ = self.poll_push(context);
        }
        Poll::Ready(outcome.map(drop).map_err(|error| Error::new(ErrorKind::InvalidData, error)))
    }

    /// Writes bytes, and says how many of them have left. See [`Channel`].
    pub(super) fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if self.unsaid == 0 {
            if self.ending == Ending::Said {
                return Poll::Ready(Err(ErrorKind::NotConnected.into()));
            }
            ready!(self.poll_push(context))?;
            self.encrypt(bytes)?;
        }
        // Part of a record is of no use to the client, but tells that it takes bytes. The last byte
        // stays unsaid until all have left.
        let said = match self.poll_push(context)? {
            Poll::Ready(()) => self.unsaid,
            Poll::Pending => self.pushed.min(self.unsaid - 1),
        };
        if said == 0 {
            return Poll::Pending;
        }
        self.unsaid -= said;
        self.pushed = self.pushed.saturating_sub(said);
        Poll::Ready(Ok(said))
    }

    fn encrypt(&mut self, bytes: &[u8]) -> Result<()> {
        let bytes = &bytes[..bytes.len().min(MAX_ENCRYPTED)];
        let left = self.records_left.checked_sub(bytes.len().div_ceil(MAX_RECORD) as u64);
        self.records_left =
            left.ok_or_else(|| Error::other("the keys of this TLS connection are used up"))?;
        self.unsaid = self.session.writer().write(bytes)?;
        self.pushed = 0;
        if self.unsaid == 0 { Err(ErrorKind::WriteZero.into()) } else { Ok(()) }
    }

    /// Ready when all that was given to [`Channel::poll_write`] has left. An alert for which there is no
    /// room may wait for company: nobody waits for it, and it must not make anybody wait.
    pub(super) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        match self.poll_push(context) {
            Poll::Pending if self.unsaid == 0 => Poll::Ready(Ok(())),
            pushed => pushed,
        }
    }

    /// Ready when nothing that was encrypted waits.
    fn poll_push(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        while self.session.wants_write() {
            let mut socket = Socket { tcp: &mut self.tcp, context };
            match self.session.write_tls(&mut socket) {
                Ok(0) => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                Ok(length) => self.pushed += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Says the end of the stream: all that was written, then `close_notify`, unless it is a cut, then
    /// FIN. What the client still sends can be read.
    pub(super) fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        if self.ending == Ending::Whole {
            self.session.send_close_notify();
        }
        self.ending = Ending::Said;
        ready!(self.poll_push(context))?;
        match ready!(Pin::new(&mut self.tcp).poll_shutdown(context)) {
            // The client was faster, and there is nobody to tell.
            Err(error) if error.kind() == ErrorKind::NotConnected => Poll::Ready(Ok(())),
            outcome => Poll::Ready(outcome),
        }
    }
}

/// How many records the keys of a connection are good for.
fn records_left(session: &ServerConnection) -> u64 {
    match session.negotiated_cipher_suite() {
        Some(SupportedCipherSuite::Tls12(suite)) => {
            suite.common.confidentiality_limit.saturating_sub(KEY_MARGIN)
        }
        // TLS 1.3 makes new keys as it goes.
        _ => u64::MAX,
    }
}

/// The socket as rustls wants it: what would have to wait says so, and the task is woken when it need not
/// any more. Readers and writers of a socket are woken separately, so neither forgets the other.
struct Socket<'a, 'b> {
    tcp: &'a mut TcpStream,
    context: &'a mut Context<'b>,
}

impl Socket<'_, '_> {
    fn now<T>(poll: Poll<Result<T>>) -> Result<T> {
        match poll {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => Err(ErrorKind::WouldBlock.into()),
        }
    }
}

impl std::io::Read for Socket<'_, '_> {
    fn read(&mut self, area: &mut [u8]) -> Result<usize> {
        let mut buffer = ReadBuf::new(area);
        Self::now(Pin::new(&mut *self.tcp).poll_read(self.context, &mut buffer))?;
        Ok(buffer.filled().len())
    }
}

impl std::io::Write for Socket<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        Self::now(Pin::new(&mut *self.tcp).poll_write(self.context, bytes))
    }

    fn write_vectored(&mut self, parts: &[std::io::IoSlice<'_>]) -> Result<usize> {
        Self::now(Pin::new(&mut *self.tcp).poll_write_vectored(self.context, parts))
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
