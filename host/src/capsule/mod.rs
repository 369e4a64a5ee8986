//! Trap capsules: what made a plugin fail, in a file that can be replayed.
//!
//! Where `--capsules` asks for it, every stage of an exchange is recorded on a
//! [tape](crate::plugin::Tape), in memory and within bounds. When a stage fails, its tape goes to a
//! thread of its own, which writes the capsule; when the exchange ends well, the tape is forgotten.
//!
//! - [`form`]: the file, and how it is read;
//! - [`mask`]: what must not get into it;
//! - [`build`]: from an exchange to a capsule;
//! - [`rate`]: how often;
//! - [`store`]: the folder and its bounds.

mod build;
pub mod form;
pub mod mask;
mod rate;
mod store;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;

pub use build::{Incident, hex};

use form::Event;
use rate::Rates;
use store::Store;

use crate::background::stand_back;
use crate::plugin::{Account, Failure, Recorder, Recording};

/// Capsules that wait to be written. Their memory is still counted; one more is skipped.
const MAX_WAITING: usize = 16;

/// How soon a queue that is full is looked at again by who waits for its end.
const FULL_PAUSE: Duration = Duration::from_millis(5);

/// What the command line says.
#[derive(Clone, Debug)]
pub struct CapsuleOptions {
    pub folder: PathBuf,
    /// What is recorded of a stage, at most, in bytes.
    pub size: usize,
    /// What is recorded of all open exchanges together, at most, in bytes.
    pub memory: usize,
    /// Whether a rejection is worth a capsule. For many plugins it is an answer like others.
    pub with_rejected: bool,
}

/// Records exchanges, and writes capsules of those that fail.
#[derive(Debug)]
pub struct Capsules {
    recorder: Arc<Recorder>,
    with_rejected: bool,
    rates: Mutex<Rates>,
    queue: SyncSender<Job>,
    counts: Arc<Counts>,
}

/// What became of capsules.
#[derive(Debug, Default)]
struct Counts {
    written: AtomicU64,
    /// Not even tried, to spare the disk.
    skipped: AtomicU64,
    /// Tried in vain.
    lost: AtomicU64,
}

enum Job {
    Write {
        name: String,
        incident: Box<Incident>,
        recording: Box<Recording>,
    },
    /// All before this one are written when the receiver hears of it.
    Flush(SyncSender<()>),
}

impl Capsules {
    /// Opens the folder and starts the thread that writes.
    ///
    /// # Errors
    ///
    /// When the folder cannot be used, or the system has no thread to give.
    pub fn open(options: &CapsuleOptions) -> anyhow::Result<Arc<Self>> {
        let store = Store::open(&options.folder)?;
        let counts = Arc::<Counts>::default();
        let (queue, jobs) = sync_channel(MAX_WAITING);
        let writer = Writer { store, folder: options.folder.clone(), counts: Arc::clone(&counts) };
        // It ends with the last sender. Who wants to wait for it asks for a flush.
        thread::Builder::new()
            .name("capsules".to_owned())
            .spawn(move || writer.run(&jobs))
            .context("no thread to write capsules")?;
        Ok(Arc::new(Self {
            recorder: Recorder::new(options.size, options.memory),
            with_rejected: options.with_rejected,
            rates: Mutex::new(Rates::new(Instant::now())),
            queue,
            counts,
        }))
    }

    /// From now on records every stage of an exchange.
    pub fn record(&self, account: &Account) {
        for stage in &account.stages {
            stage.record(self.recorder.tape());
        }
    }

    /// Has a capsule of a failed stage written, by somebody else and later. Returns its name, or
    /// `None` where there will be none.
    #[must_use]
    pub fn keep(&self, incident: Incident) -> Option<String> {
        if matches!(incident.failure, Failure::Rejected { .. }) && !self.with_rejected {
            return None;
        }
        let tape = incident.open.account.stages[incident.stage].tape()?;
        let (plugin, version) = (incident.plugin.name(), incident.plugin.version());
        // What a panic left is still a count.
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        if !rates.admit(plugin, version, Instant::now()) {
            self.counts.skipped.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        drop(rates);
        let name = store::name(plugin, version, &incident.open.account.id.to_string());
        let recording = Box::new(tape.take());
        let job = Job::Write { name: name.clone(), incident: Box::new(incident), recording };
        match self.queue.try_send(job) {
            Ok(()) => Some(name),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.counts.skipped.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }

    /// What became of capsules, by a word each.
    #[must_use]
    pub fn counts(&self) -> [(&'static str, u64); 3] {
        let Counts { written, skipped, lost } = &*self.counts;
        [("written", written), ("skipped", skipped), ("lost", lost)]
            .map(|(result, count)| (result, count.load(Ordering::Relaxed)))
    }

    /// The bytes that are recorded of open exchanges, or wait to be written.
    #[must_use]
    pub fn held(&self) -> usize {
        self.recorder.held()
    }

    /// Waits until what waits is written, but no longer than this.
    pub fn flush(&self, patience: Duration) {
        let until = Instant::now() + patience;
        let (done, heard) = sync_channel(1);
        while let Err(TrySendError::Full(_)) = self.queue.try_send(Job::Flush(done.clone())) {
            if Instant::now() >= until {
                return;
            }
            thread::sleep(FULL_PAUSE);
        }
        // Late or gone: the process ends all the same.
        let _ = heard.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
}

/// The thread's part.
struct Writer {
    store: Store,
    folder: PathBuf,
    counts: Arc<Counts>,
}

impl Writer {
    fn run(&self, jobs: &Receiver<Job>) {
        stand_back("writing capsules counts as much as serving");
        while let Ok(job) = jobs.recv() {
            match job {
                Job::Write { name, incident, recording } => self.write(&name, &incident, &recording),
                // Nobody waits any more: then it is not news.
                Job::Flush(done) => drop(done.send(())),
            }
        }
    }

    fn write(&self, name: &str, incident: &Incident, recording: &Recording) {
        let module = self.store.keep_module(incident.plugin.code());
        let written = module.and_then(|module| {
            let capsule = build::capsule(incident, recording, module);
            let events = recording.happenings().map(|(entry, bytes)| Event::of(entry, bytes));
            self.store.write(name, |out| form::write(out, &capsule, events))
        });
        let folder = self.folder.display();
        let count = match written {
            Ok(()) => &self.counts.written,
            Err(error) => {
                tracing::warn!(%folder, capsule = name, %error, "capsule not written");
                &self.counts.lost
            }
        };
        count.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = self.store.evict() {
            tracing::warn!(%folder, %error, "old capsules cannot be removed");
        }
    }
}
