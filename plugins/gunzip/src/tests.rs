//! The plugin as a whole. What is compressed for it is compressed by `gzip -n` (the golden
//! cases) or stored by hand.

use wasmplex_plugin::testing::{Ending, Outcome, Request, golden};

use super::*;

fn answer(body: &[u8]) -> Outcome {
    Request::new().assert_cuts_agree::<Gunzip>(body)
}

/// A header with these flags and fields.
fn header(flags: u8, fields: &[u8]) -> Vec<u8> {
    [&[0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 0, 255], fields].concat()
}

/// Up to 64 KiB as one stored block, with checksum and length.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).unwrap();
    let sum = crc32fast::hash(bytes);
    let block = [&[1], len.to_le_bytes().as_slice(), (!len).to_le_bytes().as_slice(), bytes].concat();
    [block.as_slice(), &sum.to_le_bytes(), &u32::from(len).to_le_bytes()].concat()
}

fn member(bytes: &[u8]) -> Vec<u8> {
    [header(0, b""), stored(bytes)].concat()
}

fn assert_answer(body: &[u8], expected: &[u8]) {
    let outcome = answer(body);
    assert_eq!((outcome.ending, outcome.status), (Ending::Clean, 200), "{:?}", outcome.logs);
    assert_eq!(outcome.emitted, expected);
}

/// Rejected with this reason. The status counts only before the first emit.
fn assert_rejected(body: &[u8], emitted: &[u8], reason: &str) {
    let outcome = answer(body);
    assert_eq!((outcome.ending, outcome.logs[0].1.as_str()), (Ending::Rejected, reason));
    assert_eq!(outcome.emitted, emitted);
    assert_eq!(outcome.status, if emitted.is_empty() { 400 } else { 200 });
}

#[test]
fn golden_cases() {
    golden::<Gunzip>("tests");
}

#[test]
fn members_one_after_the_other() {
    assert_answer(&member(b"one"), b"one");
    assert_answer(&member(b""), b"");
    assert_answer(&[member(b"one "), member(b""), member(b"two")].concat(), b"one two");
    assert_answer(&[member(b"one"), vec![0; 20]].concat(), b"one");
}

#[test]
fn headers_with_all_fields() {
    for flags in 0..32 {
        let has = |bit: u8| flags & 1 << bit != 0;
        let mut all = header(flags, b"");
        all.extend_from_slice(if has(2) { b"\x05\0extra" } else { b"" });
        all.extend_from_slice(if has(3) { b"name\0" } else { b"" });
        all.extend_from_slice(if has(4) { b"\0" } else { b"" });
        let sum = crc32fast::hash(&all).to_le_bytes();
        all.extend_from_slice(if has(1) { &sum[..2] } else { b"" });
        let body = [all.as_slice(), &stored(b"x")].concat();
        assert_answer(&body, b"x");
        if has(1) {
            let mut wrong = body.clone();
            wrong[4] ^= 1;
            assert_rejected(&wrong, b"", "the gzip header's checksum is wrong");
        }
    }
    assert_answer(&[header(4, b"\0\0"), stored(b"x")].concat(), b"x");
    let long_name = [vec![b'n'; 70_000], vec![0]].concat();
    let body = [header(8, &long_name), stored(b"x")].concat();
    assert_eq!(Request::new().assert_random_cuts_agree::<Gunzip>(&body, 1).emitted, b"x");
}

#[test]
fn what_is_not_gzip() {
    assert_rejected(b"hello", b"", "this is not gzip");
    assert_rejected(b"\x1fhello", b"", "this is not gzip");
    assert_rejected(b"\x1f\x8b\x07", b"", "the gzip stream is compressed by an unknown method");
    assert_rejected(&header(0x20, b""), b"", "the gzip header has unknown flags");
    let outcome = Request::new().run::<Gunzip>(&[]);
    assert_eq!((outcome.ending, outcome.status), (Ending::Rejected, 400));
}

#[test]
fn what_is_broken() {
    let good = member(b"hello");
    let len = good.len();
    let broken = |place: usize| {
        let mut bytes = good.clone();
        bytes[place] ^= 1;
        bytes
    };
    assert_rejected(&broken(len - 1), b"hello", "the gzip stream's length is wrong");
    assert_rejected(&broken(len - 5), b"hello", "the gzip stream's checksum is wrong");
    assert_rejected(&broken(len - 9), b"helln", "the gzip stream's checksum is wrong");
    assert_rejected(&[header(0, b"\x07"), vec![0; 9]].concat(), b"", "the gzip stream is broken");
    assert_rejected(&[good.as_slice(), b"rest"].concat(), b"hello", "this is not gzip");
    assert_rejected(
        &[good.as_slice(), b"\0rest"].concat(),
        b"hello",
        "there is something behind the gzip stream",
    );
}

#[test]
fn what_ends_too_early() {
    let body = include_bytes!("../tests/text.in");
    let whole = answer(body).emitted;
    for len in 0..body.len() {
        let outcome = Request::new().run::<Gunzip>(&[&body[..len]]);
        assert_eq!(outcome.ending, Ending::Rejected, "after {len} bytes");
        assert_eq!(outcome.logs[0].1, "the gzip stream ends too early");
        assert!(whole.starts_with(&outcome.emitted));
    }
}

#[test]
fn a_wrong_bit_anywhere_is_noticed_at_the_same_place_whatever_the_cut() {
    let good = include_bytes!("../tests/text.in");
    for place in 0..good.len() {
        let mut body = good.to_vec();
        body[place] ^= 1 << (place % 8);
        let outcome = Request::new().assert_random_cuts_agree::<Gunzip>(&body, place as u64);
        // Nothing covers time, level and system, and the bits that fill up the last byte.
        let is_covered = !(4..10).contains(&place) && place != good.len() - 9;
        assert_eq!(outcome.ending == Ending::Rejected, is_covered, "bit of byte {place}");
    }
}

#[test]
fn what_is_decided_is_out() {
    // A stored block for "hello", not the last one, then another one.
    let blocks = b"\0\x05\0\xfa\xffhello\0\x02\0\xfd\xff, ";
    let mut exchange = Request::new().open::<Gunzip>();
    exchange.chunk(&header(0, &blocks[..7]));
    assert_eq!(exchange.emitted(), b"he");
    exchange.chunk(&blocks[7..]);
    assert_eq!(exchange.emitted(), b"hello, ");

    // The window is full several times, and at last with nothing left to read.
    let body = include_bytes!("zeros.gz");
    let mut exchange = Request::new().open::<Gunzip>();
    exchange.chunk(&body[..body.len() - 8]);
    assert_eq!(exchange.emitted().len(), 1 << 20);
}

#[test]
fn a_bomb_comes_out_in_small_pieces() {
    let body = include_bytes!("zeros.gz");
    let outcome = Request::new().run::<Gunzip>(&[body]);
    assert_eq!(outcome.emitted.len(), 1 << 20);
    assert!(outcome.emits >= 32);
}
