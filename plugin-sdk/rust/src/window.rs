//! Text that goes on behind a chunk's end, for patterns that lie across it.

/// Shows a stream piece by piece, each with what was held back of the one before in
/// front of it, so that a pattern is always seen in one piece.
///
/// `HOLD` is the most that may be held back, in bytes. Little is copied: what is held,
/// and as much again of the next chunk as it takes to be done with it; the rest of a
/// chunk is shown where it lies.
///
/// ```
/// use wasmplex_plugin::{End, Next, Plugin, Window, emit};
///
/// /// Writes "dog" for "cat".
/// #[derive(Default)]
/// struct Dogs {
///     window: Window<2>, // "ca" may yet become "cat", so two bytes are held at most
/// }
///
/// /// Emits what is settled and returns how much that is.
/// fn dogs(text: &mut [u8]) -> usize {
///     for at in 0..text.len() {
///         if text[at..].starts_with(b"cat") {
///             text[at..at + 3].copy_from_slice(b"dog");
///         }
///     }
///     let held = if text.ends_with(b"ca") { 2 } else { usize::from(text.ends_with(b"c")) };
///     let settled = text.len() - held;
///     emit(&text[..settled]);
///     settled
/// }
///
/// impl Plugin for Dogs {
///     fn on_chunk(&mut self, chunk: &mut [u8]) -> Next {
///         self.window.feed(chunk, dogs);
///         Next::GoOn
///     }
///     fn on_end(&mut self) -> End {
///         emit(self.window.held());
///         End::Done
///     }
/// }
///
/// let outcome =
///     wasmplex_plugin::testing::Request::new().assert_cuts_agree::<Dogs>(b"cat, ccat, cow, ca");
/// assert_eq!(outcome.emitted, b"dog, cdog, cow, ca");
/// ```
#[derive(Clone, Debug)]
pub struct Window<const HOLD: usize> {
    /// What is held back, and room to show it together with what follows.
    bytes: [[u8; HOLD]; 2],
    len: usize,
}

impl<const HOLD: usize> Window<HOLD> {
    /// With nothing held back.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: [[0; HOLD]; 2], len: 0 }
    }

    /// What is held back: the part of the stream that was shown but not settled.
    #[must_use]
    pub fn held(&self) -> &[u8] {
        &self.bytes.as_flattened()[..self.len]
    }

    /// The end of the stream: what is held back, as the last of it.
    pub fn take(&mut self) -> &mut [u8] {
        let len = core::mem::take(&mut self.len);
        &mut self.bytes.as_flattened_mut()[..len]
    }

    /// Shows the next chunk, in one piece or two, with what is held back in front.
    ///
    /// `scan` returns how many bytes of the piece are settled, that is, need not be
    /// shown again; the others are held back, or shown again with more behind them. It
    /// must leave those as they are, and not settle less when it is shown more.
    ///
    /// # Panics
    ///
    /// If `scan` would have more than `HOLD` bytes held back, or settles more bytes than
    /// there are.
    pub fn feed(&mut self, mut chunk: &mut [u8], mut scan: impl FnMut(&mut [u8]) -> usize) {
        if self.len > 0 {
            let held = self.len;
            let seam = self.bytes.as_flattened_mut();
            let taken = chunk.len().min(seam.len() - held);
            seam[held..held + taken].copy_from_slice(&chunk[..taken]);
            let seam = &mut seam[..held + taken];
            let settled = scan(seam);
            let left = seam.len() - settled;
            assert!(left <= HOLD, "a window's scan leaves more than its hold");
            if taken == chunk.len() {
                seam.copy_within(settled.., 0);
                self.len = left;
                return;
            }
            // The seam was full, so it has at least HOLD bytes of the chunk: what is left
            // of it lies in the chunk, and is shown there again.
            self.len = 0;
            chunk = &mut chunk[settled - held..];
        }
        let settled = scan(chunk);
        self.hold(&chunk[settled..]);
    }

    fn hold(&mut self, left: &[u8]) {
        assert!(left.len() <= HOLD, "a window's scan leaves more than its hold");
        self.bytes.as_flattened_mut()[..left.len()].copy_from_slice(left);
        self.len = left.len();
    }
}

impl<const HOLD: usize> Default for Window<HOLD> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Settles words with the blank behind them; a word is at most 8 bytes.
    fn words(text: &mut [u8], found: &mut Vec<Vec<u8>>) -> usize {
        let mut settled = 0;
        while let Some(len) = text[settled..].iter().position(|byte| *byte == b' ') {
            found.push(text[settled..settled + len].to_vec());
            settled += len + 1;
        }
        settled
    }

    #[test]
    fn every_cut_into_three_shows_the_same() {
        let text = b"a few words of up to eightbyt or so seven77 x";
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let mut window = Window::<8>::new();
                let mut found = Vec::new();
                for chunk in [&text[..first], &text[first..second], &text[second..]] {
                    window.feed(&mut chunk.to_vec(), |text| words(text, &mut found));
                }
                found.push(window.take().to_vec());
                assert_eq!(found.join(b" ".as_slice()), text, "cut at {first} and {second}");
                assert_eq!(window.held(), b"");
            }
        }
    }

    #[test]
    fn a_long_chunk_is_shown_where_it_lies() {
        let mut window = Window::<8>::new();
        window.feed(&mut b"abc".to_vec(), |_| 0);
        let mut chunk = [b"de ".as_slice(), &[b'-'; 1000]].concat();
        let place = chunk.as_ptr_range();
        let mut shown = Vec::new();
        window.feed(&mut chunk, |text| {
            shown.push((text.len(), place.contains(&text.as_ptr())));
            if shown.len() == 1 { 8 } else { text.len() }
        });
        assert_eq!(shown, [(16, false), (998, true)]);
    }

    #[test]
    #[should_panic(expected = "leaves more than its hold")]
    fn a_scan_that_holds_too_much_is_told() {
        Window::<8>::new().feed(&mut [0; 9], |_| 0);
    }

    #[test]
    #[should_panic(expected = "leaves more than its hold")]
    fn also_in_small_steps() {
        let mut window = Window::<8>::new();
        for _ in 0..9 {
            window.feed(&mut [0], |_| 0);
        }
    }
}
