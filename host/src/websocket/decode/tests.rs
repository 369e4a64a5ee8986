use super::*;
use crate::websocket::encode;

/// What a decoder said, pieces of one message joined: the parts that do not depend on cuts.
#[derive(Debug, Default, Eq, PartialEq)]
struct Heard {
    messages: Vec<(Kind, Vec<u8>)>,
    /// The beginning of a message that did not come to its end.
    begun: Vec<u8>,
    controls: Vec<String>,
    violation: Option<Violation>,
}

fn decode(input: &[u8], cuts: impl Iterator<Item = usize>, room: usize, limit: Option<u64>) -> Heard {
    let mut decoder = Decoder::new(limit);
    let mut heard = Heard::default();
    let mut start = 0;
    for end in cuts.chain([input.len()]) {
        let mut arrived = input[start..end].to_vec();
        start = end;
        let mut at = 0;
        loop {
            let (used, event) = match decoder.decode(&mut arrived[at..], room) {
                Ok(said) => said,
                Err(violation) => {
                    heard.violation = Some(violation);
                    assert_eq!(decoder.decode(&mut [], room), Err(violation));
                    return heard;
                }
            };
            match event {
                Event::More => {
                    assert_eq!(used, arrived.len() - at);
                    break;
                }
                Event::Piece { kind, payload, is_last } => {
                    assert!(payload.len() <= room && (is_last || !payload.is_empty()));
                    heard.begun.extend_from_slice(&arrived[at..][payload]);
                    if is_last {
                        heard.messages.push((kind, std::mem::take(&mut heard.begun)));
                    }
                }
                Event::Ping(payload) => {
                    heard.controls.push(format!("ping {}", payload.bytes().escape_ascii()));
                }
                Event::Pong => heard.controls.push("pong".to_owned()),
                Event::Close(code) => heard.controls.push(format!("close {code:?}")),
            }
            at += used;
        }
    }
    heard
}

/// Decodes whole, byte by byte, and cut in two at every place; all must agree.
fn agreed(input: &[u8]) -> Heard {
    agreed_within(input, None)
}

fn agreed_within(input: &[u8], limit: Option<u64>) -> Heard {
    let whole = decode(input, std::iter::empty(), usize::MAX, limit);
    assert_eq!(decode(input, 1..input.len(), usize::MAX, limit), whole, "{}", input.escape_ascii());
    for room in [1, 3, 8] {
        assert_eq!(decode(input, std::iter::empty(), room, limit), whole, "{}", input.escape_ascii());
    }
    for cut in 1..input.len() {
        assert_eq!(decode(input, cut..=cut, 5, limit), whole, "{} at {cut}", input.escape_ascii());
    }
    whole
}

/// A client's frame: what `encode` makes of it, masked.
fn masked(plain: &[u8]) -> Vec<u8> {
    let mut cursor = Cursor::new(plain);
    let (mut header, length) = FrameHeader::parse(&mut cursor).unwrap().unwrap();
    let mut mask = [0x37, 0xfa, 0x21, 0x3d];
    header.mask = Some(mask);
    let mut frame = Vec::new();
    header.format(length, &mut frame).unwrap();
    let start = frame.len();
    frame.extend_from_slice(&plain[cursor.position() as usize..]);
    unmask(&mut frame[start..], &mut mask);
    frame
}

/// A masked frame by its first byte and payload.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    encode::data(&mut plain, Some(Kind::Binary), true, payload);
    let mut frame = masked(&plain);
    frame[0] = first;
    frame
}

