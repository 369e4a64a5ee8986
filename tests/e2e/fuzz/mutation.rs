//! Changes of inputs.

use std::fs;
use std::path::Path;

use super::host::wat;
use crate::harness::*;

/// The most changes of one input.
const MAX_CHANGES: usize = 5;

/// Bytes at the edges of something.
const EDGES: &[u8] = b"\0\x01\x7f\x80\xff\r\n\t \"%+,-/09:;=?AZ[]az{}";

/// The tokens of `fuzz/dict/NAME.dict`, in the form that libFuzzer reads; none if there is no such file.
pub fn dictionary(name: &str) -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/dict").join(name).with_extension("dict");
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| line.strip_prefix('"')?.strip_suffix('"')).map(unescaped).collect()
}

fn unescaped(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text);
    while let Some((before, behind)) = rest.split_once("\\x") {
        bytes.extend_from_slice(before.as_bytes());
        let (digits, behind) = behind.split_at(2);
        bytes.push(u8::from_str_radix(digits, 16).expect("two hexadecimal digits"));
        rest = behind;
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// Some changes that know nothing of the input's form.
pub fn of_bytes(random: &mut Random, input: &[u8], other: &[u8], tokens: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=random.below(MAX_CHANGES) {
        let place = random.below(bytes.len() + 1);
        let end = place + random.below((bytes.len() - place).min(64) + 1);
        match random.below(9) {
            0 if place < bytes.len() => bytes[place] ^= 1 << random.below(8),
            1 if place < bytes.len() => bytes[place] = *random.pick(EDGES),
            2 => drop(bytes.drain(place..end)),
            3 => bytes.insert(place, *random.pick(EDGES)),
            4 => {
                let piece = bytes[place..end].to_vec();
                let times = 1 + random.below(8);
                bytes.splice(place..place, piece.repeat(times));
            }
            5 if !tokens.is_empty() => drop(bytes.splice(place..place, random.pick(tokens).clone())),
            6 if !tokens.is_empty() => drop(bytes.splice(place..end, random.pick(tokens).clone())),
            7 => {
                let from = random.below(other.len() + 1);
                bytes.truncate(place);
                bytes.extend_from_slice(&other[from..]);
            }
            8 => bytes.truncate(bytes.len() - random.below((bytes.len() + 1).min(16))),
            _ => bytes.insert(place, random.next() as u8),
        }
    }
    bytes
}

/// Changes of a module in text form: mostly of its forms and words, sometimes of the bytes that it makes.
pub fn of_module(random: &mut Random, input: &[u8], other: &[u8], tokens: &[Vec<u8>]) -> Vec<u8> {
    let (Ok(text), Ok(from)) = (std::str::from_utf8(input), std::str::from_utf8(other)) else {
        return of_bytes(random, input, other, tokens);
    };
    let mut text = text.to_owned();
    for _ in 0..=random.below(2) {
        text = wat::mutate(&text, from, &mut |end| random.below(end));
    }
    match (random.below(4), wat_to_bytes(&text)) {
        (0, Some(bytes)) => of_bytes(random, &bytes, input, tokens),
        _ => text.into_bytes(),
    }
}

fn wat_to_bytes(text: &str) -> Option<Vec<u8>> {
    ::wat::parse_str(text).ok()
}
