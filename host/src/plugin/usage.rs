//! What an exchange uses, as it goes: read by the metrics while the exchange runs, and asked by its
//! budgets.
//!
//! Everything here is written by the one task that runs the exchange, and read by others at any
//! time. So no update needs a locked instruction: a load and a store do.

use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use smallvec::SmallVec;

use super::failure::Failure;
use super::limits::{Limit, Limits};
use super::meter::Meter;
use super::tape::Tape;

/// The number of an exchange, in logs and in the response: unique in one run of the host, and most
/// likely among many.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub struct ExchangeId(pub u64);

impl fmt::Display for ExchangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.digits()).unwrap_or_default())
    }
}

impl ExchangeId {
    /// The number as it is shown: hexadecimal digits.
    #[must_use]
    pub fn digits(self) -> [u8; 16] {
        std::array::from_fn(|place| b"0123456789abcdef"[(self.0 >> (60 - 4 * place)) as usize & 15])
    }
}

/// A number that one task writes and others read.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// The number now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Only for the task that owns the exchange.
    pub fn add(&self, more: u64) {
        self.set(self.get() + more);
    }

    fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

/// Upper ends of the buckets of all times, in seconds: powers of four from a microsecond on. What is
/// longer goes into one more bucket.
pub const TIME_BUCKETS: [f64; 13] = [
    1e-6, 4e-6, 16e-6, 64e-6, 256e-6, 1.024e-3, 4.096e-3, 16.384e-3, 65.536e-3, 0.262_144, 1.048_576,
    4.194_304, 16.777_216,
];

/// The bucket of a time.
#[must_use]
pub const fn time_bucket(time: Duration) -> usize {
    let micros = time.as_nanos().div_ceil(1_000);
    if micros <= 1 {
        return 0;
    }
    // The smallest n with 4ⁿ ≥ micros.
    let bits = 128 - (micros - 1).leading_zeros() as usize;
    let bucket = bits.div_ceil(2);
    if bucket < TIME_BUCKETS.len() { bucket } else { TIME_BUCKETS.len() }
}

/// How long the calls of an instance took.
#[derive(Debug, Default)]
pub struct CallTimes {
    buckets: [AtomicU32; TIME_BUCKETS.len() + 1],
    nanos: Count,
}

impl CallTimes {
    fn record(&self, time: Duration) {
        let bucket = &self.buckets[time_bucket(time)];
        bucket.store(bucket.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        self.nanos.add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// How many calls in each bucket, and the sum of their times.
    #[must_use]
    pub fn read(&self) -> ([u64; TIME_BUCKETS.len() + 1], Duration) {
        let counts = self.buckets.each_ref().map(|bucket| bucket.load(Ordering::Relaxed).into());
        (counts, Duration::from_nanos(self.nanos.get()))
    }
}

/// What a stage waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Waiting {
    /// The plugin: it computes, sleeps, or has set a timer that holds the response open.
    Plugin,
    /// Body bytes, or output of the stage before.
    Input,
    /// A client that does not read, or the stage behind.
    Client,
}

/// What one stage of an exchange uses.
#[derive(Debug)]
pub struct Usage {
    /// Body bytes handed to the plugin, or passed by it.
    pub received: Count,
    /// Payload bytes on their way out.
    pub sent: Count,
    /// Bytes emitted, wherever they went.
    pub emitted: Count,
    /// Calls of `on_chunk`.
    pub chunks: Count,
    /// Where in the body the present chunk begins.
    pub chunk_offset: Count,
    /// Log lines.
    pub log_lines: Count,
    /// Linear memory and tables at present, in bytes.
    pub memory: Count,
    /// The most of that so far.
    pub peak_memory: Count,
    /// Calls of its exports.
    pub calls: CallTimes,
    /// Nanoseconds from nothing to an instance that is ready for `on_open`; 0 before.
    pub started_in: Count,
    /// Nanoseconds from the end of the request head to the first byte of the response that the
    /// system took; 0 before. Only the last stage's.
    pub first_byte: Count,
    /// The times of the present call.
    pub(super) meter: Meter,
    waiting: AtomicU8,
    limits: Limits,
    tape: OnceLock<Arc<Tape>>,
}

impl Usage {
    fn new(limits: &Limits) -> Self {
        Self {
            received: Count::default(),
            sent: Count::default(),
            emitted: Count::default(),
            chunks: Count::default(),
            chunk_offset: Count::default(),
            log_lines: Count::default(),
            memory: Count::default(),
            peak_memory: Count::default(),
            calls: CallTimes::default(),
            started_in: Count::default(),
            first_byte: Count::default(),
            meter: Meter::default(),
            waiting: AtomicU8::new(Waiting::Plugin as u8),
            limits: *limits,
            tape: OnceLock::new(),
        }
    }

