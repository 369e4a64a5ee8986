//! `wasmplex replay`: a failed exchange again, out of its capsule.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use clap::Args;

use super::FAILED;
use super::log::LogArgs;
use crate::capsule::form::{self, Capsule};
use crate::plugin::{Code, Digest, Engine, EngineOptions};
use crate::registry::folder;
use crate::replay::{Difference, Ending, How, Played, difference, play};

/// Bytes of output that are shown around the first one that differs.
const SHOWN: usize = 24;

/// Run an exchange again that failed, out of the capsule that `serve --capsules` left
///
/// The plugin is handed what it was handed then: the same chunks with the same borders, timers where
/// they fired, the same limits. The module comes from the folder `modules` beside the capsule, and so
/// is the very one that failed, whatever is served now:
///
///     wasmplex replay capsules/redact-92be100121f4-8f3c0a61d2e94b07.capsule.json
///
/// With --against, a fixed plugin is handed the same, and the outputs are compared:
///
///     wasmplex replay FILE --against plugins/redact.wasm
///
/// Exit code 0: the same failure again (kind, reason, place in code and body); with --against, the
/// fixed plugin does not fail. 1: anything else. A record that was truncated before the failure
/// proves nothing, and gives 1 as well.
///
/// Secrets were masked when the capsule was written: the plugin gets *** for them, and for all of its
/// environment. Clocks and random numbers are not those of the recorded exchange.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Replay {
    /// A capsule
    file: PathBuf,
    /// The plugin file that failed, if it is not in the folder modules beside the capsule
    #[arg(long, value_name = "FILE")]
    plugin: Option<PathBuf>,
    /// Another plugin file, to see whether it fails too
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Play chunks at the times they came, with timers by the clock, instead of as fast as it goes
    #[arg(long)]
    timing: bool,
    /// Mount the folders that the plugin was granted, where they are here too, read-only. The capsule
    /// says which: look at it first if it is not your own
    #[arg(long)]
    dirs: bool,
    #[command(flatten)]
    log: LogArgs,
}

impl Replay {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let _log = self.log.start(false);
        let name = self.file.display();
        let json = folder::read(&self.file).with_context(|| name.to_string())?;
        let capsule = form::read(&json).with_context(|| name.to_string())?;
        drop(json);
        let engine = Engine::new(&EngineOptions { max_instances: 1 })?;
        let mut text = about(&capsule);
        if !capsule.manifest.dirs.is_empty() && !self.dirs {
            text += "folders    not mounted (--dirs)\n";
        }
        let before = match self.recorded(&engine, &capsule) {
            Ok(code) => {
                let how = self.how(false);
                let played = play(&engine, code, &capsule, how)?;
                text += &replayed(&played, &capsule);
                Some(played)
            }
            Err(error) if self.against.is_some() => {
                let _ = writeln!(text, "replayed   not at all: {error:#}");
                None
            }
            Err(error) => return Err(error),
        };
        let is_good = match &self.against {
            None => before.is_some_and(|played| played.is_same_failure(&capsule)),
            Some(file) => {
                let code = load(&engine, file)?;
                let version = code.version().to_owned();
                let how = self.how(true);
                let after = play(&engine, code, &capsule, how)?;
                let _ = writeln!(text, "\nagainst    {} ({version})", file.display());
                text += &tried(before.as_ref(), &after, &capsule);
                after.is_good() && capsule.input.truncated.is_none()
            }
        };
        // A reader that has seen enough may leave; the exit code is the answer.
        let _ = std::io::stdout().write_all(shown(&text).as_bytes());
        Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
    }

    fn how(&self, with_end: bool) -> How {
        How { timing: self.timing, with_end, with_dirs: self.dirs }
    }

    /// The code that failed.
    fn recorded(&self, engine: &Engine, capsule: &Capsule) -> anyhow::Result<Arc<Code>> {
        let file = match (&self.plugin, &capsule.plugin.file) {
            (Some(file), _) => file.clone(),
            (None, Some(file)) => self.file.parent().unwrap_or(Path::new(".")).join(file),
            (None, None) => anyhow::bail!("the module was not kept: give it with --plugin"),
        };
        let bytes = folder::read(&file)
            .with_context(|| format!("{}: the module (--plugin says where it is)", file.display()))?;
        let digest = Digest::of(&bytes).to_string();
        ensure!(
            digest == capsule.plugin.digest,
            "{}: not the module that failed: its SHA-256 is {digest}, not {} (--against tries another)",
            file.display(),
            capsule.plugin.digest
        );
        Ok(Code::load(engine, &bytes, None)?)
    }
}

fn load(engine: &Engine, file: &Path) -> anyhow::Result<Arc<Code>> {
    let named = || file.display().to_string();
    let bytes = folder::read(file).with_context(named)?;
    Code::load(engine, &bytes, None).with_context(named)
}

/// A text as a terminal can bear it: a capsule may come from anywhere.
fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\n' | '"' | '\'' | '\\' => shown.push(char),
            _ => shown.extend(char.escape_debug()),
        }
    }
    shown
}

