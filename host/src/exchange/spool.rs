//! What clients send before they read: kept, and handed on in order when the plugin gets there.
//!
//! Many HTTP libraries send a whole body before they read a byte of the response. They and a server
//! that answers meanwhile would wait for each other for ever, once the system's buffers are full. So
//! while nothing leaves, body bytes that go on coming are taken to a [`Spool`]: up to a block of them
//! in memory, all others in a temporary file. [`Spools`] are the bounds of all of them.

use std::io::ErrorKind;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::{Instant, Sleep, sleep};

use super::spool_file::{BLOCK, Done, SpoolFile, Workshop};
use super::waterline::{Held, Waterline};
use crate::config::show_size;
use crate::copy::{append, copy};

/// How long a client that goes on sending may take nothing when its spool is full. Long enough for one
/// that reads at times; a client that never does should learn soon.
const FULL_PATIENCE: Duration = Duration::from_secs(10);

/// How long the system's own buffers may go on filling behind a client that reads nothing: what leaves
/// in this time is no sign of one that reads.
const SETTLING: Duration = Duration::from_secs(1);

/// What spools may hold, and where.
#[derive(Clone, Debug)]
pub struct SpoolOptions {
    /// Bytes of one exchange.
    pub exchange: u64,
    /// Bytes of all of them.
    pub host: u64,
    /// The folder for temporary files.
    pub folder: Box<Path>,
    /// The longest time that a client may take nothing of what is to be written.
    pub write_timeout: Duration,
}

/// The spools of the host.
#[derive(Debug)]
pub struct Spools {
    exchange: u64,
    host: u64,
    patience: Duration,
    workshop: Arc<Workshop>,
    used: AtomicU64,
    exchanges: AtomicU64,
    cut: AtomicU64,
}

impl Spools {
    /// Spools within these bounds; `None` if one of them is 0.
    ///
    /// # Errors
    ///
    /// When the folder cannot have temporary files.
    pub fn open(options: SpoolOptions) -> anyhow::Result<Option<Arc<Self>>> {
        if options.exchange == 0 || options.host == 0 {
            return Ok(None);
        }
        tempfile::tempfile_in(&options.folder).with_context(|| {
            let folder = options.folder.display();
            format!("no temporary file can be made in {folder} (--spool-dir; --spool 0 needs none)")
        })?;
        Ok(Some(Arc::new(Self {
            exchange: options.exchange,
            host: options.host,
            // It begins later than the time to write, and must be over before it.
            patience: FULL_PATIENCE.min(options.write_timeout / 2),
            workshop: Workshop::new(options.folder),
            used: AtomicU64::new(0),
            exchanges: AtomicU64::new(0),
            cut: AtomicU64::new(0),
        })))
    }

    /// Bytes that spools take now, in memory and on the disk.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Exchanges that had something in a spool.
    #[must_use]
    pub fn exchanges(&self) -> u64 {
        self.exchanges.load(Ordering::Relaxed)
    }

    /// Those of them that were cut since nothing more could be taken.
    #[must_use]
    pub fn cut(&self) -> u64 {
        self.cut.load(Ordering::Relaxed)
    }

    /// Claims at most `wanted` bytes and says how many.
    fn claim(&self, wanted: u64) -> u64 {
        let mut claimed = 0;
        let update = |used: u64| {
            claimed = wanted.min(self.host.saturating_sub(used));
            (claimed > 0).then(|| used + claimed)
        };
        let _ = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update);
        claimed
    }
}

/// Why a spool takes no more, or has lost what it took.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SpoolFault {
    /// It holds as much as one may.
    Exchange(u64),
    /// All of them hold as much as they may.
    Host(u64),
    /// Too much memory is taken by what waits for clients.
    Memory,
    /// The file cannot be made or written.
    Write(ErrorKind),
    /// The file cannot be read.
    Read(ErrorKind),
}

impl std::fmt::Display for SpoolFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const WHAT: &str = "the client sends and does not read, and";
        match self {
            Self::Exchange(most) => {
                write!(f, "{WHAT} its spool is full: {} (--spool)", show_size(*most))
            }
            Self::Host(most) => {
                write!(f, "{WHAT} the spools of all exchanges are full: {} (--max-spool)", show_size(*most))
            }
            Self::Memory => {
                write!(f, "{WHAT} the host has no memory left for such clients (--max-buffered)")
            }
            Self::Write(kind) => write!(f, "{WHAT} its spool cannot be written: {kind} (--spool-dir)"),
            Self::Read(kind) => write!(f, "the spool cannot be read: {kind} (--spool-dir)"),
        }
    }
}

