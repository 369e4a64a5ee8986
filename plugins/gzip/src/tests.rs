//! Round trips: what comes out depends on the cut, and what that decompresses to does not.

use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};
use wasmplex_plugin::testing::{Ending, Outcome, Request, golden, run};

use super::*;

/// What a gzip stream up to here decompresses to; all of it, checked, if it is whole.
fn unpacked(stream: &[u8]) -> (Vec<u8>, bool) {
    let deflated = stream.strip_prefix(&HEADER).expect("a header");
    let mut out = vec![0; 1 << 20];
    let mut inflate = DecompressorOxide::new();
    let (_, used, written) = decompress(&mut inflate, deflated, &mut out, 0, TINFL_FLAG_HAS_MORE_INPUT);
    out.truncate(written);
    let len = u32::try_from(written).unwrap();
    let trailer = [crc32fast::hash(&out).to_le_bytes(), len.to_le_bytes()].concat();
    (out, deflated[used..] == trailer)
}

fn assert_round_trip(request: &Request, chunks: &[&[u8]]) -> Outcome {
    let outcome = request.run::<Gzip>(chunks);
    assert_eq!(outcome.ending, Ending::Clean);
    assert!(unpacked(&outcome.emitted) == (chunks.concat(), true));
    outcome
}

fn prose() -> Vec<u8> {
    (0..20_000_u32).flat_map(|number| format!("line {} of many\n", number * 7 % 501).into_bytes()).collect()
}

/// Bodies that cannot be cut.
#[test]
fn golden_cases() {
    golden::<Gzip>("tests");
}

#[test]
fn round_trips_whatever_the_cut() {
    let text = prose();
    for level in 1..=9 {
        for flush in ["chunk", "none"] {
            let request = Request::new().config("level", &level.to_string()).config("flush", flush);
            assert_round_trip(&request, &[]);
            assert_round_trip(&request, &[b"x"]);
            let whole = assert_round_trip(&request, &[&text]);
            assert!(whole.emitted.len() < text.len() / 4);
            for size in [1, 7, 1_000, 70_000] {
                let start = &text[..text.len().min(size * 300)];
                assert_round_trip(&request, &start.chunks(size).collect::<Vec<_>>());
            }
        }
    }
    let all: Vec<u8> = (0..=255).collect();
    assert_round_trip(&Request::new(), &[&all]);
}

#[test]
fn what_was_sent_can_be_decompressed_at_once() {
    let text = &prose()[..5_000];
    let mut exchange = Request::new().open::<Gzip>();
    assert_eq!(exchange.emitted(), HEADER);
    for (number, piece) in text.chunks(50).enumerate() {
        exchange.chunk(piece);
        assert!(unpacked(exchange.emitted()) == (text[..50 * (number + 1)].to_vec(), false));
    }
}

#[test]
fn a_file_by_default() {
    let outcome = run::<Gzip>(&[b"x"]);
    assert_eq!(outcome.field("content-type"), Some(b"application/gzip".as_slice()));
    assert_eq!(outcome.field("content-encoding"), None);
}

#[test]
fn on_its_way_for_who_accepts_it() {
    let request = Request::new().config("as", "transfer");
    let outcome = assert_round_trip(&request.clone().field("accept-encoding", "br, gzip"), &[b"hello"]);
    assert_eq!(outcome.field("content-encoding"), Some(b"gzip".as_slice()));
    assert_eq!(outcome.field("vary"), Some(b"accept-encoding".as_slice()));
    for other in [request.clone(), request.field("accept-encoding", "br, gzip;q=0")] {
        let outcome = other.run::<Gzip>(&[b"hello"]);
        assert_eq!(outcome.emitted, b"hello");
        assert_eq!(outcome.field("content-encoding"), None);
        assert_eq!(outcome.field("vary"), Some(b"accept-encoding".as_slice()));
    }
}

#[test]
fn a_configuration_that_is_not_understood() {
    let bad = [
        ("level", "0"),
        ("level", "10"),
        ("level", ""),
        ("flush", "line"),
        ("flush", "a longer text"),
        ("as", "zip"),
    ];
    for (key, value) in bad {
        let outcome = Request::new().config(key, value).run::<Gzip>(&[b"x"]);
        assert_eq!((outcome.ending, outcome.status), (Ending::Rejected, 500), "{key}: {value}");
    }
}
