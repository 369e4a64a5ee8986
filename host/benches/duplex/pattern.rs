//! What is sent, and what must come back.

use std::io::Write as _;
use std::ops::Range;
use std::sync::LazyLock;

/// The pattern repeats after so many bytes.
pub(crate) const PERIOD: usize = 1024 * 1024;

/// Bytes of all values, most of them letters, and the same after rot13.
pub(crate) struct Pattern {
    plain: Vec<u8>,
    rotated: Vec<u8>,
}

pub(crate) static PATTERN: LazyLock<Pattern> = LazyLock::new(Pattern::new);

impl Pattern {
    fn new() -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let plain: Vec<u8> = std::iter::repeat_with(|| {
            // Marsaglia's xorshift64.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let [low, high, ..] = state.to_le_bytes();
            if low < 64 { high } else { b'A' + high % 58 }
        })
        .take(PERIOD)
        .collect();
        let rotated = plain.iter().copied().map(expected).collect();
        Self { plain, rotated }
    }

    pub(crate) fn plain(&self, range: Range<usize>) -> &[u8] {
        &self.plain[range]
    }

    pub(crate) fn rotated(&self, range: Range<usize>) -> &[u8] {
        &self.rotated[range]
    }
}

/// rot13 as the definition says it: on purpose not what either server runs.
const fn expected(byte: u8) -> u8 {
    match byte {
        b'A'..=b'M' | b'a'..=b'm' => byte + 13,
        b'N'..=b'Z' | b'n'..=b'z' => byte - 13,
        _ => byte,
    }
}

/// Appends one wire chunk.
pub(crate) fn wire_chunk(wire: &mut Vec<u8>, bytes: &[u8]) {
    // Writing into a Vec cannot fail.
    let _ = write!(wire, "{:x}\r\n", bytes.len());
    wire.extend_from_slice(bytes);
    wire.extend_from_slice(b"\r\n");
}
