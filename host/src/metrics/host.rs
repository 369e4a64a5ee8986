//! Counters of the host as a whole.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that many tasks change.
#[derive(Debug, Default)]
pub struct Shared(AtomicU64);

impl Shared {
    /// The number now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// One more.
    pub fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// One less.
    pub fn decrement(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The first and the last status that the host itself answers with.
const STATUSES: std::ops::RangeInclusive<u16> = 400..=599;

/// What no plugin can be named for.
#[derive(Debug)]
pub struct HostCounters {
    /// Connections that were accepted.
    pub connections: Shared,
    /// Those of them that are open.
    pub open_connections: Shared,
    /// Connections that were closed at once, since their client has as many as it may.
    pub crowded: Shared,
    /// Connections whose TLS handshake failed or took too long.
    pub unshaken: Shared,
    /// Changes of the plugin folder that gave a new generation.
    pub good_reloads: Shared,
    /// Files that were refused.
    pub bad_reloads: Shared,
    refused: [Shared; 200],
}

impl Default for HostCounters {
    fn default() -> Self {
        Self {
            connections: Shared::default(),
            open_connections: Shared::default(),
            crowded: Shared::default(),
            unshaken: Shared::default(),
            good_reloads: Shared::default(),
            bad_reloads: Shared::default(),
            refused: std::array::from_fn(|_| Shared::default()),
        }
    }
}

impl HostCounters {
    /// Counts a request that was answered without any plugin.
    pub fn refuse(&self, status: u16) {
        if STATUSES.contains(&status) {
            self.refused[usize::from(status - STATUSES.start())].increment();
        }
    }

    /// Such answers by status, without those that never happened.
    pub fn refused(&self) -> impl Iterator<Item = (u16, u64)> {
        STATUSES
            .zip(&self.refused)
            .map(|(status, count)| (status, count.get()))
            .filter(|(_, count)| *count > 0)
    }
}
