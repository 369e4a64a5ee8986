//! Where log lines go and how they look.

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

/// The log: always on standard error.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct LogArgs {
    /// Form of the log lines on standard error
    #[arg(long, value_enum, default_value_t = Format::Text, env = "WASMPLEX_LOG")]
    log: Format,
    /// The least serious lines that are written; debug has a line for every exchange
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
    /// Starts logging. Only our own lines and the plugins': the libraries' are about themselves.
    pub(super) fn start(self) {
        let level = match self.log_level {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
            Level::Trace => "trace",
        };
        let filter = EnvFilter::new(format!("off,wasmplex={level},plugin={level}"));
        let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
        match self.log {
            Format::Text => {
                let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
                builder.with_ansi(is_terminal).init();
            }
            Format::Json => builder.json().flatten_event(true).init(),
        }
    }
}
