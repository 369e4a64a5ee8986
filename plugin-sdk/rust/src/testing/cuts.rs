//! Ways to cut a body into chunks.

/// How many random cuttings a seed stands for.
pub(super) const ROUNDS: usize = 32;

/// A body cut at random, into pieces that are short in one round and long in another;
/// some of them are empty. The same seed and round always cut the same way.
pub(super) fn random(body: &[u8], seed: u64, round: usize) -> Vec<&[u8]> {
    let mut numbers = Numbers(seed.wrapping_mul(ROUNDS as u64).wrapping_add(round as u64));
    // From 1 byte to 64 KiB in steps of two, over the rounds.
    let longest = 1_u64 << (round * 17 / ROUNDS);
    let mut pieces = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let len = usize::try_from(numbers.next() % (longest + 1)).unwrap_or_default();
        let (piece, after) = rest.split_at(len.min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// Splitmix: small, and good enough to cut with.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_up_the_body_and_rounds_differ() {
        let body: Vec<u8> = (0..=255).collect();
        let all: Vec<Vec<&[u8]>> = (0..ROUNDS).map(|round| random(&body, 7, round)).collect();
        for (round, pieces) in all.iter().enumerate() {
            assert_eq!(pieces.concat(), body);
            assert_eq!(*pieces, random(&body, 7, round));
        }
        assert!(all[0].iter().all(|piece| piece.len() <= 1));
        assert!(all[ROUNDS - 1].len() <= 2);
        assert_ne!(random(&body, 7, 4), random(&body, 8, 4));
        assert!(random(b"", 7, 3).is_empty());
    }
}
