//! The plugin as a whole, and the quick way against the slow one.

use wasmplex_plugin::testing::{Ending, Request, golden, run};

use super::scan::{Kind, Kinds, MAX_HELD, Output, Scan};
use super::{Redact, kinds_of};

fn redacted(text: &str) -> String {
    let outcome = Request::new().assert_cuts_agree::<Redact>(text.as_bytes());
    String::from_utf8(outcome.emitted).unwrap()
}

#[test]
fn golden_cases() {
    golden::<Redact>("tests");
}

#[test]
fn each_kind() {
    let text = "ann@example.com paid with 4111 1111 1111 1111, Authorization: Bearer abc.def=\n";
    let request = Request::new();
    let of =
        |kinds| request.clone().config("kinds", kinds).assert_cuts_agree::<Redact>(text.as_bytes()).emitted;
    assert_eq!(redacted(text), "[email] paid with [card], Authorization: Bearer [token]\n");
    assert_eq!(of("email, card,token"), redacted(text).as_bytes());
    assert_eq!(of("email"), text.replace("ann@example.com", "[email]").as_bytes());
    assert_eq!(of("card"), text.replace("4111 1111 1111 1111", "[card]").as_bytes());
    assert_eq!(of("token"), text.replace("abc.def=", "[token]").as_bytes());
}

#[test]
fn the_mask_is_the_operators() {
    let request = Request::new().config("mask", "***");
    let outcome = request.assert_cuts_agree::<Redact>(b"Bearer abc, a@b.com; 4111111111111111");
    assert_eq!(outcome.emitted, b"Bearer ***, ***; ***");
    let outcome = Request::new().config("mask", "").run::<Redact>(&[b"<a@b.com>"]);
    assert_eq!(outcome.emitted, b"<>");
}

#[test]
fn a_configuration_that_is_not_understood_lets_nothing_through() {
    let long = "x".repeat(65);
    for (key, value) in
        [("kinds", ""), ("kinds", "mail"), ("kinds", "email,"), ("kinds", &long), ("mask", &long)]
    {
        let outcome = Request::new().config(key, value).run::<Redact>(&[b"a@b.com"]);
        assert_eq!((outcome.ending, outcome.status), (Ending::Rejected, 500), "{key}: {value:?}");
        assert!(outcome.emitted.is_empty());
        assert!(outcome.logs[0].1.contains(key));
    }
    assert_eq!(kinds_of("token , token"), Some(Kinds { token: true, ..Kinds::NONE }));
}

#[test]
fn what_overlaps() {
    for (text, expected) in [
        ("4111111111111111@example.com", "[email]"),
        ("x-4111-1111-1111-1111@example.com", "[email]"),
        ("4111-1111-1111-1111-a@example.com", "[email]"),
        ("4111 1111 1111 1111@example.com", "[card]@example.com"),
        ("4111111111111111@example", "[card]@example"),
        ("4111111111111111-x", "[card]-x"),
        ("05 4111 1111 1111 1111", "05 [card]"),
        ("bearer a@b.com", "bearer [token]@b.com"),
        ("bearer@b.com x", "[email] x"),
        ("a@b.bearer x", "[email] x"),
        ("a@b.com@c.com", "[email]@c.com"),
        ("a@b@c.com", "a@[email]"),
        ("a@b.com,c@d.com", "[email],[email]"),
        ("a%40b.com@c.com", "[email]@c.com"),
        ("4111111111111111%40b.com", "[card]%40b.com"),
        ("token=4111111111111111", "token=[token]"),
        ("token=a@b.com", "token=[token]@b.com"),
    ] {
        assert_eq!(redacted(text), expected, "{text}");
    }
    let long = "4111111111111111".to_owned() + &"x-".repeat(40) + "@example.com";
    assert_eq!(redacted(&format!("-{}", &long.replacen('x', "-x", 1))).matches('[').count(), 2);
}

#[test]
fn a_token_of_any_length() {
    let text = format!("Bearer {}= x", "a1".repeat(100_000));
    let outcome = Request::new().assert_random_cuts_agree::<Redact>(text.as_bytes(), 1);
    assert_eq!(outcome.emitted, b"Bearer [token] x");
}

#[test]
fn a_local_part_of_a_megabyte_leaves_but_for_its_last_64_bytes() {
    let text = "l".repeat(1 << 20) + "@example.com\n";
    let outcome = Request::new().assert_random_cuts_agree::<Redact>(text.as_bytes(), 1);
    assert_eq!(outcome.emitted, ("l".repeat((1 << 20) - 64) + "[email]\n").as_bytes());
    let encoded = "l".repeat(100) + "%40example.com";
    assert_eq!(redacted(&encoded), "l".repeat(36) + "[email]");
    let mut exchange = Request::new().open::<Redact>();
    exchange.chunk(&text.as_bytes()[..1 << 20]);
    assert_eq!(exchange.emitted().len(), (1 << 20) - 64);
}

