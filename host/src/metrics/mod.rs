//! What happened and what goes on, counted: by plugin and version, and for the host.
//!
//! Exchanges that run are in a table of open ones, with their [`Account`]s; when one ends, what it
//! used is added to the [`Totals`] of its plugins. A reader sums both under the table's locks, so
//! that every byte is counted once, at any time, and no counter ever goes back.

mod host;
mod origin;
mod totals;

use std::collections::HashMap;
use std::hash::{BuildHasher as _, BuildHasherDefault, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use smallvec::SmallVec;

pub use host::HostCounters;
pub use origin::{Origin, Peer, Way};
use totals::Versions;
pub use totals::{Histogram, OLDER, Outcome, REMOVED, Sums, Totals};

use crate::plugin::{Account, ExchangeId, Failure, Limits};

/// Tables that the open exchanges are spread over, so that processors do not wait for each other.
const SHARDS: usize = 16;

/// Bits of an exchange's number that count; those above are drawn at the start of the host. Enough
/// for ten thousand a second for three years.
const COUNTER_BITS: u32 = 40;

/// Names that are no longer served and keep counters of their own.
const KEPT_NAMES: usize = 32;

/// Open exchanges by their number.
type Table = HashMap<u64, Arc<Open>, BuildHasherDefault<Spread>>;

/// A hash for numbers that the host itself gave out: nobody chooses them, so nothing need be random in it.
#[derive(Debug, Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64((*byte).into()));
    }

    fn write_u64(&mut self, number: u64) {
        // Fibonacci hashing (Knuth, vol. 3, section 6.4): neighbours come to lie far from each other.
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// All counters of the host.
#[derive(Debug)]
pub struct Metrics {
    pub host: HostCounters,
    plugins: Mutex<HashMap<Box<str>, Versions>>,
    /// What names that went away long ago have counted.
    removed: Arc<Totals>,
    open: [Mutex<Table>; SHARDS],
    run: u64,
    counter: AtomicU64,
}

/// An exchange that runs.
#[derive(Debug)]
pub struct Open {
    pub account: Arc<Account>,
    /// The plugins of its stages.
    pub plugins: SmallVec<[Arc<Totals>; 1]>,
    pub since: Instant,
    pub origin: Origin,
}

/// An exchange's entry in the table. If it is dropped before its end was said, the exchange was cut.
#[derive(Debug)]
pub struct Ticket<'a> {
    metrics: &'a Metrics,
    open: Arc<Open>,
    is_ended: bool,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            host: HostCounters::default(),
            plugins: Mutex::default(),
            removed: Totals::new(REMOVED, OLDER),
            open: std::array::from_fn(|_| Mutex::default()),
            run: RandomState::new().build_hasher().finish() << COUNTER_BITS,
            counter: AtomicU64::new(0),
        }
    }
}

impl Metrics {
    /// The totals of a version of a plugin: those from before, if it was served already.
    #[must_use]
    pub fn totals(&self, plugin: &str, version: &str) -> Arc<Totals> {
        let mut plugins = lock(&self.plugins);
        plugins.entry(plugin.into()).or_insert_with(|| Versions::new(plugin)).of(plugin, version)
    }

