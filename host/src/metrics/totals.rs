//! Sums over exchanges, by plugin and version.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::lock;
use crate::plugin::{TIME_BUCKETS, Usage, time_bucket};

/// The version that all those stand under that were served long ago.
pub const OLDER: &str = "older";

/// The plugin that all those stand under that went away long ago. No plugin can have this name.
pub const REMOVED: &str = "_removed";

/// Versions that are no longer served and keep counters of their own: a monitoring system must get
/// to read the last of them. More would grow with every reload.
const KEPT_VERSIONS: usize = 4;

/// How an exchange ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// With its proper end.
    Clean,
    /// By a failure of the plugin.
    Failed,
    /// By the host: a broken body, a silent client, the end of a drain.
    Cut,
    /// The client went away.
    Gone,
}

impl Outcome {
    /// All of them, in the order of [`Sums::outcomes`].
    pub const ALL: [Self; 4] = [Self::Clean, Self::Failed, Self::Cut, Self::Gone];

    /// The word in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Failed => "failed",
            Self::Cut => "cut",
            Self::Gone => "gone",
        }
    }
}

/// How many times fell into each bucket of [`TIME_BUCKETS`] and beyond, and their sum.
#[derive(Clone, Copy, Debug, Default)]
pub struct Histogram {
    pub counts: [u64; TIME_BUCKETS.len() + 1],
    pub sum: Duration,
}

impl Histogram {
    fn record(&mut self, nanos: u64) {
        if nanos > 0 {
            let time = Duration::from_nanos(nanos);
            self.counts[time_bucket(time)] += 1;
            self.sum += time;
        }
    }

    fn merge(&mut self, counts: &[u64], sum: Duration) {
        for (count, more) in self.counts.iter_mut().zip(counts) {
            *count += more;
        }
        self.sum += sum;
    }
}

/// What is summed.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    /// Exchanges that ended, by [`Outcome`].
    pub outcomes: [u64; Outcome::ALL.len()],
    /// Failures by [`crate::plugin::Failure::kind`].
    pub failures: BTreeMap<&'static str, u64>,
    pub received: u64,
    pub sent: u64,
    /// Linear memory and tables of open exchanges.
    pub memory: u64,
    pub calls: Histogram,
    pub first_byte: Histogram,
    pub instance_start: Histogram,
}

impl Sums {
    /// Adds what a stage used; its memory counts only while it is open.
    pub(super) fn add(&mut self, usage: &Usage, is_open: bool) {
        self.received += usage.received.get();
        self.sent += usage.sent.get();
        self.memory += if is_open { usage.memory.get() } else { 0 };
        let (counts, sum) = usage.calls.read();
        self.calls.merge(&counts, sum);
        self.first_byte.record(usage.first_byte.get());
        self.instance_start.record(usage.started_in.get());
    }

    fn absorb(&mut self, other: &Self) {
        for (count, more) in self.outcomes.iter_mut().zip(other.outcomes) {
            *count += more;
        }
        for (kind, more) in &other.failures {
            *self.failures.entry(kind).or_default() += more;
        }
        self.received += other.received;
        self.sent += other.sent;
        self.calls.merge(&other.calls.counts, other.calls.sum);
        self.first_byte.merge(&other.first_byte.counts, other.first_byte.sum);
        self.instance_start.merge(&other.instance_start.counts, other.instance_start.sum);
    }
}

/// One version of one plugin.
#[derive(Debug)]
pub struct Totals {
    plugin: Box<str>,
    version: Box<str>,
    open: AtomicU64,
    ended: Mutex<Sums>,
    retired: Mutex<Option<Instant>>,
}

impl Totals {
    pub(super) fn new(plugin: &str, version: &str) -> Arc<Self> {
        Arc::new(Self {
            plugin: plugin.into(),
            version: version.into(),
            open: AtomicU64::new(0),
            ended: Mutex::default(),
            retired: Mutex::default(),
        })
    }

    #[must_use]
    pub fn plugin(&self) -> &str {
        &self.plugin
    }

    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Exchanges that run.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// Since when it is no longer served.
    #[must_use]
    pub fn retired(&self) -> Option<Instant> {
        *lock(&self.retired)
    }

    /// Whether any exchange has ended.
    pub(super) fn has_counted(&self) -> bool {
        lock(&self.ended).outcomes.iter().any(|&count| count > 0)
    }

    pub(super) fn opened(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn ended(&self, usage: &Usage, outcome: Outcome, failure: Option<&'static str>) {
        let mut sums = lock(&self.ended);
        sums.add(usage, false);
        sums.outcomes[outcome as usize] += 1;
        if let Some(kind) = failure {
            *sums.failures.entry(kind).or_default() += 1;
        }
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn sums(&self) -> Sums {
        lock(&self.ended).clone()
    }

    fn set_retired(&self, is_retired: bool) {
        let mut retired = lock(&self.retired);
        *retired = is_retired.then(|| retired.unwrap_or_else(Instant::now));
    }
}

/// The versions of a plugin.
#[derive(Debug)]
pub(super) struct Versions {
    /// By when they were served last.
    known: Vec<Arc<Totals>>,
    older: Arc<Totals>,
}

impl Versions {
    pub(super) fn new(plugin: &str) -> Self {
        Self { known: Vec::new(), older: Totals::new(plugin, OLDER) }
    }

    /// Since when no version is served any more, if nobody can open or end an exchange of any.
    pub(super) fn gone_since(&self) -> Option<Instant> {
        let may_go = |totals: &Arc<Totals>| totals.retired().filter(|_| Arc::strong_count(totals) == 1);
        self.known.iter().map(may_go).collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// Adds all of it to `totals`.
    pub(super) fn fold_into(&self, totals: &Totals) {
        for version in self.known.iter().chain([&self.older]) {
            lock(&totals.ended).absorb(&version.sums());
        }
    }

    pub(super) fn of(&mut self, plugin: &str, version: &str) -> Arc<Totals> {
        let place = self.known.iter().position(|totals| totals.version() == version);
        let totals = match place {
            Some(place) => self.known.remove(place),
            None => Totals::new(plugin, version),
        };
        self.known.push(Arc::clone(&totals));
        totals
    }

    /// All that have something to tell.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Totals>> {
        self.known.iter().chain(self.older.has_counted().then_some(&self.older))
    }

    pub(super) fn settle(&mut self, served: Option<&str>) {
        for totals in &self.known {
            totals.set_retired(served != Some(totals.version()));
        }
        self.fold();
    }

    /// Folds what was served long ago.
    pub(super) fn fold(&mut self) {
        // Whoever else holds one may still open or end an exchange.
        let may_go = |totals: &Arc<Totals>| totals.retired().is_some() && Arc::strong_count(totals) == 1;
        let mut surplus =
            self.known.iter().filter(|totals| may_go(totals)).count().saturating_sub(KEPT_VERSIONS);
        let older = &self.older;
        self.known.retain(|totals| {
            let goes = surplus > 0 && may_go(totals);
            if goes {
                surplus -= 1;
                lock(&older.ended).absorb(&totals.sums());
            }
            !goes
        });
    }
}
