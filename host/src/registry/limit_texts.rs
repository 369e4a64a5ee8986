//! The limits of a manifest as they are written: numbers, and texts with a unit.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::manifest::Policy;
use crate::config;
use crate::plugin::Limits;

/// What a manifest says of limits.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LimitTexts {
    #[serde(deserialize_with = "not_null")]
    memory: Option<Quantity>,
    #[serde(deserialize_with = "not_null")]
    memory_per_exchange: Option<Quantity>,
    #[serde(deserialize_with = "not_null")]
    cpu_per_call: Option<Quantity>,
    #[serde(deserialize_with = "not_null")]
    time_per_call: Option<Quantity>,
    #[serde(deserialize_with = "not_null")]
    cpu_per_exchange: Option<Quantity>,
    #[serde(deserialize_with = "not_null")]
    emitted: Option<Quantity>,
    #[serde(deserialize_with = "not_null")]
    received: Option<Quantity>,
    #[serde(deserialize_with = "not_null")]
    log_lines: Option<Quantity>,
}

/// A number, or text with a unit.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a number or a text such as \"16MiB\" or \"50ms\"")]
enum Quantity {
    Number(u64),
    Text(String),
}

/// A value that may be missing, but not `null`: whoever writes that may mean "no limit".
pub(super) fn not_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    json: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(json).map(Some)
}

impl LimitTexts {
    /// The limits, within what the operator allows.
    ///
    /// # Errors
    ///
    /// What is wrong, with the key.
    pub(super) fn settle(&self, policy: &Policy) -> Result<Limits, String> {
        let Policy { defaults, caps } = policy;
        let sized =
            |key, text: &Option<Quantity>, default, cap| within(key, text, default, cap, Quantity::size);
        let timed =
            |key, text: &Option<Quantity>, default, cap| within(key, text, default, cap, Quantity::time);
        let bytes = |key, text: &Option<Quantity>, default, cap| {
            at_most(key, text, default, cap, |text| text.size().map(|bytes| bytes as u64))
        };
        Ok(Limits {
            memory: sized("memory", &self.memory, defaults.memory, caps.memory)?,
            memory_per_exchange: sized(
                "memory_per_exchange",
                &self.memory_per_exchange,
                defaults.memory_per_exchange,
                caps.memory_per_exchange,
            )?,
            cpu_per_call: timed(
                "cpu_per_call",
                &self.cpu_per_call,
                defaults.cpu_per_call,
                caps.cpu_per_call,
            )?,
            time_per_call: timed(
                "time_per_call",
                &self.time_per_call,
                defaults.time_per_call,
                caps.time_per_call,
            )?,
            cpu_per_exchange: at_most(
                "cpu_per_exchange",
                &self.cpu_per_exchange,
                defaults.cpu_per_exchange,
                caps.cpu_per_exchange,
                Quantity::time,
            )?,
            emitted: bytes("emitted", &self.emitted, defaults.emitted, caps.emitted)?,
            received: bytes("received", &self.received, defaults.received, caps.received)?,
            log_lines: at_most(
                "log_lines",
                &self.log_lines,
                defaults.log_lines,
                caps.log_lines,
                Quantity::count,
            )?,
        })
    }
}

/// A limit that is always there.
fn within<T: Copy + PartialOrd + Shown>(
    key: &str,
    text: &Option<Quantity>,
    default: T,
    cap: T,
    read: impl Fn(&Quantity) -> Result<T, String>,
) -> Result<T, String> {
    let Some(text) = text else {
        return Ok(default);
    };
    let value = read(text).map_err(|error| format!("limits.{key}: {error}"))?;
    if value > cap { Err(beyond(key, &cap)) } else { Ok(value) }
}

/// A limit that may be off. A cap that is off caps nothing.
fn at_most<T: Copy + PartialOrd + Shown>(
    key: &str,
    text: &Option<Quantity>,
    default: Option<T>,
    cap: Option<T>,
    read: impl Fn(&Quantity) -> Result<T, String>,
) -> Result<Option<T>, String> {
    let Some(text) = text else {
        return Ok(default);
    };
    let value = match text {
        Quantity::Text(text) if text == "off" => None,
        text => Some(read(text).map_err(|error| format!("limits.{key}: {error}"))?),
    };
    match (value, cap) {
        (None, Some(cap)) => Err(beyond(key, &cap)),
        (Some(value), Some(cap)) if value > cap => Err(beyond(key, &cap)),
        _ => Ok(value),
    }
}

fn beyond(key: &str, cap: &impl Shown) -> String {
    let flag = key.replace('_', "-");
    format!("limits.{key}: beyond what the operator allows, {} (--max-{flag})", cap.shown())
}

/// A value as people write it.
trait Shown {
    fn shown(&self) -> String;
}

impl Shown for usize {
    fn shown(&self) -> String {
        config::show_size(*self as u64)
    }
}

impl Shown for u64 {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for Duration {
    fn shown(&self) -> String {
        humantime::format_duration(*self).to_string()
    }
}

impl Quantity {
    fn size(&self) -> Result<usize, String> {
        match self {
            Self::Number(bytes) => usize::try_from(*bytes).map_err(|_| format!("{bytes} is too large")),
            Self::Text(text) => config::size(text),
        }
    }

    fn time(&self) -> Result<Duration, String> {
        match self {
            Self::Number(number) => Err(format!("{number} needs a unit, such as \"50ms\"")),
            Self::Text(text) => config::time(text),
        }
    }

    fn count(&self) -> Result<u64, String> {
        match self {
            Self::Number(number) => Ok(*number),
            Self::Text(text) => config::count(text),
        }
    }
}
