//! One exchange in this process: the same code and the same budgets as in the server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::time::{ClockId, clock_gettime};

use super::case::{Case, View};
use super::staged::{Keeper, MAX_OUTPUT, Pieces};
use crate::config::show_size;
use crate::exchange::chain::{Stage, drive_chain};
use crate::exchange::{Broken, Waterline};
use crate::plugin::{Account, ExchangeId, Plugin, TIME_BUCKETS};

/// Runs a plugin, exchange by exchange.
pub struct Runner {
    plugin: Arc<Plugin>,
    runtime: tokio::runtime::Runtime,
    /// The longest time of an exchange, its timers included.
    patience: Duration,
}

/// What came of an exchange.
#[derive(Clone, Debug)]
pub struct Observed {
    pub output: Vec<u8>,
    /// Of the head that left, or of the error that is answered in its place.
    pub status: Option<u16>,
    /// Response fields that the plugin and its manifest set, names in lower case.
    pub fields: Vec<(String, String)>,
    pub ending: Ending,
    pub used: Used,
}

/// How an exchange ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Ending {
    /// As it should.
    Clean,
    /// The plugin failed, in this way (as metrics name it), and in words.
    Failed { kind: &'static str, reason: String },
    /// It did not come to an end.
    Endless(String),
}

/// What an exchange took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    /// Calls of exports.
    pub calls: u64,
    /// Linear memory and tables at the most, in bytes.
    pub memory: u64,
    /// Processor time, an instance's making included.
    pub cpu: Duration,
    /// No call took longer; `None` if one was beyond all that is told apart.
    pub longest_call: Option<Duration>,
}

impl Runner {
    /// # Errors
    ///
    /// When the system has no event loop to give.
    pub fn new(plugin: Arc<Plugin>, patience: Duration) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Self { plugin, runtime: runtime.context("no event loop")?, patience })
    }

    /// The plugin.
    #[must_use]
    pub const fn plugin(&self) -> &Arc<Plugin> {
        &self.plugin
    }

    /// Runs one exchange with the case's request, its body in pieces of these lengths.
    #[must_use]
    pub fn run(&self, case: &Case, pieces: &[usize]) -> Observed {
        let request = Arc::new(View::of(case, self.plugin.name()));
        let stages = [Stage { plugin: Arc::clone(&self.plugin), request }];
        let account = Account::open(ExchangeId(1), std::iter::once(self.plugin.limits()));
        let waterline = Waterline::new(usize::MAX);
        let mut source = Pieces::new(case.body.as_deref(), pieces);
        let keeper = Keeper::new(case.method.as_str() == "HEAD");
        let (began, cpu) = (Instant::now(), thread_cpu());
        let outcome = self.runtime.block_on(async {
            let mut outlet = keeper.clone();
            let exchange = drive_chain(&stages, &account, &waterline, &mut source, &mut outlet);
            tokio::time::timeout(self.patience, exchange).await
        });
        let cpu = thread_cpu().saturating_sub(cpu).min(began.elapsed());
        let kept = keeper.take();
        let (ending, error_status) = match outcome {
            Ok(Ok(_)) => (Ending::Clean, None),
            Ok(Err((_, Broken::Plugin { failure, status }))) => {
                (Ending::Failed { kind: failure.kind(), reason: failure.to_string() }, Some(status))
            }
            Ok(Err(_)) if kept.is_too_much => {
                (Ending::Endless(format!("it emitted more than {}", show_size(MAX_OUTPUT as u64))), None)
            }
            Ok(Err((_, broken))) => (Ending::Endless(format!("{broken:?}")), None),
            Err(_) => {
                let patience = humantime::format_duration(self.patience);
                (Ending::Endless(format!("it has not ended after {patience} (--patience)")), None)
            }
        };
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let head = kept.head.as_ref();
        let fields = head.map(|head| {
            head.fields().map(|(name, value)| (lossy(name).to_ascii_lowercase(), lossy(value))).collect()
        });
        Observed {
            output: kept.output,
            status: head.map(crate::plugin::Response::status).or(error_status),
            fields: fields.unwrap_or_default(),
            ending,
            used: Used { cpu, ..used(&account) },
        }
    }
}

fn used(account: &Account) -> Used {
    let usage = &account.stages[0];
    let (counts, _) = usage.calls.read();
    let last = counts.iter().rposition(|count| *count > 0).unwrap_or_default();
    Used {
        calls: counts.iter().sum(),
        memory: usage.peak_memory.get(),
        cpu: Duration::ZERO,
        longest_call: TIME_BUCKETS.get(last).copied().map(Duration::from_secs_f64),
    }
}

/// The processor time of this thread. The exchange runs in it, and nothing else.
fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}
