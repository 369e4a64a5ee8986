//! redact: e-mail addresses, payment card numbers and access tokens of a live stream are
//! masked.
//!
//! ```text
//! $ curl -sN -T . http://127.0.0.1:8080/redact
//! mail ann@example.com about 4111 1111 1111 1111
//! mail [email] about [card]
//! Authorization: Bearer eyJhbGciOi.x.y
//! Authorization: Bearer [token]
//! ```
//!
//! **When bytes leave.** At once, unless they may still turn out to be part of what is
//! masked: "ann" may go on as "ann@example.com". What is held back depends on the bytes
//! before it alone, not on how they were cut into chunks, and is never more than 320
//! bytes. A line end is part of nothing that is masked, so at the end of a line all of it
//! is out: who talks line by line never waits.
//!
//! **What is masked** is told by `email`, `card` and `token`, a module each, with their
//! bounds. Where two overlap, the one that begins first is masked.
//!
//! `config` in the manifest, both optional:
//!
//! - `"kinds": "email,card,token"`: which of them are masked; all, if it is not there.
//! - `"mask": "***"`: what stands for each, up to 64 bytes, instead of `[email]`,
//!   `[card]` and `[token]`.
#![cfg_attr(target_arch = "wasm32", no_std)]

use wasmplex_plugin::{End, Gather, Next, Open, Plugin, Window, config};

mod card;
mod email;
mod scan;
mod search;
mod text;
mod token;

use scan::{Kind, Kinds, Scan};

/// Masks what is of the chosen kinds.
#[derive(Default)]
struct Redact {
    window: Window<{ scan::MAX_HELD }>,
    scan: Scan,
    out: Out,
}

/// Where the text goes, with masks in it.
#[derive(Default)]
struct Out {
    /// A chunk with many masks is many small pieces: they leave together.
    pieces: Gather<2048>,
    mask: Option<Mask>,
}

/// The mask of the configuration.
struct Mask {
    bytes: [u8; 64],
    len: usize,
}

impl scan::Output for Out {
    fn text(&mut self, text: &[u8]) {
        self.pieces.put(text);
    }

    fn mask(&mut self, kind: Kind) {
        match (&self.mask, kind) {
            (Some(mask), _) => self.pieces.put(&mask.bytes[..mask.len]),
            (None, Kind::Email) => self.pieces.put(b"[email]"),
            (None, Kind::Card) => self.pieces.put(b"[card]"),
            (None, Kind::Token) => self.pieces.put(b"[token]"),
        }
    }
}

impl Plugin for Redact {
    /// A configuration that is not understood lets nothing through: what was to be
    /// masked would get out.
    fn on_open(&mut self) -> Open {
        match config("kinds", &mut [0; 64]).map(|kinds| kinds.ok().and_then(kinds_of)) {
            None => {}
            Some(Some(kinds)) => self.scan = Scan::new(kinds),
            Some(None) => return Open::rejected(500, "config.kinds is a list of email, card and token"),
        }
        let mut bytes = [0; 64];
        match config("mask", &mut bytes).map(|mask| mask.map(str::len)) {
            None => {}
            Some(Ok(len)) => self.out.mask = Some(Mask { bytes, len }),
            Some(Err(_)) => return Open::rejected(500, "config.mask is longer than 64 bytes"),
        }
        Open::GoOn
    }

    fn on_chunk(&mut self, chunk: &mut [u8]) -> Next {
        let Self { window, scan, out } = self;
        window.feed(chunk, |text| scan.more(text, out));
        out.pieces.flush();
        Next::GoOn
    }

    fn on_end(&mut self) -> End {
        self.scan.end(self.window.take(), &mut self.out);
        self.out.pieces.flush();
        End::Done
    }
}

/// `None` if it names none, or something else.
fn kinds_of(list: &str) -> Option<Kinds> {
    let mut kinds = Kinds::NONE;
    for name in list.split(',') {
        match name.trim_ascii() {
            "email" => kinds.email = true,
            "card" => kinds.card = true,
            "token" => kinds.token = true,
            _ => return None,
        }
    }
    Some(kinds)
}

wasmplex_plugin::export!(Redact);
wasmplex_plugin::panic_handler!();

#[cfg(test)]
mod tests;
