//! `wasmplex inspect`: what is in a file, and would it be served.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::{FAILED, LimitArgs};
use crate::plugin::{Engine, EngineOptions, Inspection, Limits, inspect};
use crate::registry::folder;

/// Show what a plugin file has, and whether it would be served
///
/// Exit code 0 if it would be, 1 with the reason if not.
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

impl Inspect {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let bytes =
            folder::read(&self.file).map_err(|error| error.context(self.file.display().to_string()))?;
        let engine = Engine::new(&EngineOptions { max_instances: 1 })?;
        let limits = Limits::from(self.limits);
        let inspection = inspect(&engine, &bytes, &limits);
        let text = if self.json {
            format!("{:#}\n", as_json(&inspection, &limits))
        } else {
            as_text(&self.file.display().to_string(), &inspection, &limits)
        };
        // A reader that has seen enough may leave; the exit code is the answer.
        let _ = std::io::stdout().write_all(text.as_bytes());
        Ok(if inspection.verdict.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
    }
}

fn as_json(inspection: &Inspection, limits: &Limits) -> serde_json::Value {
    let named = |(name, ty): &(String, String)| json!({"name": name, "type": ty});
    let imported =
        |(module, name, ty): &(String, String, String)| json!({"module": module, "name": name, "type": ty});
    json!({
        "kind": inspection.kind,
        "version": inspection.version,
        "size": inspection.size,
        "exports": inspection.exports.iter().map(named).collect::<Vec<_>>(),
        "imports": inspection.imports.iter().map(imported).collect::<Vec<_>>(),
        "memory": inspection.memory.map(|(initial, maximum)| json!({"initial": initial, "maximum": maximum})),
        "limits": {
            "memory": limits.memory,
            "cpu_per_call_ms": limits.cpu_per_call.as_millis() as u64,
            "time_per_call_ms": limits.time_per_call.as_millis() as u64,
        },
        "grants": {"env": {}, "dirs": [], "network": false},
        "loads": inspection.verdict.is_ok(),
        "reason": inspection.verdict.as_ref().err().map(ToString::to_string),
    })
}

fn as_text(file: &str, inspection: &Inspection, limits: &Limits) -> String {
    let time = humantime::format_duration;
    let mut text = format!(
        "file      {file}\nkind      {}\nversion   {} (of {} bytes)\n",
        inspection.kind, inspection.version, inspection.size
    );
    for (name, ty) in &inspection.exports {
        text += &format!("export    {}: {ty}\n", name.escape_debug());
    }
    for (module, name, ty) in &inspection.imports {
        text += &format!("import    {}.{}: {ty}\n", module.escape_debug(), name.escape_debug());
    }
    if let Some((initial, maximum)) = inspection.memory {
        let maximum = maximum.map_or_else(String::new, |maximum| format!(", at most {maximum}"));
        text += &format!("memory    {initial} bytes at first{maximum}\n");
    }
    text += &format!(
        "limits    memory {} bytes, cpu per call {}, time per call {}\n\
         grants    clocks and random numbers; no environment, no folders, no network\n",
        limits.memory,
        time(limits.cpu_per_call),
        time(limits.time_per_call)
    );
    match &inspection.verdict {
        Ok(()) => text + "loads     yes\n",
        Err(reason) => text + &format!("loads     no: {}\n", reason.to_string().escape_debug()),
    }
}
