//! Sizes and times as people write them: `64KiB`, `500ms`.

use std::time::Duration;

use bytesize::ByteSize;

/// The longest time: a point in time that far ahead can still be told.
const MAX_TIME: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

/// A size in bytes: a number, or a number with `KiB`, `MiB`, `GiB` (or `KB`, `MB`, `GB`).
///
/// # Errors
///
/// A line that says what was expected.
pub fn size(text: &str) -> Result<usize, String> {
    let bytes: ByteSize =
        text.parse().map_err(|_| format!("'{text}' is not a size such as 64KiB or 16MiB"))?;
    match usize::try_from(bytes.as_u64()) {
        // The library stops counting there.
        Ok(usize::MAX) | Err(_) => Err(format!("'{text}' is too large")),
        Ok(bytes) => Ok(bytes),
    }
}

/// A size as [`size`] reads it.
#[must_use]
pub fn show_size(bytes: u64) -> String {
    for (unit, name) in [(1_u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if bytes >= unit && bytes.is_multiple_of(unit) {
            return format!("{}{name}", bytes / unit);
        }
    }
    format!("{bytes}B")
}

/// A time: a number with `ms`, `s`, `m` or `h`, or several of these. Zero is none.
///
/// # Errors
///
/// A line that says what was expected.
pub fn time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text)
        .map_err(|_| format!("'{text}' is not a time such as 500ms, 8s or 1m"))?;
    match time {
        Duration::ZERO => Err("a time must be more than zero".to_owned()),
        _ if time > MAX_TIME => Err(format!("'{text}' is too long: at most 100 years")),
        _ => Ok(time),
    }
}

/// A number of things: digits.
///
/// # Errors
///
/// A line that says what was expected.
pub fn count(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("'{text}' is not a number"))
}

/// A value, or `off`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Optional<T>(pub Option<T>);

/// Reads a value with `read` unless it is `off`.
///
/// # Errors
///
/// Those of `read`.
pub fn optional<T>(text: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Result<Optional<T>, String> {
    if text == "off" { Ok(Optional(None)) } else { read(text).map(|value| Optional(Some(value))) }
}

/// A size, or `off`.
///
/// # Errors
///
/// See [`size`].
pub fn optional_size(text: &str) -> Result<Optional<u64>, String> {
    optional(text, |text| size(text).map(|bytes| bytes as u64))
}

/// A time, or `off`.
///
/// # Errors
///
/// See [`time`].
pub fn optional_time(text: &str) -> Result<Optional<Duration>, String> {
    optional(text, time)
}

/// A number, or `off`.
///
/// # Errors
///
/// See [`count`].
pub fn optional_count(text: &str) -> Result<Optional<u64>, String> {
    optional(text, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, expected) in
            [("0", 0), ("1024", 1024), ("64KiB", 65_536), ("16MiB", 16 << 20), ("1MB", 1_000_000)]
        {
            assert_eq!(size(text), Ok(expected), "{text}");
        }
        for text in ["", "x", "-1", "64QiB", "1 2", "99999999EiB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_shown_as_they_are_read() {
        for (bytes, text) in
            [(0, "0B"), (1_000, "1000B"), (65_536, "64KiB"), (16 << 20, "16MiB"), (3 << 30, "3GiB")]
        {
            assert_eq!(show_size(bytes), text);
            assert_eq!(size(text), Ok(bytes as usize));
        }
    }

    #[test]
    fn times() {
        for (text, millis) in
            [("500ms", 500), ("8s", 8_000), ("1m", 60_000), ("1m 30s", 90_000), ("2h", 7_200_000)]
        {
            assert_eq!(time(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "5", "s", "-1s", "0s", "off", "101y", "500000000000y"] {
            assert!(time(text).is_err(), "{text}");
        }
        assert_eq!(optional_time("off"), Ok(Optional(None)));
        assert_eq!(optional_time("2s"), Ok(Optional(Some(Duration::from_secs(2)))));
        assert_eq!(optional_size("1KiB"), Ok(Optional(Some(1_024))));
        assert_eq!(optional_count("7"), Ok(Optional(Some(7))));
        assert!(optional_count("-7").is_err() && optional_size("OFF").is_err());
    }
}
