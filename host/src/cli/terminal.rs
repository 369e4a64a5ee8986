//! How the author's tools look: on a terminal with a little colour, elsewhere plain.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

/// A line on standard error that is there for those who look for it.
pub(super) fn dim(line: &str) {
    shout(Paint::Dim, line);
}

/// Lines on standard error in a colour.
pub(super) fn shout(colour: Paint, lines: &str) {
    warn(&paint(std::io::stderr().is_terminal(), colour, lines));
}

/// Lines on standard error that want to be seen.
pub(super) fn warn(lines: &str) {
    // It may be closed: then nobody looks.
    let _ = writeln!(std::io::stderr(), "{lines}");
}

/// How a word looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Paint {
    Dim,
    Good,
    Bad,
}

/// The text in its colour, if that is wanted (`NO_COLOR` says that it is not) and there is a terminal.
pub(super) fn paint(is_terminal: bool, paint: Paint, text: &str) -> String {
    if !is_terminal || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        return text.to_owned();
    }
    let code = match paint {
        Paint::Dim => 2,
        Paint::Good => 32,
        Paint::Bad => 31,
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

/// A time with three digits that count, as people read it.
pub(super) fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        _ if seconds < 0.001 => format!("{:.0} µs", seconds * 1e6),
        _ if seconds < 0.1 => format!("{:.1} ms", seconds * 1e3),
        _ if seconds < 10.0 => format!("{seconds:.2} s"),
        _ => format!("{seconds:.0} s"),
    }
}

/// A number of bytes as people read it: at most one decimal.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 10_000 {
        return format!("{bytes} B");
    }
    let mut amount = bytes as f64 / 1024.0;
    let mut unit = 0;
    while amount >= 10_000.0 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(amount < 100.0);
    format!("{amount:.digits$} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_short() {
        for (nanos, expected) in [
            (0, "0 µs"),
            (900_400, "900 µs"),
            (1_500_000, "1.5 ms"),
            (99_000_000, "99.0 ms"),
            (1_234_000_000, "1.23 s"),
            (12_340_000_000, "12 s"),
        ] {
            assert_eq!(time(Duration::from_nanos(nanos)), expected);
        }
        for (bytes, expected) in [
            (0, "0 B"),
            (9_999, "9999 B"),
            (10_240, "10.0 KiB"),
            (1 << 20, "1024 KiB"),
            (64 << 20, "64.0 MiB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
    }

    #[test]
    fn only_a_terminal_gets_colour() {
        assert_eq!(paint(false, Paint::Bad, "x"), "x");
    }
}