    /// Says which versions are served now, by plugin; what was served long ago is folded.
    pub fn settle<'a>(&self, served: impl Fn(&str) -> Option<&'a str>) {
        // With the table locked, nobody is between an end and its totals.
        let _table = self.lock_open();
        let mut plugins = lock(&self.plugins);
        for (plugin, versions) in plugins.iter_mut() {
            versions.settle(served(plugin));
        }
        let mut gone: Vec<(Instant, Box<str>)> = plugins
            .iter()
            .filter_map(|(plugin, versions)| Some((versions.gone_since()?, plugin.clone())))
            .collect();
        gone.sort_by(|a, b| b.cmp(a));
        for (_, plugin) in gone.drain(..).skip(KEPT_NAMES) {
            if let Some(versions) = plugins.remove(&plugin) {
                versions.fold_into(&self.removed);
            }
        }
    }

    /// Enters an exchange into the table of open ones.
    #[must_use]
    pub fn begin<'a>(
        &self,
        plugins: SmallVec<[Arc<Totals>; 1]>,
        limits: impl Iterator<Item = &'a Limits> + Clone,
        origin: Origin,
    ) -> Ticket<'_> {
        let id = self.run | (self.counter.fetch_add(1, Ordering::Relaxed) + 1) & ((1 << COUNTER_BITS) - 1);
        let account = Account::open(ExchangeId(id), limits);
        let open = Arc::new(Open { account, plugins, since: Instant::now(), origin });
        lock(self.shard(id)).insert(id, Arc::clone(&open));
        for plugin in &open.plugins {
            plugin.opened();
        }
        Ticket { metrics: self, open, is_ended: false }
    }

    /// Sums up everything by plugin and version: ended and open exchanges.
    #[must_use]
    pub fn collect(&self) -> Vec<(Arc<Totals>, Sums)> {
        let table = self.lock_open();
        let mut plugins = lock(&self.plugins);
        // Since the last change, exchanges that held old versions may have ended.
        plugins.values_mut().for_each(Versions::fold);
        let mut series: Vec<_> = plugins
            .values()
            .flat_map(Versions::all)
            .chain(self.removed.has_counted().then_some(&self.removed))
            .map(|totals| (Arc::clone(totals), totals.sums()))
            .collect();
        drop(plugins);
        let mut places: HashMap<*const Totals, usize> =
            series.iter().enumerate().map(|(place, (totals, _))| (Arc::as_ptr(totals), place)).collect();
        for open in table.iter().flat_map(|shard| shard.values()) {
            for (totals, usage) in open.plugins.iter().zip(&open.account.stages) {
                let place = *places.entry(Arc::as_ptr(totals)).or_insert_with(|| {
                    series.push((Arc::clone(totals), totals.sums()));
                    series.len() - 1
                });
                series[place].1.add(usage, true);
            }
        }
        drop(table);
        series.sort_by(|(a, _), (b, _)| (a.plugin(), a.version()).cmp(&(b.plugin(), b.version())));
        series
    }

    /// The open exchanges, oldest first, at most `limit`; and how many there are.
    #[must_use]
    pub fn open_exchanges(&self, limit: usize) -> (Vec<Arc<Open>>, usize) {
        let mut all: Vec<Arc<Open>> = Vec::new();
        for shard in &self.open {
            all.extend(lock(shard).values().map(Arc::clone));
        }
        let count = all.len();
        all.sort_by_key(|open| (open.since, open.account.id));
        all.truncate(limit);
        (all, count)
    }

    /// Versions of a plugin that are no longer served and still have open exchanges.
    #[must_use]
    pub fn older(&self, plugin: &str) -> Vec<Arc<Totals>> {
        let plugins = lock(&self.plugins);
        let versions = plugins.get(plugin).into_iter().flat_map(Versions::all);
        versions.filter(|totals| totals.retired().is_some() && totals.open() > 0).cloned().collect()
    }

    fn shard(&self, id: u64) -> &Mutex<Table> {
        &self.open[id as usize % SHARDS]
    }

    /// Stops the table: always in the same order, before any other lock.
    fn lock_open(&self) -> Vec<MutexGuard<'_, Table>> {
        self.open.iter().map(lock).collect()
    }
}

