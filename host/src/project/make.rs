//! Running a recipe.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process_group};

use super::detect::Project;
use super::recipe::{Output, Recipe};
use super::scratch::Scratch;
use crate::registry::folder;

/// What came out of a project.
#[derive(Clone, Debug)]
pub struct Made {
    /// The plugin, in binary form.
    pub bytes: Vec<u8>,
    /// How long it took.
    pub time: Duration,
}

/// Holds the compiler that runs now, so that it does not outlive this process: it, and all that it has
/// started, is a process group of its own.
#[derive(Debug, Default)]
pub struct Leash {
    state: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    running: Option<Pid>,
    is_cut: bool,
}

impl Leash {
    /// Ends what runs, and whatever would be started.
    pub fn cut(&self) {
        let mut held = self.lock();
        held.is_cut = true;
        if let Some(group) = held.running {
            // It has just ended by itself if this fails.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    /// Whether it is all over.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.lock().is_cut
    }

    fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        // A lock over the start: nothing can begin behind `cut`'s back.
        let mut held = self.lock();
        if held.is_cut {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let child = command.process_group(0).spawn()?;
        held.running = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        Ok(child)
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // The number and the flag are consistent whatever panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Builds a project. `announce` is told the command line before it runs; what the compiler says goes
/// to standard error as it comes.
///
/// # Errors
///
/// [`super::Missing`] if a tool is not here, otherwise what went wrong in a line.
pub fn make(project: &Project, leash: Option<&Leash>, announce: impl FnOnce(&str)) -> anyhow::Result<Made> {
    let began = Instant::now();
    let scratch = Scratch::new().context("no temporary folder")?;
    let output = scratch.path().join(format!("{}.wasm", project.name));
    let bytes = match Recipe::find(project, &output)? {
        Some(recipe) => {
            announce(&recipe.shown());
            let made = run(project, &recipe, leash)?;
            let output = made.unwrap_or(output);
            folder::read(&output).context("the compiler ended well, and there is no plugin")?
        }
        None => from_text(&project.dir.join(&project.sources[0]))?,
    };
    Ok(Made { bytes, time: began.elapsed() })
}

/// WebAssembly text to its binary form.
fn from_text(source: &Path) -> anyhow::Result<Vec<u8>> {
    let text = folder::read(source).with_context(|| source.display().to_string())?;
    wat::parse_bytes(&text).map(std::borrow::Cow::into_owned).map_err(|mut error| {
        error.set_path(source);
        error.into()
    })
}

/// Runs the program to its end. Says where the output is, if the recipe did not.
fn run(project: &Project, recipe: &Recipe, leash: Option<&Leash>) -> anyhow::Result<Option<PathBuf>> {
    let shown = recipe.shown();
    let name = shown.split(' ').find(|word| !word.contains('=')).unwrap_or_default();
    let mut command = recipe.command();
    command.current_dir(&project.dir);
    let is_read = recipe.output == Output::Artifact || recipe.is_quiet;
    command.stdout(if is_read { Stdio::piped() } else { Stdio::from(io::stderr()) });
    let mut child = match leash {
        Some(leash) => leash.spawn(&mut command),
        None => command.spawn(),
    }
    .with_context(|| format!("cannot run {name}"))?;
    let lines = child.stdout.take().map(read_lines).transpose();
    let status = child.wait();
    if let Some(leash) = leash {
        leash.lock().running = None;
    }
    let (lines, status) = (lines?.unwrap_or_default(), status?);
    if !status.success() {
        if recipe.is_quiet {
            let _ = io::stderr().write_all(lines.join("\n").as_bytes());
        }
        bail!("{}: {name} failed ({status})", project.dir.display());
    }
    if recipe.output == Output::File {
        return Ok(None);
    }
    let found = artifact(lines.iter().map(String::as_str), &project.dir);
    found.map(Some).with_context(|| {
        format!(
            "{}: cargo made no .wasm file: a plugin is a [lib] with crate-type = [\"cdylib\"], a command has src/main.rs",
            project.dir.display()
        )
    })
}

fn read_lines(source: impl io::Read) -> io::Result<Vec<String>> {
    BufReader::new(source).lines().collect()
}

/// The module among the files that cargo says it has made of the package in `dir`.
fn artifact<'a>(lines: impl Iterator<Item = &'a str>, dir: &Path) -> Option<PathBuf> {
    let manifest = dir.join("Cargo.toml");
    let mut found = None;
    for line in lines {
        let Ok(message) = serde_json::from_str::<serde_json::Value>(line) else {
            continue;
        };
        if message["reason"] != "compiler-artifact"
            || message["manifest_path"].as_str().map(Path::new) != Some(&*manifest)
        {
            continue;
        }
        let files =
            message["filenames"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_str);
        found = files
            .map(PathBuf::from)
            .find(|file| file.extension().is_some_and(|ending| ending == "wasm"))
            .or(found);
    }
    found
}

/// Writes beside the target and renames, so that nobody ever loads half a file.
///
/// # Errors
///
/// When it cannot be written there.
pub fn install(target: &Path, bytes: &[u8]) -> anyhow::Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_says_where_its_output_is() {
        let lines = [
            "not a message",
            r#"{"reason":"compiler-artifact","manifest_path":"/p/sdk/Cargo.toml","filenames":["/t/sdk.wasm"]}"#,
            r#"{"reason":"compiler-artifact","manifest_path":"/p/Cargo.toml","filenames":["/t/build-script"]}"#,
            r#"{"reason":"compiler-artifact","manifest_path":"/p/Cargo.toml","filenames":["/t/p.d","/t/p.wasm"]}"#,
            r#"{"reason":"build-finished","success":true}"#,
        ];
        assert_eq!(artifact(lines.into_iter(), Path::new("/p")), Some("/t/p.wasm".into()));
        assert_eq!(artifact(lines.into_iter(), Path::new("/q")), None);
    }

    #[test]
    fn a_cut_leash_ends_what_runs_and_lets_nothing_begin() {
        let leash = Leash::default();
        let mut child = leash.spawn(Command::new("sleep").arg("600")).unwrap();
        leash.cut();
        assert!(!child.wait().unwrap().success());
        assert!(leash.spawn(Command::new("true").arg("x")).is_err());
    }
}
