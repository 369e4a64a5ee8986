//! `wasmplex inspect`: what is in a file, and would it be served.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::{FAILED, LimitArgs, name_of};
use crate::config::show_size;
use crate::plugin::{Engine, EngineOptions, Inspection, Plugin, inspect, probe};
use crate::registry::folder;
use crate::registry::manifest::{self, Policy, Settled};
use crate::registry::show;

/// Show what a plugin file has, and whether it would be served
///
/// With the manifest beside it: effective limits and grants. Exit code 0 if it would be served, 1 with
/// the reason if not.
#[derive(Args, Debug)]
pub(super) struct Inspect {
    /// A .wasm or .wat file
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    limits: LimitArgs,
}

/// All that is known of a file.
struct Seen {
    inspection: Inspection,
    /// What its manifest settles, or what is wrong with it.
    settled: Result<Settled, String>,
    verdict: Result<(), String>,
}

impl Inspect {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let bytes =
            folder::read(&self.file).map_err(|error| error.context(self.file.display().to_string()))?;
        let engine = Engine::new(&EngineOptions { max_instances: 1 })?;
        let seen = self.look(&engine, &bytes)?;
        let text = if self.json {
            format!("{:#}\n", as_json(&seen))
        } else {
            as_text(&self.file.display().to_string(), &seen)
        };
        // A reader that has seen enough may leave; the exit code is the answer.
        let _ = std::io::stdout().write_all(text.as_bytes());
        Ok(if seen.verdict.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
    }

    fn look(&self, engine: &Engine, bytes: &[u8]) -> anyhow::Result<Seen> {
        let policy = Policy::from(self.limits);
        let settled = manifest::load(&self.file, &policy);
        let limits = settled.as_ref().map_or(policy.defaults, |settled| settled.settings.limits);
        let inspection = inspect(engine, bytes, &limits);
        let verdict = match (&inspection.verdict, &settled) {
            (Err(reason), _) => Err(reason.to_string()),
            (Ok(_), Err(reason)) => Err(reason.clone()),
            (Ok(code), Ok(settled)) => {
                // What else the server would try before it serves anybody.
                let (name, settings) = (name_of(&self.file), settled.settings.clone());
                let plugin = Plugin::new(engine, &name, Arc::clone(code), settings)?;
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(probe(&plugin))
            }
        };
        Ok(Seen { inspection, settled, verdict })
    }
}

fn as_json(seen: &Seen) -> serde_json::Value {
    let named = |(name, ty): &(String, String)| json!({"name": name, "type": ty});
    let imported =
        |(module, name, ty): &(String, String, String)| json!({"module": module, "name": name, "type": ty});
    let inspection = &seen.inspection;
    let mut shown = json!({
        "kind": inspection.kind,
        "version": inspection.version,
        "size": inspection.size,
        "exports": inspection.exports.iter().map(named).collect::<Vec<_>>(),
        "imports": inspection.imports.iter().map(imported).collect::<Vec<_>>(),
        "memory": inspection.memory.map(|(initial, maximum)| json!({"initial": initial, "maximum": maximum})),
        "loads": seen.verdict.is_ok(),
        "reason": seen.verdict.as_ref().err(),
    });
    if let (Ok(settled), Some(shown)) = (&seen.settled, shown.as_object_mut()) {
        shown.extend(show::settled(settled));
    }
    shown
}

fn as_text(file: &str, seen: &Seen) -> String {
    let inspection = &seen.inspection;
    let mut text = format!(
        "file      {file}\nkind      {}\nversion   {} (of {} bytes)\n",
        inspection.kind, inspection.version, inspection.size
    );
    for (name, ty) in &inspection.exports {
        text += &format!("export    {}: {ty}\n", name.escape_debug());
    }
    for (module, name, ty) in &inspection.imports {
        let dot = if module.is_empty() { "" } else { "." };
        text += &format!("import    {}{dot}{}: {ty}\n", module.escape_debug(), name.escape_debug());
    }
    if let Some((initial, maximum)) = inspection.memory {
        let maximum = maximum.map_or_else(String::new, |maximum| format!(", at most {}", show_size(maximum)));
        text += &format!("memory    {} at first{maximum}\n", show_size(initial));
    }
    if let Ok(settled) = &seen.settled {
        text += &settled_text(settled);
    }
    match &seen.verdict {
        Ok(()) => text + "loads     yes\n",
        Err(reason) => text + &format!("loads     no: {}\n", reason.escape_debug()),
    }
}

/// What the manifest settles, or the defaults.
fn settled_text(settled: &Settled) -> String {
    let mut text = String::new();
    for (key, value) in show::limits(&settled.settings.limits) {
        text += &format!("limit     {key} {}\n", value.as_str().unwrap_or_default());
    }
    let grants = &settled.settings.grants;
    text += "grant     clocks and random numbers; no network\n";
    if !grants.args.is_empty() {
        text += &format!("grant     {} arguments\n", grants.args.len());
    }
    for (name, _) in &grants.env {
        text += &format!("grant     environment variable {name}\n");
    }
    for dir in &grants.dirs {
        let access = if dir.write { "read and write" } else { "read only" };
        text += &format!("grant     folder {} as {}, {access}\n", dir.host.display(), dir.guest);
    }
    for (name, value) in &settled.settings.response {
        text += &format!("response  {name}: {value}\n");
    }
    for key in settled.settings.config.keys() {
        text += &format!("config    {key}\n");
    }
    text + &format!("methods   {}\n", settled.methods.allow())
}
