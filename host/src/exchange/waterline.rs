//! The bytes of all exchanges together that wait for clients that do not read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The host's budget for waiting bytes. Only those who wait are counted: a response that leaves at
/// once costs nothing here.
#[derive(Debug)]
pub struct Waterline {
    bytes: AtomicUsize,
    limit: usize,
}

impl Waterline {
    /// At most `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { bytes: AtomicUsize::new(0), limit })
    }

    /// What waits now.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The bound, in bytes.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit
    }
}

/// One buffer's part of it.
#[derive(Debug)]
pub(super) struct Held {
    line: Arc<Waterline>,
    bytes: usize,
}

impl Held {
    pub(super) const fn new(line: Arc<Waterline>) -> Self {
        Self { line, bytes: 0 }
    }

    /// So many bytes wait now. False when that is more than the host has room for.
    pub(super) fn set(&mut self, bytes: usize) -> bool {
        let before = std::mem::replace(&mut self.bytes, bytes);
        if bytes <= before {
            if bytes < before {
                self.line.bytes.fetch_sub(before - bytes, Ordering::Relaxed);
            }
            return true;
        }
        let more = bytes - before;
        self.line.bytes.fetch_add(more, Ordering::Relaxed) + more <= self.line.limit
    }

    /// At most so many bytes more wait now; says how many. Half of the room is never taken this way: it
    /// is for those who cannot do with less.
    pub(super) fn grow(&mut self, wanted: usize) -> usize {
        let mut more = 0;
        let update = |bytes: usize| {
            more = wanted.min((self.line.limit / 2).saturating_sub(bytes));
            (more > 0).then(|| bytes + more)
        };
        let _ = self.line.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update);
        self.bytes += more;
        more
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_counted_and_given_back() {
        let line = Waterline::new(100);
        let (mut first, mut second) = (Held::new(Arc::clone(&line)), Held::new(Arc::clone(&line)));
        assert!(first.set(60) && second.set(40));
        assert!(!second.set(41));
        assert!(second.set(10) && first.set(60));
        assert_eq!(line.bytes(), 70);
        drop(first);
        assert_eq!(line.bytes(), 10);
        assert_eq!((second.grow(30), second.grow(30), second.grow(30)), (30, 10, 0));
        assert_eq!(line.bytes(), 50);
        drop(second);
        assert_eq!(line.bytes(), 0);
    }
}
