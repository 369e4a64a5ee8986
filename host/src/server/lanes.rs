//! Two sets of threads: one for connections whose plugins answer at once, one for those that compute.
//!
//! All connections begin in the quick lane. One whose plugin is found computing at tick after tick (see
//! [`crate::plugin::ticks_of_this_thread`]), or whose memory becomes large, is moved to the patient lane. That
//! one has as many threads, which stand back for others: so whoever has little to do does not wait behind
//! those who compute, and these have all processors when nobody else wants them. A connection that has
//! computed little for a while comes back.
//!
//! A future moves between two runtimes by being spawned in the other one: what it waits for wakes it
//! there, since the first thing it gets there is a poll.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::runtime::{Builder, Handle, Runtime, RuntimeMetrics};

use crate::background::stand_back;
use crate::plugin::{TICK, Ticker, take_large, ticks_of_this_thread};

/// How much a plugin may compute at once before it has to be patient: two ticks tell that it is not
/// chance that it was found running.
const AT_ONCE: Duration = Duration::from_millis(3);

/// A poll that is this short keeps nobody waiting: a plugin of the kind that is fast may have all the
/// processor's time by many such polls, and it is the kernel that shares it out.
const SHORT: Duration = Duration::from_micros(500);

/// What a first poll counts for, whose length nobody knows.
const UNKNOWN: Duration = Duration::from_millis(1);

/// This part of all time a connection may compute and stay in the quick lane: a bulk stream through a
/// plugin that does little with it should not be moved.
const PART: f64 = 0.25;

/// What a connection in the patient lane has computed is forgotten but for this: a second after it has
/// ended (by [`PART`]) it is as good as others.
const REMEMBERED: Duration = Duration::from_millis(250);

/// The two lanes. The patient one's threads end with this value.
pub(super) struct Lanes {
    quick: Handle,
    patient: Handle,
    /// Always there until it is dropped.
    runtime: Option<Runtime>,
}

impl Lanes {
    /// The present runtime is the quick lane; the patient one's threads are started.
    ///
    /// # Errors
    ///
    /// When the system has no threads to give.
    pub(super) fn start(ticker: &Ticker) -> anyhow::Result<Arc<Self>> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let runtime = Builder::new_multi_thread()
            .worker_threads(processors)
            .thread_name("patient")
            .on_thread_start(|| stand_back("plugins that compute count as much as others"))
            .enable_all()
            .build()
            .context("no threads for plugins that compute")?;
        let patient = runtime.handle().clone();
        let quick = Handle::current();
        let watch = Watch::new(&quick);
        ticker.accompany(move || watch.look());
        Ok(Arc::new(Self { quick, patient, runtime: Some(runtime) }))
    }

    /// Runs `connection` to its end.
    pub(super) fn spawn(self: &Arc<Self>, connection: impl Future<Output = ()> + Send + 'static) {
        let traveller = Traveller {
            connection: Some(Box::pin(connection)),
            lanes: Arc::clone(self),
            is_patient: false,
            computed: Computed::default(),
        };
        self.quick.spawn(traveller);
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // It may be one of its own threads that comes here.
            runtime.shutdown_background();
        }
    }
}

/// Sees to it that somebody listens to the sockets, which are all the quick lane's.
///
/// It is one of its threads that does, when it has nothing else to do; and when it then runs a
/// connection, it is alone in knowing of it: others sleep on. That is well until a poll takes long. A plugin
/// that computes gives way at the next tick, but a `memory.fill` of 64 MiB, or handing that back, is not to
/// be interrupted, and then nobody listens, for 45 ms as was measured. So a thread that sleeps
/// is woken when none of them has gone to sleep since the last tick: with nothing to do, it listens.
struct Watch {
    lane: Handle,
    metrics: RuntimeMetrics,
    /// How often its threads have gone to sleep.
    sleeps: AtomicU64,
}

impl Watch {
    fn new(lane: &Handle) -> Self {
        Self { lane: lane.clone(), metrics: lane.metrics(), sleeps: AtomicU64::new(0) }
    }

