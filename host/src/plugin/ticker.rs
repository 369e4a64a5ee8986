//! The heartbeat that interrupts wasm (wasmtime's epoch), and a coarse clock.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

/// The time between two beats. It bounds how late emitted bytes of a computing plugin leave, and
/// how exactly its CPU time is counted.
pub const TICK: Duration = Duration::from_millis(2);

/// After so many beats without any call the thread sleeps until the next one: an idle host should
/// not wake up 500 times a second.
const IDLE_BEATS: u32 = 50;

thread_local! {
    static TICKS: Cell<u64> = const { Cell::new(0) };
    static LARGE: Cell<bool> = const { Cell::new(false) };
}

/// How often a tick has found wasm running on this thread.
#[must_use]
pub fn ticks_of_this_thread() -> u64 {
    TICKS.get()
}

/// Whether an instance on this thread has given way since this was last asked, since its memory has
/// become large.
#[must_use]
pub fn take_large() -> bool {
    LARGE.take()
}

/// An instance on this thread gives way, since its memory has become large.
pub(super) fn found_large() {
    LARGE.set(true);
}

/// A tick has found wasm running on this thread.
pub(super) fn found_running() {
    TICKS.set(TICKS.get().wrapping_add(1));
}

/// Owns the thread that increments the epoch while there are calls. Ends it when dropped.
pub struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    handle: Thread,
}

struct Shared {
    /// What else is to be done at every beat.
    companion: OnceLock<Box<dyn Fn() + Send + Sync>>,
    /// A call began or went on since the last beat.
    called: AtomicBool,
    /// The thread beats. Only it clears this; whoever finds it clear sets it and unparks.
    beating: AtomicBool,
    ended: AtomicBool,
    beats: AtomicU64,
}

impl Ticker {
    /// Starts the thread, which calls `beat` at every tick.
    ///
    /// # Errors
    ///
    /// When the system has no thread to give.
    pub fn start(beat: impl Fn() + Send + 'static) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            companion: OnceLock::new(),
            called: AtomicBool::new(false),
            beating: AtomicBool::new(true),
            ended: AtomicBool::new(false),
            beats: AtomicU64::new(0),
        });
        let thread = thread::Builder::new().name("ticker".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || shared.run(&beat)
        })?;
        let handle = thread.thread().clone();
        Ok(Self { shared, thread: Some(thread), handle })
    }

    /// Has `companion` called at every beat, too. It must not wait for anything. Only the first one that
    /// comes stays.
    pub fn accompany(&self, companion: impl Fn() + Send + Sync + 'static) {
        self.shared.companion.get_or_init(|| Box::new(companion));
    }

    /// Says that wasm runs: the beat goes on, or begins again.
    pub fn touch(&self) {
        // Read before writing: the line stays shared between processors.
        if !self.shared.called.load(Ordering::Relaxed) {
            self.shared.called.store(true, Ordering::Relaxed);
        }
        // Pairs with the fence in `run`: either this thread sees `beating` clear, or the ticker
        // sees `called` set.
        fence(Ordering::SeqCst);
        if !self.shared.beating.load(Ordering::Relaxed) && !self.shared.beating.swap(true, Ordering::AcqRel) {
            self.handle.unpark();
        }
    }

    /// How many beats there were. Stands still while no wasm runs.
    #[must_use]
    pub fn beats(&self) -> u64 {
        self.shared.beats.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn run(&self, beat: &impl Fn()) {
        let mut idle = 0;
        while !self.ended.load(Ordering::Acquire) {
            thread::sleep(TICK);
            self.beats.fetch_add(1, Ordering::Relaxed);
            beat();
            if let Some(companion) = self.companion.get() {
                companion();
            }
            idle = if self.called.swap(false, Ordering::Relaxed) { 0 } else { idle + 1 };
            if idle < IDLE_BEATS {
                continue;
            }
            self.beating.store(false, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            if self.called.load(Ordering::Relaxed) {
                self.beating.store(true, Ordering::Relaxed);
            }
            while !self.beating.load(Ordering::Acquire) && !self.ended.load(Ordering::Acquire) {
                thread::park();
            }
            idle = 0;
        }
    }
}

impl std::fmt::Debug for Ticker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticker").field("beats", &self.beats()).finish_non_exhaustive()
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        self.handle.unpark();
        if let Some(thread) = self.thread.take() {
            // It panics only if `beat` does; there is nobody to tell.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !holds() {
            assert!(Instant::now() < deadline, "{what}");
            thread::sleep(TICK);
        }
    }

    #[test]
    fn beats_while_touched_and_rests_when_not() {
        let ticker = Ticker::start(|| {}).unwrap();
        wait_until("it never rests", || !ticker.shared.beating.load(Ordering::Acquire));
        let resting = ticker.beats();
        ticker.touch();
        wait_until("it never wakes", || ticker.beats() > resting + 3);
    }

    #[test]
    fn ends_when_dropped_while_resting() {
        let ticker = Ticker::start(|| {}).unwrap();
        wait_until("it never rests", || !ticker.shared.beating.load(Ordering::Acquire));
        drop(ticker);
    }
}
