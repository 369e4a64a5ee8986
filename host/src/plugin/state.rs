//! What a store holds beside the instance: all that a hostcall may touch.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use wasmtime::{Memory, ResourceLimiterAsync};

use super::failure::{Thrown, beyond};
use super::instance::Wiring;
use super::limits::{Limit, MAX_TABLE_ELEMENTS, TABLE_ELEMENT};
use super::module::Plugin;
use super::outlet::{Outlet, OutletError, Request, Response};
use super::preview2::{self, Preview2};
use super::stdin::Stdin;
use super::ticker::{self, Ticker};
use super::usage::{ExchangeId, Tally, Waiting};
use super::wasi::{self, Wasi};

/// Memory, in bytes, that takes long to fill or to give back, where nothing can interrupt it: every page
/// that is touched first costs the kernel about a microsecond. An instance that grows beyond gives way once,
/// so that it can go on elsewhere.
const LARGE: usize = 8 * 1024 * 1024;

/// The store data of one instance.
pub(super) struct State {
    pub(super) plugin: Arc<Plugin>,
    pub(super) tally: Tally,
    pub(super) outlet: Box<dyn Outlet>,
    pub(super) request: Arc<dyn Request>,
    pub(super) response: Response,
    /// Set once the instance is there; looking it up by name at every hostcall would cost 58 ns.
    pub(super) memory: Option<Memory>,
    /// When `on_timer` is due.
    pub(super) timer: Option<tokio::time::Instant>,
    /// Growth that was refused: what the plugin does next (a trap, most likely) is explained by it.
    refused: Option<Refused>,
    pub(super) ticker: Arc<Ticker>,
    pub(super) log: LogBudget,
    /// What was written to standard error since the last line end.
    pub(super) stderr: Vec<u8>,
    /// Made at the first WASI call that needs it: most plugins never do one.
    pub(super) wasi: Option<Box<Wasi>>,
    /// The same for a component.
    pub(super) preview2: Option<Box<Preview2>>,
    /// The body, for a command.
    pub(super) stdin: Option<Arc<Stdin>>,
    cpu_left: Duration,
    /// Whether memory has grown beyond [`LARGE`].
    is_large: bool,
}

impl State {
    pub(super) fn new(plugin: Arc<Plugin>, wiring: Wiring) -> Self {
        Self {
            tally: wiring.tally,
            outlet: wiring.outlet,
            request: wiring.request,
            response: plugin.first_response(wiring.inherited),
            memory: None,
            timer: None,
            refused: None,
            ticker: Arc::clone(&plugin.ticker),
            log: LogBudget::default(),
            stderr: Vec::new(),
            wasi: None,
            preview2: None,
            stdin: None,
            cpu_left: Duration::ZERO,
            is_large: false,
            plugin,
        }
    }

    /// The exchange, for the log.
    pub(super) fn exchange(&self) -> ExchangeId {
        self.tally.account().id
    }

    /// Whether a command has closed this descriptor, 0 to 2.
    pub(super) fn has_closed(&self, descriptor: u32) -> bool {
        self.stdin.as_ref().is_some_and(|stdin| stdin.is_closed(descriptor))
    }

    /// What growth was refused, if any was.
    pub(super) const fn refused(&self) -> Option<Refused> {
        self.refused
    }

    /// Gives a new call its CPU budget.
    pub(super) fn begin_call(&mut self) {
        self.cpu_left = self.plugin.limits.cpu_per_call;
        self.tally.usage().meter.begin_call();
        self.ticker.touch();
    }

    /// Called at every tick that finds wasm running: takes the time on the processor since the call
    /// went on off its budget.
    pub(super) fn charge(&mut self) -> Result<(), Thrown> {
        self.ticker.touch();
        ticker::found_running();
        match self.cpu_left.checked_sub(self.tally.usage().meter.spent()) {
            Some(left) if !left.is_zero() => {
                self.cpu_left = left;
                Ok(())
            }
            _ => Err(Thrown::CpuPerCall(self.plugin.limits.cpu_per_call)),
        }
    }

    /// Sets the one timer; 0 cancels. False, and no timer, where nobody would hear it ring.
    ///
    /// # Errors
    ///
    /// [`Thrown::Fault`] beyond the end of time.
    pub(super) fn set_timer(&mut self, milliseconds: u32) -> Result<bool, Thrown> {
        if !self.plugin.code().has_timer() {
            return Ok(false);
        }
        let due = tokio::time::Instant::now().checked_add(Duration::from_millis(milliseconds.into()));
        let due = due.ok_or_else(|| Thrown::Fault("set_timer: beyond the end of time".to_owned()))?;
        self.timer = (milliseconds > 0).then_some(due);
        Ok(true)
    }

