//! Choices that are the same for the same seed.

use std::env;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// xorshift64*.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() >> 11) as usize % end
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// The seed of this run: `WASMPLEX_SEED`, or one that no run had. Printed, so that a run that fails
/// can be had again.
pub fn seed() -> u64 {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
    let given = env::var("WASMPLEX_SEED").ok();
    let seed = given.map_or_else(now, |seed| seed.parse().expect("WASMPLEX_SEED is a number"));
    println!("WASMPLEX_SEED={seed}");
    seed
}

/// How long a long run is to last: `WASMPLEX_SOAK`, such as `90s` or `5m`; none for a short run.
pub fn soak_time() -> Option<Duration> {
    let text = env::var("WASMPLEX_SOAK").ok()?;
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => panic!("WASMPLEX_SOAK is a time such as 90s or 5m, not {text:?}"),
    };
    let number: u64 = number.parse().unwrap_or_else(|_| panic!("WASMPLEX_SOAK is a time, not {text:?}"));
    Some(Duration::from_secs(number * seconds))
}