#[test]
fn the_rfc_s_own_example() {
    let heard = agreed(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    assert_eq!(heard.messages, [(Kind::Text, b"Hello".to_vec())]);
}

#[test]
fn what_is_encoded_is_decoded() {
    let lengths = [0, 1, 2, 7, 8, 9, 125, 126, 127, 300, 65_535, 65_536, 70_000];
    for (count, length) in lengths.into_iter().enumerate() {
        let payload: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
        let kind = if count % 2 == 0 { Kind::Binary } else { Kind::Text };
        let payload: Vec<u8> = match kind {
            Kind::Binary => payload,
            Kind::Text => payload.iter().map(|byte| byte & 0x7f).collect(),
        };
        for split in [0, length / 3, length] {
            let mut frames = Vec::new();
            let mut plain = Vec::new();
            encode::data(&mut plain, Some(kind), false, &payload[..split]);
            frames.extend(masked(&plain));
            plain.clear();
            encode::data(&mut plain, None, true, &payload[split..]);
            frames.extend(masked(&plain));
            for step in [frames.len(), 1_000, 7] {
                let heard = decode(&frames, (step..frames.len()).step_by(step), 65_536, None);
                assert_eq!(heard.violation, None);
                assert!(heard.messages == [(kind, payload.clone())], "{length} bytes, split at {split}");
            }
        }
    }
}

#[test]
fn control_frames_come_between_fragments() {
    let input = [
        frame(0x01, b"caf\xc3"),
        frame(0x89, b"are you there"),
        frame(0x00, b""),
        frame(0x8a, b""),
        frame(0x80, b"\xa9"),
        frame(0x82, b""),
        frame(0x89, b""),
        frame(0x88, b"\x0f\xa0bye"),
        frame(0x81, b"nobody hears this"),
        b"nor this".to_vec(),
    ];
    let heard = agreed(&input.concat());
    let text = (Kind::Text, "café".as_bytes().to_vec());
    assert_eq!(heard.messages, [text, (Kind::Binary, Vec::new())]);
    assert_eq!(heard.controls, ["ping are you there", "pong", "ping ", "close Some(4000)"]);
    assert_eq!((heard.violation, heard.begun), (None, vec![]));
}

#[test]
fn violations_are_found_wherever_the_bytes_are_cut() {
    use Violation::{
        CloseCode, CloseLength, CloseReason, Continuation, FragmentedControl, Interleaved, Length,
        LongControl, Opcode, Reserved, Text, TooBig, Unmasked,
    };
    let ok = frame(0x81, b"ok");
    let cases: [(&[u8], Violation); 33] = [
        (b"\xc1\x80", Reserved),
        (b"\xa1\x80", Reserved),
        (b"\x91\x80", Reserved),
        (b"\xf8\x80", Reserved),
        (b"\x83\x80", Opcode),
        (b"\x87\x80", Opcode),
        (b"\x8b\x80", Opcode),
        (b"\x8f\x80", Opcode),
        (b"\x81\x00", Unmasked),
        (b"\x81\x05Hello", Unmasked),
        (b"\x88\x00", Unmasked),
        (b"\x09\x80", FragmentedControl),
        (b"\x08\x80", FragmentedControl),
        (b"\x89\xfe\x00\x7e\0\0\0\0", LongControl),
        (b"\x88\xff", LongControl),
        (b"\x82\xfe\x00\x7d\0\0\0\0", Length),
        (b"\x82\xfe\x00\x00\0\0\0\0", Length),
        (b"\x82\xff\0\0\0\0\0\0\xff\xff\0\0\0\0", Length),
        (b"\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0", Length),
        (b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", Length),
        (b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", TooBig),
        (&frame(0x80, b"x"), Continuation),
        (&frame(0x00, b""), Continuation),
        (&[frame(0x01, b"a"), frame(0x81, b"b")].concat(), Interleaved),
        (&[frame(0x02, b""), frame(0x01, b"b")].concat(), Interleaved),
        (&frame(0x88, b"\x03"), CloseLength),
        (&frame(0x88, b"\x03\xed"), CloseCode),
        (&frame(0x88, b"\x03\xe8\xff"), CloseReason),
        (&frame(0x81, b"caf\xc3"), Text),
        (&frame(0x81, b"\xce\xba\xed\xa0\x80edited"), Text),
        (&[frame(0x01, b"\xf0\x9f"), frame(0x80, b"\xa6")].concat(), Text),
        (&[frame(0x01, b"\xf0\x9f"), frame(0x89, b"\xff"), frame(0x80, b"a")].concat(), Text),
        (&[frame(0x02, &[b'x'; 60]), frame(0x80, &[b'x'; 41])].concat(), TooBig),
    ];
    for (bytes, expected) in cases {
        for input in [bytes.to_vec(), [&ok[..], bytes].concat(), [bytes, &ok[..]].concat()] {
            let heard = agreed_within(&input, Some(100));
            assert_eq!(heard.violation, Some(expected), "{}", input.escape_ascii());
            assert_eq!(heard.messages.len(), usize::from(input.starts_with(&ok)));
        }
    }
}

#[test]
fn valid_text_before_a_wrong_byte_is_given_out() {
    let heard = agreed(&frame(0x81, b"good \xce\xba\xff bad"));
    assert_eq!(heard.begun, b"good \xce\xba");
    assert_eq!(heard.violation, Some(Violation::Text));
    assert_eq!(Violation::Text.code(), 1007);
}

#[test]
fn the_limit_is_a_message_s_and_not_a_frame_s() {
    let fits = [frame(0x02, &[1; 60]), frame(0x80, &[2; 40]), frame(0x82, &[3; 100])].concat();
    let heard = agreed_within(&fits, Some(100));
    assert_eq!((heard.messages.len(), heard.violation), (2, None));
    // By the head alone, before any of its payload has come.
    let heard = agreed_within(&frame(0x82, &[3; 101])[..8], Some(100));
    assert_eq!(heard.violation, Some(Violation::TooBig));
    assert_eq!(Violation::TooBig.code(), 1009);
    let heard = agreed_within(b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0x", None);
    assert_eq!((heard.violation, heard.begun), (None, b"x".to_vec()));
}

#[test]
fn masks_come_off_at_any_length() {
    for length in 0..40 {
        for start in 0..8 {
            let mut bytes = vec![0; start + length];
            let mut mask = [1, 2, 3, 4];
            unmask(&mut bytes[..start], &mut mask);
            unmask(&mut bytes[start..], &mut mask);
            let expected: Vec<u8> = (0..start + length).map(|index| (index % 4) as u8 + 1).collect();
            assert_eq!(bytes, expected);
        }
    }
}
