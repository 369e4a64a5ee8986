//! A piece of the stream, and what a matcher answers about a place in it.

/// A piece of the stream that more may follow.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a> {
    pub(crate) bytes: &'a [u8],
    /// The two bytes before it.
    pub(crate) before: [u8; 2],
    /// Nothing follows it.
    pub(crate) is_last: bool,
}

/// Whether something that is masked begins at a place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Found {
    No,
    /// It does; where the masked bytes begin and end.
    Yes {
        start: usize,
        end: usize,
    },
    /// The bytes that decide it are still to come.
    Open,
}

impl Text<'_> {
    /// The byte there: a newline behind the last one, `None` if it is still to come.
    pub(crate) fn at(&self, place: usize) -> Option<u8> {
        self.bytes.get(place).copied().or(self.is_last.then_some(b'\n'))
    }

    /// The byte so many before a place, 1 or 2.
    pub(crate) fn before(&self, place: usize, distance: usize) -> u8 {
        match place.checked_sub(distance) {
            Some(place) => self.bytes[place],
            None => self.before[2 + place - distance],
        }
    }

    /// Whether a word may begin there: neither in the middle of one nor of a number. A
    /// letter behind a backslash is no part of a word, as in `"\nBearer …"`.
    pub(crate) fn is_word_start(&self, place: usize) -> bool {
        let byte = self.before(place, 1);
        !byte.is_ascii_alphanumeric() || (byte.is_ascii_alphabetic() && self.before(place, 2) == b'\\')
    }
}