    /// From now on records what is handed to the plugin. Only the first tape counts.
    pub fn record(&self, tape: Tape) {
        let _ = self.tape.set(Arc::new(tape));
    }

    /// The tape that it is recorded on, if it is.
    #[must_use]
    pub fn tape(&self) -> Option<&Arc<Tape>> {
        self.tape.get()
    }

    /// What it waits for now.
    #[must_use]
    pub fn waiting(&self) -> Waiting {
        match self.waiting.load(Ordering::Relaxed) {
            1 => Waiting::Input,
            2 => Waiting::Client,
            _ => Waiting::Plugin,
        }
    }

    /// Notes what it waits for.
    pub fn wait_for(&self, waiting: Waiting) {
        self.waiting.store(waiting as u8, Ordering::Relaxed);
    }

    /// Counts body bytes.
    ///
    /// # Errors
    ///
    /// [`Failure::Beyond`] when they are more than the limit.
    pub fn receive(&self, length: usize) -> Result<(), Failure> {
        self.chunk_offset.set(self.received.get());
        self.received.add(length as u64);
        within(Limit::Received, self.received.get(), self.limits.received)
    }

    /// Counts emitted bytes.
    ///
    /// # Errors
    ///
    /// [`Failure::Beyond`] when they are more than the limit.
    pub fn emit(&self, length: usize) -> Result<(), Failure> {
        self.emitted.add(length as u64);
        within(Limit::Emitted, self.emitted.get(), self.limits.emitted)
    }