impl Ticket<'_> {
    /// The exchange.
    #[must_use]
    pub const fn open(&self) -> &Arc<Open> {
        &self.open
    }

    /// Says how the exchange ended, and by whose failure in which stage.
    pub fn end(mut self, outcome: Outcome, failure: Option<(usize, &Failure)>) {
        self.finish(outcome, failure);
    }

    fn finish(&mut self, outcome: Outcome, failure: Option<(usize, &Failure)>) {
        self.is_ended = true;
        let id = self.open.account.id.0;
        let mut shard = lock(self.metrics.shard(id));
        shard.remove(&id);
        for (stage, (totals, usage)) in self.open.plugins.iter().zip(&self.open.account.stages).enumerate() {
            let failure = failure.filter(|(guilty, _)| *guilty == stage).map(|(_, failure)| failure.kind());
            totals.ended(usage, outcome, failure);
        }
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if !self.is_ended {
            self.finish(Outcome::Cut, None);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Counters that a panic left behind are still counters.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use smallvec::smallvec;

    fn begin<'a>(metrics: &'a Metrics, totals: &Arc<Totals>) -> Ticket<'a> {
        let limits = Limits::default();
        let origin = Origin { peer: Peer::Unix, way: Way::Http, head: None };
        metrics.begin(smallvec![Arc::clone(totals)], std::iter::once(&limits), origin)
    }

    fn received(metrics: &Metrics) -> Vec<(String, u64)> {
        let all = metrics.collect();
        all.iter().map(|(totals, sums)| (totals.version().to_owned(), sums.received)).collect()
    }

    #[test]
    fn bytes_count_once_before_and_after_the_end() {
        let metrics = Metrics::default();
        let totals = metrics.totals("p", "v");
        let ticket = begin(&metrics, &totals);
        assert!(ticket.open().account.stages[0].receive(7).is_ok());
        assert_eq!(received(&metrics), [("v".to_owned(), 7)]);
        assert_eq!((totals.open(), metrics.open_exchanges(9).1), (1, 1));
        ticket.end(Outcome::Clean, None);
        assert_eq!(received(&metrics), [("v".to_owned(), 7)]);
        assert_eq!((totals.open(), metrics.open_exchanges(9).1), (0, 0));
        drop(begin(&metrics, &totals));
        let sums = &metrics.collect()[0].1;
        assert_eq!((sums.outcomes[Outcome::Clean as usize], sums.outcomes[Outcome::Cut as usize]), (1, 1));
    }

    #[test]
    fn old_versions_are_folded_and_nothing_is_lost() {
        let metrics = Metrics::default();
        let mut held = None;
        for number in 0..20 {
            let version = format!("v{number:02}");
            let totals = metrics.totals("p", &version);
            let ticket = begin(&metrics, &totals);
            assert!(ticket.open().account.stages[0].receive(1).is_ok());
            if number == 3 {
                held = Some(ticket);
            } else {
                ticket.end(Outcome::Clean, None);
            }
            metrics.settle(|_| Some(&version));
        }
        let names: Vec<_> = received(&metrics).into_iter().map(|(version, _)| version).collect();
        assert_eq!(names, [OLDER, "v03", "v15", "v16", "v17", "v18", "v19"]);
        assert_eq!(received(&metrics).iter().map(|(_, bytes)| bytes).sum::<u64>(), 20);
        assert_eq!(metrics.older("p").len(), 1);
        drop(held);
        metrics.settle(|_| None);
        assert_eq!(received(&metrics).iter().map(|(_, bytes)| bytes).sum::<u64>(), 20);
        assert_eq!(metrics.older("p").len(), 0);
    }

    #[test]
    fn names_that_went_away_are_folded_and_nothing_is_lost() {
        let metrics = Metrics::default();
        for number in 0..100 {
            let name = format!("p{number}");
            let totals = metrics.totals(&name, "v");
            let ticket = begin(&metrics, &totals);
            assert!(ticket.open().account.stages[0].receive(1).is_ok());
            ticket.end(Outcome::Clean, None);
            drop(totals);
            metrics.settle(|served| (served == name).then_some("v"));
        }
        let series = metrics.collect();
        assert_eq!(series.len(), KEPT_NAMES + 2);
        assert_eq!(series[0].0.plugin(), REMOVED);
        assert_eq!(series.iter().map(|(_, sums)| sums.received).sum::<u64>(), 100);
    }

    #[test]
    fn a_version_that_comes_back_counts_on() {
        let metrics = Metrics::default();
        let first = metrics.totals("p", "a");
        metrics.settle(|_| Some("a"));
        let _ = metrics.totals("p", "b");
        metrics.settle(|_| Some("b"));
        assert!(first.retired().is_some());
        assert!(Arc::ptr_eq(&first, &metrics.totals("p", "a")));
        metrics.settle(|_| Some("a"));
        assert!(first.retired().is_none());
    }
}
