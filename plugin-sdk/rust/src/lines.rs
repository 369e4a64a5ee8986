//! Lines out of chunks, whatever the chunk borders.

#[cfg(feature = "alloc")]
use crate::Growing;
use crate::{Fixed, Store, find_byte};

/// Splits a stream into lines, of at most as many bytes as its [`Store`] is bound to.
///
/// A line that lies in one chunk is handed on from where it lies; one that lies across
/// a chunk border is put together. A line is known as soon as its newline has arrived,
/// never later. What comes out, but for the pieces of [`Line::Rest`], depends on the
/// stream alone and not on how it is cut.
///
/// ```
/// use wasmplex_plugin::{End, Fixed, Line, Lines, Next, Plugin, emit};
///
/// /// Answers each line with its length.
/// #[derive(Default)]
/// struct Lengths {
///     lines: Lines<Fixed<1024>>,
/// }
///
/// fn answer(line: &Line<'_>) {
///     match line {
///         Line::Whole(line) => emit(format!("{}\n", line.len()).as_bytes()),
///         Line::TooLong(_) => emit(b"too long\n"),
///         Line::Rest { .. } => {} // of the one that is too long
///     }
/// }
///
/// impl Plugin for Lengths {
///     fn on_chunk(&mut self, chunk: &mut [u8]) -> Next {
///         let mut chunk = &*chunk;
///         while let Some(line) = self.lines.next(&mut chunk) {
///             answer(&line);
///         }
///         Next::GoOn
///     }
///     fn on_end(&mut self) -> End {
///         if let Some(line) = self.lines.end() {
///             answer(&line);
///         }
///         End::Done
///     }
/// }
///
/// let outcome =
///     wasmplex_plugin::testing::Request::new().assert_cuts_agree::<Lengths>(b"three\n\nno newline");
/// assert_eq!(outcome.emitted, b"5\n0\n10\n");
/// ```
#[derive(Clone, Debug)]
pub struct Lines<S> {
    store: S,
    /// What is in the store has been handed out.
    is_handed_out: bool,
    /// The line under way is longer than the bound, and its first bytes are handed out.
    is_beyond: bool,
}

/// A line, or a part of one that is too long. Newlines are not in it; a carriage return
/// before one is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Line<'a> {
    /// All of a line.
    Whole(&'a [u8]),
    /// The beginning of a line that is longer than the bound, exactly as long as that.
    /// Its `Rest` follows.
    TooLong(&'a [u8]),
    /// More of a line that is too long. Where it is cut means nothing.
    Rest {
        /// The bytes, perhaps none.
        bytes: &'a [u8],
        /// Whether the line ends with them.
        is_last: bool,
    },
}

impl<const N: usize> Lines<Fixed<N>> {
    /// Lines of at most `N` bytes, without an allocator.
    #[must_use]
    pub const fn new() -> Self {
        Self { store: Fixed::new(), is_handed_out: false, is_beyond: false }
    }
}

impl<const N: usize> Default for Lines<Fixed<N>> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(feature = "alloc")]
impl Lines<Growing> {
    /// Lines of at most `bound` bytes; memory is taken as it is needed.
    #[must_use]
    pub const fn growing(bound: usize) -> Self {
        Self { store: Growing::new(bound), is_handed_out: false, is_beyond: false }
    }
}

impl<S: Store> Lines<S> {
    /// The next line of the chunk, which is moved on behind it; `None` when there is no
    /// more in the chunk. Call it until then.
    pub fn next<'s, 'c: 's>(&'s mut self, chunk: &mut &'c [u8]) -> Option<Line<'s>> {
        self.forget_handed_out();
        let rest = *chunk;
        if rest.is_empty() {
            return None;
        }
        let newline = find_byte(b'\n', rest);
        let len = newline.unwrap_or(rest.len());
        let room = self.store.bound() - self.store.bytes().len();
        if !self.is_beyond && len > room {
            self.is_beyond = true;
            *chunk = &rest[room..];
            return Some(Line::TooLong(self.join(&rest[..room])));
        }
        *chunk = newline.map_or(&[], |at| &rest[at + 1..]);
        if self.is_beyond {
            self.is_beyond = newline.is_none();
            Some(Line::Rest { bytes: &rest[..len], is_last: newline.is_some() })
        } else if newline.is_some() {
            Some(Line::Whole(self.join(&rest[..len])))
        } else {
            self.store.append(rest);
            None
        }
    }

