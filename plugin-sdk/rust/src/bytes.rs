//! Looking through bytes 16 at a time, in safe code that the compiler makes vector
//! instructions of.

/// The first place of `byte` in `text`.
///
/// Looks at 16 bytes at a time where the target has vectors (`+simd128`).
///
/// ```
/// assert_eq!(wasmplex_plugin::find_byte(b'\n', b"one\ntwo\n"), Some(3));
/// ```
#[must_use]
#[inline]
pub fn find_byte(byte: u8, text: &[u8]) -> Option<usize> {
    find_where(text, |other| other == byte)
}

/// The first place in `text` whose byte is of a kind.
///
/// As quick as [`find_byte`] if `is_it` has no branches: `|` instead of `||`, no match, no
/// table.
///
/// ```
/// use wasmplex_plugin::find_where;
///
/// let text = b"a JSON string\" ...";
/// assert_eq!(find_where(text, |byte| (byte == b'"') | (byte == b'\\') | (byte < 0x20)), Some(13));
/// ```
#[must_use]
#[inline]
pub fn find_where(text: &[u8], is_it: impl Fn(u8) -> bool) -> Option<usize> {
    let mut blocks = text.chunks_exact(BLOCK);
    let mut place = 0;
    for block in &mut blocks {
        // The slice has BLOCK bytes, so this copies all of it, into a vector.
        let mut bytes = [0; BLOCK];
        bytes.copy_from_slice(block);
        let marks = u128::from_le_bytes(bytes.map(|byte| u8::from(is_it(byte))));
        // One test for all of them, and where the first one is only if there is one.
        if marks != 0 {
            return Some(place + marks.trailing_zeros() as usize / 8);
        }
        place += BLOCK;
    }
    let rest = blocks.remainder().iter().position(|byte| is_it(*byte));
    rest.map(|within| place + within)
}

/// As many bytes as a vector has.
const BLOCK: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_one_wherever_it_is() {
        for len in 0..70 {
            let mut text = vec![b'x'; len];
            assert_eq!(find_byte(b'\n', &text), None);
            for at in (0..len).rev() {
                text[at] = b'\n';
                assert_eq!(find_byte(b'\n', &text), Some(at), "of {len}");
            }
        }
    }
}
