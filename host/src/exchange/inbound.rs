//! Body bytes from a stream of wire bytes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::spool::Spool;
use super::{Broken, Read, Source, SourceError, SpoolFault, Spools, Waterline, buffers};
use crate::http::decode::BodyDecoder;
use crate::http::framing::Framing;

/// How soon a connection is looked at for a reset where the system cannot tell by itself: bytes
/// that must not be taken lie before the news, or the client has closed its sending side. Doubles
/// from time to time …
const FIRST_RECHECK: Duration = Duration::from_millis(10);

/// … up to this, so that thousands of quiet exchanges cost nothing to speak of.
const LAST_RECHECK: Duration = Duration::from_secs(1);

/// Wire bytes, and whether the one who sends them is still there.
pub trait Wire: AsyncRead + Send + Unpin {
    /// Ready with 0 when the sender has closed and no bytes are left, with 1 when there are bytes.
    fn poll_peek(&mut self, context: &mut Context<'_>) -> Poll<std::io::Result<usize>>;

    /// Whether the connection is known to be broken.
    fn is_broken(&self) -> bool;
}

impl Wire for tokio::io::Stdin {
    fn poll_peek(&mut self, _context: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        Poll::Pending
    }

    fn is_broken(&self) -> bool {
        false
    }
}

/// A [`Source`] over a stream: the bytes that were read past a head, then the stream itself.
pub struct Inbound<R> {
    wire: R,
    /// Bytes that were read and not decoded: the rest of a read past a head or past a body.
    carry: Vec<u8>,
    decoder: BodyDecoder,
    has_body: bool,
    ends_with_stream: bool,
    /// Why the body does not go on, once that is known.
    fault: Option<SourceError>,
    /// What may be taken of a body before it is read; nothing where there is none.
    spools: Option<(Arc<Spools>, Arc<Waterline>)>,
    /// What was taken of the present body.
    spool: Option<Box<Spool>>,
    /// Nobody wants the rest of the present body.
    drops_rest: bool,
    /// The longest silence of a body.
    timeout: Option<Duration>,
    silence: Option<Pin<Box<Sleep>>>,
    /// The next look at the connection, and the pause before it.
    recheck: Option<(Pin<Box<Sleep>>, Duration)>,
    received: u64,
}

impl<R: Wire> Inbound<R> {
    /// No body yet: see [`Inbound::expect`].
    pub fn new(wire: R, timeout: Option<Duration>) -> Self {
        Self {
            wire,
            carry: Vec::new(),
            decoder: BodyDecoder::new(Framing::None),
            has_body: false,
            ends_with_stream: false,
            fault: None,
            spools: None,
            spool: None,
            drops_rest: false,
            timeout,
            silence: None,
            recheck: None,
            received: 0,
        }
    }

    /// The same with spools, if there are any.
    #[must_use]
    pub fn with_spools(mut self, spools: Option<&Arc<Spools>>, waterline: &Arc<Waterline>) -> Self {
        self.spools = spools.map(|spools| (Arc::clone(spools), Arc::clone(waterline)));
        self
    }

    /// A body that is all of the stream.
    pub fn until_end(wire: R) -> Self {
        let mut inbound = Self::new(wire, None);
        inbound.expect_rest();
        inbound
    }

    /// A new body begins, with this framing.
    pub fn expect(&mut self, framing: Framing) {
        self.begin(BodyDecoder::new(framing));
        self.has_body = !matches!(framing, Framing::None | Framing::Length(0));
    }

    /// From here on, all of the stream is the body, what was read past the head included.
    pub fn expect_rest(&mut self) {
        self.begin(BodyDecoder::until_end());
        self.has_body = true;
        self.ends_with_stream = true;
    }

    fn begin(&mut self, decoder: BodyDecoder) {
        self.decoder = decoder;
        self.received = 0;
        self.fault = None;
        self.spool = None;
        self.drops_rest = false;
    }

    /// Body bytes of the present body so far.
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// Whether all of the present body has come.
    pub const fn is_complete(&self) -> bool {
        self.decoder.is_done()
    }

    /// Bytes that were read and belong to what follows.
    pub fn carry(&self) -> &[u8] {
        &self.carry
    }

    /// Drops the first `length` bytes of [`Inbound::carry`].
    pub fn consume(&mut self, length: usize) {
        self.carry.drain(..length);
        if self.carry.is_empty() {
            // An idle connection keeps no buffer.
            self.carry = Vec::new();
        }
    }