    /// The stream has ended: the line without a newline, if there is one.
    pub fn end(&mut self) -> Option<Line<'_>> {
        self.forget_handed_out();
        if self.is_beyond {
            self.is_beyond = false;
            return Some(Line::Rest { bytes: &[], is_last: true });
        }
        if self.store.bytes().is_empty() {
            return None;
        }
        self.is_handed_out = true;
        Some(Line::Whole(self.store.bytes()))
    }

    fn forget_handed_out(&mut self) {
        if self.is_handed_out {
            self.is_handed_out = false;
            self.store.clear();
        }
    }

    /// What is held of the line, and this behind it.
    fn join<'s, 'c: 's>(&'s mut self, end: &'c [u8]) -> &'s [u8] {
        if self.store.bytes().is_empty() {
            return end;
        }
        self.is_handed_out = true;
        self.store.append(end);
        self.store.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of a text that comes in these chunks, too long ones marked with their
    /// first bytes and their rest put together.
    fn lines_of<S: Store>(mut lines: Lines<S>, chunks: &[&[u8]]) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        let mut add = |line: Line<'_>| match line {
            Line::Whole(line) => all.push(String::from_utf8(line.to_vec()).unwrap()),
            Line::TooLong(first) => all.push(format!("{}>", String::from_utf8(first.to_vec()).unwrap())),
            Line::Rest { bytes, is_last } => {
                let line = all.last_mut().unwrap();
                line.push_str(core::str::from_utf8(bytes).unwrap());
                line.push_str(if is_last { "|" } else { "" });
            }
        };
        for chunk in chunks {
            let mut chunk = *chunk;
            while let Some(line) = lines.next(&mut chunk) {
                add(line);
            }
        }
        if let Some(line) = lines.end() {
            add(line);
        }
        assert_eq!(lines.end(), None);
        all
    }

    #[test]
    fn whole_byte_by_byte_and_every_cut_agree() {
        let text = b"one\n\nfive5\nsix666\r\nthe rest of this\n\nno end";
        let expected = ["one", "", "five5", "six66>6\r|", "the r>est of this|", "", "no en>d|"];
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let chunks = [&text[..first], &text[first..second], &text[second..]];
                assert_eq!(lines_of(Lines::<Fixed<5>>::new(), &chunks), expected);
            }
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(lines_of(Lines::<Fixed<5>>::new(), &bytes), expected);
        #[cfg(feature = "alloc")]
        assert_eq!(lines_of(Lines::growing(5), &bytes), expected);
    }

    #[test]
    fn ends_of_all_kinds() {
        let none: [&str; 0] = [];
        assert_eq!(lines_of(Lines::<Fixed<3>>::new(), &[]), none);
        assert_eq!(lines_of(Lines::<Fixed<3>>::new(), &[b"", b""]), none);
        assert_eq!(lines_of(Lines::<Fixed<3>>::new(), &[b"abc"]), ["abc"]);
        assert_eq!(lines_of(Lines::<Fixed<3>>::new(), &[b"abc\n"]), ["abc"]);
        assert_eq!(lines_of(Lines::<Fixed<3>>::new(), &[b"abcd"]), ["abc>d|"]);
        assert_eq!(lines_of(Lines::<Fixed<3>>::new(), &[b"\n", b"\n"]), ["", ""]);
        assert_eq!(lines_of(Lines::<Fixed<0>>::new(), &[b"\na\n"]), ["", ">a|"]);
    }

    #[test]
    fn a_line_within_a_chunk_is_not_copied() {
        let mut lines = Lines::<Fixed<8>>::new();
        let text = b"first\nsecond\n";
        let mut chunk = text.as_slice();
        for start in [0, 6] {
            let Some(Line::Whole(line)) = lines.next(&mut chunk) else { panic!("a line") };
            assert_eq!(line.as_ptr(), text[start..].as_ptr());
        }
    }
}
