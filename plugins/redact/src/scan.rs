//! Takes the stream apart: what goes through, what is masked, what is held back.

use crate::text::{Found, Text};
use crate::{card, email, search, token};

/// The most bytes that are held back: what may be an e-mail address is longest.
pub(crate) const MAX_HELD: usize = email::MAX_HELD;

/// What a mask stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Email,
    Card,
    Token,
}

/// What is masked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Kinds {
    pub(crate) email: bool,
    pub(crate) card: bool,
    pub(crate) token: bool,
}

impl Kinds {
    pub(crate) const NONE: Self = Self { email: false, card: false, token: false };
    pub(crate) const ALL: Self = Self { email: true, card: true, token: true };
}

/// Where the text goes.
pub(crate) trait Output {
    fn text(&mut self, text: &[u8]);
    fn mask(&mut self, kind: Kind);
}

/// The state between two pieces of the stream.
pub(crate) struct Scan {
    kinds: Kinds,
    /// The last two bytes before the piece.
    before: [u8; 2],
    /// In a token, which is masked already.
    is_in_token: bool,
}

impl Default for Scan {
    fn default() -> Self {
        Self::new(Kinds::ALL)
    }
}

/// What is next in a piece.
enum Event {
    Mask {
        kind: Kind,
        start: usize,
        end: usize,
    },
    /// Nothing before that place; what is there is still open.
    Hold(usize),
}

impl Scan {
    pub(crate) const fn new(kinds: Kinds) -> Self {
        // As at the beginning of a line.
        Self { kinds, before: *b"\n\n", is_in_token: false }
    }

    /// Puts out what is decided of a piece of the stream and returns how much that is; the
    /// rest is to come again, with more behind it.
    pub(crate) fn more(&mut self, bytes: &[u8], out: &mut impl Output) -> usize {
        self.scan(Text { bytes, before: self.before, is_last: false }, out)
    }

    /// The last piece of the stream.
    pub(crate) fn end(&mut self, bytes: &[u8], out: &mut impl Output) {
        self.scan(Text { bytes, before: self.before, is_last: true }, out);
    }

    fn scan(&mut self, text: Text<'_>, out: &mut impl Output) -> usize {
        let mut done = self.rest_of_token(text.bytes, 0);
        loop {
            match self.next(text, done) {
                Event::Mask { kind, start, end } => {
                    out.text(&text.bytes[done..start]);
                    out.mask(kind);
                    self.is_in_token = kind == Kind::Token;
                    done = self.rest_of_token(text.bytes, end);
                }
                Event::Hold(place) => {
                    out.text(&text.bytes[done..place]);
                    self.before = [text.before(place, 2), text.before(place, 1)];
                    return place;
                }
            }
        }
    }

    /// The place behind the token, if we are in one.
    fn rest_of_token(&mut self, bytes: &[u8], from: usize) -> usize {
        if !self.is_in_token {
            return from;
        }
        let len = bytes[from..].iter().position(|byte| !token::is_part(*byte));
        self.is_in_token = len.is_none();
        from + len.unwrap_or(bytes.len() - from)
    }

    fn next(&self, text: Text<'_>, from: usize) -> Event {
        let mut place = from;
        loop {
            place = search::candidate(text.bytes, place);
            let Some(byte) = text.bytes.get(place) else { break };
            let event = match byte {
                b'@' | b'%' if self.kinds.email => self.email(text, place, from),
                b'0'..=b'9' if self.kinds.card => self.card(text, place, from),
                b'b' | b'B' | b't' | b'T' if self.kinds.token => self.token(text, place, from),
                _ => None,
            };
            if let Some(event) = event {
                return event;
            }
            // No number begins within a number: a long one is gone over once.
            let digits = text.bytes[place..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            place += digits.max(1);
        }
        Event::Hold(self.held_from(text, place, from))
    }

    fn email(&self, text: Text<'_>, at: usize, from: usize) -> Option<Event> {
        match email::around(text, at, from) {
            Found::Yes { start, end } => Some(Event::Mask { kind: Kind::Email, start, end }),
            Found::Open => Some(Event::Hold(email::run_start(text, at, from))),
            Found::No => None,
        }
    }

    fn token(&self, text: Text<'_>, place: usize, from: usize) -> Option<Event> {
        match token::behind(text, place) {
            Found::Yes { start, end } => Some(Event::Mask { kind: Kind::Token, start, end }),
            Found::Open => Some(Event::Hold(self.held_from(text, place, from))),
            Found::No => None,
        }
    }

    fn card(&self, text: Text<'_>, place: usize, from: usize) -> Option<Event> {
        match card::at(text, place) {
            Found::Yes { start, end } => {
                let card = Event::Mask { kind: Kind::Card, start, end };
                Some(self.address_instead(text, place, from).unwrap_or(card))
            }
            Found::Open => Some(Event::Hold(self.held_from(text, place, from))),
            Found::No => None,
        }
    }

    /// A card number may be the local part of an address, or its end; then the address
    /// begins no later and is what is masked.
    fn address_instead(&self, text: Text<'_>, card: usize, from: usize) -> Option<Event> {
        if !self.kinds.email {
            return None;
        }
        let reach =
            (card..=card + email::MAX_LOCAL).find(|place| !text.at(*place).is_some_and(email::is_local))?;
        match text.at(reach) {
            None => Some(Event::Hold(email::open_start(text, from))),
            Some(b'@') => match self.email(text, reach, from) {
                Some(Event::Mask { start, .. }) if start > card => None,
                event => event,
            },
            Some(_) => None,
        }
    }

    /// What is held back if `place` is open: the place itself, or the beginning of what may
    /// be the local part of an address.
    fn held_from(&self, text: Text<'_>, place: usize, from: usize) -> usize {
        if text.is_last || !self.kinds.email {
            return place;
        }
        place.min(email::open_start(text, from))
    }
}
