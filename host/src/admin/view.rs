//! Plugins and open exchanges as JSON.

use std::time::SystemTime;

use serde_json::{Map, Value, json};

use super::View;
use crate::metrics::{Metrics, Open};
use crate::plugin::{Usage, Waiting};
use crate::registry::manifest::Settled;
use crate::registry::{Entry, Served, show};

/// The states of a plugin.
pub(super) const STATES: [&str; 3] = ["serving", "stale", "refused"];

/// What is served of a plugin: the file as it stands, the version before it, nothing.
pub(super) const fn state(entry: &Entry) -> &'static str {
    match (&entry.served, &entry.problem) {
        (Some(_), None) => STATES[0],
        (Some(_), Some(_)) => STATES[1],
        (None, _) => STATES[2],
    }
}

/// `/plugins`.
pub(super) fn plugins(view: &View) -> Value {
    let generation = view.parts.registry.current();
    let plugins: Vec<Value> =
        generation.entries().iter().map(|(name, entry)| plugin(name, entry, &view.parts.metrics)).collect();
    let routes: Map<String, Value> = generation
        .aliases()
        .iter()
        .map(|(route, alias)| {
            (route.clone(), json!({"stages": alias.names, "error": alias.stages.as_ref().err()}))
        })
        .collect();
    let problems: Vec<Value> = generation
        .problems()
        .iter()
        .map(|problem| json!({"file": problem.file.to_string_lossy(), "reason": problem.reason}))
        .collect();
    json!({
        "folder": view.folder.to_string_lossy(),
        "generation": generation.number(),
        "plugins": plugins,
        "routes": routes,
        "problems": problems,
    })
}

fn plugin(name: &str, entry: &Entry, metrics: &Metrics) -> Value {
    let problem = entry.problem.as_ref();
    let older: Vec<Value> = metrics
        .older(name)
        .iter()
        .map(|totals| {
            let age = totals.retired().map(|since| since.elapsed().as_secs_f64());
            json!({"version": totals.version(), "open": totals.open(), "age_s": age})
        })
        .collect();
    let mut shown = Map::new();
    shown.insert("name".to_owned(), name.into());
    shown.insert("file".to_owned(), json!(entry.file.to_string_lossy()));
    shown.insert("state".to_owned(), state(entry).into());
    let error = problem.map(|problem| json!({"reason": problem.reason, "since": time(problem.since)}));
    shown.insert("error".to_owned(), json!(error));
    shown.insert("older".to_owned(), older.into());
    if let Some(served) = &entry.served {
        shown.extend(code(served));
    }
    shown.into_iter().collect()
}

fn code(served: &Served) -> Map<String, Value> {
    let code = served.plugin.code();
    let settled = Settled { settings: served.plugin.settings().clone(), methods: served.methods };
    let mut shown = show::settled(&settled);
    for (key, value) in [
        ("version", json!(code.version())),
        ("digest", json!(code.digest().to_string())),
        ("kind", json!(code.kind().to_string())),
        ("size", json!(code.size())),
        ("loaded_at", json!(time(served.loaded_at))),
        ("load_ms", json!(code.compile_time().as_secs_f64() * 1e3)),
        ("cached", json!(code.is_cached())),
        ("open", json!(served.totals.open())),
    ] {
        shown.insert(key.to_owned(), value);
    }
    shown
}

/// `/exchanges`.
pub(super) fn exchanges(metrics: &Metrics, limit: usize) -> Value {
    let (open, count) = metrics.open_exchanges(limit);
    json!({"open": count, "exchanges": open.iter().map(|open| exchange(open)).collect::<Vec<_>>()})
}

fn exchange(open: &Open) -> Value {
    let stages = &open.account.stages;
    json!({
        "id": open.account.id.to_string(),
        "plugins": open.plugins.iter().map(|totals| totals.plugin()).collect::<Vec<_>>(),
        "versions": open.plugins.iter().map(|totals| totals.version()).collect::<Vec<_>>(),
        "peer": open.origin.peer.to_string(),
        "way": open.origin.way.as_str(),
        "method": open.origin.method(),
        "path": open.origin.path(),
        "age_s": open.since.elapsed().as_secs_f64(),
        "received": stages.first().map(|first| first.received.get()),
        "sent": stages.last().map(|last| last.sent.get()),
        "waiting": waiting(&stages.iter().map(Usage::waiting).collect::<Vec<_>>()),
        "trace_id": open.origin.trace_id(),
    })
}

/// What the stages wait for, as a whole: the last one for the client, or any for its plugin;
/// otherwise all wait for input.
fn waiting(stages: &[Waiting]) -> &'static str {
    if stages.last() == Some(&Waiting::Client) {
        "client"
    } else if stages.contains(&Waiting::Plugin) {
        "plugin"
    } else {
        "input"
    }
}

fn time(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_waits_for_one_thing() {
        use Waiting::{Client, Input, Plugin};
        for (stages, expected) in [
            (&[Input][..], "input"),
            (&[Client], "client"),
            (&[Plugin], "plugin"),
            (&[Input, Plugin], "plugin"),
            (&[Client, Input], "input"),
            (&[Client, Client], "client"),
            (&[Plugin, Client], "client"),
        ] {
            assert_eq!(waiting(stages), expected, "{stages:?}");
        }
    }
}
