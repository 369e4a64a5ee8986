//! Where log lines go and how they look.

use clap::{Args, ValueEnum};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

/// The most log lines that wait to be written. Beyond, lines are dropped: a log that nobody reads
/// must not hold exchanges up.
const MAX_WAITING_LINES: usize = 4_096;

/// The log: always on standard error.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct LogArgs {
    /// Form of the log lines on standard error
    #[arg(long, value_enum, default_value_t = Format::Text, env = "WASMPLEX_LOG")]
    log: Format,
    /// The least serious lines that are written
    #[arg(long, value_enum, value_name = "LEVEL", default_value_t = Level::Info, env = "WASMPLEX_LOG_LEVEL")]
    log_level: Level,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogArgs {
    /// Starts logging, until the guard is dropped. Only our own lines and the plugins': the
    /// libraries' are about themselves.
    pub(super) fn start(self, with_access: bool) -> WorkerGuard {
        let level = match self.log_level {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
            Level::Trace => "trace",
        };
        let access = if with_access { level } else { "off" };
        let filter = EnvFilter::new(format!("off,wasmplex={level},plugin={level},access={access}"));
        let (writer, guard) = NonBlockingBuilder::default()
            .lossy(true)
            .buffered_lines_limit(MAX_WAITING_LINES)
            .thread_name("log")
            .finish(std::io::stderr());
        // A line that cannot be written is lost; saying so would fail the same way, and panic.
        let builder =
            tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).log_internal_errors(false);
        match self.log {
            Format::Text => {
                let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
                builder.with_ansi(is_terminal).init();
            }
            Format::Json => builder.json().flatten_event(true).init(),
        }
        guard
    }
}