#[test]
fn a_line_is_answered_when_it_ends() {
    let mut exchange = Request::new().open::<Redact>();
    let mut expected = Vec::new();
    for (line, answer) in [
        ("mail ann@example.com\n", "mail [email]\n"),
        ("ann@\n", "ann@\n"),
        ("4111 1111 1111 1111\n", "[card]\n"),
        ("4111 1111 \r\n", "4111 1111 \r\n"),
        ("Authorization: Bearer \n", "Authorization: Bearer \n"),
        ("Authorization: Bearer x\n", "Authorization: Bearer [token]\n"),
        ("token=\n", "token=\n"),
        ("\n", "\n"),
    ] {
        for byte in line.as_bytes() {
            exchange.chunk(&[*byte]);
        }
        expected.extend_from_slice(answer.as_bytes());
        assert_eq!(exchange.emitted(), expected, "{line:?}");
    }
}

#[test]
fn only_what_is_open_is_held() {
    for (text, out) in [
        ("a fine day, a", "a fine day, "),
        ("a fine day, ", "a fine day, "),
        ("a fine day, ann@example.com", "a fine day, "),
        ("a fine day, 12 ", "a fine day, 12 "),
        ("a fine day, 4111 ", "a fine day, "),
        ("bearer", ""),
        ("bearer x", ""),
        ("bearer X", "bearer [token]"),
        ("bearer X.Y.Z", "bearer [token]"),
        ("<\u{e4}", "<\u{e4}"),
    ] {
        let mut exchange = Request::new().open::<Redact>();
        exchange.chunk(text.as_bytes());
        assert_eq!(exchange.emitted(), out.as_bytes(), "{text}");
    }
}

#[test]
fn many_emits_are_gathered() {
    let line = "from ann@example.com to bob@example.org\n";
    let outcome = run::<Redact>(&[line.repeat(50).as_bytes()]);
    assert_eq!(outcome.emitted, "from [email] to [email]\n".repeat(50).as_bytes());
    assert_eq!(outcome.emits, 1);
}

/// What comes out, as text.
#[derive(Default)]
struct Sheet(Vec<u8>);

impl Output for Sheet {
    fn text(&mut self, text: &[u8]) {
        self.0.extend_from_slice(text);
    }

    fn mask(&mut self, kind: Kind) {
        self.0.extend_from_slice(format!("[{kind:?}]").as_bytes());
    }
}

/// Words that are near to something that is masked, put together at random.
const WORDS: [&str; 43] = [
    "@",
    ".",
    "-",
    " ",
    "\n",
    "\\",
    "\\n",
    "\\u00e9",
    "a",
    "ann",
    "example.com",
    "a@b.com",
    "@x.",
    "de",
    "_",
    "%",
    "+",
    "4",
    "41",
    "411",
    "4111",
    "111111",
    "4111111111111111",
    "4111 1111 1111 1111",
    "3782-822463-10005",
    "bearer",
    "Bearer ",
    "bear",
    "token",
    "toke",
    "=",
    ":",
    "\"",
    "token\": \"",
    "realm",
    "realm=\"x\"",
    "  ",
    "b",
    "t",
    "\u{e4}",
    "%40",
    "%4",
    "x%40y.zz",
];

/// Any cut gives the same, and so does looking closely at each place.
#[test]
fn noise_of_what_matters() {
    let mut state = 88_172_645_463_325_252_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for _ in 0..3_000 {
        let text: String = (0..1 + random(24)).map(|_| WORDS[random(WORDS.len())]).collect();
        let mut whole = Sheet::default();
        Scan::default().end(text.as_bytes(), &mut whole);
        let shown = String::from_utf8_lossy(&whole.0).into_owned();
        for _ in 0..8 {
            let cut = in_pieces(text.as_bytes(), || 1 + random(12));
            assert_eq!(String::from_utf8_lossy(&cut.0), shown, "{text:?}");
        }
        assert_eq!(String::from_utf8_lossy(&in_pieces(text.as_bytes(), || 1).0), shown, "{text:?}");
        // Far from the text's end the quick search decides where to look.
        let mut quick = Sheet::default();
        Scan::default().end(format!("{text}\n{}", "~".repeat(64)).as_bytes(), &mut quick);
        assert_eq!(
            String::from_utf8_lossy(&quick.0),
            format!("{}\n{}", slow(&text), "~".repeat(64)),
            "{text:?}"
        );
    }
}

/// A scan of text in pieces, as the window does it, that checks what is held back.
fn in_pieces(text: &[u8], mut len: impl FnMut() -> usize) -> Sheet {
    let (mut scan, mut out) = (Scan::default(), Sheet::default());
    let (mut held, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(len().min(rest.len()));
        held.extend_from_slice(piece);
        held.drain(..scan.more(&held, &mut out));
        assert!(held.len() <= MAX_HELD);
        assert!(!held.contains(&b'\n'), "a line end ends all that is open");
        rest = after;
    }
    scan.end(&held, &mut out);
    out
}

/// Each place on its own: no text is so short that the quick search has a say.
fn slow(text: &str) -> String {
    let (mut scan, mut out) = (Scan::default(), Sheet::default());
    let mut held = Vec::new();
    for byte in text.bytes() {
        held.push(byte);
        held.drain(..scan.more(&held, &mut out));
    }
    scan.end(&held, &mut out);
    String::from_utf8_lossy(&out.0).into_owned()
}
