//! Guest memory: checked ranges, and nothing else.

use std::ops::Range;

use wasmtime::{Caller, Extern, Memory};

use super::abi::export;
use super::failure::Thrown;
use super::state::State;

/// The bytes that a guest's pointer and length name.
///
/// # Errors
///
/// [`Thrown::Fault`] when any of them lies outside of the memory.
pub(super) fn range(memory: &[u8], pointer: u32, length: u32, what: &str) -> Result<Range<usize>, Thrown> {
    let start = pointer as usize;
    match start.checked_add(length as usize) {
        Some(end) if end <= memory.len() => Ok(start..end),
        _ => Err(Thrown::range(what, pointer, length)),
    }
}

/// Writes `value` to the guest's buffer if it fits, and says how long it is.
///
/// # Errors
///
/// [`Thrown::Fault`] when the buffer lies outside of the memory.
pub(super) fn answer(
    memory: &mut [u8],
    value: &[u8],
    pointer: u32,
    capacity: u32,
    what: &str,
) -> Result<i32, Thrown> {
    let buffer = range(memory, pointer, capacity, what)?;
    if value.len() <= buffer.len() {
        memory[buffer.start..buffer.start + value.len()].copy_from_slice(value);
    }
    i32::try_from(value.len()).map_err(|_| Thrown::Fault(format!("{what}: the value is too long")))
}

/// The instance's memory and what the store holds beside it, at once.
///
/// # Errors
///
/// See [`of`].
pub(super) fn with_state<'a>(
    caller: &'a mut Caller<'_, State>,
) -> Result<(&'a mut [u8], &'a mut State), Thrown> {
    let memory = of(caller)?;
    Ok(memory.data_and_store_mut(caller))
}

/// The instance's memory. It is kept in the state once the instance is there; only a start
/// function comes earlier, and is looked up by name.
///
/// # Errors
///
/// [`Thrown::Fault`] when there is none.
pub(super) fn of(caller: &mut Caller<'_, State>) -> Result<Memory, Thrown> {
    if let Some(memory) = caller.data().memory {
        return Ok(memory);
    }
    match caller.get_export(export::MEMORY) {
        Some(Extern::Memory(memory)) => Ok(memory),
        _ => Err(Thrown::Fault("there is no memory".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_checked() {
        let memory = [0; 8];
        assert_eq!(range(&memory, 0, 8, "x"), Ok(0..8));
        assert_eq!(range(&memory, 8, 0, "x"), Ok(8..8));
        for (pointer, length) in [(0, 9), (8, 1), (9, 0), (u32::MAX, 1), (1, u32::MAX), (u32::MAX, u32::MAX)]
        {
            assert!(range(&memory, pointer, length, "x").is_err(), "{pointer} {length}");
        }
    }

    #[test]
    fn answers_only_when_they_fit() {
        let mut memory = [0; 4];
        assert_eq!(answer(&mut memory, b"abc", 1, 3, "x"), Ok(3));
        assert_eq!(memory, *b"\0abc");
        assert_eq!(answer(&mut memory, b"wxyz", 0, 3, "x"), Ok(4));
        assert_eq!(memory, *b"\0abc");
        assert!(answer(&mut memory, b"", 2, 3, "x").is_err());
    }
}
