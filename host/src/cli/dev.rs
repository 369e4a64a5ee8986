//! `wasmplex dev`: build, serve, and again after every change.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use notify::{Event, EventKind, RecursiveMode, Watcher as _};
use serde_json::Value;

use super::serve::{Hooks, Serve};
use super::terminal::{self, Paint};
use crate::project::{self, Leash, Project, Scratch, Sources};

/// After a change, more are waited for: editors and tools write several files.
const GATHER: Duration = Duration::from_millis(50);

/// A change that goes on for longer than this is built all the same.
const MAX_GATHER: Duration = Duration::from_secs(1);

/// The time between two looks that no notice asked for.
const SLOW_LOOK: Duration = Duration::from_secs(2);

/// Build a project, serve it, and do so again after every change
///
///     wasmplex dev shout
///     curl -sN -T . http://127.0.0.1:8080/shout
///
/// A new version takes over when it is built; exchanges that run stay with theirs. When it does not
/// build, the compiler says why, and the version before it goes on. The log shows a line for each
/// exchange, and what the plugin writes to it. NAME.json in the folder is the plugin's manifest.
///
/// Ctrl-C ends all of it. What is served lies in a temporary folder, which goes away.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Dev {
    /// The project's folder
    dir: PathBuf,
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080", env = "WASMPLEX_LISTEN")]
    listen: SocketAddr,
    /// Further flags of `wasmplex serve`, as in: wasmplex dev shout -- --log-level debug
    #[arg(last = true, value_name = "SERVE FLAGS")]
    flags: Vec<OsString>,
}

impl Dev {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let project = Project::find(&self.dir)?;
        let scratch = Scratch::new().context("no temporary folder")?;
        let (leash, (sender, receiver)) = (Arc::new(Leash::default()), channel());
        let workshop = Workshop {
            dir: project.dir,
            name: project.name,
            plugins: scratch.path().to_owned(),
            leash: Arc::clone(&leash),
            served: None,
            address: None,
        };
        let hooks = hooks(&sender, &leash, scratch.path());
        let serve = match Serve::from_flags(self.flags(scratch.path()), hooks) {
            Ok(serve) => serve,
            Err(error) => {
                // Clap ends the process without unwinding.
                drop(scratch);
                error.exit();
            }
        };
        // It ends with this function: the watcher's threads and ours hold the channel.
        let watcher = watch(&workshop.dir, sender.clone());
        let builder = thread::Builder::new().name("dev".to_owned()).spawn(move || workshop.run(&receiver));
        let builder = builder.context("no thread to build in")?;
        let outcome = serve.execute();
        leash.cut();
        drop(watcher);
        // It has ended already if this fails.
        let _ = sender.send(Notice::End);
        let _ = builder.join();
        drop(scratch);
        outcome
    }

    /// What `serve` is told.
    fn flags(&self, plugins: &Path) -> Vec<OsString> {
        let mut flags: Vec<OsString> = vec!["--plugins".into(), plugins.into()];
        flags.extend(["--listen".into(), format!("http://{}", self.listen).into()]);
        // Nobody waits for streams that an author has open.
        flags.extend(["--drain-timeout".into(), "100ms".into()]);
        flags.extend(self.flags.iter().cloned());
        flags
    }
}

/// Why the workshop is to do something.
enum Notice {
    /// The server listens here.
    Ready(SocketAddr),
    /// Something has changed, perhaps.
    Changed,
    End,
}

fn hooks(sender: &Sender<Notice>, leash: &Arc<Leash>, scratch: &Path) -> Hooks {
    let (sender, leash, scratch) = (sender.clone(), Arc::clone(leash), scratch.to_owned());
    Hooks {
        // Nobody builds any more if this fails, and the server ends anyway.
        ready: Some(Box::new(move |address| _ = sender.send(Notice::Ready(address)))),
        abandoned: Some(Box::new(move || {
            leash.cut();
            let _ = fs::remove_dir_all(scratch);
        })),
    }
}

/// Notices of changes, as long as it lives. Without, changes are found by looking, later.
fn watch(dir: &Path, sender: Sender<Notice>) -> Option<notify::RecommendedWatcher> {
    let notice = move |event: notify::Result<Event>| {
        if !event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
            let _ = sender.send(Notice::Changed);
        }
    };
    let watching = notify::recommended_watcher(notice).and_then(|mut watcher| {
        watcher.watch(dir, RecursiveMode::Recursive)?;
        Ok(watcher)
    });
    match watching {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            terminal::warn(&format!(
                "no notices of changes from the system ({error}): looking every {SLOW_LOOK:?}"
            ));
            None
        }
    }
}

/// Builds, and puts what came out where it is served.
struct Workshop {
    dir: PathBuf,
    name: String,
    /// The folder that is served.
    plugins: PathBuf,
    leash: Arc<Leash>,
    /// What is served: the plugin and its manifest.
    served: Option<(Vec<u8>, Option<Vec<u8>>)>,
    /// Where, until that was told.
    address: Option<SocketAddr>,
}

