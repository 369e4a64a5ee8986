//! Ways to cut a body into chunks. All are functions of the body and a seed.

use std::fmt;

/// A body of at most so many bytes is also cut in two at every place.
const MAX_EVERY_PLACE: usize = 64;

/// How many bytes at either end of a body come one by one. Beyond, it would take long and show nothing
/// new.
const SINGLE_BYTES: usize = 64 * 1024;

/// Lengths that fit nothing: most of what depends on borders shows with one of them.
const ODD: [usize; 15] = [1, 2, 3, 5, 7, 13, 17, 31, 61, 127, 251, 509, 1_021, 4_093, 65_535];

/// The most pieces of a random cut, about.
const MAX_PIECES: usize = 100_000;

/// A way to cut a body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// As few chunks as there can be.
    Whole,
    /// In two, after so many bytes.
    Two(usize),
    /// Before and after each end of a line.
    Lines,
    /// In pieces of odd lengths.
    Odd,
    /// One byte at a time.
    Bytes,
    /// In pieces of random lengths, by this seed.
    Random(u64),
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("whole"),
            Self::Two(1) => f.write_str("cut after the first byte"),
            Self::Two(at) => write!(f, "cut in two after {at} bytes"),
            Self::Lines => f.write_str("cut before and after each line's end"),
            Self::Odd => f.write_str("cut into pieces of 1, 2, 3, 5, 7, 13 … bytes"),
            Self::Bytes => f.write_str("byte by byte"),
            Self::Random(seed) => write!(f, "cut at random, seed {seed}"),
        }
    }
}

/// The ways in which a body is tried: simple ones first, and at last `rounds` random ones, with the
/// seeds `seed`, `seed + 1` and so on.
#[must_use]
pub fn ways(body: &[u8], seed: u64, rounds: u32) -> Vec<Way> {
    let length = body.len();
    let mut ways = vec![Way::Whole];
    if length < 2 {
        return ways;
    }
    if length <= MAX_EVERY_PLACE {
        ways.extend((1..length).map(Way::Two));
    } else {
        ways.extend([1, 2, 3, length / 3, length / 2, length - 3, length - 2, length - 1].map(Way::Two));
    }
    if body.contains(&b'\n') {
        ways.push(Way::Lines);
    }
    ways.extend([Way::Odd, Way::Bytes]);
    ways.extend((0..rounds).map(|round| Way::Random(seed.wrapping_add(round.into()))));
    ways
}

impl Way {
    /// The lengths of the pieces, each at least 1, together the body's.
    #[must_use]
    pub fn pieces(self, body: &[u8]) -> Vec<usize> {
        let length = body.len();
        match self {
            Self::Whole => take(length, || length),
            Self::Two(at) => {
                let mut lengths = [at].into_iter();
                take(length, || lengths.next().unwrap_or(length))
            }
            Self::Odd => {
                let mut lengths = ODD.into_iter().cycle();
                take(length, || lengths.next().unwrap_or(1))
            }
            Self::Bytes => {
                let mut done = 0;
                take(length, || {
                    let is_inside = done >= SINGLE_BYTES && done + SINGLE_BYTES < length;
                    let piece = if is_inside { (length - SINGLE_BYTES - done).min(4_093) } else { 1 };
                    done += piece;
                    piece
                })
            }
            Self::Lines => {
                let ends = body.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
                let borders = ends.flat_map(|(at, _)| [at, at + 1]).chain([length]);
                let mut before = 0;
                let mut pieces: Vec<usize> =
                    borders.map(|border| border - std::mem::replace(&mut before, border)).collect();
                pieces.retain(|piece| *piece > 0);
                pieces
            }
            Self::Random(seed) => random(length, seed),
        }
    }

    /// The cuts in two that a failing way is made of: one of them may be enough to fail.
    #[must_use]
    pub fn simpler(self, body: &[u8], most: usize) -> Vec<Self> {
        if matches!(self, Self::Whole | Self::Two(_)) {
            return Vec::new();
        }
        let mut at = 0;
        let borders = self.pieces(body).into_iter().map(|piece| {
            at += piece;
            Self::Two(at)
        });
        borders.filter(|way| *way != Self::Two(body.len())).take(most).collect()
    }
}

/// Pieces as `next` says, until there are `length` bytes.
fn take(length: usize, mut next: impl FnMut() -> usize) -> Vec<usize> {
    let mut pieces = Vec::new();
    let mut rest = length;
    while rest > 0 {
        let piece = next().clamp(1, rest);
        pieces.push(piece);
        rest -= piece;
    }
    pieces
}

/// Short and long pieces in a mixture that differs from seed to seed.
fn random(length: usize, seed: u64) -> Vec<usize> {
    let mut random = SplitMix(seed);
    // Pieces of up to 2^scale bytes; not so short that there are too many of them.
    let least = (length / MAX_PIECES).next_power_of_two().trailing_zeros() + 1;
    let most = least + random.below(16);
    take(length, || {
        let scale = least + random.below(most - least + 1) - 1;
        1 + random.below(1 << scale.min(16)) as usize
    })
}

/// Sebastiano Vigna's `SplitMix64`: small, and good enough for this.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `bound`, which is more than 0.
    fn below(&mut self, bound: u32) -> u32 {
        // The remainder is less than 2^32.
        (self.next() % u64::from(bound)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_body() {
        for length in [0, 1, 2, 3, 63, 64, 65, 1_000, 200_000, 3_000_000] {
            let body: Vec<u8> = (0..length).map(|at| if at % 37 == 0 { b'\n' } else { b'x' }).collect();
            for way in ways(&body, 7, 20) {
                let pieces = way.pieces(&body);
                assert_eq!(pieces.iter().sum::<usize>(), length, "{way} of {length}");
                assert!(pieces.iter().all(|piece| *piece > 0), "{way} of {length}");
                assert!(pieces.len() < 250_000, "{way} of {length}: {}", pieces.len());
            }
        }
    }

    #[test]
    fn a_seed_says_it_all() {
        let body = [b'x'; 5_000];
        assert_eq!(Way::Random(1).pieces(&body), Way::Random(1).pieces(&body));
        assert_ne!(Way::Random(1).pieces(&body), Way::Random(2).pieces(&body));
        assert_eq!(ways(&body, u64::MAX, 2).last(), Some(&Way::Random(0)));
    }

    #[test]
    fn each_way_cuts_where_it_says() {
        assert_eq!(Way::Bytes.pieces(b"abc"), [1, 1, 1]);
        assert_eq!(Way::Two(2).pieces(b"abcdef"), [2, 4]);
        assert_eq!(Way::Lines.pieces(b"ab\nc\n\nd"), [2, 1, 1, 1, 1, 1]);
        assert_eq!(Way::Odd.pieces(&[0; 12]), [1, 2, 3, 5, 1]);
        assert_eq!(ways(b"a", 1, 9), [Way::Whole]);
        assert_eq!(ways(b"", 1, 9), [Way::Whole]);
        assert_eq!(Way::Odd.simpler(&[0; 12], 3), [Way::Two(1), Way::Two(3), Way::Two(6)]);
        assert_eq!(Way::Bytes.simpler(b"ab", 9), [Way::Two(1)]);
    }
}
