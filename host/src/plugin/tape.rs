//! What an instance was handed, recorded as it went: for the one who wants to know what made it fail.
//!
//! A [`Tape`] belongs to one stage of one exchange. It keeps the beginning: every chunk with its
//! borders and its time, every timer that fired, and the body's end, as long as there is room; what
//! comes after is counted. Memory is taken from a [`Recorder`], which bounds what all tapes of the
//! host hold together.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use sha2::{Digest as _, Sha256};

use super::outlet::Response;

/// What an entry of a tape costs beside its bytes, in bytes.
const ENTRY: usize = size_of::<Entry>();

/// The bytes of the output that are hashed; those behind are only counted. It is to tell one output
/// from another, and costs as much as all else together.
const MAX_HASHED: usize = 64 * 1024;

/// The first bytes that a tape takes: most exchanges are short. It doubles from there.
const FIRST_BYTES: usize = 1024;

/// The first entries that a tape takes room for.
const FIRST_ENTRIES: usize = 16;

/// Makes tapes, and bounds what they hold.
#[derive(Debug)]
pub struct Recorder {
    /// Bytes that one tape may hold, entries included.
    per_tape: usize,
    /// Bytes that all tapes may hold.
    in_all: usize,
    /// Bytes of the output that are hashed.
    hashed: usize,
    held: AtomicUsize,
}

impl Recorder {
    /// A tape holds at most `per_tape` bytes, and all together at most `in_all`.
    #[must_use]
    pub fn new(per_tape: usize, in_all: usize) -> Arc<Self> {
        Arc::new(Self { per_tape, in_all, hashed: MAX_HASHED, held: AtomicUsize::new(0) })
    }

    /// Tapes that keep nothing but what is emitted: how much, and a digest of the first `hashed` bytes.
    #[must_use]
    pub fn of_output(hashed: usize) -> Arc<Self> {
        Arc::new(Self { per_tape: 0, in_all: 0, hashed, held: AtomicUsize::new(0) })
    }

    /// The bytes that all tapes hold now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// An empty tape; its times count from now.
    #[must_use]
    pub fn tape(self: &Arc<Self>) -> Tape {
        let claim = Claim { recorder: Arc::clone(self), bytes: 0 };
        Tape { began: Instant::now(), reel: Mutex::new(Recording::new(claim)) }
    }
}

/// One tape's part of the recorder's bytes.
#[derive(Debug)]
struct Claim {
    recorder: Arc<Recorder>,
    bytes: usize,
}

impl Claim {
    fn take(&mut self, bytes: usize) -> bool {
        let recorder = &self.recorder;
        if recorder.held.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) > recorder.in_all {
            recorder.held.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        self.bytes += bytes;
        true
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.recorder.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Something that happened to an instance.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Happening {
    /// So many body bytes were handed over at once.
    Chunk(u32),
    /// Its timer fired.
    Timer,
    /// The body was complete.
    End,
}

/// A happening and its time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Microseconds since the exchange began.
    pub micros: u64,
    pub what: Happening,
}

impl Entry {
    /// Whether it is a chunk.
    #[must_use]
    pub const fn is_chunk(&self) -> bool {
        matches!(self.what, Happening::Chunk(_))
    }
}

/// Why a tape ends before the exchange does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Full {
    /// It holds as much as one tape may.
    Tape,
    /// All tapes together hold as much as they may.
    Host,
}

/// A tape that is being recorded. Only the exchange's own task writes, so its lock is never contended.
#[derive(Debug)]
pub struct Tape {
    began: Instant,
    reel: Mutex<Recording>,
}

/// What a tape holds.
#[derive(Debug)]
pub struct Recording {
    /// When it was taken, in microseconds since the exchange began.
    pub micros: u64,
    /// Whether the request announced a body.
    pub has_body: bool,
    /// The response as the stage before left it, if there is such a stage.
    pub inherited: Option<Response>,
    /// What happened, in order, up to where the tape was full.
    pub entries: Vec<Entry>,
    /// The bytes of the chunks among `entries`, one after the other.
    pub bytes: Vec<u8>,
    /// Why later happenings are not among `entries`, if there were any.
    pub full: Option<Full>,
    /// All chunks, kept or not.
    pub chunks: u64,
    /// The bytes of all chunks, kept or not.
    pub length: u64,
    /// All timers that fired, kept or not.
    pub timers: u64,
    /// Bytes that the instance emitted.
    pub emitted: u64,
    /// How many of those are in the digest, from the first one on.
    pub hashed: usize,
    /// Bytes of memory that the other stages held when this one was refused more, 0 if it never was.
    pub memory_elsewhere: u64,
    output: Sha256,
    claim: Claim,
}