    /// Counts a log line.
    ///
    /// # Errors
    ///
    /// [`Failure::Beyond`] when there are more than the limit.
    pub fn log_line(&self) -> Result<(), Failure> {
        self.log_lines.add(1);
        match self.limits.log_lines {
            Some(limit) if self.log_lines.get() > limit => {
                Err(Failure::Beyond { limit: Limit::LogLines, bound: limit.to_string() })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn called(&self, time: Duration) {
        self.calls.record(time);
    }
}

fn within(limit: Limit, used: u64, bound: Option<u64>) -> Result<(), Failure> {
    match bound {
        Some(bound) if used > bound => Err(Failure::Beyond { limit, bound: format!("{bound} bytes") }),
        _ => Ok(()),
    }
}

/// What an exchange uses in all, its stages each for itself.
#[derive(Debug)]
pub struct Account {
    /// The exchange.
    pub id: ExchangeId,
    /// One per stage, in order.
    pub stages: SmallVec<[Usage; 1]>,
    memory: Count,
    memory_limit: usize,
    /// Nanoseconds; counted only where there is a limit.
    cpu: Count,
    cpu_limit: Option<Duration>,
}

impl Account {
    /// An account of a new exchange. What limits it as a whole is the least that a stage allows.
    #[must_use]
    pub fn open<'a>(id: ExchangeId, stages: impl Iterator<Item = &'a Limits> + Clone) -> Arc<Self> {
        let memory_limit = stages.clone().map(|limits| limits.memory_per_exchange).min();
        Arc::new(Self {
            id,
            memory: Count::default(),
            memory_limit: memory_limit.unwrap_or_default(),
            cpu: Count::default(),
            cpu_limit: stages.clone().filter_map(|limits| limits.cpu_per_exchange).min(),
            stages: stages.map(Usage::new).collect(),
        })
    }

    /// Linear memory and tables of all stages, at most, in bytes.
    #[must_use]
    pub const fn memory_limit(&self) -> usize {
        self.memory_limit
    }

    /// Processor time of all stages, at most.
    #[must_use]
    pub const fn cpu_limit(&self) -> Option<Duration> {
        self.cpu_limit
    }

    /// Whether CPU time is to be counted exactly.
    pub(super) const fn counts_cpu(&self) -> bool {
        self.cpu_limit.is_some()
    }

    /// Takes processor time off the exchange's budget.
    pub(super) fn spend_cpu(&self, nanos: u64) -> Result<(), Failure> {
        self.cpu.add(nanos);
        match self.cpu_limit {
            Some(limit) if Duration::from_nanos(self.cpu.get()) > limit => Err(Failure::Beyond {
                limit: Limit::CpuPerExchange,
                bound: humantime::format_duration(limit).to_string(),
            }),
            _ => Ok(()),
        }
    }
}

/// A stage's page of its exchange's account.
#[derive(Clone, Debug)]
pub struct Tally {
    account: Arc<Account>,
    stage: usize,
}

impl Tally {
    /// The page of the stage with this index, which must be one of the account's.
    #[must_use]
    pub fn of(account: &Arc<Account>, stage: usize) -> Self {
        debug_assert!(stage < account.stages.len());
        Self { account: Arc::clone(account), stage }
    }

    /// The exchange's account.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// What this stage uses.
    #[must_use]
    pub fn usage(&self) -> &Usage {
        &self.account.stages[self.stage]
    }

    /// Takes memory for this stage, if both its own limit and the exchange's allow it.
    ///
    /// # Errors
    ///
    /// The limit that does not.
    pub fn take_memory(&self, bytes: usize) -> Result<(), Limit> {
        let usage = self.usage();
        let (own, all) = (usage.memory.get() + bytes as u64, self.account.memory.get() + bytes as u64);
        if own > usage.limits.memory as u64 {
            return Err(Limit::Memory);
        }
        if all > self.account.memory_limit as u64 {
            if let Some(tape) = usage.tape() {
                tape.refused_memory(self.account.memory.get().saturating_sub(usage.memory.get()));
            }
            return Err(Limit::MemoryPerExchange);
        }
        usage.memory.set(own);
        usage.peak_memory.set(usage.peak_memory.get().max(own));
        self.account.memory.set(all);
        Ok(())
    }

    /// The bound behind a refusal, in bytes.
    pub(super) fn memory_bound(&self, limit: Limit) -> usize {
        match limit {
            Limit::MemoryPerExchange => self.account.memory_limit,
            _ => self.usage().limits.memory,
        }
    }

    /// Gives the stage's memory back.
    pub(super) fn release_memory(&self) {
        let usage = self.usage();
        self.account.memory.set(self.account.memory.get().saturating_sub(usage.memory.get()));
        usage.memory.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(limits: &[Limits]) -> Arc<Account> {
        Account::open(ExchangeId(1), limits.iter())
    }

    #[test]
    fn times_fall_into_their_buckets() {
        for (index, end) in TIME_BUCKETS.iter().enumerate() {
            let end = Duration::from_nanos((end * 1e9).round() as u64);
            assert_eq!(time_bucket(end), index, "{end:?}");
            assert_eq!(time_bucket(end + Duration::from_nanos(1)), index + 1, "{end:?} and a little");
        }
        assert_eq!(time_bucket(Duration::ZERO), 0);
        assert_eq!(time_bucket(Duration::MAX), TIME_BUCKETS.len());
        let times = CallTimes::default();
        for micros in [1, 2, 3, 100] {
            times.record(Duration::from_micros(micros));
        }
        let (counts, sum) = times.read();
        assert_eq!((counts[0], counts[1], counts[4], sum), (1, 2, 1, Duration::from_micros(106)));
    }

    #[test]
    fn memory_is_bounded_by_stage_and_by_exchange() {
        let stage = Limits { memory: 60, memory_per_exchange: 100, ..Limits::default() };
        let account = account(&[stage, Limits { memory: 60, ..Limits::default() }]);
        let (first, second) = (Tally::of(&account, 0), Tally::of(&account, 1));
        assert_eq!(first.take_memory(60), Ok(()));
        assert_eq!(first.take_memory(1), Err(Limit::Memory));
        assert_eq!(second.take_memory(41), Err(Limit::MemoryPerExchange));
        assert_eq!(second.take_memory(40), Ok(()));
        assert_eq!(second.memory_bound(Limit::MemoryPerExchange), 100);
        first.release_memory();
        assert_eq!(second.take_memory(20), Ok(()));
        assert_eq!((first.usage().memory.get(), second.usage().memory.get()), (0, 60));
    }

    #[test]
    fn bytes_lines_and_time_are_bounded() {
        let limits = Limits {
            emitted: Some(5),
            received: Some(3),
            log_lines: Some(1),
            cpu_per_exchange: Some(Duration::from_nanos(10)),
            ..Limits::default()
        };
        let account = account(&[Limits::default(), limits]);
        let (free, bound) = (Tally::of(&account, 0), Tally::of(&account, 1));
        assert!(free.usage().emit(1 << 40).is_ok() && free.usage().receive(1 << 40).is_ok());
        assert!(free.usage().log_line().is_ok());
        assert!(bound.usage().emit(5).is_ok() && bound.usage().receive(3).is_ok());
        assert!(bound.usage().log_line().is_ok());
        let text = |outcome: Result<(), Failure>| outcome.unwrap_err().to_string();
        assert_eq!(text(bound.usage().emit(1)), "emitted: more than the limit of 5 bytes");
        assert_eq!(text(bound.usage().receive(1)), "received: more than the limit of 3 bytes");
        assert_eq!(text(bound.usage().log_line()), "log_lines: more than the limit of 1");
        assert!(account.spend_cpu(10).is_ok());
        assert_eq!(text(account.spend_cpu(1)), "cpu_per_exchange: more than the limit of 10ns");
    }
}
