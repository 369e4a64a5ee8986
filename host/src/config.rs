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
    usize::try_from(bytes.as_u64()).map_err(|_| format!("'{text}' is too large"))
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

/// A time, or `off`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OptionalTime(pub Option<Duration>);

impl std::str::FromStr for OptionalTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" { Ok(Self(None)) } else { time(text).map(|time| Self(Some(time))) }
    }
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
        for text in ["", "x", "-1", "64QiB", "1 2"] {
            assert!(size(text).is_err(), "{text}");
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
        assert_eq!("off".parse(), Ok(OptionalTime(None)));
        assert_eq!("2s".parse(), Ok(OptionalTime(Some(Duration::from_secs(2)))));
    }
}
