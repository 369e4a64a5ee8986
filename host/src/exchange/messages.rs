//! A WebSocket's messages as body bytes: a [`Source`] over the bytes of another.
//!
//! A message of up to [`CHUNK_CAPACITY`] bytes becomes one chunk, however it was cut into frames and
//! segments; a longer one is handed on in pieces of that size as they come. What the client says beside
//! its messages is answered here: a ping is answered as soon as it is read, also while the plugin has
//! not come for its next chunk, of which one waits at the most.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::time::{Instant, Sleep, sleep_until};

use super::outbound::Outbound;
use super::speech::Turn;
use super::{Broken, Read, Source, SourceError, buffers};
use crate::copy::copy;
use crate::plugin::Outlet as _;
use crate::plugin::abi::CHUNK_CAPACITY;
use crate::websocket::Kind;
use crate::websocket::decode::{Decoder, Event};

/// Whoever looks at the clock so long after its alarm has not listened meanwhile: the client was not
/// read, and is not to blame for its silence.
const DEAF: Duration = Duration::from_millis(500);

/// What lasts of a WebSocket from one chunk to the next.
pub struct Talk<W> {
    outbound: Outbound<W>,
    decoder: Decoder,
    /// Bytes that were read and not looked at yet: those from `taken` on.
    wire: Vec<u8>,
    taken: usize,
    /// The next chunk, as far as it has come.
    chunk: Vec<u8>,
    kind: Kind,
    /// The chunk is to be handed on as it is.
    is_whole: bool,
    /// What stands where no chunk comes any more: the client's Close, with its code, or its fault.
    end: Option<Result<Option<u16>, SourceError>>,
    watch: Watch,
}

impl<W: AsyncWrite + Send + Unpin> Talk<W> {
    /// A WebSocket whose frames go out by `outbound`, with messages of at most `limit` bytes. A client that
    /// sends nothing for `patience` is asked whether it is there, and has as long to show it.
    #[must_use]
    pub fn new(outbound: Outbound<W>, limit: Option<u64>, patience: Option<Duration>) -> Self {
        Self {
            outbound,
            decoder: Decoder::new(limit),
            wire: Vec::new(),
            taken: 0,
            chunk: Vec::new(),
            kind: Kind::Binary,
            is_whole: false,
            end: None,
            watch: Watch { patience, since: Instant::now(), alarm: None, has_asked: false },
        }
    }

    /// The client's Close, with its code if it gave one.
    #[must_use]
    pub const fn close(&self) -> Option<Option<u16>> {
        match self.end {
            Some(Ok(code)) => Some(code),
            _ => None,
        }
    }

    /// Whether the next read has an answer, or may have.
    const fn is_ready(&self) -> bool {
        self.has_news() || self.taken < self.wire.len()
    }

    const fn has_news(&self) -> bool {
        self.is_whole || self.end.is_some()
    }

    /// Ready when there is a chunk, or none will come.
    fn poll_news(&mut self, source: &mut impl Source, context: &mut Context<'_>) -> Poll<()> {
        while !self.has_news() {
            if !self.look() {
                ready!(self.poll_wire(source, context));
            }
        }
        Poll::Ready(())
    }

    /// Looks at the next frame, or piece of one; false when more bytes are needed.
    fn look(&mut self) -> bool {
        let room = CHUNK_CAPACITY - self.chunk.len();
        let (used, event) = match self.decoder.decode(&mut self.wire[self.taken..], room) {
            Ok(found) => found,
            Err(violation) => {
                self.end = Some(Err(SourceError::Violation(violation)));
                return true;
            }
        };
        match event {
            Event::More => {
                self.taken = 0;
                buffers::give(std::mem::take(&mut self.wire));
                return false;
            }
            Event::Piece { kind, payload, is_last } => {
                if self.chunk.capacity() == 0 && !payload.is_empty() {
                    self.chunk = buffers::take();
                }
                self.chunk.extend_from_slice(&self.wire[self.taken..][payload]);
                self.kind = kind;
                // An empty message is no chunk.
                self.is_whole = self.chunk.len() == CHUNK_CAPACITY || (is_last && !self.chunk.is_empty());
            }
            Event::Ping(payload) => self.outbound.note(Turn::Ping(payload)),
            Event::Pong => {}
            Event::Close(code) => self.end = Some(Ok(code)),
        }
        self.taken += used;
        true
    }

    /// Reads more bytes, or the reason why there are none.
    fn poll_wire(&mut self, source: &mut impl Source, context: &mut Context<'_>) -> Poll<()> {
        let read = buffers::with_frames(|area| {
            let read = source.poll_read(context, area);
            if let Poll::Ready(Ok(Read::Data(length))) = read {
                self.wire = buffers::take();
                self.wire.extend_from_slice(&area[..length]);
            }
            read
        });
        let end = match read {
            Poll::Ready(Ok(Read::Data(_))) => {
                self.watch.hear();
                return Poll::Ready(());
            }
            // Only a Close frame is an end.
            Poll::Ready(Ok(Read::End)) => SourceError::Incomplete,
            Poll::Ready(Err(error)) => error,
            Poll::Pending => ready!(self.watch.poll(&self.outbound, context)),
        };
        self.end = Some(Err(end));
        Poll::Ready(())
    }

