//! The flags of budgets: what plugins have without a manifest, and how far a manifest may go.

use std::time::Duration;

use clap::Args;

use crate::config::{self, Optional};
use crate::plugin::Limits;
use crate::registry::manifest::Policy;

/// Budgets of every call, instance and exchange; a plugin's manifest may change them
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Limits")]
pub(super) struct LimitArgs {
    /// Linear memory and tables of an instance, at most
    #[arg(long, value_name = "SIZE", default_value = "64MiB", env = "WASMPLEX_MEMORY", value_parser = config::size)]
    memory: usize,
    /// The same of all stages of an exchange
    #[arg(long, value_name = "SIZE", default_value = "512MiB", env = "WASMPLEX_MEMORY_PER_EXCHANGE", value_parser = config::size)]
    memory_per_exchange: usize,
    /// Processor time of one call into a plugin, at most
    #[arg(long, value_name = "TIME", default_value = "1s", env = "WASMPLEX_CPU_PER_CALL", value_parser = config::time)]
    cpu_per_call: Duration,
    /// Wall time of one call, the plugin's own sleep included, waiting for a slow client not
    #[arg(long, value_name = "TIME", default_value = "10s", env = "WASMPLEX_TIME_PER_CALL", value_parser = config::time)]
    time_per_call: Duration,
    /// Processor time of all calls of an exchange, or off: live streams run for long
    #[arg(long, value_name = "TIME", default_value = "off", env = "WASMPLEX_CPU_PER_EXCHANGE", value_parser = config::optional_time)]
    cpu_per_exchange: Optional<Duration>,
    /// Bytes that an instance may emit, or off
    #[arg(long, value_name = "SIZE", default_value = "off", env = "WASMPLEX_EMITTED", value_parser = config::optional_size)]
    emitted: Optional<u64>,
    /// Body bytes that an instance may be handed, or off
    #[arg(long, value_name = "SIZE", default_value = "off", env = "WASMPLEX_RECEIVED", value_parser = config::optional_size)]
    received: Optional<u64>,
    /// Lines that an instance may write to the log, or off (their rate is always bounded)
    #[arg(long, value_name = "N", default_value = "off", env = "WASMPLEX_LOG_LINES", value_parser = config::optional_count)]
    log_lines: Optional<u64>,
    #[command(flatten)]
    caps: CapArgs,
}

/// How far manifests may raise the limits
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "How far a manifest may raise them (at least to the limit itself)")]
struct CapArgs {
    #[arg(long, value_name = "SIZE", default_value = "256MiB", env = "WASMPLEX_MAX_MEMORY", value_parser = config::size)]
    max_memory: usize,
    #[arg(long, value_name = "SIZE", default_value = "2GiB", env = "WASMPLEX_MAX_MEMORY_PER_EXCHANGE", value_parser = config::size)]
    max_memory_per_exchange: usize,
    #[arg(long, value_name = "TIME", default_value = "10s", env = "WASMPLEX_MAX_CPU_PER_CALL", value_parser = config::time)]
    max_cpu_per_call: Duration,
    #[arg(long, value_name = "TIME", default_value = "1m", env = "WASMPLEX_MAX_TIME_PER_CALL", value_parser = config::time)]
    max_time_per_call: Duration,
    /// [default: that of --cpu-per-exchange]
    #[arg(long, value_name = "TIME", env = "WASMPLEX_MAX_CPU_PER_EXCHANGE", value_parser = config::optional_time)]
    max_cpu_per_exchange: Option<Optional<Duration>>,
    /// [default: that of --emitted]
    #[arg(long, value_name = "SIZE", env = "WASMPLEX_MAX_EMITTED", value_parser = config::optional_size)]
    max_emitted: Option<Optional<u64>>,
    /// [default: that of --received]
    #[arg(long, value_name = "SIZE", env = "WASMPLEX_MAX_RECEIVED", value_parser = config::optional_size)]
    max_received: Option<Optional<u64>>,
    /// [default: that of --log-lines]
    #[arg(long, value_name = "N", env = "WASMPLEX_MAX_LOG_LINES", value_parser = config::optional_count)]
    max_log_lines: Option<Optional<u64>>,
}

impl From<LimitArgs> for Policy {
    fn from(args: LimitArgs) -> Self {
        let caps = args.caps;
        let defaults = Limits {
            memory: args.memory,
            memory_per_exchange: args.memory_per_exchange,
            cpu_per_call: args.cpu_per_call,
            time_per_call: args.time_per_call,
            cpu_per_exchange: args.cpu_per_exchange.0,
            emitted: args.emitted.0,
            received: args.received.0,
            log_lines: args.log_lines.0,
        };
        let caps = Limits {
            memory: caps.max_memory.max(args.memory),
            memory_per_exchange: caps.max_memory_per_exchange.max(args.memory_per_exchange),
            cpu_per_call: caps.max_cpu_per_call.max(args.cpu_per_call),
            time_per_call: caps.max_time_per_call.max(args.time_per_call),
            cpu_per_exchange: cap(caps.max_cpu_per_exchange, args.cpu_per_exchange),
            emitted: cap(caps.max_emitted, args.emitted),
            received: cap(caps.max_received, args.received),
            log_lines: cap(caps.max_log_lines, args.log_lines),
        };
        Self { defaults, caps }
    }
}

/// A cap that was given, but not below the limit; otherwise the limit itself.
fn cap<T: Ord>(given: Option<Optional<T>>, limit: Optional<T>) -> Option<T> {
    match (given, limit.0) {
        (None, limit) => limit,
        (Some(Optional(Some(cap))), Some(limit)) => Some(cap.max(limit)),
        (Some(Optional(cap)), _) => cap,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caps_are_never_below_their_limits() {
        assert_eq!(cap::<u64>(None, Optional(None)), None);
        assert_eq!(cap(None, Optional(Some(5))), Some(5));
        assert_eq!(cap(Some(Optional(Some(3))), Optional(Some(5))), Some(5));
        assert_eq!(cap(Some(Optional(Some(9))), Optional(Some(5))), Some(9));
        assert_eq!(cap(Some(Optional(None)), Optional(Some(5))), None);
        assert_eq!(cap(Some(Optional(Some(9))), Optional(None)), Some(9));
    }
}
