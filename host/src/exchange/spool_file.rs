//! A temporary file without a name that a spool keeps whole blocks in, first in, first out.
//!
//! Nothing here waits for a disk on a thread that serves: files are made, written, read and closed on
//! the threads for blocking work, one piece of work at a time for each file.

use std::collections::VecDeque;
use std::fs::File;
use std::future::Future;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Bytes of every block: the most that one call of a plugin takes, and large enough that the way to
/// another thread and back costs little beside the copying.
pub(super) const BLOCK: usize = 64 * 1024;

/// Pieces of file work at a time, of all spools together: more do not make a disk faster, and each
/// takes a thread.
pub(super) const MAX_FILE_WORK: usize = 16;

/// Where files are made, and whose turn it is.
#[derive(Debug)]
pub(super) struct Workshop {
    pub(super) folder: Box<Path>,
    turns: Arc<Semaphore>,
}

impl Workshop {
    pub(super) fn new(folder: Box<Path>) -> Arc<Self> {
        Arc::new(Self { folder, turns: Arc::new(Semaphore::new(MAX_FILE_WORK)) })
    }
}

/// What has become of the work that was in hand.
pub(super) enum Done {
    /// The block is in the file. Its memory can be used again.
    Written(Vec<u8>),
    /// It is not, and here it is.
    NotWritten(Vec<u8>, io::Error),
    /// The first block.
    Read(Vec<u8>),
    /// The first block cannot be had: it is lost.
    NotRead(io::Error),
}

enum Work {
    Write { slot: u32 },
    Read,
}

type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// The file and the block, or the block that was to be written and why not.
type Outcome = Result<(Arc<File>, Vec<u8>), (Vec<u8>, io::Error)>;

/// The file, made with the first block and closed with the last.
pub(super) struct SpoolFile {
    workshop: Arc<Workshop>,
    file: Option<Arc<File>>,
    /// Where the blocks are, in their order, in blocks from the file's beginning.
    queue: VecDeque<u32>,
    /// Places that were read, for what is written next: the file does not outgrow what it once held.
    free: Vec<u32>,
    /// Blocks that the file has place for. `queue.len() + free.len() <= slots`, less by the one that is
    /// being written.
    slots: u32,
    work: Option<(Work, Running)>,
}

impl SpoolFile {
    pub(super) const fn new(workshop: Arc<Workshop>) -> Self {
        Self { workshop, file: None, queue: VecDeque::new(), free: Vec::new(), slots: 0, work: None }
    }

    /// Bytes in the file and on their way there.
    pub(super) fn len(&self) -> u64 {
        (self.queue.len() as u64 + u64::from(self.is_writing())) * BLOCK as u64
    }

    /// Bytes that the file takes of the disk.
    pub(super) fn size(&self) -> u64 {
        u64::from(self.slots) * BLOCK as u64
    }

    /// Whether there are blocks to read.
    pub(super) fn has_blocks(&self) -> bool {
        !self.queue.is_empty()
    }

    pub(super) const fn is_working(&self) -> bool {
        self.work.is_some()
    }

    pub(super) const fn is_writing(&self) -> bool {
        matches!(self.work, Some((Work::Write { .. }, _)))
    }

    /// Has a block written behind all others. No other work may be in hand.
    pub(super) fn write(&mut self, block: Vec<u8>) {
        debug_assert!(block.len() == BLOCK && self.work.is_none());
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots += 1;
            self.slots - 1
        });
        let (file, workshop) = (self.file.clone(), Arc::clone(&self.workshop));
        let work = self.in_turn(move || {
            let file = match file.map_or_else(|| tempfile::tempfile_in(&workshop.folder).map(Arc::new), Ok) {
                Ok(file) => file,
                Err(error) => return Err((block, error)),
            };
            match file.write_all_at(&block, offset(slot)) {
                Ok(()) => Ok((file, block)),
                Err(error) => Err((block, error)),
            }
        });
        self.work = Some((Work::Write { slot }, work));
    }

    /// Has the first block read, into the memory of `block`. There must be one, and no work in hand.
    pub(super) fn read(&mut self, mut block: Vec<u8>) {
        debug_assert!(self.work.is_none());
        let (Some(file), Some(&slot)) = (self.file.clone(), self.queue.front()) else {
            debug_assert!(false, "nothing to read");
            return;
        };
        let work = self.in_turn(move || {
            block.resize(BLOCK, 0);
            match file.read_exact_at(&mut block, offset(slot)) {
                Ok(()) => Ok((file, block)),
                Err(error) => Err((block, error)),
            }
        });
        self.work = Some((Work::Read, work));
    }

    /// Ready when the work in hand is done; at once, with `None`, where there is none.
    pub(super) fn poll_work(&mut self, context: &mut Context<'_>) -> Poll<Option<Done>> {
        let Some((_, work)) = &mut self.work else {
            return Poll::Ready(None);
        };
        let outcome = ready!(work.as_mut().poll(context));
        Poll::Ready(self.work.take().map(|(work, _)| match (work, outcome) {
            (Work::Write { slot }, Ok((file, block))) => {
                self.file = Some(file);
                self.queue.push_back(slot);
                Done::Written(block)
            }
            (Work::Write { slot }, Err((block, error))) => {
                self.free.push(slot);
                self.close_if_empty();
                Done::NotWritten(block, error)
            }
            (Work::Read, Ok((file, block))) => {
                drop(file);
                self.free.extend(self.queue.pop_front());
                self.close_if_empty();
                Done::Read(block)
            }
            (Work::Read, Err((_, error))) => Done::NotRead(error),
        }))
    }

    /// A file that is empty goes back to the system.
    fn close_if_empty(&mut self) {
        if self.queue.is_empty() && self.work.is_none() {
            self.slots = 0;
            self.free = Vec::new();
            self.close();
        }
    }

    /// Closes the file, which is work: with it go all its blocks on the disk.
    fn close(&mut self) {
        if let (Some(file), Ok(runtime)) = (self.file.take(), Handle::try_current()) {
            let turns = Arc::clone(&self.workshop.turns);
            runtime.spawn(async move {
                let turn = turns.acquire_owned().await;
                spawn_blocking(move || drop((file, turn)));
            });
        }
    }

    /// Does `work` on a thread for it, when it is its turn.
    fn in_turn(&self, work: impl FnOnce() -> Outcome + Send + 'static) -> Running {
        let turns = Arc::clone(&self.workshop.turns);
        Box::pin(async move {
            // Held by the work itself: it goes on when nobody waits for it any more.
            let turn = turns.acquire_owned().await;
            let done = spawn_blocking(move || {
                let outcome = work();
                drop(turn);
                outcome
            });
            done.await.unwrap_or_else(|error| Err((Vec::new(), io::Error::other(error))))
        })
    }
}

impl Drop for SpoolFile {
    fn drop(&mut self) {
        self.work = None;
        self.close();
    }
}

const fn offset(slot: u32) -> u64 {
    slot as u64 * BLOCK as u64
}
