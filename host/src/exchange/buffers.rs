//! Buffers that belong to a thread, not to an exchange: an idle exchange owns none, and thousands
//! of them cost nothing. None of these is ever held across an await.

use std::cell::RefCell;

use crate::plugin::abi::CHUNK_CAPACITY;

/// The most outbound buffers that a thread keeps for its next exchanges.
const MAX_SPARE: usize = 8;

/// What a new outbound buffer has room for: a chunk's worth of payload, a usual head and framing. To
/// grow step by step would copy, and end beyond what the allocator keeps at hand.
const CAPACITY: usize = CHUNK_CAPACITY + 4 * 1024;

/// The largest outbound buffer that is kept: the one before, grown for an unusual head.
const MAX_SPARE_CAPACITY: usize = 4 * CAPACITY;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; CHUNK_CAPACITY].into_boxed_slice());
    static AREA: RefCell<Box<[u8]>> = RefCell::new(vec![0; CHUNK_CAPACITY].into_boxed_slice());
    static FRAMES: RefCell<Box<[u8]>> = RefCell::new(vec![0; CHUNK_CAPACITY].into_boxed_slice());
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Lends the thread's buffer for wire bytes: as large as a chunk, so that all that one read brings
/// fits into one call.
pub(super) fn with_scratch<R>(work: impl FnOnce(&mut [u8]) -> R) -> R {
    SCRATCH.with_borrow_mut(|scratch| work(scratch))
}

/// Lends the thread's buffer for body bytes that no plugin takes.
pub(super) fn with_area<R>(work: impl FnOnce(&mut [u8]) -> R) -> R {
    AREA.with_borrow_mut(|area| work(area))
}

/// Lends the thread's buffer for bytes in which there are messages.
pub(super) fn with_frames<R>(work: impl FnOnce(&mut [u8]) -> R) -> R {
    FRAMES.with_borrow_mut(|frames| work(frames))
}

/// An empty buffer to gather output in.
pub(super) fn take() -> Vec<u8> {
    SPARE.with_borrow_mut(Vec::pop).unwrap_or_else(|| Vec::with_capacity(CAPACITY))
}

/// Gives a buffer back when all of it has left.
pub(super) fn give(mut buffer: Vec<u8>) {
    if buffer.capacity() == 0 || buffer.capacity() > MAX_SPARE_CAPACITY {
        return;
    }
    buffer.clear();
    SPARE.with_borrow_mut(|spare| {
        if spare.len() < MAX_SPARE {
            spare.push(buffer);
        }
    });
}
