//! `wasmplex build`: from a plugin's source to a file that can be served.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;

use super::{LimitArgs, name_of};
use crate::plugin::{Code, Engine, EngineOptions, Plugin, Settings};
use crate::registry::folder;
use crate::registry::manifest::Policy;

/// Build a plugin from its source, and check it
///
/// WebAssembly text (.wat) is the one language so far.
#[derive(Args, Debug)]
pub(super) struct Build {
    /// The source file
    source: PathBuf,
    /// Where the module goes
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    limits: LimitArgs,
}

impl Build {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let source = self.source.display();
        if self.source.extension().is_none_or(|ending| ending != "wat") {
            bail!("{source}: only WebAssembly text (.wat) can be built so far");
        }
        let text = folder::read(&self.source).with_context(|| source.to_string())?;
        let module = wat::parse_bytes(&text).with_context(|| source.to_string())?;
        let engine = Engine::new(&EngineOptions { max_instances: 1 })?;
        let limits = Policy::from(self.limits).defaults;
        Code::load(&engine, &module, None)
            .and_then(|code| {
                let settings = Settings { limits, ..Settings::default() };
                Plugin::new(&engine, &name_of(&self.source), code, settings)
            })
            .with_context(|| source.to_string())?;
        write(&self.output, &module)?;
        eprintln!("{}: {} bytes", self.output.display(), module.len());
        Ok(ExitCode::SUCCESS)
    }
}

/// Writes beside the target and renames, so that nobody ever loads half a file.
fn write(target: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let cannot = || format!("cannot write {}", target.display());
    let name = target.file_name().with_context(cannot)?.to_string_lossy();
    let beside = target.with_file_name(format!(".{name}.{}", std::process::id()));
    let outcome = fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, target));
    if outcome.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&beside);
    }
    outcome.with_context(cannot)
}
