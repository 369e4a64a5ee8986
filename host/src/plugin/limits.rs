//! Budgets: how much an instance may take.

use std::time::Duration;

use wasmtime::ResourceLimiter;

/// The budgets of an instance. Defaults come from the command line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Linear memory, in bytes.
    pub memory: usize,
    /// Time on a processor per call, hostcalls included. Looked at when the ticker beats: a call ends
    /// two ticks beyond, or at the end of the hostcall or bulk instruction that ran then, and never
    /// before.
    pub cpu_per_call: Duration,
    /// Wall time per call, the plugin's own sleep included, waiting in `emit` not.
    pub time_per_call: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 64 * 1024 * 1024,
            cpu_per_call: Duration::from_secs(1),
            time_per_call: Duration::from_secs(10),
        }
    }
}

/// The most elements of a table: 8 bytes each. Go's largest modules have about 10,000.
pub(super) const MAX_TABLE_ELEMENTS: usize = 20_000;

/// The most tables of a module. Compilers make one or two.
pub(super) const MAX_TABLES: u32 = 4;

/// Answers wasmtime's questions on growth for one instance, and remembers a no, since what the
/// plugin does next (a trap, most likely) is explained by it.
#[derive(Debug)]
pub(super) struct GrowthLimiter {
    memory_limit: usize,
    memory_used: usize,
    refused: Option<&'static str>,
}

impl GrowthLimiter {
    pub(super) const fn new(limits: &Limits) -> Self {
        Self { memory_limit: limits.memory, memory_used: 0, refused: None }
    }

    /// What was refused, for the log.
    pub(super) const fn refused(&self) -> Option<&'static str> {
        self.refused
    }
}

impl ResourceLimiter for GrowthLimiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let used = self.memory_used.saturating_add(desired.saturating_sub(current));
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        if used > self.memory_limit {
            self.refused = Some("memory");
            return Ok(false);
        }
        self.memory_used = used;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        if desired > MAX_TABLE_ELEMENTS {
            self.refused = Some("table");
            return Ok(false);
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_bounded() {
        let mut limiter = GrowthLimiter::new(&Limits { memory: 100, ..Limits::default() });
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        assert!(!limiter.memory_growing(60, 80, Some(70)).unwrap());
        assert_eq!(limiter.refused(), None);
        assert!(limiter.memory_growing(60, 100, None).unwrap());
        assert!(!limiter.memory_growing(100, 101, None).unwrap());
        assert_eq!(limiter.refused(), Some("memory"));
        assert!(limiter.table_growing(0, MAX_TABLE_ELEMENTS, None).unwrap());
        assert!(!limiter.table_growing(0, MAX_TABLE_ELEMENTS + 1, None).unwrap());
        assert_eq!(limiter.refused(), Some("table"));
    }
}
