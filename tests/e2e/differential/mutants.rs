//! Inputs made from others by a few small changes where parsers look.

use super::inputs::Input;
use crate::harness::Random;

/// The most changes of one mutant.
const MOST_CHANGES: usize = 3;

/// Bytes that mean something to a parser, or that a careless one takes for such.
const ODD: &[u8] = b" \t\r\n\x0b\x0c\0:;,=\"'@#?*+-_.0159aAxX/\\\x7f\x80\xa0\xff";

/// Pieces that decide where a body or a request ends.
const PIECES: [&[u8]; 12] = [
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\r",
    b"0\r\n\r\n",
    b"5\r\n",
    b" chunked",
    b"HTTP/1.0",
    b"Host: i\r\n",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
];

/// So many mutants of each input. They depend on that input and the seed, on nothing else, so that a new
/// input changes none of the old mutants.
pub fn of(inputs: &[Input], each: usize, seed: u64) -> Vec<Input> {
    let mutants = |input: &Input| {
        let mut random = Random::new(hash(input.name.as_bytes()) ^ seed);
        let mutant = |number| Input {
            name: format!("{}~{number}", input.name),
            bytes: (0..=random.below(MOST_CHANGES))
                .fold(input.bytes.clone(), |bytes, _| change(bytes, &mut random)),
        };
        (1..=each).map(mutant).collect::<Vec<Input>>()
    };
    inputs.iter().flat_map(mutants).collect()
}

fn change(mut bytes: Vec<u8>, random: &mut Random) -> Vec<u8> {
    let at = place(&bytes, random);
    match random.below(8) {
        0..=1 => bytes.insert(at, *random.pick(ODD)),
        2 if at < bytes.len() => bytes[at] = *random.pick(ODD),
        3 if at < bytes.len() => drop(bytes.remove(at)),
        4 => drop(bytes.splice(at..at, random.pick(&PIECES).iter().copied())),
        5..=6 => {
            let mut lines = lines(&bytes);
            let (from, to) = (random.below(lines.len()), random.below(lines.len()));
            // Twice, or with another one in its place.
            if random.below(2) == 0 {
                lines.insert(to, lines[from]);
            } else {
                lines.swap(from, to);
            }
            bytes = lines.concat();
        }
        _ => bytes.truncate(at),
    }
    bytes
}

/// A place beside a byte that separates; such are where parsers differ.
fn place(bytes: &[u8], random: &mut Random) -> usize {
    let separators: Vec<usize> = (0..bytes.len()).filter(|&at| !bytes[at].is_ascii_lowercase()).collect();
    if separators.is_empty() {
        return 0;
    }
    random.pick(&separators) + random.below(2)
}

/// The lines, with their ends.
fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    let lines: Vec<&[u8]> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
    if lines.is_empty() { vec![bytes] } else { lines }
}

/// FNV-1a.
fn hash(bytes: &[u8]) -> u64 {
    let add = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, add)
}