/// The bytes of one body that were taken and not yet handed on, first in, first out.
pub(super) struct Spool {
    spools: Arc<Spools>,
    /// Comes out first. `read <= front.len()`.
    front: Vec<u8>,
    read: usize,
    /// Between the two.
    file: SpoolFile,
    /// Went in last; a block at the most.
    back: Vec<u8>,
    /// What of [`Spools::used`] is this one's: at least what it holds and what its file takes.
    claimed: u64,
    held: Held,
    /// Nothing can be written any more.
    trouble: Option<SpoolFault>,
    /// Something in front was lost.
    lost: Option<ErrorKind>,
    is_counted: bool,
    patience: Option<Patience>,
    /// The client took something when there was no room: it reads, however slowly.
    is_reader: bool,
}

/// There was no room: the time in which the client must take something.
struct Patience {
    began: Instant,
    /// Since when it has taken nothing.
    since: Instant,
    over: Pin<Box<Sleep>>,
}

impl Spool {
    pub(super) fn new(spools: &Arc<Spools>, waterline: &Arc<Waterline>) -> Self {
        Self {
            spools: Arc::clone(spools),
            front: Vec::new(),
            read: 0,
            file: SpoolFile::new(Arc::clone(&spools.workshop)),
            back: Vec::new(),
            claimed: 0,
            held: Held::new(Arc::clone(waterline)),
            trouble: None,
            lost: None,
            is_counted: false,
            patience: None,
            is_reader: false,
        }
    }

    /// Bytes that are to be handed on.
    pub(super) fn len(&self) -> u64 {
        (self.front.len() - self.read + self.back.len()) as u64 + self.file.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0 && self.lost.is_none()
    }

    /// How many bytes may be pushed now, a block at the most; 0 when a bound is reached. Pending while
    /// a full block is on its way to the disk. The room is claimed until [`Spool::settle`].
    pub(super) fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<usize> {
        loop {
            if self.file.is_writing() {
                ready!(self.poll_work(context));
                continue;
            }
            if self.trouble.is_some() || self.len() >= self.spools.exchange {
                return Poll::Ready(0);
            }
            if self.back.len() < BLOCK {
                return Poll::Ready(self.reserve(BLOCK - self.back.len()));
            }
            if self.file.is_working() {
                ready!(self.poll_work(context));
                continue;
            }
            self.file.write(std::mem::take(&mut self.back));
        }
    }