impl Tape {
    /// What the instance begins with.
    pub fn open(&self, has_body: bool, inherited: Option<&Response>) {
        let mut reel = self.lock();
        reel.has_body = has_body;
        if let Some(response) = inherited {
            let size = response.fields().map(|(name, value)| name.len() + value.len()).sum();
            match reel.claim.take(size) {
                true => reel.inherited = Some(response.clone()),
                false => reel.full = Some(Full::Host),
            }
        }
    }

    /// A chunk is about to be handed over.
    pub fn chunk(&self, bytes: &[u8]) {
        let mut reel = self.lock();
        reel.chunks += 1;
        reel.length += bytes.len() as u64;
        // Chunks are far below 4 GiB.
        reel.note(self.began, Happening::Chunk(bytes.len() as u32), bytes);
    }

    /// The timer fires.
    pub fn timer(&self) {
        let mut reel = self.lock();
        reel.timers += 1;
        reel.note(self.began, Happening::Timer, &[]);
    }

    /// The body is complete.
    pub fn end(&self) {
        self.lock().note(self.began, Happening::End, &[]);
    }

    /// The instance emits these bytes.
    pub fn emitted(&self, bytes: &[u8]) {
        let mut reel = self.lock();
        reel.emitted += bytes.len() as u64;
        let length = bytes.len().min(reel.claim.recorder.hashed - reel.hashed);
        if length > 0 {
            reel.output.update(&bytes[..length]);
            reel.hashed += length;
        }
    }

    /// Memory was refused while the other stages held so many bytes.
    pub(super) fn refused_memory(&self, elsewhere: u64) {
        self.lock().memory_elsewhere = elsewhere;
    }

    /// All that was recorded so far; the tape is blank then.
    #[must_use]
    pub fn take(&self) -> Recording {
        let mut reel = self.lock();
        let blank = Recording::new(Claim { recorder: Arc::clone(&reel.claim.recorder), bytes: 0 });
        Recording { micros: micros_since(self.began), ..std::mem::replace(&mut *reel, blank) }
    }

