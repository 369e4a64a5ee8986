//! Bodies whose every byte is known beforehand.

pub const KIB: usize = 1024;
pub const MIB: usize = 1024 * KIB;

/// What the rot13 sample must make of it.
pub fn rot13(bytes: &[u8]) -> Vec<u8> {
    bytes
        .iter()
        .map(|byte| match byte {
            b'a'..=b'm' | b'A'..=b'M' => byte + 13,
            b'n'..=b'z' | b'N'..=b'Z' => byte - 13,
            _ => *byte,
        })
        .collect()
}

/// Bytes of all values without a period (xorshift), the same for the same seed.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// A line of letters, different for each number.
pub fn letters(number: usize) -> Vec<u8> {
    let letters = noise(number as u64 + 1, number % 50 + 1);
    let mut line: Vec<u8> = letters.iter().map(|byte| b'a' + byte % 26).collect();
    line.extend_from_slice(format!(" {number}\n").as_bytes());
    line
}

/// A long body in blocks of 1 MiB, each numbered, so that none can be lost, doubled or moved.
pub struct Blocks {
    body: Vec<u8>,
}

impl Blocks {
    pub fn new(seed: u64) -> Blocks {
        Blocks { body: noise(seed, MIB) }
    }

    pub fn block(&mut self, number: usize) -> &[u8] {
        self.body[..8].copy_from_slice(format!("{number:08}").as_bytes());
        &self.body
    }

    /// The same blocks after rot13; digits stay as they are, so the numbering does too.
    pub fn rot13(mut self) -> Blocks {
        self.body = rot13(&self.body);
        self
    }
}