    /// Reads more bytes of the stream to the end of [`Inbound::carry`] and says how many; 0 at the
    /// stream's end.
    pub fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        buffers::with_scratch(|scratch| {
            let length = ready!(read(&mut self.wire, context, scratch))?;
            self.carry.extend_from_slice(&scratch[..length]);
            Poll::Ready(Ok(length))
        })
    }

    /// Reads bytes of the stream and forgets them: for a connection that is about to close.
    pub fn poll_discard(&mut self, context: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        self.carry = Vec::new();
        self.spool = None;
        buffers::with_scratch(|scratch| read(&mut self.wire, context, scratch))
    }

    /// The stream itself.
    pub const fn wire(&self) -> &R {
        &self.wire
    }

    /// The body as it comes, whatever is in the spool.
    fn poll_body(&mut self, context: &mut Context<'_>, area: &mut [u8]) -> Poll<Result<Read, SourceError>> {
        if let Some(fault) = self.fault {
            // The decoder stopped in the middle of it.
            return Poll::Ready(Err(fault));
        }
        let read = ready!(self.poll_decode(context, area));
        self.fault = read.err();
        Poll::Ready(read)
    }

    fn poll_decode(&mut self, context: &mut Context<'_>, area: &mut [u8]) -> Poll<Result<Read, SourceError>> {
        loop {
            if self.decoder.is_done() {
                return Poll::Ready(Ok(Read::End));
            }
            if !self.carry.is_empty() {
                let progress = self.decoder.decode(&self.carry, area).map_err(SourceError::Malformed)?;
                self.consume(progress.consumed);
                if progress.produced > 0 {
                    return Poll::Ready(Ok(Read::Data(progress.produced)));
                }
                continue;
            }
            let outcome = buffers::with_scratch(|scratch| {
                // No more than the area holds: what one read brings goes out in one call.
                let room = scratch.len().min(area.len());
                let length = ready!(read(&mut self.wire, context, &mut scratch[..room]));
                let length = match length {
                    Ok(0) if self.ends_with_stream => {
                        self.decoder = BodyDecoder::new(Framing::None);
                        return Poll::Ready(Ok(0));
                    }
                    Ok(length @ 1..) => length,
                    // Only an end is an end: what breaks off is not complete.
                    Ok(0) => return Poll::Ready(Err(SourceError::Incomplete)),
                    Err(_) => return Poll::Ready(Err(SourceError::Lost)),
                };
                let progress =
                    self.decoder.decode(&scratch[..length], area).map_err(SourceError::Malformed)?;
                self.carry.extend_from_slice(&scratch[progress.consumed..length]);
                Poll::Ready(Ok(progress.produced))
            });
            match ready!(outcome) {
                Err(error) => return Poll::Ready(Err(error)),
                Ok(0) => {}
                Ok(produced) => return Poll::Ready(Ok(Read::Data(produced))),
            }
        }
    }