/// What was recorded.
fn about(capsule: &Capsule) -> String {
    let Capsule { plugin, route, request, input, failure, .. } = capsule;
    let mut text = String::new();
    let _ = writeln!(text, "plugin     {} {} ({})", plugin.name, plugin.version, plugin.kind);
    if route.stages.len() > 1 {
        let _ = writeln!(text, "stage      {} of {}", route.failed, route.stages.join("+"));
    }
    let _ = writeln!(text, "request    {} {} at {}", request.method, request.path, capsule.recorded);
    let counts = [(input.chunks, "chunk"), (input.bytes, "byte"), (input.timers, "timer")].map(many);
    let _ = write!(text, "input      {}", counts.join(", "));
    if let Some(flag) = &input.truncated {
        let kept = [(input.kept_chunks, "chunk"), (input.kept_bytes, "byte")].map(many).join(", ");
        let _ = write!(text, "; truncated (--{flag}): of the beginning {kept} are here");
    }
    text.push('\n');
    if !capsule.masked.is_empty() {
        let _ = writeln!(text, "masked     {}", capsule.masked.join(" "));
    }
    let _ = writeln!(text, "recorded   {}, {}", failure.reason, place(failure.chunk, failure.offset));
    text
}

/// A number of things.
fn many((count, what): (u64, &str)) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn place(chunk: u64, offset: u64) -> String {
    if chunk == 0 { "before the first chunk".to_owned() } else { format!("chunk {chunk}, offset {offset}") }
}

/// How the recorded code did.
fn replayed(played: &Played, capsule: &Capsule) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "replayed   {}", ending(played, capsule));
    if let Ending::Failed { failure, .. } = &played.ending {
        for (index, frame) in failure.backtrace().iter().enumerate() {
            let _ = writeln!(text, "           {index:>3}: {frame}");
        }
    }
    let verdict = match (&played.ending, played.is_same_failure(capsule)) {
        (_, true) => "the same failure",
        (Ending::Failed { .. }, _) => "another failure",
        (Ending::Past, _) if capsule.input.truncated.is_some() => "none as far as the record goes",
        (Ending::Well | Ending::Past, _) => "no failure",
    };
    let _ = writeln!(text, "           {verdict}");
    let same = if played.is_same_output(capsule) { "as recorded" } else { "not as recorded" };
    let _ = writeln!(text, "output     {} bytes, {same}", played.emitted);
    if played.emitted != capsule.output.bytes {
        let _ = writeln!(text, "           recorded were {}", capsule.output.bytes);
    }
    text
}

/// How another code did.
fn tried(before: Option<&Played>, after: &Played, capsule: &Capsule) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "now        {}", ending(after, capsule));
    if capsule.input.truncated.is_some() {
        text += "           the record ends before the failure, so this proves nothing\n";
    } else if after.is_end_made_up {
        text += "           (the body's end is not in the record; it was put where the record ends)\n";
    }
    let _ = match before {
        Some(before) => writeln!(text, "output     {}", compared(&before.output, &after.output)),
        None => writeln!(text, "output     {} bytes; recorded were {}", after.emitted, capsule.output.bytes),
    };
    text
}

fn ending(played: &Played, capsule: &Capsule) -> String {
    let mut text = match &played.ending {
        Ending::Failed { failure, chunk, offset } => {
            format!("{failure}, {}", place(*chunk, *offset))
        }
        Ending::Well => "it ends well".to_owned(),
        Ending::Past if capsule.input.truncated.is_some() => {
            "it does not fail up to where the record is truncated".to_owned()
        }
        Ending::Past => "it gets past the failure, to where the record ends".to_owned(),
    };
    if played.unset_timers > 0 {
        let _ = write!(text, " ({} timers of the record were not set)", played.unset_timers);
    }
    text
}

/// Two outputs, in words.
fn compared(before: &[u8], after: &[u8]) -> String {
    let (old, new) = (before.len(), after.len());
    match difference(before, after) {
        Difference::None => format!("the same {old} bytes as the recorded plugin's"),
        Difference::Longer => format!("the recorded plugin's {old} bytes, and {} more", new - old),
        Difference::Shorter => format!("the first {new} of the recorded plugin's {old} bytes"),
        Difference::At(at) => format!(
            "differs from byte {at} on\n           recorded {}\n           now      {}",
            excerpt(before, at),
            excerpt(after, at)
        ),
    }
}

/// The bytes from `at` on, a few.
fn excerpt(output: &[u8], at: usize) -> String {
    let end = output.len().min(at + SHOWN);
    let more = if end < output.len() { "…" } else { "" };
    format!("\"{}\"{more}", output[at..end].escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_that_it_would_obey() {
        assert_eq!(shown("it's \"é\"\n\x1b[2J\u{202e}\t\\"), "it's \"é\"\n\\u{1b}[2J\\u{202e}\\t\\");
    }

    #[test]
    fn outputs_are_compared_in_words() {
        for (before, after, expected) in [
            ("ab", "ab", "the same 2 bytes as the recorded plugin's"),
            ("ab", "abc", "the recorded plugin's 2 bytes, and 1 more"),
            ("ab", "a", "the first 1 of the recorded plugin's 2 bytes"),
            ("", "", "the same 0 bytes as the recorded plugin's"),
            (
                "abc\n",
                "abd",
                "differs from byte 2 on\n           recorded \"c\\n\"\n           now      \"d\"",
            ),
        ] {
            assert_eq!(compared(before.as_bytes(), after.as_bytes()), expected);
        }
        let long = "x".repeat(100);
        assert_eq!(excerpt(long.as_bytes(), 10), format!("\"{}\"…", "x".repeat(SHOWN)));
    }
}
