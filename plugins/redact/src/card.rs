//! Payment card numbers: 13 to 19 digits whose check digit is right (Luhn), in one piece
//! or with a blank or a dash between groups as they are printed on cards:
//!
//! - 4 digits, then groups of 3 to 6, the last one of 1 to 6: `4111 1111 1111 1111`,
//!   `3782-822463-10005`,
//! - 6 digits, then 13.
//!
//! One number in ten has a right check digit by chance. So numbers that no card has are
//! left alone: those that begin with 0 or 1 (times in milliseconds begin with 1), parts of
//! a word (`a4111…`, of a hash perhaps) and of a fraction (`0.4111…`).

use crate::text::{Found, Text};

const DIGITS: core::ops::RangeInclusive<usize> = 13..=19;

/// A card number that begins at `start`, the longest one.
pub(crate) fn at(text: Text<'_>, start: usize) -> Found {
    if !may_begin(text, start) {
        return Found::No;
    }
    let mut number = Number { digits: [0; 19], len: 0, groups: 0, first: 0 };
    let mut place = start;
    let mut found = Found::No;
    loop {
        // A group of digits, and the byte behind it.
        let group = number.len;
        let behind = loop {
            match text.at(place) {
                None => return Found::Open,
                Some(digit @ b'0'..=b'9') if number.push(digit) => place += 1,
                // The 20th: this group is part of no card number.
                Some(b'0'..=b'9') => return found,
                Some(byte) => break byte,
            }
        };
        let Some(may_go_on) = number.group(number.len - group) else { return found };
        if number.is_valid() && !behind.is_ascii_alphabetic() {
            found = Found::Yes { start, end: place };
        }
        if !may_go_on || !matches!(behind, b' ' | b'-') {
            return found;
        }
        match text.at(place + 1) {
            None => return Found::Open,
            Some(b'0'..=b'9') => place += 1,
            Some(_) => return found,
        }
    }
}

fn may_begin(text: Text<'_>, start: usize) -> bool {
    let is_fraction = text.before(start, 1) == b'.' && text.before(start, 2).is_ascii_digit();
    matches!(text.at(start), Some(b'2'..=b'9')) && text.is_word_start(start) && !is_fraction
}

struct Number {
    digits: [u8; 19],
    len: usize,
    /// How many groups are complete, and the length of the first one.
    groups: usize,
    first: usize,
}

impl Number {
    /// Whether there was room.
    fn push(&mut self, digit: u8) -> bool {
        let room = self.digits.get_mut(self.len).map(|place| *place = digit - b'0').is_some();
        self.len += usize::from(room);
        room
    }

    /// Whether another group may follow this one, or `None` if this one cannot stand here.
    fn group(&mut self, len: usize) -> Option<bool> {
        if self.groups == 0 {
            self.first = len;
        }
        self.groups += 1;
        match (self.groups, self.first) {
            (1, 4 | 6) => Some(true),
            (1, 13..=19) => Some(false),
            (_, 4) if len <= 6 => Some(len >= 3 && self.len < *DIGITS.end()),
            (2, 6) if len == 13 => Some(false),
            _ => None,
        }
    }

    /// Whether the digits up to here are a card number.
    fn is_valid(&self) -> bool {
        DIGITS.contains(&self.len) && luhn(&self.digits[..self.len])
    }
}

/// The check of ISO/IEC 7812: from the right every second digit counts double, its own
/// digits summed, and all is a multiple of ten.
fn luhn(digits: &[u8]) -> bool {
    let mut sum = 0;
    for (place, digit) in digits.iter().rev().enumerate() {
        let counted = if place % 2 == 0 { *digit } else { digit * 2 };
        sum += u32::from(if counted > 9 { counted - 9 } else { counted });
    }
    sum % 10 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a card number that begins at the first digit of a line ends.
    fn end_in(line: &str) -> Option<usize> {
        let text = Text { bytes: line.as_bytes(), before: *b"\n\n", is_last: true };
        match at(text, line.find(|char: char| char.is_ascii_digit())?) {
            Found::Yes { end, .. } => Some(end),
            Found::No => None,
            Found::Open => panic!("open at the end"),
        }
    }

    #[test]
    fn as_they_are_printed() {
        for number in [
            "4111111111111111",
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "4111-1111 1111-1111",
            "378282246310005",
            "3782 822463 10005",
            "3056 930902 5904",
            "4222222222222",
            "4222 222 222 222",
            "4222 2222 2222 2",
            "6304000000000000000",
            "6304 0000 0000 0000 000",
            "630400 0000000000000",
        ] {
            assert_eq!(end_in(number), Some(number.len()), "{number}");
            assert_eq!(end_in(&format!("({number})")), Some(number.len() + 1), "{number}");
            assert_eq!(end_in(&format!("_{number}.")), Some(number.len() + 1), "{number}");
        }
        assert_eq!(end_in(r"\n4111111111111111"), Some(18));
    }

    #[test]
    fn what_is_no_card_number() {
        for line in [
            "4111111111111112",        // the check digit
            "411111111111",            // 12 digits
            "41111111111111111111",    // 20 digits
            "0000000000000000",        // begins with 0
            "1732333333337",           // begins with 1
            "a4111111111111111",       // within a word
            "4111111111111111a",       // within a word
            "0.4111111111111111",      // a fraction
            "4111  1111 1111 1111",    // two blanks
            "41 11 11 11 11 11 11 11", // no groups of a card
            "411 1111 1111 11111",     // no first group of a card
            "4111 11 1111 111111",     // a group of two in the middle
            "41111111-11111111",       // eight digits
            "4111\n1111\n1111\n1111",  // a line end
            "4111 1111 1111",          // 12 digits
            "550e8400-e29b-41d4-a716-446655440000",
            "2026-11-23 03:48:15",
        ] {
            assert_eq!(end_in(line), None, "{line}");
        }
    }

    #[test]
    fn the_longest_one() {
        assert_eq!(end_in("4111 1111 1111 1111 12"), Some(19));
        // 16 digits of it are a card number, and so are all 19.
        assert_eq!(end_in("4111 1111 1111 1111 000"), Some(19));
        assert_eq!(end_in("4111 1111 1111 1111 001"), Some(19));
        let mut longer = None;
        for check in 0..10 {
            let number = format!("4111 1111 1111 1111 10{check}");
            longer = longer.or(end_in(&number).filter(|end| *end == number.len()));
        }
        assert_eq!(longer, Some(23));
    }

    #[test]
    fn open_as_long_as_it_may_go_on() {
        let found = |line: &str| at(Text { bytes: line.as_bytes(), before: *b"\n\n", is_last: false }, 0);
        for line in
            ["4", "41", "4111", "4111 ", "4111 1", "4111-111", "4111 1111 1111 1111", "4111 1111 1111 1111 "]
        {
            assert_eq!(found(line), Found::Open, "{line}");
        }
        for line in ["1", "41 ", "41111 ", "4111 11 ", "4111  ", "41111111111111111111"] {
            assert_eq!(found(line), Found::No, "{line}");
        }
        assert_eq!(found("4111 1111 1111 1111,"), Found::Yes { start: 0, end: 19 });
    }
}