    /// Takes what comes to the spool.
    fn poll_take(&mut self, spool: &mut Spool, context: &mut Context<'_>, since: Instant) -> Poll<Broken> {
        spool.watch(since);
        loop {
            let room = match spool.poll_room(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(0) => return self.poll_overfull(spool, context, since),
                Poll::Ready(room) => room,
            };
            let read = buffers::with_area(|area| {
                let room = room.min(area.len());
                let read = self.poll_body(context, &mut area[..room]);
                if let Poll::Ready(Ok(Read::Data(length))) = read {
                    spool.push(&area[..length]);
                }
                read
            });
            match read {
                Poll::Ready(Ok(Read::Data(_))) => self.recheck = None,
                Poll::Ready(Err(SourceError::Lost)) => return Poll::Ready(Broken::Gone),
                // The plugin learns of it when it gets there.
                Poll::Ready(Ok(Read::End) | Err(_)) | Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Nothing more can be taken. Ready when the client, held up in sending, had its time to read.
    fn poll_overfull(
        &mut self,
        spool: &mut Spool,
        context: &mut Context<'_>,
        since: Instant,
    ) -> Poll<Broken> {
        let fault = ready!(spool.poll_patience(context, since));
        if self.carry.is_empty() && !matches!(self.wire.poll_peek(context), Poll::Ready(Ok(1..))) {
            spool.renew_patience(context);
            return Poll::Pending;
        }
        spool.count_cut();
        Poll::Ready(Broken::Spool(fault))
    }

    /// Drops what comes.
    fn poll_drop(&mut self, context: &mut Context<'_>) -> Poll<Broken> {
        loop {
            match ready!(buffers::with_area(|area| self.poll_body(context, area))) {
                Ok(Read::Data(length)) => {
                    self.received += length as u64;
                    self.recheck = None;
                }
                Err(SourceError::Lost) => return Poll::Ready(Broken::Gone),
                Ok(Read::End) | Err(_) => return Poll::Pending,
            }
        }
    }

    /// Whether there is more to read though the stream has ended.
    fn has_more_at_end(&self) -> bool {
        self.decoder.is_done() || self.ends_with_stream || !self.carry.is_empty() || self.has_spooled()
    }

    /// Whether something is in the spool.
    fn has_spooled(&self) -> bool {
        self.spool.as_ref().is_some_and(|spool| !spool.is_empty())
    }

    /// Ready when the body was silent for too long.
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match (self.timeout, &mut self.silence) {
            (None, _) => Poll::Pending,
            (Some(_), Some(silence)) => silence.as_mut().poll(context),
            (Some(timeout), silence) => silence.insert(Box::pin(sleep(timeout))).as_mut().poll(context),
        }
    }
}

fn read<R: AsyncRead + Unpin>(
    wire: &mut R,
    context: &mut Context<'_>,
    into: &mut [u8],
) -> Poll<std::io::Result<usize>> {
    let mut buffer = ReadBuf::new(into);
    ready!(Pin::new(wire).poll_read(context, &mut buffer))?;
    Poll::Ready(Ok(buffer.filled().len()))
}

impl<R: Wire> Source for Inbound<R> {
    fn is_ready(&self) -> bool {
        self.decoder.is_done() || !self.carry.is_empty() || self.has_spooled() || self.fault.is_some()
    }

    fn has_body(&self) -> bool {
        self.has_body
    }

    fn poll_read(&mut self, context: &mut Context<'_>, area: &mut [u8]) -> Poll<Result<Read, SourceError>> {
        if let Some(spool) = self.spool.as_mut().filter(|spool| !spool.is_empty()) {
            let popped = ready!(spool.poll_pop(context, area));
            let length = popped.map_err(|kind| SourceError::Spool(SpoolFault::Read(kind)))?;
            if length > 0 {
                self.received += length as u64;
                return Poll::Ready(Ok(Read::Data(length)));
            }
        }
        let read = self.poll_body(context, area);
        match &read {
            Poll::Pending => {
                return self.poll_silence(context).map(|()| Err(SourceError::Silent));
            }
            Poll::Ready(Ok(Read::Data(length))) => self.received += *length as u64,
            Poll::Ready(_) => {}
        }
        self.silence = None;
        self.recheck = None;
        read
    }

    fn poll_left(&mut self, context: &mut Context<'_>) -> Poll<Broken> {
        match self.wire.poll_peek(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(_)) => return Poll::Ready(Broken::Gone),
            // A close before the body's end: the rest will not come. After it, or as the end, it may
            // be a half-close: the client has said all, and listens.
            Poll::Ready(Ok(0)) if !self.has_more_at_end() => {
                return Poll::Ready(Broken::Client(SourceError::Incomplete));
            }
            Poll::Ready(Ok(_)) => {}
        }
        self.poll_gone(context).map(|()| Broken::Gone)
    }

    fn poll_spool(&mut self, context: &mut Context<'_>, since: Instant) -> Poll<Broken> {
        // Whoever is held up by its own reading is not silent.
        self.silence = None;
        if self.decoder.is_done() || self.fault.is_some() {
            return Poll::Pending;
        }
        if self.drops_rest {
            return self.poll_drop(context);
        }
        let Some((spools, waterline)) = &self.spools else {
            return Poll::Pending;
        };
        let spool = self.spool.take();
        let mut spool = spool.unwrap_or_else(|| Box::new(Spool::new(spools, waterline)));
        let taken = self.poll_take(&mut spool, context, since);
        spool.settle();
        self.spool = Some(spool);
        taken
    }

    fn drop_rest(&mut self) {
        self.drops_rest = true;
        self.spool = None;
    }

    fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let (recheck, pause) =
            self.recheck.get_or_insert_with(|| (Box::pin(sleep(FIRST_RECHECK)), FIRST_RECHECK));
        while recheck.as_mut().poll(context).is_ready() {
            if self.wire.is_broken() {
                return Poll::Ready(());
            }
            *pause = (*pause * 2).min(LAST_RECHECK);
            recheck.as_mut().reset(Instant::now() + *pause);
        }
        Poll::Pending
    }
}
