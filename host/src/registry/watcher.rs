//! The thread that notices changes of the folder, and has the [`Loader`] bring the table in step.
//!
//! The system's notices (inotify) say when to look, and which files are being written; what changed
//! is always found by looking. So a lost notice costs time and nothing else: there is a slow look
//! beside them, which also finds what no notice tells, such as a link's target in another folder.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::folder::{Found, Stamp};
use super::loader::Loader;
use super::manifest;
use crate::background::stand_back;

/// After a notice, more are waited for: a plugin and its manifest are often written together.
const GATHER: Duration = Duration::from_millis(5);

/// A file that is being written and was not closed, or that nobody told about, is taken as it is when
/// it has not changed for so long.
const WRITE_SILENCE: Duration = Duration::from_secs(1);

/// The time between two looks that no notice asked for.
const SLOW_LOOK: Duration = Duration::from_secs(2);

/// The time between looks while a change has not settled.
const SECOND_LOOK: Duration = Duration::from_millis(250);

/// Files of which it is remembered that they are being written, or are whole. The rest waits for its
/// silence.
const MAX_REMEMBERED: usize = 1_024;

/// How changes are noticed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// By the system's notices.
    Events,
    /// By looking.
    Poll,
    /// Not at all, only when asked to.
    Off,
}

/// Handle of the thread. It ends when this is dropped.
#[derive(Debug)]
pub struct Watcher {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    pending: Mutex<Pending>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Pending {
    /// Something happened in the folder.
    is_noticed: bool,
    is_forced: bool,
    is_ended: bool,
    /// Names of files that are being written, and since when nothing more came. Names and not paths:
    /// the system tells absolute ones, whatever the folder was called by.
    writing: HashMap<OsString, Instant>,
    /// Names of files that were closed after writing, renamed or removed since the last look: what
    /// stands there is whole. Of all others it is not known.
    whole: HashSet<OsString>,
}

impl Watcher {
    /// Starts the thread. `loader` has loaded the folder once; what changed since is found at once.
    ///
    /// # Errors
    ///
    /// When the system has no thread to give.
    pub fn start(loader: Loader, mode: Mode, interval: Duration) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let mut work = Work {
            loader,
            shared: Arc::clone(&shared),
            mode,
            interval,
            notices: None,
            watched: None,
            last: HashMap::new(),
            is_lost: false,
        };
        // Here, not in the thread: from the moment that this returns, what is written is known.
        work.watch();
        thread::Builder::new().name("registry".to_owned()).spawn(move || work.run())?;
        Ok(Self { shared })
    }

    /// Has every file read again.
    pub fn rescan(&self) {
        self.shared.lock().is_forced = true;
        self.shared.changed.notify_one();
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // A compilation that runs goes on to its end; nobody waits for it.
        self.shared.lock().is_ended = true;
        self.shared.changed.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        // Flags and times are consistent whatever panicked.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a notice of the system's.
    fn notice(&self, event: notify::Result<Event>) {
        let mut pending = self.lock();
        match event {
            Ok(event) if matches!(event.kind, EventKind::Access(kind) if !is_written(kind)) => return,
            Ok(event) => {
                for path in event.paths {
                    pending.note(event.kind, &path);
                }
                if matches!(event.kind, EventKind::Modify(ModifyKind::Data(_))) {
                    // It is not whole yet.
                    return;
                }
            }
            // Something was lost.
            Err(_) => {}
        }
        pending.is_noticed = true;
        self.changed.notify_one();
    }
}

fn is_written(kind: AccessKind) -> bool {
    kind == AccessKind::Close(AccessMode::Write)
}

impl Pending {
    fn note(&mut self, kind: EventKind, path: &Path) {
        let Some(name) = path.file_name() else {
            return;
        };
        match kind {
            EventKind::Create(_) | EventKind::Modify(ModifyKind::Data(_)) if !path.is_symlink() => {
                self.whole.remove(name);
                if self.writing.len() < MAX_REMEMBERED {
                    self.writing.insert(name.to_owned(), Instant::now());
                }
            }
            EventKind::Access(_) | EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)) => {
                self.writing.remove(name);
                if self.whole.len() < MAX_REMEMBERED {
                    self.whole.insert(name.to_owned());
                }
            }
            _ => {}
        }
    }
}

struct Work {
    loader: Loader,
    shared: Arc<Shared>,
    mode: Mode,
    interval: Duration,
    notices: Option<RecommendedWatcher>,
    /// The folder that the notices are about: a path may come to lead to another one.
    watched: Option<Stamp>,
    /// What the look before this one found, and since when it looks like that.
    last: HashMap<PathBuf, (Found, Instant)>,
    /// The folder could not be read.
    is_lost: bool,
}

/// Why to look, and what is known of the files.
struct Wake {
    is_forced: bool,
    writing: HashMap<OsString, Instant>,
    whole: HashSet<OsString>,
}