    /// Takes bytes behind all others, no more than there is room for.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        debug_assert!(self.back.len() + bytes.len() <= BLOCK && !self.file.is_writing());
        let (length, capacity) = (self.back.len() + bytes.len(), self.back.capacity());
        if length > capacity {
            // No memory beyond a block.
            let capacity = (2 * capacity).clamp(length, BLOCK);
            self.back.reserve_exact(capacity - self.back.len());
        }
        append(&mut self.back, bytes);
        self.patience = None;
        if !std::mem::replace(&mut self.is_counted, true) {
            self.spools.exchanges.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Puts the first bytes at the front of `area` and says how many: 0 where there are none.
    ///
    /// # Errors
    ///
    /// The disk's, and then what follows is lost.
    pub(super) fn poll_pop(
        &mut self,
        context: &mut Context<'_>,
        area: &mut [u8],
    ) -> Poll<Result<usize, ErrorKind>> {
        while self.read == self.front.len() {
            self.front.clear();
            self.read = 0;
            if let Some(kind) = self.lost {
                return Poll::Ready(Err(kind));
            } else if self.file.is_working() {
                ready!(self.poll_work(context));
            } else if self.file.has_blocks() {
                self.file.read(std::mem::take(&mut self.front));
            } else if self.back.is_empty() {
                self.front = Vec::new();
                self.settle();
                return Poll::Ready(Ok(0));
            } else {
                std::mem::swap(&mut self.front, &mut self.back);
            }
        }
        let rest = &self.front[self.read..];
        let length = rest.len().min(area.len());
        copy(&mut area[..length], &rest[..length]);
        self.read += length;
        if self.is_empty() {
            // A live stream may go on for long without another stall.
            (self.front, self.back, self.read) = (Vec::new(), Vec::new(), 0);
        }
        self.settle();
        Poll::Ready(Ok(length))
    }

    /// Gives back what was claimed and is not needed.
    pub(super) fn settle(&mut self) {
        if self.back.is_empty() {
            self.back = Vec::new();
        }
        self.balance();
    }

    /// Nothing has left since `since`. A client that takes something while there is no room has shown
    /// that it reads: it is waited for like any other from there on.
    pub(super) fn watch(&mut self, since: Instant) {
        let Some(patience) = self.patience.as_mut().filter(|patience| patience.since != since) else {
            return;
        };
        self.is_reader |= since.duration_since(patience.began) > SETTLING;
        patience.since = since;
        patience.over.as_mut().reset(since + self.spools.patience);
    }

    /// There is no room. Ready when the client had its time.
    pub(super) fn poll_patience(&mut self, context: &mut Context<'_>, since: Instant) -> Poll<SpoolFault> {
        if self.is_reader {
            return Poll::Pending;
        }
        let length = self.spools.patience;
        let patience = self.patience.get_or_insert_with(|| Patience {
            began: Instant::now(),
            since,
            over: Box::pin(sleep(length)),
        });
        ready!(patience.over.as_mut().poll(context));
        Poll::Ready(self.fault())
    }

    /// Nothing waits to be taken, so that the client is not held up: its time begins anew.
    pub(super) fn renew_patience(&mut self, context: &mut Context<'_>) {
        if let Some(Patience { over, .. }) = &mut self.patience {
            over.as_mut().reset(Instant::now() + self.spools.patience);
            // This has it wake the task; it is not over yet.
            let _ = over.as_mut().poll(context);
        }
    }

    /// Counts the exchange among those that were cut for it.
    pub(super) fn count_cut(&self) {
        self.spools.cut.fetch_add(1, Ordering::Relaxed);
    }

    /// Why there is no room.
    fn fault(&self) -> SpoolFault {
        if let Some(trouble) = self.trouble {
            trouble
        } else if self.len() >= self.spools.exchange {
            SpoolFault::Exchange(self.spools.exchange)
        } else if self.spools.bytes() >= self.spools.host {
            SpoolFault::Host(self.spools.host)
        } else {
            SpoolFault::Memory
        }
    }

    /// Claims room for at most `wanted` bytes behind all others, and says for how many.
    fn reserve(&mut self, wanted: usize) -> usize {
        self.balance();
        let left = self.spools.exchange.saturating_sub(self.len());
        let wanted = wanted.min(usize::try_from(left).unwrap_or(usize::MAX));
        // What the buffer has is counted already.
        let spare = wanted.min(self.back.capacity() - self.back.len());
        let wanted = spare + self.held.grow(wanted - spare);
        let beyond = (self.len() + wanted as u64).saturating_sub(self.claimed);
        let claimed = self.spools.claim(beyond);
        self.claimed += claimed;
        let short = usize::try_from(beyond - claimed).unwrap_or(usize::MAX);
        wanted.saturating_sub(short)
    }

    /// Claims no more than is due.
    fn balance(&mut self) {
        let due = self.len().max(self.file.size());
        if let Some(surplus) = self.claimed.checked_sub(due).filter(|surplus| *surplus > 0) {
            self.claimed = due;
            self.spools.used.fetch_sub(surplus, Ordering::Relaxed);
        }
        self.held.set(self.memory());
    }

    /// What is held in memory.
    fn memory(&self) -> usize {
        let work = if self.file.is_working() { BLOCK } else { 0 };
        self.front.capacity() + self.back.capacity() + work
    }

    fn poll_work(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match ready!(self.file.poll_work(context)) {
            Some(Done::Written(mut block)) => {
                block.clear();
                self.back = block;
            }
            Some(Done::NotWritten(block, error)) => {
                self.trouble = Some(SpoolFault::Write(error.kind()));
                if block.is_empty() {
                    self.lost = Some(error.kind());
                }
                self.back = block;
            }
            Some(Done::Read(block)) => self.front = block,
            Some(Done::NotRead(error)) => self.lost = Some(error.kind()),
            None => {}
        }
        Poll::Ready(())
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.spools.used.fetch_sub(self.claimed, Ordering::Relaxed);
    }
}
