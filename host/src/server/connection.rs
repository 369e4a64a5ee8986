//! One connection: heads in, exchanges in step, and an end that loses nothing.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use super::errand::After;
use super::listen::Service;
use super::socket::{ReadHalf, SendHalf, Stream};
use super::{Phase, Shared, hijack, raw};
use crate::exchange::flush;
use crate::exchange::inbound::Inbound;
use crate::exchange::messages::Talk;
use crate::exchange::outbound::Outbound;
use crate::http::Refusal;
use crate::http::head::{self, RequestHead};
use crate::http::method::MethodSet;
use crate::metrics::Peer;
use crate::plugin::Outlet as _;
use crate::websocket::handshake::VERSION_FIELDS;

/// A lingering close waits so long for the client's next bytes …
const LINGER_SILENCE: Duration = Duration::from_secs(5);

/// … and so long in all. As long as common servers do: a client that is still uploading must get
/// to read the answer before the connection breaks.
const LINGER_TOTAL: Duration = Duration::from_secs(30);

/// A server that drains does not wait longer than this for clients that have their answer.
const LINGER_HURRIED: Duration = Duration::from_millis(500);

/// Nobody is told when the system has sent what it was given: so soon it is looked at for the first
/// time, then after twice as long each time …
const FIRST_LOOK: Duration = Duration::from_millis(1);

/// … up to this.
const LAST_LOOK: Duration = Duration::from_millis(100);

/// One accepted connection.
pub(super) struct Connection {
    pub(super) inbound: Inbound<ReadHalf>,
    pub(super) outbound: Outbound<SendHalf>,
    pub(super) peer: Peer,
    pub(super) shared: Arc<Shared>,
    /// It has become a WebSocket.
    pub(super) talk: Option<Box<Talk<SendHalf>>>,
    /// Reused for every head: moving a timer's end is cheaper than a new timer.
    alarm: Pin<Box<Sleep>>,
    exchanges: u64,
}

/// What came in place of a request.
enum NoHead {
    /// The client closed, or was silent between two requests, or the server drains.
    Closed,
    Refused(Refusal),
}

impl Connection {
    pub(super) fn new(stream: Stream, peer: Peer, shared: Arc<Shared>) -> Self {
        let (read, write) = stream.into_split();
        Self {
            inbound: Inbound::new(read, shared.options.body_timeout)
                .with_spools(shared.spools.as_ref(), &shared.waterline),
            outbound: Outbound::new(write, shared.options.write_timeout, Arc::clone(&shared.waterline)),
            peer,
            alarm: Box::pin(sleep(shared.options.head_timeout)),
            talk: None,
            shared,
            exchanges: 0,
        }
    }

    /// Serves until the connection ends.
    pub(super) async fn run(&mut self, service: &Service) {
        let after = match service {
            Service::Http => self.serve_requests().await,
            Service::Raw(route) => raw::exchange(self, route).await,
        };
        match after {
            After::Linger => self.linger().await,
            After::KeepAlive | After::Close => self.close().await,
            After::Reset => self.inbound.wire().end_with_reset(true),
            After::Delivered => self.deliver().await,
        }
    }

    /// Serves requests until there are no more.
    async fn serve_requests(&mut self) -> After {
        loop {
            match self.read_head().await {
                Ok(head) => match hijack::exchange(self, head).await {
                    After::KeepAlive => self.exchanges += 1,
                    after => return after,
                },
                Err(NoHead::Closed) => return After::Close,
                Err(NoHead::Refused(refusal)) => {
                    tracing::debug!(peer = %self.peer, status = refusal.status, reason = %refusal.reason, "refused");
                    let with_body = !head::asks_for_head(self.inbound.carry());
                    self.refuse(&refusal, None, true, with_body);
                    return After::Linger;
                }
            }
        }
    }

    /// Answers for the host, in place of any plugin. `allowed` are the methods that would be good.
    pub(super) fn refuse(&self, refusal: &Refusal, allowed: Option<MethodSet>, close: bool, with_body: bool) {
        self.shared.metrics.host.refuse(refusal.status);
        let allow = allowed.unwrap_or(MethodSet::ALL).allow();
        let extra: &[(&str, &str)] = match refusal.status {
            405 => &[("allow", &allow)],
            426 => VERSION_FIELDS,
            503 => &[("retry-after", "1")],
            _ => &[],
        };
        self.outbound.answer(refusal.status, &refusal.reason, extra, close, with_body);
    }

