//! WebSocket frames.

use super::cuts::{self, Dice};
use super::subject::websocket::decode::{Decoder, Event, Violation};
use super::subject::websocket::{Kind, encode};

/// Longer than the longest frame with a length of two bytes.
const MAX_INPUT: usize = 80 * 1024;

/// The longest message here.
const LIMIT: u64 = 70_000;

/// The messages and control frames are the same however they arrive and whatever room there is for them;
/// text is UTF-8; no message is longer than its bound; nothing is heard behind a Close frame or a
/// violation; and what our encoder writes, with a client's mask, is read as it was.
pub fn property(data: &[u8]) {
    let data = &data[..data.len().min(MAX_INPUT)];
    let whole = heard(data, &[], MAX_INPUT);
    let as_one = naive(data);
    assert!(as_one.starts_with(&whole.messages), "a naive reading: {as_one:?}");
    for (index, cuts) in cuts::ways(data).iter().enumerate() {
        let room = [1, 3, 8, MAX_INPUT][index % 4];
        assert_eq!(heard(data, cuts, room), whole, "room {room}, cut at {cuts:?}");
    }
    for (kind, message) in &whole.messages {
        assert!(message.len() as u64 <= LIMIT);
        assert!(*kind == Kind::Binary || std::str::from_utf8(message).is_ok());
    }
    survives(data);
}

/// All that a decoder says.
#[derive(Debug, Default, Eq, PartialEq)]
struct Heard {
    messages: Vec<(Kind, Vec<u8>)>,
    /// Of the message that is not whole.
    begun: Vec<u8>,
    controls: Vec<String>,
    violation: Option<Violation>,
}

fn heard(data: &[u8], cuts: &[usize], room: usize) -> Heard {
    let mut decoder = Decoder::new(Some(LIMIT));
    let mut heard = Heard::default();
    let mut has_closed = false;
    for piece in cuts::pieces(data, cuts) {
        let mut arrived = piece.to_vec();
        let mut at = 0;
        loop {
            let (used, event) = match decoder.decode(&mut arrived[at..], room) {
                Ok(said) => said,
                Err(violation) => {
                    assert!(!has_closed);
                    assert_eq!(decoder.decode(&mut [], room), Err(violation), "a violation stays");
                    assert!(matches!(violation.code(), 1002 | 1007 | 1009));
                    heard.violation = Some(violation);
                    return heard;
                }
            };
            assert!(used <= arrived.len() - at);
            assert!(!has_closed || event == Event::More, "behind a Close frame: {event:?}");
            match event {
                Event::More => {
                    assert_eq!(used, arrived.len() - at, "bytes are left, and more is asked for");
                    break;
                }
                Event::Piece { kind, payload, is_last } => {
                    assert!(payload.end <= used && payload.len() <= room && (is_last || !payload.is_empty()));
                    heard.begun.extend_from_slice(&arrived[at..][payload]);
                    if is_last {
                        heard.messages.push((kind, std::mem::take(&mut heard.begun)));
                    }
                }
                Event::Ping(payload) => heard.controls.push(format!("ping {:?}", payload.bytes())),
                Event::Pong => heard.controls.push("pong".to_owned()),
                Event::Close(code) => {
                    heard.controls.push(format!("close {code:?}"));
                    has_closed = true;
                }
            }
            at += used;
        }
    }
    heard
}

/// All whole messages, by one who believes what frames say.
fn naive(mut data: &[u8]) -> Vec<(Kind, Vec<u8>)> {
    let mut messages = Vec::new();
    let mut kind = Kind::Binary;
    let mut message = Vec::new();
    while let Some((opcode, is_final, payload, rest)) = naive_frame(data) {
        data = rest;
        if opcode >= 8 {
            continue;
        }
        match opcode {
            1 => kind = Kind::Text,
            2 => kind = Kind::Binary,
            _ => {}
        }
        message.extend_from_slice(&payload);
        if is_final {
            messages.push((kind, std::mem::take(&mut message)));
        }
    }
    messages
}

/// Opcode, end of the message, and payload of the first frame, and what follows it.
fn naive_frame(data: &[u8]) -> Option<(u8, bool, Vec<u8>, &[u8])> {
    let (&[first, second], rest) = data.split_first_chunk::<2>()?;
    let (length, rest) = match second & 0x7f {
        126 => {
            rest.split_first_chunk::<2>().map(|(two, rest)| (u64::from(u16::from_be_bytes(*two)), rest))?
        }
        127 => rest.split_first_chunk::<8>().map(|(eight, rest)| (u64::from_be_bytes(*eight), rest))?,
        short => (u64::from(short), rest),
    };
    let (mask, rest) = rest.split_first_chunk::<4>()?;
    let (payload, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    let payload = payload.iter().enumerate().map(|(index, byte)| byte ^ mask[index % 4]).collect();
    Some((first & 0x0f, first & 0x80 != 0, payload, rest))
}

/// The data as one message, in frames of lengths that it decides itself.
fn survives(data: &[u8]) {
    let mut dice = Dice::of(data, 9);
    let kind = if std::str::from_utf8(data).is_ok() { Kind::Text } else { Kind::Binary };
    let data = &data[..data.len().min(LIMIT as usize)];
    let kind = if std::str::from_utf8(data).is_ok() { kind } else { Kind::Binary };
    let (mut wire, mut rest, mut begin) = (Vec::new(), data, Some(kind));
    loop {
        let (piece, behind) = rest.split_at(dice.below(rest.len() + 1));
        let mut frame = Vec::new();
        encode::data(&mut frame, begin.take(), behind.is_empty(), piece);
        wire.extend(masked(&frame, piece.len(), [dice.below(256) as u8; 4]));
        if behind.is_empty() {
            break;
        }
        rest = behind;
    }
    let mut close = Vec::new();
    encode::close(&mut close, 1000, "");
    wire.extend(masked(&close, 2, [1, 2, 3, 4]));
    let read = heard(&wire, &[], MAX_INPUT);
    assert_eq!(read.violation, None);
    assert_eq!(read.controls, ["close Some(1000)"]);
    assert_eq!(read.messages, [(kind, data.to_vec())]);
}

/// One of our frames as a client would have sent it.
fn masked(frame: &[u8], length: usize, mask: [u8; 4]) -> Vec<u8> {
    let (head, payload) = frame.split_at(frame.len() - length);
    let mut masked = head.to_vec();
    masked[1] |= 0x80;
    masked.extend_from_slice(&mask);
    masked.extend(payload.iter().enumerate().map(|(index, byte)| byte ^ mask[index % 4]));
    masked
}
