//! How often capsules are written: a plugin that fails at every request must not grind the disk.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Capsules of one version of a plugin that may come at once …
const PER_PLUGIN: u32 = 10;

/// … and of all plugins together.
const IN_ALL: u32 = 60;

/// The time after which as many may come again, spread evenly.
const PERIOD: Duration = Duration::from_secs(60);

/// The most versions that are told apart; their buckets are forgotten when they are full again. With
/// [`IN_ALL`] there are never that many.
const MAX_BUCKETS: usize = 1_024;

/// The rates of all plugins.
#[derive(Debug)]
pub(super) struct Rates {
    all: Bucket,
    plugins: HashMap<(Box<str>, Box<str>), Bucket>,
}

#[derive(Debug)]
struct Bucket {
    left: u32,
    most: u32,
    filled: Instant,
}

impl Bucket {
    const fn new(most: u32, now: Instant) -> Self {
        Self { left: most, most, filled: now }
    }

    fn fill(&mut self, now: Instant) {
        let pause = PERIOD / self.most;
        let gained = now.saturating_duration_since(self.filled).as_nanos() / pause.as_nanos();
        let gained = u32::try_from(gained).unwrap_or(u32::MAX);
        if gained > 0 {
            self.left = self.left.saturating_add(gained).min(self.most);
            // What is left of the pause counts for the next one.
            self.filled = if self.left == self.most { now } else { self.filled + pause * gained };
        }
    }
}

impl Rates {
    /// All buckets are full.
    pub(super) fn new(now: Instant) -> Self {
        Self { all: Bucket::new(IN_ALL, now), plugins: HashMap::new() }
    }

    /// Whether a version of a plugin may have a capsule written now; if so, it is counted.
    pub(super) fn admit(&mut self, plugin: &str, version: &str, now: Instant) -> bool {
        self.all.fill(now);
        self.plugins.retain(|_, bucket| {
            bucket.fill(now);
            bucket.left < bucket.most
        });
        if self.all.left == 0 || self.plugins.len() >= MAX_BUCKETS {
            return false;
        }
        let bucket = self.plugins.entry((plugin.into(), version.into()));
        let bucket = bucket.or_insert_with(|| Bucket::new(PER_PLUGIN, now));
        if bucket.left == 0 {
            return false;
        }
        bucket.left -= 1;
        self.all.left -= 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(rates: &mut Rates, plugin: &str, tries: usize, now: Instant) -> usize {
        (0..tries).filter(|_| rates.admit(plugin, "v", now)).count()
    }

    #[test]
    fn each_version_has_its_own_rate() {
        let start = Instant::now();
        let mut rates = Rates::new(start);
        assert_eq!(admitted(&mut rates, "a", 100, start), 10);
        assert!(rates.admit("a", "another", start));
        assert_eq!(admitted(&mut rates, "b", 3, start), 3);
        assert_eq!(admitted(&mut rates, "a", 100, start + Duration::from_millis(5_999)), 0);
        assert_eq!(admitted(&mut rates, "a", 100, start + Duration::from_millis(6_001)), 1);
        assert_eq!(admitted(&mut rates, "a", 100, start + Duration::from_millis(11_999)), 0);
        assert_eq!(admitted(&mut rates, "a", 100, start + Duration::from_millis(12_001)), 1);
        assert_eq!(admitted(&mut rates, "a", 100, start + 10 * PERIOD), 10);
    }

    #[test]
    fn all_together_are_bounded_and_forgotten() {
        let start = Instant::now();
        let mut rates = Rates::new(start);
        let total: usize = (0..100).map(|n| admitted(&mut rates, &format!("p{n}"), 1, start)).sum();
        assert_eq!(total, 60);
        assert_eq!(rates.plugins.len(), 60);
        assert!(rates.admit("x", "v", start + PERIOD));
        assert_eq!(rates.plugins.len(), 1);
    }
}
