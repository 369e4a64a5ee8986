//! Response bytes into a stream of wire bytes.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::time::{Instant, Sleep, sleep};

use super::buffers;
use super::date::with_date;
use super::dress::{Dress, choose};
use super::speech::Speech;
use super::waterline::{Held, Waterline};
use crate::copy::append;
use crate::http::encode::{self, EXCHANGE_FIELD, ResponseFraming};
use crate::http::framing::parse_length;
use crate::http::head::{Method, Version};
use crate::http::upgrade::Protocol;
use crate::plugin::{Outlet, OutletError, Response, Tally};

/// The most payload bytes that wait to be written. `emit` waits beyond; a chunk's worth of output
/// fits at once.
pub(super) const MAX_PENDING: usize = 64 * 1024;

/// The media type of a response whose plugin names none.
const DEFAULT_CONTENT_TYPE: (&[u8], &[u8]) = (b"content-type", b"application/octet-stream");

/// The way out of a connection. Clones share it: the instance emits into one, the exchange pushes
/// at another. All of them are used by one task; the lock is never contended.
pub struct Outbound<W>(Arc<Mutex<Out<W>>>);

/// How the next response is to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub version: Version,
    /// HEAD: no body, whatever is emitted.
    pub method: Method,
    /// The connection ends after this response.
    pub close: bool,
    /// `100 Continue` goes out before the head.
    pub interim: bool,
    /// The connection goes over to this protocol: the plugin's status does not count then.
    pub switch: Option<Protocol>,
}

/// Why writing ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WriteFault {
    /// The connection is closed or broken.
    Broken,
    /// The client took nothing for as long as `--write-timeout` says.
    Stalled,
    /// The client does not read, and the host holds as much as `--max-buffered` says.
    Full,
}

pub(super) struct Out<W> {
    writer: W,
    buffer: Vec<u8>,
    /// Bytes of `buffer` that have left. `written <= buffer.len()`.
    pub(super) written: usize,
    /// Bytes of `buffer` up to the end of an interim response, which leave by themselves: with the final
    /// one in the same segment, `HAProxy` 2.6 forwards that without its body.
    interim: usize,
    /// Payload bytes in `buffer`.
    pub(super) pending: usize,
    /// Where the open wire chunk begins, if there is one: at the end of `buffer`.
    chunk: Option<usize>,
    pub(super) dress: Dress,
    /// What a WebSocket's frames depend on.
    pub(super) speech: Option<Box<Speech>>,
    plan: Option<Plan>,
    begun: bool,
    pub(super) status: u16,
    /// Whom the present response is counted for.
    tally: Option<Tally>,
    /// When its request head was complete; taken when its first byte has left.
    requested: Option<Instant>,
    timeout: Duration,
    /// Since when the system takes nothing, and until when it may.
    stall: Option<(Instant, Pin<Box<Sleep>>)>,
    /// What waits for the client.
    held: Held,
    fault: Option<WriteFault>,
}

impl<W> Clone for Outbound<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W: AsyncWrite + Unpin> Outbound<W> {
    /// A way out that gives up when the other side takes nothing for `timeout`.
    pub fn new(writer: W, timeout: Duration, waterline: Arc<Waterline>) -> Self {
        Self(Arc::new(Mutex::new(Out {
            writer,
            buffer: Vec::new(),
            written: 0,
            interim: 0,
            pending: 0,
            chunk: None,
            dress: Dress::Raw,
            speech: None,
            plan: None,
            begun: false,
            status: 0,
            tally: None,
            requested: None,
            timeout,
            stall: None,
            held: Held::new(waterline),
            fault: None,
        })))
    }

    /// The next response follows this plan, and is counted in `tally`, its last stage's.
    pub fn plan(&self, plan: Plan, tally: Tally) {
        let mut out = self.lock();
        out.tally = Some(tally);
        out.requested = Some(Instant::now());
        out.plan = Some(plan);
        out.begun = false;
        out.status = 0;
        out.dress = Dress::Raw;
    }

    /// What follows is bytes as they are, without any head, counted in `tally`.
    pub fn bare(&self, tally: Tally) {
        let mut out = self.lock();
        out.tally = Some(tally);
        out.requested = Some(Instant::now());
    }