    /// To be called at every tick.
    fn look(&self) {
        let threads = 0..self.metrics.num_workers();
        let sleeps = threads.map(|thread| self.metrics.worker_park_count(thread)).fold(0, u64::wrapping_add);
        if self.sleeps.swap(sleeps, Ordering::Relaxed) == sleeps {
            self.lane.spawn(async {});
        }
    }
}

/// A connection on its way, in one lane or the other.
struct Traveller {
    /// There until it has moved on.
    connection: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    lanes: Arc<Lanes>,
    is_patient: bool,
    computed: Computed,
}

impl Future for Traveller {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let (ticks, began) = (ticks_of_this_thread(), self.computed.watch());
        let Some(connection) = &mut self.connection else {
            return Poll::Ready(());
        };
        let polled = connection.as_mut().poll(context);
        let is_large = take_large();
        if polled.is_ready() {
            return Poll::Ready(());
        }
        if is_large {
            self.computed.add(AT_ONCE);
        }
        if ticks_of_this_thread() != ticks {
            self.computed.find(began);
        }
        let moves = if self.is_patient { !self.computed.is_watched() } else { self.computed.is_much() };
        if !moves {
            if self.is_patient {
                // Whoever has become ready meanwhile would otherwise wait for the end of the time slice, which
                // is longer than a tick.
                std::thread::yield_now();
            }
            return Poll::Pending;
        }
        let is_patient = !self.is_patient;
        let lane = if is_patient { &self.lanes.patient } else { &self.lanes.quick };
        let lane = lane.clone();
        lane.spawn(Self {
            connection: self.connection.take(),
            lanes: Arc::clone(&self.lanes),
            is_patient,
            computed: self.computed,
        });
        Poll::Ready(())
    }
}

/// How much a connection has computed of late: it grows with the time that plugins take, and shrinks
/// by [`PART`] of all time.
#[derive(Clone, Copy, Debug, Default)]
struct Computed {
    time: Duration,
    /// When `time` was true; none while it is nothing.
    at: Option<Instant>,
}

impl Computed {
    /// The time at which a poll begins, if polls are timed: since a tick has found the plugin running, for
    /// a while. Reading the clock at every poll would be a tax on all others.
    fn watch(&mut self) -> Option<Instant> {
        self.at?;
        let now = Instant::now();
        self.shrink(now);
        Some(now)
    }

    /// A tick has found the plugin running in a poll that is over now, and began then if that is known.
    fn find(&mut self, began: Option<Instant>) {
        match began.map(|began| began.elapsed()) {
            // A shorter one is found at fewer ticks, so it counts for as much when it is.
            Some(time) if time >= SHORT => self.add(time.max(TICK)),
            Some(_) => {}
            None => self.add(UNKNOWN),
        }
    }

    fn add(&mut self, time: Duration) {
        let now = Instant::now();
        self.shrink(now);
        self.time = (self.time + time).min(REMEMBERED);
        self.at = Some(now);
    }

    fn is_much(&self) -> bool {
        self.time >= AT_ONCE
    }

    const fn is_watched(&self) -> bool {
        self.at.is_some()
    }

    fn shrink(&mut self, now: Instant) {
        let Some(at) = self.at else {
            return;
        };
        self.time = self.time.saturating_sub(now.saturating_duration_since(at).mul_f64(PART));
        self.at = (!self.time.is_zero()).then_some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_computed_is_forgotten_in_time() {
        let now = Instant::now();
        let mut computed = Computed { time: Duration::from_millis(10), at: Some(now) };
        assert!(computed.is_much());
        computed.shrink(now + Duration::from_millis(32));
        assert!(!computed.is_much() && computed.at.is_some(), "{computed:?}");
        computed.shrink(now + Duration::from_millis(48));
        assert!(computed.at.is_none(), "{computed:?}");
    }

    #[test]
    fn who_computes_without_an_end_is_remembered_within_bounds() {
        let mut computed = Computed::default();
        for _ in 0..1000 {
            computed.find(Some(Instant::now() - TICK));
        }
        assert!(computed.is_much());
        assert!(computed.time <= REMEMBERED);
    }
}
