//! How a call into a plugin can end other than well.

use std::fmt;
use std::time::Duration;

use wasmtime::WasmBacktrace;
use wasmtime_wasi::I32Exit;

use super::limits::Limit;
use super::outlet::OutletError;

/// The most frames of a backtrace in a log line. wasmtime itself keeps 20.
const MAX_FRAMES: usize = 8;

/// The most characters of a function's name there.
const MAX_NAME: usize = 120;

/// Why a call did not return.
#[derive(Debug)]
pub enum CallError {
    /// The plugin is at fault: only its exchange ends.
    Failed(Failure),
    /// Nobody receives its output any more: nobody's fault here.
    Gone,
}

/// The ways that an instance fails: trap, deadline, rejected, and an exit with a code.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Failure {
    /// It did what it must not do. `reason` says what in a line, `backtrace` where (the innermost
    /// function first), and `limit` which limit was refused to be exceeded before, and so most likely
    /// is the cause.
    Trap { reason: String, backtrace: Vec<String>, limit: Option<Limit> },
    /// It took too long.
    Deadline(Deadline),
    /// It used more than `bound` (a number with its unit) of something else.
    Beyond { limit: Limit, bound: String },
    /// It said no: a negative code, or the reason that a component gave.
    Rejected { export: &'static str, answer: String },
    /// It called `proc_exit` with a code other than 0.
    Exit(i32),
}

/// The budgets of one call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Deadline {
    /// Time on a processor.
    CpuPerCall(Duration),
    /// Time on the wall, the plugin's own sleep included, waiting in `emit` not.
    TimePerCall(Duration),
}

impl Failure {
    /// A trap without a place in the code.
    pub fn trap(reason: impl Into<String>) -> Self {
        Self::Trap { reason: reason.into(), backtrace: Vec::new(), limit: None }
    }

    /// Where in the code it failed, the innermost function first; nothing where that means nothing.
    #[must_use]
    pub fn backtrace(&self) -> &[String] {
        match self {
            Self::Trap { backtrace, .. } => backtrace,
            Self::Deadline(_) | Self::Beyond { .. } | Self::Rejected { .. } | Self::Exit(_) => &[],
        }
    }

    /// It came to its end with less than its own content-length.
    #[must_use]
    pub fn short_of(length: u64) -> Self {
        Self::trap(format!("it emitted less than its content-length of {length}"))
    }

    /// The kind of failure: one of a few words, for metrics.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Trap { limit: Some(limit), .. } | Self::Beyond { limit, .. } => limit.key(),
            Self::Trap { limit: None, .. } => "trap",
            Self::Deadline(Deadline::CpuPerCall(_)) => Limit::CpuPerCall.key(),
            Self::Deadline(Deadline::TimePerCall(_)) => Limit::TimePerCall.key(),
            Self::Rejected { .. } => "rejected",
            Self::Exit(_) => "exit",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trap { reason, backtrace, .. } if backtrace.is_empty() => write!(f, "trap: {reason}"),
            Self::Trap { reason, backtrace, .. } => {
                let innermost = &backtrace[..backtrace.len().min(MAX_FRAMES)];
                write!(f, "trap: {reason} (in {})", innermost.join(" < "))
            }
            Self::Beyond { limit, bound } => write!(f, "{limit}: more than the limit of {bound}"),
            Self::Deadline(Deadline::CpuPerCall(limit)) => {
                write!(f, "cpu per call is beyond its limit of {}", humantime::format_duration(*limit))
            }
            Self::Deadline(Deadline::TimePerCall(limit)) => {
                write!(f, "time per call is beyond its limit of {}", humantime::format_duration(*limit))
            }
            Self::Rejected { export, answer } => write!(f, "rejected: {export} returned {answer}"),
            Self::Exit(code) => write!(f, "exit code {code}"),
        }
    }
}

impl From<OutletError> for CallError {
    fn from(error: OutletError) -> Self {
        match error {
            OutletError::Gone => Self::Gone,
            OutletError::BeyondLength(length) => Self::Failed(Failure::trap(beyond(length))),
        }
    }
}

/// What is wrong with an emit beyond the plugin's own content-length.
pub(super) fn beyond(length: u64) -> String {
    format!("it emitted more than its content-length of {length}")
}

/// What hostcalls and the ticker throw through wasm.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Thrown {
    /// The CPU budget of this call is used up.
    CpuPerCall(Duration),
    /// The outlet has nobody behind it.
    Gone,
    /// A budget of another kind is used up.
    Beyond { limit: Limit, bound: String },
    /// Anything that is the plugin's fault, in a line.
    Fault(String),
}

impl Thrown {
    pub(super) fn range(what: &str, pointer: u32, length: u32) -> Self {
        Self::Fault(format!("{what}: {length} bytes at {pointer} are out of range of the memory"))
    }
}

impl fmt::Display for Thrown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CpuPerCall(_) => f.write_str("cpu per call is used up"),
            Self::Beyond { limit, .. } => write!(f, "{limit} is used up"),
            Self::Gone => f.write_str("nobody receives the output"),
            Self::Fault(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for Thrown {}

impl From<Failure> for Thrown {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Beyond { limit, bound } => Self::Beyond { limit, bound },
            other => Self::Fault(other.to_string()),
        }
    }
}

impl From<Thrown> for CallError {
    fn from(thrown: Thrown) -> Self {
        Self::Failed(match thrown {
            Thrown::Gone => return Self::Gone,
            Thrown::CpuPerCall(limit) => Failure::Deadline(Deadline::CpuPerCall(limit)),
            Thrown::Beyond { limit, bound } => Failure::Beyond { limit, bound },
            Thrown::Fault(reason) => Failure::trap(reason),
        })
    }
}

/// How a call ended that returned an error: `Ok(())` is a clean exit (`proc_exit(0)`).
pub(super) fn classify(error: &wasmtime::Error) -> Result<(), CallError> {
    if let Some(I32Exit(code)) = error.downcast_ref() {
        return if *code == 0 { Ok(()) } else { Err(CallError::Failed(Failure::Exit(*code))) };
    }
    let reason = match error.downcast_ref::<Thrown>() {
        Some(Thrown::Fault(reason)) => reason.clone(),
        Some(thrown) => return Err(thrown.clone().into()),
        None => error.downcast_ref::<wasmtime::Trap>().map_or_else(
            || error.root_cause().to_string(),
            |trap| trap.to_string().trim_start_matches("wasm trap: ").to_owned(),
        ),
    };
    Err(CallError::Failed(Failure::Trap { reason, backtrace: backtrace(error), limit: None }))
}

/// A function's name as a log line can bear it: some compilers make names of kilobytes.
fn shorten(name: &str) -> String {
    name.chars().take(MAX_NAME).flat_map(char::escape_debug).collect()
}

/// The functions on the stack, the innermost first, as `name (file:line)`.
fn backtrace(error: &wasmtime::Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return Vec::new();
    };
    let frames = backtrace.frames().iter().map(|frame| {
        let symbol = frame.symbols().first();
        let name = symbol
            .and_then(|symbol| symbol.name().map(str::to_owned))
            .or_else(|| frame.func_name().map(str::to_owned))
            .unwrap_or_else(|| format!("function {}", frame.func_index()));
        let name = shorten(&name);
        match symbol.and_then(|symbol| Some((symbol.file()?, symbol.line()?))) {
            Some((file, line)) => format!("{name} ({file}:{line})"),
            None => name,
        }
    });
    frames.collect()
}