    fn lock(&self) -> MutexGuard<'_, Recording> {
        // What a panic elsewhere left is still in order: at worst a chunk is counted and not kept.
        self.reel.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recording {
    fn new(claim: Claim) -> Self {
        Self {
            micros: 0,
            has_body: false,
            inherited: None,
            entries: Vec::new(),
            bytes: Vec::new(),
            full: None,
            chunks: 0,
            length: 0,
            timers: 0,
            emitted: 0,
            hashed: 0,
            memory_elsewhere: 0,
            output: Sha256::new(),
            claim,
        }
    }

    /// The entries, with the bytes of the chunks among them.
    pub fn happenings(&self) -> impl Iterator<Item = (Entry, &[u8])> {
        let mut rest = self.bytes.as_slice();
        self.entries.iter().map(move |entry| {
            let length = if let Happening::Chunk(length) = entry.what { length as usize } else { 0 };
            let (chunk, behind) = rest.split_at(length);
            rest = behind;
            (*entry, chunk)
        })
    }

    /// The SHA-256 of the first [`Recording::hashed`] bytes that were emitted.
    #[must_use]
    pub fn output_digest(&self) -> [u8; 32] {
        self.output.clone().finalize().into()
    }

    /// Adds an entry, whole or not at all. A tape with a gap could not be played, so the first one
    /// that does not fit is the end.
    fn note(&mut self, began: Instant, what: Happening, bytes: &[u8]) {
        if self.full.is_none() {
            self.full = self.make_room(bytes.len()).err();
        }
        if self.full.is_none() {
            let micros = micros_since(began);
            self.entries.push(Entry { micros, what });
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// Makes room for an entry with so many bytes, all of it claimed.
    fn make_room(&mut self, length: usize) -> Result<(), Full> {
        let entries = self.entries.len() + 1;
        let bytes = self.bytes.len() + length;
        if bytes + entries * ENTRY > self.claim.recorder.per_tape {
            return Err(Full::Tape);
        }
        if bytes > self.bytes.capacity() {
            let more = grow(&mut self.claim, self.bytes.capacity(), bytes, FIRST_BYTES, 1)?;
            self.bytes.reserve_exact(more - self.bytes.len());
        }
        if entries > self.entries.capacity() {
            let more = grow(&mut self.claim, self.entries.capacity(), entries, FIRST_ENTRIES, ENTRY)?;
            self.entries.reserve_exact(more - self.entries.len());
        }
        Ok(())
    }
}

fn micros_since(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// The next capacity of a buffer that has `capacity` items of `size` bytes and needs room for
/// `needed`: twice as much, or where the host has no room for that, just enough.
fn grow(claim: &mut Claim, capacity: usize, needed: usize, first: usize, size: usize) -> Result<usize, Full> {
    let generous = needed.max(capacity * 2).max(first).min(needed.max(claim.recorder.per_tape / size));
    [generous, needed].into_iter().find(|more| claim.take((more - capacity) * size)).ok_or(Full::Host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn played(recording: &Recording) -> Vec<(Happening, Vec<u8>)> {
        recording.happenings().map(|(entry, bytes)| (entry.what, bytes.to_vec())).collect()
    }

    #[test]
    fn borders_and_order_are_kept() {
        let recorder = Recorder::new(1 << 20, 1 << 20);
        let tape = recorder.tape();
        tape.open(true, None);
        tape.chunk(b"ab");
        tape.timer();
        tape.chunk(b"");
        tape.chunk(b"c");
        tape.end();
        tape.emitted(b"out");
        let recording = tape.take();
        let expected = [
            (Happening::Chunk(2), b"ab".to_vec()),
            (Happening::Timer, vec![]),
            (Happening::Chunk(0), vec![]),
            (Happening::Chunk(1), b"c".to_vec()),
            (Happening::End, vec![]),
        ];
        assert_eq!(played(&recording), expected);
        assert!(recording.entries.is_sorted_by_key(|entry| entry.micros));
        assert_eq!((recording.chunks, recording.length, recording.timers), (3, 3, 1));
        assert_eq!((recording.emitted, recording.hashed), (3, 3));
        assert_eq!(recording.output_digest(), <[u8; 32]>::from(Sha256::digest(b"out")));
    }

    #[test]
    fn a_full_tape_keeps_the_beginning_and_counts_the_rest() {
        let recorder = Recorder::new(10 * ENTRY + 10, 1 << 20);
        let tape = recorder.tape();
        for _ in 0..7 {
            tape.chunk(b"123");
        }
        tape.chunk(&[0; 200]);
        // It would fit, but there is a gap before it.
        tape.chunk(b"4");
        tape.end();
        tape.emitted(&[1; 1000]);
        tape.emitted(&[1; MAX_HASHED]);
        let recording = tape.take();
        assert_eq!(recording.full, Some(Full::Tape));
        assert_eq!(recording.bytes, b"123".repeat(7));
        assert_eq!((recording.entries.len(), recording.chunks, recording.length), (7, 9, 222));
        assert_eq!((recording.emitted, recording.hashed), (1000 + MAX_HASHED as u64, MAX_HASHED));
        assert_eq!(recording.output_digest(), <[u8; 32]>::from(Sha256::digest([1; MAX_HASHED])));
    }

    #[test]
    fn memory_is_bounded_over_all_tapes_and_given_back() {
        let recorder = Recorder::new(1 << 20, 10_000);
        let tapes: Vec<Tape> = (0..100).map(|_| recorder.tape()).collect();
        assert_eq!(recorder.held(), 0);
        for _ in 0..200 {
            for tape in &tapes {
                tape.chunk(b"a few bytes");
                assert!(recorder.held() <= 10_000);
            }
        }
        let recordings: Vec<Recording> = tapes.iter().map(Tape::take).collect();
        let capacity =
            |recording: &Recording| recording.bytes.capacity() + recording.entries.capacity() * ENTRY;
        let held: usize = recordings.iter().map(capacity).sum();
        assert!(held > 5_000 && held <= recorder.held(), "{held} of {}", recorder.held());
        assert!(recordings.iter().all(|recording| recording.full == Some(Full::Host)));
        assert!(recordings.iter().all(|recording| recording.chunks == 200));
        drop(recordings);
        assert_eq!(recorder.held(), 0);
    }

    #[test]
    fn capacity_never_goes_beyond_a_tapes_bound() {
        let recorder = Recorder::new(100_000, 1 << 30);
        let tape = recorder.tape();
        for _ in 0..100 {
            tape.chunk(&[0; 1_500]);
        }
        let recording = tape.take();
        assert_eq!(recording.full, Some(Full::Tape));
        assert!(recording.bytes.len() > 90_000);
        assert!(recorder.held() <= 100_000 + FIRST_ENTRIES * 8 * ENTRY, "{}", recorder.held());
    }
}