    /// Lets the response head go if it has not gone yet.
    pub(super) fn begin_response(&mut self) -> Result<(), OutletError> {
        if self.response.has_begun() {
            return Ok(());
        }
        self.outlet.begin(&self.response)?;
        self.response.set_begun();
        Ok(())
    }

    /// Hands `bytes` to the outlet, waiting while it is full.
    pub(super) async fn emit(&mut self, bytes: &[u8]) -> Result<(), Thrown> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.tally.usage().emit(bytes.len())?;
        if let Some(tape) = self.tally.usage().tape() {
            tape.emitted(bytes);
        }
        self.begin_response()?;
        let mut rest = bytes;
        loop {
            rest = &rest[self.outlet.offer(rest)?..];
            if rest.is_empty() {
                return Ok(());
            }
            let mut pause = None;
            poll_fn(|context| {
                let room = self.outlet.poll_flush(context);
                if room.is_pending() {
                    pause.get_or_insert_with(|| self.tally.usage().meter.pause());
                    self.tally.usage().wait_for(Waiting::Client);
                }
                room
            })
            .await?;
            self.tally.usage().wait_for(Waiting::Plugin);
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // A last line beyond the limit of lines is dropped: there is no call to fail any more.
        let _ = preview2::log_printed(self).and_then(|()| wasi::flush_stderr(self));
        self.tally.release_memory();
    }
}

/// What may not grow any more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Refused {
    /// Memory or tables, by one of the memory limits.
    Memory(Limit),
    /// A table beyond its largest size.
    Table,
}

/// Wasmtime's questions on growth.
#[async_trait]
impl ResourceLimiterAsync for State {
    async fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let may =
            self.grow(desired.saturating_sub(current), maximum.is_none_or(|maximum| desired <= maximum));
        if may && desired > LARGE && !self.is_large {
            self.is_large = true;
            ticker::found_large();
            tokio::task::yield_now().await;
        }
        Ok(may)
    }

    async fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let fits = maximum.is_none_or(|maximum| desired <= maximum);
        if fits && desired > MAX_TABLE_ELEMENTS {
            self.refused = Some(Refused::Table);
            return Ok(false);
        }
        Ok(self.grow(desired.saturating_sub(current).saturating_mul(TABLE_ELEMENT), fits))
    }
}

impl State {
    /// Takes memory. A module's own maximum refuses without the host having to say why.
    fn grow(&mut self, bytes: usize, fits_maximum: bool) -> bool {
        if !fits_maximum {
            return false;
        }
        match self.tally.take_memory(bytes) {
            Ok(()) => true,
            Err(limit) => {
                self.refused = Some(Refused::Memory(limit));
                false
            }
        }
    }
}

impl From<OutletError> for Thrown {
    fn from(error: OutletError) -> Self {
        match error {
            OutletError::Gone => Self::Gone,
            OutletError::BeyondLength(length) => Self::Fault(beyond(length)),
        }
    }
}

/// How many log lines of one exchange pass: a plugin that logs per chunk must not fill the disk.
#[derive(Debug)]
pub(super) struct LogBudget {
    lines: u32,
    /// None before the first line.
    refilled: Option<Instant>,
    dropped: u64,
}

impl LogBudget {
    /// Lines that may come at once.
    const BURST: u32 = 100;
    /// The time after which one more line may come.
    const REFILL: Duration = Duration::from_millis(100);

    /// Whether a line may pass now; if so, how many did not before it.
    pub(super) fn admit(&mut self, now: Instant) -> Option<u64> {
        let refilled = *self.refilled.get_or_insert(now);
        let gained = now.saturating_duration_since(refilled).as_nanos() / Self::REFILL.as_nanos();
        if gained > 0 {
            let lines = u128::from(self.lines) + gained;
            self.lines = u32::try_from(lines).unwrap_or(u32::MAX).min(Self::BURST);
            self.refilled = Some(now);
        }
        if self.lines == 0 {
            self.dropped += 1;
            return None;
        }
        self.lines -= 1;
        Some(std::mem::take(&mut self.dropped))
    }
}

impl Default for LogBudget {
    fn default() -> Self {
        Self { lines: Self::BURST, refilled: None, dropped: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_are_bounded() {
        let mut budget = LogBudget::default();
        let start = Instant::now();
        for _ in 0..LogBudget::BURST {
            assert_eq!(budget.admit(start), Some(0));
        }
        assert_eq!(budget.admit(start), None);
        assert_eq!(budget.admit(start), None);
        let later = start + 2 * LogBudget::REFILL;
        assert_eq!(budget.admit(later), Some(2));
        assert_eq!(budget.admit(later), Some(0));
        assert_eq!(budget.admit(later), None);
    }
}
