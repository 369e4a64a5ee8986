//! Request bodies out of wire bytes.

use super::cuts::{self, Dice};
use super::subject::http::decode::{BodyDecoder, BodyError, Progress};
use super::subject::http::encode::{begin_chunk, last_chunk, seal_chunk};
use super::subject::http::framing::Framing;

/// More than all bounds of a body's framing.
const MAX_INPUT: usize = 64 * 1024;

/// A body is the same however it arrives and whatever room there is for it; every call gets on; a body
/// that is complete is what a naive reading finds; and what is written in wire chunks is read as it was.
///
/// The first byte says how the body is framed.
pub fn property(data: &[u8]) {
    let Some((&kind, data)) = data.split_first() else {
        return;
    };
    let data = &data[..data.len().min(MAX_INPUT)];
    let decoder = match kind % 8 {
        0 => BodyDecoder::new(Framing::Length(u64::from(kind / 8))),
        1 => BodyDecoder::new(if kind < 128 { Framing::None } else { Framing::Length(u64::MAX) }),
        2 => BodyDecoder::until_end(),
        _ => BodyDecoder::new(Framing::Chunked),
    };
    let whole = decoded(&decoder, data, &[], MAX_INPUT);
    for (index, cuts) in cuts::ways(data).iter().enumerate() {
        let room = [1, 2, 7, MAX_INPUT][index % 4];
        assert_eq!(decoded(&decoder, data, cuts, room), whole, "room {room}, cut at {cuts:?}");
    }
    if let (3.., (body, End::Done(rest))) = (kind % 8, &whole) {
        let found = naive(data);
        assert_eq!(found, Some((body.clone(), data.len() - rest.len())), "a naive reading");
    }
    survives_wire_chunks(data);
}

/// How a body ended.
#[derive(Clone, Debug, Eq, PartialEq)]
enum End {
    /// Complete; these bytes belong to what follows.
    Done(Vec<u8>),
    More,
    Wrong(BodyError),
}

fn decoded(decoder: &BodyDecoder, data: &[u8], cuts: &[usize], room: usize) -> (Vec<u8>, End) {
    let mut decoder = decoder.clone();
    let mut output = vec![0; room];
    let (mut body, mut at) = (Vec::new(), 0);
    for end in cuts.iter().copied().chain([data.len()]) {
        loop {
            let pending = &data[at..end];
            let progress = match decoder.decode(pending, &mut output) {
                Ok(progress) => progress,
                Err(error) => {
                    assert_eq!(decoder.decode(pending, &mut output), Err(error), "an error stays");
                    return (body, End::Wrong(error));
                }
            };
            assert!(progress.consumed <= pending.len() && progress.produced <= room);
            assert!(progress.produced <= progress.consumed);
            body.extend_from_slice(&output[..progress.produced]);
            at += progress.consumed;
            if progress == Progress::default() {
                break;
            }
        }
        assert!(at == end || decoder.is_done(), "bytes are left, and the body is not complete");
    }
    let end = if decoder.is_done() { End::Done(data[at..].to_vec()) } else { End::More };
    (body, end)
}

/// The body in wire chunks at the start of `wire`, and the length of all that; knows nothing of bounds
/// and little of grammar.
fn naive(wire: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut body = Vec::new();
    let mut at = 0;
    let line = |at: &mut usize| -> Option<Vec<u8>> {
        let length = wire[*at..].windows(2).position(|two| two == b"\r\n")?;
        let line = wire[*at..*at + length].to_vec();
        *at += length + 2;
        Some(line)
    };
    loop {
        let size = line(&mut at)?;
        let digits = size.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let size = usize::from_str_radix(std::str::from_utf8(&size[..digits]).ok()?, 16).ok()?;
        if size == 0 {
            while !line(&mut at)?.is_empty() {}
            return Some((body, at));
        }
        body.extend_from_slice(wire.get(at..at.checked_add(size)?)?);
        at += size;
        if wire.get(at..at + 2)? != b"\r\n" {
            return None;
        }
        at += 2;
    }
}

fn survives_wire_chunks(data: &[u8]) {
    let mut dice = Dice::of(data, 9);
    let mut wire = Vec::new();
    let mut rest = data;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(1 + dice.below(rest.len()));
        let mark = begin_chunk(&mut wire);
        wire.extend_from_slice(piece);
        let zeros = seal_chunk(&mut wire, mark);
        assert!(zeros < 5 && wire[mark..mark + zeros].iter().all(|&byte| byte == b'0'));
        rest = behind;
    }
    last_chunk(&mut wire);
    wire.extend_from_slice(b"GET");
    let decoder = BodyDecoder::new(Framing::Chunked);
    let expected = (data.to_vec(), End::Done(b"GET".to_vec()));
    assert_eq!(decoded(&decoder, &wire, &[], MAX_INPUT), expected);
}
