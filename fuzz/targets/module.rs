#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use wasmplex_fuzz::host::{module, wat};

fuzz_target!(|data: &[u8]| module::property(data));

// Text is mostly changed as text: a form or a word at a time.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut state = seed;
    let mut below = |end: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % end
    };
    let changed = match std::str::from_utf8(&data[..size]) {
        Ok(text) if below(4) > 0 => wat::mutate(text, text, &mut below),
        _ => return fuzzer_mutate(data, size, max_size),
    };
    if changed.is_empty() || changed.len() > max_size {
        return fuzzer_mutate(data, size, max_size);
    }
    data[..changed.len()].copy_from_slice(changed.as_bytes());
    changed.len()
});
