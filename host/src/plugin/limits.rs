//! Budgets: how much an instance, and an exchange, may take.

use std::fmt;
use std::time::Duration;

/// The budgets of an instance, and what it allows the exchange as a whole. Defaults come from the
/// command line, a manifest may lower them, and raise them up to the operator's caps.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Linear memory and tables of the instance, in bytes.
    pub memory: usize,
    /// Linear memories and tables of all stages of the exchange, in bytes.
    pub memory_per_exchange: usize,
    /// Time on a processor per call, hostcalls included. Looked at when the ticker beats: a call ends
    /// two ticks beyond, or at the end of the hostcall or bulk instruction that ran then, and never
    /// before.
    pub cpu_per_call: Duration,
    /// Wall time per call, the plugin's own sleep included, waiting in `emit` not.
    pub time_per_call: Duration,
    /// Time on a processor of all calls of all stages. Counted exactly, which costs two questions
    /// to the system per call: only where there is such a limit.
    pub cpu_per_exchange: Option<Duration>,
    /// Bytes that the instance may emit.
    pub emitted: Option<u64>,
    /// Bytes that the instance may be handed: of the request body, or of the stage before it.
    pub received: Option<u64>,
    /// Lines that the instance may write to the log.
    pub log_lines: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 64 * 1024 * 1024,
            memory_per_exchange: 512 * 1024 * 1024,
            cpu_per_call: Duration::from_secs(1),
            time_per_call: Duration::from_secs(10),
            cpu_per_exchange: None,
            emitted: None,
            received: None,
            log_lines: None,
        }
    }
}

/// One of the budgets, by the name that it has in manifests, logs and metrics.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Limit {
    Memory,
    MemoryPerExchange,
    CpuPerCall,
    TimePerCall,
    CpuPerExchange,
    Emitted,
    Received,
    LogLines,
}

impl Limit {
    /// The name.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::MemoryPerExchange => "memory_per_exchange",
            Self::CpuPerCall => "cpu_per_call",
            Self::TimePerCall => "time_per_call",
            Self::CpuPerExchange => "cpu_per_exchange",
            Self::Emitted => "emitted",
            Self::Received => "received",
            Self::LogLines => "log_lines",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

/// The most stages of a pipe: each costs an instance.
pub const MAX_STAGES: usize = 8;

/// The most elements of a table. Go's largest modules have about 10,000.
pub(super) const MAX_TABLE_ELEMENTS: usize = 20_000;

/// What an element of a table takes, in bytes: a pointer of the host's.
pub(super) const TABLE_ELEMENT: usize = size_of::<usize>();

/// The most tables of a module. Compilers make one or two.
pub(super) const MAX_TABLES: u32 = 4;
