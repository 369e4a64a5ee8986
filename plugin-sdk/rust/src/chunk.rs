//! The chunk buffer's size, and where in it a chunk lies.

use core::ops::Range;

/// The longest chunk in bytes, and the size of the buffer that a module built with
/// this crate keeps for it: the `cap` that ABI version 1 asks for.
pub const CHUNK_CAPACITY: usize = 65_536;

/// The part of a chunk buffer at address `base` that `ptr` and `len` name, or
/// `None` if they reach outside of it.
#[cfg_attr(not(any(target_arch = "wasm32", test)), expect(dead_code, reason = "wasm only"))]
pub(crate) fn range(base: usize, ptr: usize, len: usize) -> Option<Range<usize>> {
    let start = ptr.checked_sub(base)?;
    let end = start.checked_add(len)?;
    (end <= CHUNK_CAPACITY).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inside_the_buffer() {
        assert_eq!(range(100, 100, 0), Some(0..0));
        assert_eq!(range(100, 100, CHUNK_CAPACITY), Some(0..CHUNK_CAPACITY));
        assert_eq!(range(100, 107, 5), Some(7..12));
        assert_eq!(range(100, 100 + CHUNK_CAPACITY, 0), Some(CHUNK_CAPACITY..CHUNK_CAPACITY));
    }

    #[test]
    fn outside_the_buffer() {
        assert_eq!(range(100, 99, 1), None);
        assert_eq!(range(100, 0, 0), None);
        assert_eq!(range(100, 101, CHUNK_CAPACITY), None);
        assert_eq!(range(100, 100, CHUNK_CAPACITY + 1), None);
        assert_eq!(range(100, 101, usize::MAX), None);
        assert_eq!(range(100, usize::MAX, 1), None);
    }
}