    /// Pushes control frames out. None may be left when the exchange waits, and it may be a pipe whose
    /// first stage does not write to the client.
    ///
    /// # Errors
    ///
    /// [`SourceError::Lost`] when they cannot leave.
    fn push(&mut self, context: &mut Context<'_>) -> Result<(), SourceError> {
        if self.outbound.has_control()
            && let Poll::Ready(Err(_)) = self.outbound.poll_flush(context)
        {
            return Err(SourceError::Lost);
        }
        Ok(())
    }

    /// Hands the chunk on, or as much of it as there is room for.
    fn hand_over(&mut self, area: &mut [u8]) -> usize {
        self.outbound.note(Turn::Message(self.kind));
        let length = self.chunk.len().min(area.len());
        copy(&mut area[..length], &self.chunk[..length]);
        if length < self.chunk.len() {
            self.chunk.drain(..length);
        } else {
            self.is_whole = false;
            buffers::give(std::mem::take(&mut self.chunk));
        }
        length
    }

    /// Waits for the client's Close after ours: reads and drops what comes before it. Ready with true when
    /// something came, with false when no more is to be waited for.
    pub fn poll_farewell(&mut self, source: &mut impl Source, context: &mut Context<'_>) -> Poll<bool> {
        self.watch.patience = None;
        loop {
            if self.end.is_some() {
                return Poll::Ready(false);
            }
            self.is_whole = false;
            self.chunk.clear();
            if !self.look() {
                ready!(self.poll_wire(source, context));
                return Poll::Ready(true);
            }
        }
    }
}

/// A [`Source`] that gives a WebSocket's messages out of the bytes of `wire`.
pub struct Messages<'a, S, W> {
    pub wire: &'a mut S,
    pub talk: &'a mut Talk<W>,
}

impl<S: Source, W: AsyncWrite + Send + Unpin> Source for Messages<'_, S, W> {
    fn is_ready(&self) -> bool {
        self.talk.is_ready() || self.wire.is_ready()
    }

    fn has_body(&self) -> bool {
        true
    }

    fn poll_read(&mut self, context: &mut Context<'_>, area: &mut [u8]) -> Poll<Result<Read, SourceError>> {
        let news = self.talk.poll_news(self.wire, context);
        if let Err(error) = self.talk.push(context) {
            return Poll::Ready(Err(error));
        }
        ready!(news);
        Poll::Ready(match self.talk.end {
            _ if self.talk.is_whole => Ok(Read::Data(self.talk.hand_over(area))),
            Some(Err(error)) => Err(error),
            _ => Ok(Read::End),
        })
    }

    /// Reads on, up to one chunk, so that pings are answered. What the client did wrong behind it is told
    /// when the plugin gets there; that it is gone, at once.
    fn poll_left(&mut self, context: &mut Context<'_>) -> Poll<Broken> {
        let news = self.talk.poll_news(self.wire, context);
        if self.talk.push(context).is_err() {
            return Poll::Ready(Broken::Gone);
        }
        ready!(news);
        match self.talk.end {
            Some(Err(error)) if !self.talk.is_whole && !matches!(error, SourceError::Violation(_)) => {
                Poll::Ready(Broken::Client(error))
            }
            _ => self.poll_gone(context).map(|()| Broken::Gone),
        }
    }

    fn poll_spool(&mut self, context: &mut Context<'_>, since: Instant) -> Poll<Broken> {
        self.wire.poll_spool(context, since)
    }

    fn drop_rest(&mut self) {
        self.wire.drop_rest();
    }

    fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.wire.poll_gone(context)
    }
}

/// Whether the client is still there.
struct Watch {
    /// How long it may be silent before it is asked, and after.
    patience: Option<Duration>,
    /// Since when it is silent.
    since: Instant,
    alarm: Option<Pin<Box<Sleep>>>,
    has_asked: bool,
}

impl Watch {
    fn hear(&mut self) {
        self.has_asked = false;
        self.since = Instant::now();
    }

    /// Nothing was heard. Asks the client when that lasts, and is ready when it does not answer.
    fn poll<W: AsyncWrite + Unpin>(
        &mut self,
        outbound: &Outbound<W>,
        context: &mut Context<'_>,
    ) -> Poll<SourceError> {
        let Some(patience) = self.patience else {
            return Poll::Pending;
        };
        let due = self.since + patience;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(due)));
        while alarm.as_mut().poll(context).is_ready() {
            let (now, due) = (Instant::now(), self.since + patience);
            if now < due {
                alarm.as_mut().reset(due);
                continue;
            }
            let has_listened = now < due + DEAF;
            if self.has_asked && has_listened {
                return Poll::Ready(SourceError::Unanswered);
            }
            if !self.has_asked {
                outbound.note(Turn::Silence);
                self.has_asked = true;
            }
            self.since = now;
            alarm.as_mut().reset(now + patience);
        }
        Poll::Pending
    }
}