impl Workshop {
    fn run(mut self, notices: &Receiver<Notice>) {
        let mut built_of = None;
        loop {
            let sources = Sources::look(&self.dir);
            if built_of.as_ref() != Some(&sources) {
                self.build();
                built_of = Some(sources);
            }
            self.tell();
            match notices.recv_timeout(SLOW_LOOK) {
                Ok(Notice::Ready(address)) => self.address = Some(address),
                Ok(Notice::Changed) => {
                    if !self.gather(notices) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Notice::End) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Waits until changes pause. False: the end.
    fn gather(&mut self, notices: &Receiver<Notice>) -> bool {
        let began = Instant::now();
        while began.elapsed() < MAX_GATHER {
            match notices.recv_timeout(GATHER) {
                Ok(Notice::Ready(address)) => self.address = Some(address),
                Ok(Notice::Changed) => {}
                Err(RecvTimeoutError::Timeout) => return true,
                Ok(Notice::End) | Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
        true
    }

    fn build(&mut self) {
        let announce = |line: &str| terminal::dim(&format!("$ {line}"));
        let made =
            Project::find(&self.dir).and_then(|project| project::make(&project, Some(&self.leash), announce));
        let outcome = made.and_then(|made| {
            let manifest = manifest(&self.dir, &self.name)?;
            let (size, time) = (made.bytes.len(), terminal::time(made.time));
            let is_new = self.install(made.bytes, manifest)?;
            let unchanged = if is_new { "" } else { ", the same as before" };
            terminal::dim(&format!("{}.wasm: {size} bytes, {time}{unchanged}", self.name));
            Ok(())
        });
        if let Err(error) = outcome
            && !self.leash.is_cut()
        {
            let what_now =
                if self.served.is_some() { "the version before it goes on" } else { "waiting for a change" };
            terminal::shout(Paint::Bad, &format!("{error:#}"));
            terminal::dim(what_now);
        }
    }

    /// Puts plugin and manifest in the place of those before, and leaves the rest to the server. False: nothing
    /// has changed.
    fn install(&mut self, plugin: Vec<u8>, manifest: Option<Vec<u8>>) -> anyhow::Result<bool> {
        let next = (plugin, manifest);
        if self.served.as_ref() == Some(&next) {
            return Ok(false);
        }
        let place = |ending: &str| self.plugins.join(format!("{}.{ending}", self.name));
        match &next.1 {
            Some(bytes) => project::install(&place("json"), bytes)?,
            None if self.served.as_ref().is_some_and(|(_, manifest)| manifest.is_some()) => {
                fs::remove_file(place("json")).context("cannot remove the manifest")?;
            }
            None => {}
        }
        project::install(&place("wasm"), &next.0)?;
        self.served = Some(next);
        Ok(true)
    }

    /// Says what to type, once there is an answer to it.
    fn tell(&mut self) {
        if self.served.is_none() {
            return;
        }
        if let Some(address) = self.address.take() {
            let mut stdout = std::io::stdout().lock();
            // Nobody may be reading; that is no reason not to serve.
            let _ = writeln!(stdout, "curl -sN -T . http://{address}/{}", self.name);
            let _ = stdout.flush();
        }
    }
}

/// The project's manifest for another folder: paths that begin in the project's say so.
fn manifest(dir: &Path, name: &str) -> anyhow::Result<Option<Vec<u8>>> {
    let file = dir.join(format!("{name}.json"));
    let text = match fs::read(&file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        read => read.with_context(|| file.display().to_string())?,
    };
    let Ok(mut manifest) = serde_json::from_slice::<Value>(&text) else {
        // The server says what is wrong with it.
        return Ok(Some(text));
    };
    for granted in manifest.get_mut("dirs").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(host) = granted.get_mut("host")
            && let Some(path) = host.as_str().map(|path| dir.join(path))
        {
            *host = path.to_string_lossy().into();
        }
    }
    Ok(Some(manifest.to_string().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_a_manifest_stay_the_projects() {
        let scratch = Scratch::new().unwrap();
        let dir = scratch.path();
        assert_eq!(manifest(dir, "x").unwrap(), None);
        fs::write(dir.join("x.json"), r#"{"dirs": [{"host": "data"}, {"host": "/abs"}, 1], "a": 1}"#)
            .unwrap();
        let bytes = manifest(dir, "x").unwrap().unwrap();
        let value: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(value["dirs"][0]["host"].as_str().map(Path::new), Some(&*dir.join("data")));
        assert_eq!((value["dirs"][1]["host"].as_str(), &value["a"]), (Some("/abs"), &Value::from(1)));
        fs::write(dir.join("x.json"), "{").unwrap();
        assert_eq!(manifest(dir, "x").unwrap().as_deref(), Some(&b"{"[..]));
    }
}