    /// Whether so much waits to be written that it should go before anything is added.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.lock().buffer.len() >= MAX_PENDING
    }

    /// Whether the present response's head is on its way.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.lock().begun
    }

    /// The status of the present response, 0 before its head.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.lock().status
    }

    /// Why writing ended, if it did.
    #[must_use]
    pub fn fault(&self) -> Option<WriteFault> {
        self.lock().fault
    }

    /// Whether the present response ends with the connection.
    #[must_use]
    pub fn is_close_delimited(&self) -> bool {
        let out = self.lock();
        out.begun && out.dress == Dress::Raw
    }

    /// A whole answer of the host's own in place of a plugin's.
    pub fn answer(&self, status: u16, line: &str, extra: &[(&str, &str)], close: bool, with_body: bool) {
        let mut out = self.lock();
        out.begun = true;
        out.status = status;
        out.dress = Dress::Discard;
        let buffer = out.buffer();
        with_date(|date| encode::text_response(buffer, status, date, line, extra, close, with_body));
    }

    /// Says that the present exchange is over: what has not left yet leaves together with what
    /// follows, and its time counts now.
    pub fn settle_times(&self) {
        self.lock().note_first_byte();
    }

    /// Says the end of the present response.
    ///
    /// # Errors
    ///
    /// The number of bytes that are missing from the plugin's own content-length: the response
    /// then has no proper end.
    pub fn finish(&self) -> Result<(), u64> {
        let mut out = self.lock();
        out.seal();
        match out.dress {
            Dress::Length { left: 1.., total, .. } => return Err(total),
            Dress::Length { held: Some(byte), .. } => out.buffer().push(byte),
            Dress::Chunked => encode::last_chunk(out.buffer()),
            Dress::Raw | Dress::Length { .. } | Dress::Messages | Dress::Discard => {}
        }
        out.dress = Dress::Discard;
        Ok(())
    }

    /// Closes the sending side: all that was written is followed by the end of the stream. Where that
    /// is said in bytes (TLS), the client has as long to take them as others.
    pub fn poll_shutdown(&self, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let mut out = self.lock();
        if let Poll::Ready(outcome) = Pin::new(&mut out.writer).poll_shutdown(context) {
            return Poll::Ready(outcome);
        }
        ready!(out.poll_stall(context));
        Poll::Ready(Err(std::io::ErrorKind::TimedOut.into()))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Out<W>> {
        // A panic elsewhere leaves bytes and positions that are still consistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: AsyncWrite + Send + Unpin> Outlet for Outbound<W> {
    fn begin(&mut self, response: &Response) -> Result<(), OutletError> {
        let mut out = self.lock();
        if out.fault.is_some() {
            return Err(OutletError::Gone);
        }
        out.begin(response);
        Ok(())
    }

    fn invite(&mut self) {
        self.lock().invite();
    }

    fn offer(&mut self, bytes: &[u8]) -> Result<usize, OutletError> {
        self.lock().offer(bytes)
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), OutletError>> {
        self.lock().poll_flush(context)
    }

    fn stalled_since(&self) -> Option<Instant> {
        self.lock().stall.as_ref().map(|(since, _)| *since)
    }

    fn is_mute(&self) -> bool {
        let out = self.lock();
        out.begun && out.dress == Dress::Discard
    }

    fn is_awaited(&self) -> bool {
        // RFC 9110 section 7.8: the new protocol is spoken from the 101 on.
        self.lock().plan.is_some_and(|plan| plan.switch.is_some())
    }

    fn accepts_field(&self, name: &[u8], value: &[u8]) -> bool {
        encode::is_settable_field(name, value)
    }
}

impl<W: AsyncWrite + Unpin> Out<W> {
    fn begin(&mut self, response: &Response) {
        self.begun = true;
        let Some(plan) = self.plan else {
            return;
        };
        self.status = response.status();
        let length = response.field("content-length").and_then(parse_length);
        if let Some(protocol) = plan.switch {
            return self.switch(protocol, response);
        }
        let (framing, dress) = choose(&plan, response.status(), length);
        self.dress = dress;
        self.invite();
        let default = response.field("content-type").is_none().then_some(DEFAULT_CONTENT_TYPE);
        let keeps_length = matches!(framing, ResponseFraming::Empty) && plan.method == Method::Head;
        let exchange = self.exchange();
        let exchange = exchange.as_ref().map(|id| (EXCHANGE_FIELD.as_bytes(), &id[..]));
        let buffer = self.buffer();
        let fields = response
            .fields()
            .filter(|(name, _)| keeps_length || !name.eq_ignore_ascii_case(b"content-length"))
            .chain(default.filter(|_| !matches!(response.status(), 204 | 304)))
            .chain(exchange);
        with_date(|date| {
            encode::response_head(buffer, response.status(), date, fields, framing, plan.close);
        });
    }

    pub(super) fn exchange(&self) -> Option<[u8; 16]> {
        self.tally.as_ref().map(|tally| tally.account().id.digits())
    }

    /// Sends `100 Continue` if the client waits for it.
    fn invite(&mut self) {
        if self.plan.as_mut().is_some_and(|plan| std::mem::take(&mut plan.interim)) {
            encode::continue_response(self.buffer());
            self.interim = self.buffer.len();
        }
    }

    /// The buffer to append to, taken from the thread when there was nothing in it.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        if self.buffer.capacity() == 0 {
            self.buffer = buffers::take();
        }
        &mut self.buffer
    }

    fn offer(&mut self, bytes: &[u8]) -> Result<usize, OutletError> {
        if self.fault.is_some() {
            return Err(OutletError::Gone);
        }
        let room = MAX_PENDING.saturating_sub(self.pending);
        let taken = bytes.len().min(room);
        match &mut self.dress {
            Dress::Discard => return Ok(bytes.len()),
            Dress::Messages => return Ok(self.say(bytes)),
            Dress::Length { left, total, .. } if bytes.len() as u64 > *left => {
                return Err(OutletError::BeyondLength(*total));
            }
            Dress::Length { left, held, .. } => {
                *left -= taken as u64;
                if *left == 0
                    && let Some((last, others)) = bytes[..taken].split_last()
                {
                    *held = Some(*last);
                    self.append(others);
                    self.count(1);
                    return Ok(taken);
                }
            }
            Dress::Chunked if self.chunk.is_none() && taken > 0 => {
                let mark = encode::begin_chunk(self.buffer());
                self.chunk = Some(mark);
            }
            Dress::Raw | Dress::Chunked => {}
        }
        self.append(&bytes[..taken]);
        Ok(taken)
    }

    fn append(&mut self, payload: &[u8]) {
        append(self.buffer(), payload);
        self.pending += payload.len();
        self.count(payload.len());
    }

    pub(super) fn count(&self, payload: usize) {
        if let Some(tally) = &self.tally {
            tally.usage().sent.add(payload as u64);
        }
    }

    /// The system has taken bytes, or all that there will be is on its way: if they are a response's first, its time is known.
    fn note_first_byte(&mut self) {
        if !self.begun {
            return;
        }
        if let (Some(requested), Some(tally)) = (self.requested.take(), &self.tally) {
            let nanos = u64::try_from(requested.elapsed().as_nanos()).unwrap_or(u64::MAX);
            tally.usage().first_byte.add(nanos);
        }
    }

    /// Closes the open wire chunk.
    fn seal(&mut self) {
        let Some(mark) = self.chunk.take() else {
            return;
        };
        let zeros = encode::seal_chunk(&mut self.buffer, mark);
        if self.written == mark {
            self.written += zeros;
        } else {
            self.buffer.drain(mark..mark + zeros);
        }
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), OutletError>> {
        if self.fault.is_some() {
            return Poll::Ready(Err(OutletError::Gone));
        }
        self.seal();
        self.put_controls();
        ready!(self.poll_write(context))?;
        if self.put_controls() {
            // They waited for others to leave.
            ready!(self.poll_write(context))?;
        }
        Pin::new(&mut self.writer).poll_flush(context).map_err(|_| self.fail(WriteFault::Broken))
    }

    /// Writes until the buffer is empty.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<Result<(), OutletError>> {
        while self.written < self.buffer.len() {
            let end = if self.written < self.interim { self.interim } else { self.buffer.len() };
            let rest = &self.buffer[self.written..end];
            match Pin::new(&mut self.writer).poll_write(context, rest) {
                Poll::Ready(Ok(length @ 1..)) => {
                    self.written += length;
                    self.stall = None;
                    self.note_first_byte();
                }
                Poll::Ready(_) => return Poll::Ready(Err(self.fail(WriteFault::Broken))),
                Poll::Pending => {
                    if !self.held.set(self.buffer.len() - self.written) {
                        return Poll::Ready(Err(self.fail(WriteFault::Full)));
                    }
                    ready!(self.poll_stall(context));
                    return Poll::Ready(Err(self.fail(WriteFault::Stalled)));
                }
            }
        }
        self.written = 0;
        self.interim = 0;
        self.pending = 0;
        self.held.set(0);
        buffers::give(std::mem::take(&mut self.buffer));
        if let Some(speech) = &mut self.speech {
            speech.all_left();
        }
        Poll::Ready(Ok(()))
    }

    /// Ready when the other side has taken nothing for too long.
    fn poll_stall(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let timeout = self.timeout;
        let (_, stall) = self.stall.get_or_insert_with(|| (Instant::now(), Box::pin(sleep(timeout))));
        stall.as_mut().poll(context)
    }

    fn fail(&mut self, fault: WriteFault) -> OutletError {
        self.fault = Some(fault);
        self.stall = None;
        self.buffer = Vec::new();
        self.held.set(0);
        self.written = 0;
        self.interim = 0;
        self.chunk = None;
        OutletError::Gone
    }
}
