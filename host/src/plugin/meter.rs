//! The times of a call.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// The times of a call: how long it has waited in `emit`, which is the client's time and not the
/// plugin's, and what it has used of the processor.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// Nanoseconds of finished waits.
    waited: AtomicU64,
    /// When the present wait began, in nanoseconds of [`now`]; 0 without one.
    since: AtomicU64,
    /// The thread's CPU time, in nanoseconds, when the call went on or was last charged; 0 before
    /// its first tick. Asking the system costs as much as a call, so it is not asked before.
    cpu_mark: AtomicU64,
    /// Nanoseconds of CPU time that are known and not yet charged: those before a suspension.
    cpu_known: AtomicU64,
}

/// A wait in `emit`, as long as it lives.
pub(super) struct Pause<'a>(&'a Meter);

/// Nanoseconds since the first call of this function, plus one, so that 0 is free.
fn now() -> u64 {
    static BASE: OnceLock<Instant> = OnceLock::new();
    let elapsed = BASE.get_or_init(Instant::now).elapsed().as_nanos();
    u64::try_from(elapsed).map_or(u64::MAX, |nanos| nanos + 1)
}

/// The CPU time of this thread in nanoseconds.
pub(super) fn thread_cpu() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let nanos = i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec);
    u64::try_from(nanos).unwrap_or_default()
}

impl Meter {
    pub(super) fn begin_call(&self) {
        self.cpu_mark.store(0, Ordering::Relaxed);
        self.cpu_known.store(0, Ordering::Relaxed);
    }

    /// The call is suspended. Says how much CPU time is known and not yet charged.
    pub(super) fn suspend(&self) -> Duration {
        let mark = self.cpu_mark.swap(0, Ordering::Relaxed);
        let used = if mark == 0 { 0 } else { thread_cpu().saturating_sub(mark) };
        let known = self.cpu_known.load(Ordering::Relaxed) + used;
        self.cpu_known.store(known, Ordering::Relaxed);
        Duration::from_nanos(known)
    }

    /// The call goes on after it was suspended, perhaps on another thread.
    pub(super) fn resume(&self) {
        self.cpu_mark.store(thread_cpu(), Ordering::Relaxed);
    }

    /// The CPU time since the call went on or was last charged. What came before the first tick of
    /// a call is not known, and free.
    pub(super) fn spent(&self) -> Duration {
        let now = thread_cpu();
        let spent = match self.cpu_mark.swap(now, Ordering::Relaxed) {
            0 => 0,
            mark => now.saturating_sub(mark),
        };
        Duration::from_nanos(spent + self.cpu_known.swap(0, Ordering::Relaxed))
    }

    pub(super) fn pause(&self) -> Pause<'_> {
        self.since.store(now(), Ordering::Relaxed);
        Pause(self)
    }

    /// All waits so far, the present one included.
    pub(super) fn waited(&self) -> Duration {
        let present = match self.since.load(Ordering::Relaxed) {
            0 => 0,
            since => now().saturating_sub(since),
        };
        Duration::from_nanos(self.waited.load(Ordering::Relaxed) + present)
    }
}

impl Drop for Pause<'_> {
    fn drop(&mut self) {
        let since = self.0.since.swap(0, Ordering::Relaxed);
        self.0.waited.fetch_add(now().saturating_sub(since), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_meter_counts_waits_only() {
        let meter = Meter::default();
        assert_eq!(meter.waited(), Duration::ZERO);
        let pause = meter.pause();
        std::thread::sleep(Duration::from_millis(2));
        assert!(meter.waited() >= Duration::from_millis(2));
        drop(pause);
        let waited = meter.waited();
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(meter.waited(), waited);
    }
}