impl Work {
    fn run(&mut self) {
        stand_back("compiling counts as much as serving");
        match compile_pool() {
            Ok(pool) => self.loader.compile_in(pool),
            Err(error) => tracing::warn!(%error, "no threads of their own for compiling"),
        }
        let mut is_unsettled = self.mode != Mode::Off;
        while let Some(wake) = self.wait(is_unsettled) {
            is_unsettled = self.look(&wake);
            self.watch();
        }
    }

    /// Waits for a reason to look. `None`: the end.
    fn wait(&self, is_unsettled: bool) -> Option<Wake> {
        let pause = match self.mode {
            Mode::Events if is_unsettled => Some(SECOND_LOOK),
            Mode::Events => Some(SLOW_LOOK),
            Mode::Poll => Some(self.interval),
            Mode::Off => None,
        };
        let is_idle = |pending: &mut Pending| {
            !(pending.is_ended || pending.is_forced || pending.is_noticed && self.mode == Mode::Events)
        };
        let pending = self.shared.lock();
        let mut pending = match pause {
            Some(pause) => {
                let waited = self.shared.changed.wait_timeout_while(pending, pause, is_idle);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => self.shared.changed.wait_while(pending, is_idle).unwrap_or_else(PoisonError::into_inner),
        };
        if pending.is_noticed && !pending.is_ended {
            drop(pending);
            thread::sleep(GATHER);
            pending = self.shared.lock();
        }
        if pending.is_ended {
            return None;
        }
        pending.is_noticed = false;
        pending.writing.retain(|_, since| since.elapsed() < WRITE_SILENCE);
        Some(Wake {
            is_forced: std::mem::take(&mut pending.is_forced),
            writing: pending.writing.clone(),
            whole: std::mem::take(&mut pending.whole),
        })
    }

    /// Looks at the folder. Returns whether another look is due soon.
    fn look(&mut self, wake: &Wake) -> bool {
        let now = Instant::now();
        let last = &self.last;
        let since = |found: &Found| match last.get(&found.file) {
            Some((before, since)) if before == found => *since,
            _ => now,
        };
        let is_busy = |found: &Found| {
            let manifest = manifest::path_of(&found.file);
            let paths = [Some(found.file.as_path()), manifest.as_deref()];
            let any = |holds: &dyn Fn(&OsStr) -> bool| {
                paths.iter().flatten().filter_map(|path| path.file_name()).any(holds)
            };
            let is_trusted = wake.is_forced || any(&|name| wake.whole.contains(name));
            any(&|name| wake.writing.contains_key(name)) || !is_trusted && now - since(found) < WRITE_SILENCE
        };
        match self.loader.reconcile(wake.is_forced, is_busy) {
            Ok(looked) => {
                let found = looked.snapshot.plugins.into_values().chain([looked.snapshot.routes]);
                let seen = found.map(|found| (found.file.clone(), (since(&found), found)));
                self.last = seen.map(|(file, (since, found))| (file, (found, since))).collect();
                self.is_lost = false;
                looked.is_unsettled
            }
            Err(error) => {
                if !self.is_lost {
                    tracing::error!("{error:#}: what is served stays as it is");
                }
                self.is_lost = true;
                false
            }
        }
    }

    /// Sees to it that the notices are about the folder as it is now.
    fn watch(&mut self) {
        if self.mode != Mode::Events {
            return;
        }
        let folder = Stamp::of(self.loader.folder());
        let is_same = |watched: &Stamp| folder.is_some_and(|folder| folder.is_same_file(watched));
        if folder.is_none() || self.watched.as_ref().is_some_and(is_same) {
            return;
        }
        match self.begin_notices() {
            Ok(notices) => {
                self.notices = Some(notices);
                self.watched = folder;
                // What happened before the notices began.
                self.shared.lock().is_noticed = true;
            }
            Err(error) => {
                tracing::warn!(%error, interval = ?self.interval, "no notices of changes from the system: polling");
                self.notices = None;
                self.mode = Mode::Poll;
            }
        }
    }

    fn begin_notices(&self) -> notify::Result<RecommendedWatcher> {
        let shared = Arc::clone(&self.shared);
        let mut notices = notify::recommended_watcher(move |event| shared.notice(event))?;
        notices.watch(self.loader.folder(), RecursiveMode::NonRecursive)?;
        Ok(notices)
    }
}

/// Threads for compiling: half of the processors, and less important than those that serve.
fn compile_pool() -> Result<rayon::ThreadPool, rayon::ThreadPoolBuildError> {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    rayon::ThreadPoolBuilder::new()
        .num_threads(processors.div_ceil(2))
        .thread_name(|index| format!("compile {index}"))
        .start_handler(|_| stand_back("compiling counts as much as serving"))
        .build()
}
