//! Lines in the host's log, plain or formatted into a buffer on the stack.

use core::fmt::{self, Write};
use core::panic::Location;

use crate::host;

/// The longest formatted line in bytes; what [`info!`](crate::info!) and its sisters
/// make beyond that is left away. (Longer than a log line should be, and small
/// against the stack.)
pub const LOG_LINE_CAPACITY: usize = 512;

/// How much a line in the log matters.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Level {
    /// Step by step.
    Trace = 0,
    /// Of use to the plugin's author.
    Debug = 1,
    /// Of use to who runs the host.
    Info = 2,
    /// Wrong, but the exchange goes on.
    Warn = 3,
    /// The exchange fails.
    Error = 4,
}

/// Writes a line to the host's log, which adds the plugin's name and the exchange.
///
/// The host bounds length and rate: what is too much is dropped, never waited for.
pub fn log(level: Level, line: &str) {
    host::log(level, line);
}

/// Behind the logging macros.
pub fn log_args(level: Level, args: fmt::Arguments<'_>) {
    if let Some(plain) = args.as_str() {
        return log(level, plain);
    }
    let mut line = Line::new();
    // An error means that the line is full, or that some Display gave up: what
    // there is up to then is still worth logging.
    let _ = line.write_fmt(args);
    log(level, line.as_str());
}

/// Logs a panic's place and message without the formatting machinery.
pub fn log_panic(location: Option<&Location<'_>>, message: Option<&str>) {
    let mut line = Line::new();
    line.push("panicked");
    if let Some(location) = location {
        line.push(" at ");
        line.push(location.file());
        line.push(":");
        line.push_number(location.line());
    }
    if let Some(message) = message {
        line.push(": ");
        line.push(message);
    }
    log(Level::Error, line.as_str());
}

/// A line under construction: whole characters only, so always UTF-8.
struct Line {
    bytes: [u8; LOG_LINE_CAPACITY],
    len: usize,
}

impl Line {
    fn new() -> Self {
        Self { bytes: [0; LOG_LINE_CAPACITY], len: 0 }
    }

    /// Adds as many whole characters of `text` as fit; whether all did.
    fn push(&mut self, text: &str) -> bool {
        let mut fits = text.len().min(LOG_LINE_CAPACITY - self.len);
        while !text.is_char_boundary(fits) {
            fits -= 1;
        }
        for (to, from) in self.bytes[self.len..].iter_mut().zip(&text.as_bytes()[..fits]) {
            *to = *from;
        }
        self.len += fits;
        fits == text.len()
    }

    fn push_number(&mut self, mut number: u32) {
        let mut digits = [0; 10]; // u32::MAX has ten
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.push(core::str::from_utf8(&digits[at..]).unwrap_or_default());
    }

    fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.push(text) { Ok(()) } else { Err(fmt::Error) }
    }
}

/// Logs a formatted line at [`Level::Trace`]. At most [`LOG_LINE_CAPACITY`] bytes.
#[macro_export]
macro_rules! trace {
    ($($arg:tt)+) => { $crate::__private::log_args($crate::Level::Trace, ::core::format_args!($($arg)+)) };
}

/// Logs a formatted line at [`Level::Debug`]. At most [`LOG_LINE_CAPACITY`] bytes.
#[macro_export]
macro_rules! debug {
    ($($arg:tt)+) => { $crate::__private::log_args($crate::Level::Debug, ::core::format_args!($($arg)+)) };
}

/// Logs a formatted line at [`Level::Info`]. At most [`LOG_LINE_CAPACITY`] bytes.
#[macro_export]
macro_rules! info {
    ($($arg:tt)+) => { $crate::__private::log_args($crate::Level::Info, ::core::format_args!($($arg)+)) };
}

/// Logs a formatted line at [`Level::Warn`]. At most [`LOG_LINE_CAPACITY`] bytes.
#[macro_export]
macro_rules! warn {
    ($($arg:tt)+) => { $crate::__private::log_args($crate::Level::Warn, ::core::format_args!($($arg)+)) };
}

/// Logs a formatted line at [`Level::Error`]. At most [`LOG_LINE_CAPACITY`] bytes.
#[macro_export]
macro_rules! error {
    ($($arg:tt)+) => { $crate::__private::log_args($crate::Level::Error, ::core::format_args!($($arg)+)) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_line_is_cut_between_characters() {
        for offset in 0..4 {
            let mut line = Line::new();
            let filled = LOG_LINE_CAPACITY - 4 + offset;
            assert!(line.push(&"x".repeat(filled)));
            assert!(!line.push("\u{1f980}!"));
            let crab = if offset == 0 { 4 } else { 0 };
            assert_eq!(line.as_str().len(), filled + crab);
        }
    }

    #[test]
    fn numbers() {
        for number in [0, 9, 10, 65_536, u32::MAX] {
            let mut line = Line::new();
            line.push_number(number);
            assert_eq!(line.as_str(), number.to_string());
        }
    }
}
