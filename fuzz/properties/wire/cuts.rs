//! Where to cut bytes that arrive in pieces.

/// Byte by byte only up to here: beyond, it is the time of many short inputs.
const MAX_SINGLE: usize = 4 * 1024;

/// So many ways to cut are left to the data.
const ROLLED: u64 = 3;

/// Choices that depend on the data only, so that an input says all about its run (splitmix64).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn of(data: &[u8], salt: u64) -> Self {
        // FNV-1a.
        let hash = data.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(hash ^ salt.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % end as u64) as usize
    }
}

/// Ways to cut data: each is the places of its cuts, in order and inside of the data. Not among them:
/// none at all.
pub(super) fn ways(data: &[u8]) -> Vec<Vec<usize>> {
    let mut ways: Vec<Vec<usize>> = (0..ROLLED).map(|salt| rolled(data, salt)).collect();
    if data.len() <= MAX_SINGLE {
        ways.push((1..data.len()).collect());
    }
    ways
}

/// Pieces from one byte to a length that is different in each way.
fn rolled(data: &[u8], salt: u64) -> Vec<usize> {
    let mut dice = Dice::of(data, salt);
    let longest = 1 + dice.below(data.len().max(1));
    let mut cuts = Vec::new();
    let mut at = 1 + dice.below(longest);
    while at < data.len() {
        cuts.push(at);
        at += 1 + dice.below(longest);
    }
    cuts
}

/// The pieces of data that is cut at these places.
pub(super) fn pieces<'a>(data: &'a [u8], cuts: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let starts = std::iter::once(0).chain(cuts.iter().copied());
    let ends = cuts.iter().copied().chain([data.len()]);
    starts.zip(ends).map(|(start, end)| &data[start..end])
}
