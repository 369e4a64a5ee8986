//! When pieces are due in an open loop: each at its time, whatever became of the one before.

use std::thread;
use std::time::{Duration, Instant};

/// When a piece came back too late, the next one's wait counts from when it was due. When the client
/// itself was late (its sleep lasted too long), its wait counts from when it sends: that is not the
/// server's doing.
pub(crate) struct Steps {
    due: Instant,
    step: Duration,
}

impl Steps {
    pub(crate) const fn new(begin: Instant, step: Duration) -> Self {
        Self { due: begin, step }
    }

    /// Waits until the next piece is due. Says from when its wait counts.
    pub(crate) fn next(&mut self) -> Instant {
        self.due += self.step;
        match self.due.checked_duration_since(Instant::now()) {
            Some(rest) => {
                thread::sleep(rest);
                Instant::now()
            }
            None => self.due,
        }
    }
}