    async fn read_head(&mut self) -> Result<RequestHead, NoHead> {
        let options = self.shared.options;
        let mut phase = self.shared.phase.clone();
        if self.outbound.is_full() {
            // Answers to pipelined requests leave together, but not without bound.
            self.flush().await?;
        }
        let mut seen = 0;
        let mut is_idle = self.exchanges > 0;
        self.alarm
            .as_mut()
            .reset(Instant::now() + if is_idle { options.keep_alive_timeout } else { options.head_timeout });
        loop {
            let carry = self.inbound.carry();
            match head::parse(carry, seen) {
                Ok(Some((head, length))) => {
                    self.inbound.consume(length);
                    return Ok(head);
                }
                Ok(None) => seen = carry.len(),
                Err(refusal) => return Err(NoHead::Refused(refusal)),
            }
            if is_idle && seen > 0 {
                // Its first byte is here: the rest has as long as any head.
                is_idle = false;
                self.alarm.as_mut().reset(Instant::now() + options.head_timeout);
            }
            self.flush().await?;
            let inbound = &mut self.inbound;
            tokio::select! {
                biased;
                read = poll_fn(|context| inbound.poll_fill(context)) => match read {
                    Ok(1..) => {}
                    Ok(0) | Err(_) => return Err(NoHead::Closed),
                },
                () = &mut self.alarm => return Err(self.late(seen)),
                _ = phase.wait_for(|phase| *phase == Phase::Draining), if seen == 0 => {
                    return Err(NoHead::Closed);
                }
            }
        }
    }

    fn late(&self, seen: usize) -> NoHead {
        if seen == 0 {
            return NoHead::Closed;
        }
        NoHead::Refused(Refusal::new(408, "the head took too long"))
    }

    async fn flush(&mut self) -> Result<(), NoHead> {
        flush(&mut self.outbound).await.map_err(|_| NoHead::Closed)
    }

    /// A lingering close (RFC 9112 section 9.6): the sending side ends, and what the client still
    /// sends is read and dropped, so that no reset eats what it has not read yet.
    async fn linger(&mut self) {
        let (inbound, outbound) = (&mut self.inbound, &mut self.outbound);
        let flushed = poll_fn(|context| {
            let flushed = outbound.poll_flush(context);
            if flushed.is_pending() {
                // A client that sends all before it reads must come to reading.
                while matches!(inbound.poll_discard(context), Poll::Ready(Ok(1..))) {}
            }
            flushed
        });
        if flushed.await.is_err() {
            return;
        }
        let mut end = Instant::now() + LINGER_TOTAL;
        if let Some(mut talk) = self.talk.take() {
            // RFC 6455 section 7.1.1: the client's Close comes before the end.
            self.read_until(&mut end, |inbound, context| talk.poll_farewell(inbound, context)).await;
        }
        if poll_fn(|context| self.outbound.poll_shutdown(context)).await.is_err() {
            return;
        }
        self.read_until(&mut end, |inbound, context| {
            inbound.poll_discard(context).map(|read| matches!(read, Ok(1..)))
        })
        .await;
    }

    /// Reads with `step` until it says false, within the times of a lingering close, of which the latest
    /// is `end`.
    async fn read_until(
        &mut self,
        end: &mut Instant,
        mut step: impl FnMut(&mut Inbound<ReadHalf>, &mut Context<'_>) -> Poll<bool>,
    ) {
        let mut phase = self.shared.phase.clone();
        let mut is_hurried = false;
        loop {
            self.alarm.as_mut().reset((*end).min(Instant::now() + LINGER_SILENCE));
            let inbound = &mut self.inbound;
            tokio::select! {
                biased;
                () = &mut self.alarm => return,
                _ = phase.wait_for(|phase| *phase == Phase::Draining), if !is_hurried => {
                    is_hurried = true;
                    *end = (*end).min(Instant::now() + LINGER_HURRIED);
                }
                goes_on = poll_fn(|context| step(inbound, context)) => {
                    if !goes_on {
                        return;
                    }
                }
            }
        }
    }

    /// Ends with RST, but not before all has left: it would throw away what the system still holds.
    async fn deliver(&mut self) {
        let end = Instant::now() + self.shared.options.write_timeout;
        let mut pause = FIRST_LOOK;
        while !self.inbound.wire().has_sent() && Instant::now() < end {
            self.alarm.as_mut().reset(end.min(Instant::now() + pause));
            self.alarm.as_mut().await;
            pause = (pause * 2).min(LAST_LOOK);
        }
        self.inbound.wire().end_with_reset(true);
    }

    /// Closes without waiting for anybody.
    async fn close(&mut self) {
        poll_fn(|context| {
            // Where the end has to be said in bytes, they leave now or never.
            let _ = self.outbound.poll_shutdown(context);
            Poll::Ready(())
        })
        .await;
    }
}
