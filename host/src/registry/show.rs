//! Limits and grants as JSON, for `wasmplex inspect` and the admin listener.

use serde_json::{Map, Value, json};

use super::manifest::Settled;
use crate::config::show_size;
use crate::http::method::MethodSet;
use crate::plugin::Limits;

/// Limits by the keys and in the units of a manifest; what has no limit is `off`.
#[must_use]
pub fn limits(limits: &Limits) -> Map<String, Value> {
    let time = |time| humantime::format_duration(time).to_string();
    let off = || "off".to_owned();
    let size = |size: Option<u64>| size.map_or_else(off, show_size);
    let values = [
        ("memory", show_size(limits.memory as u64)),
        ("memory_per_exchange", show_size(limits.memory_per_exchange as u64)),
        ("cpu_per_call", time(limits.cpu_per_call)),
        ("time_per_call", time(limits.time_per_call)),
        ("cpu_per_exchange", limits.cpu_per_exchange.map_or_else(off, time)),
        ("emitted", size(limits.emitted)),
        ("received", size(limits.received)),
        ("log_lines", limits.log_lines.map_or_else(off, |lines| lines.to_string())),
    ];
    values.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect()
}

/// What a manifest settled, arguments and values of the environment and of the configuration left out:
/// they may be secret.
#[must_use]
pub fn settled(settled: &Settled) -> Map<String, Value> {
    let Settled { settings, methods } = settled;
    let dir = |dir: &crate::plugin::DirGrant| json!({"host": dir.host.to_string_lossy(), "guest": dir.guest, "write": dir.write});
    let mut shown = Map::new();
    shown.insert("limits".to_owned(), Value::Object(limits(&settings.limits)));
    let env: Vec<&str> = settings.grants.env.iter().map(|(name, _)| name.as_str()).collect();
    let dirs: Vec<Value> = settings.grants.dirs.iter().map(dir).collect();
    shown.insert(
        "grants".to_owned(),
        json!({"args": settings.grants.args.len(), "env": env, "dirs": dirs, "network": false}),
    );
    let response: Map<String, Value> =
        settings.response.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    shown.insert("response".to_owned(), Value::Object(response));
    let methods = (*methods != MethodSet::ALL).then(|| methods.names().collect::<Vec<_>>());
    shown.insert("methods".to_owned(), json!(methods));
    shown.insert("config".to_owned(), json!(settings.config.keys().collect::<Vec<_>>()));
    shown
}
