//! Length-prefixed frames out of chunks, whatever the chunk borders.

use core::{error::Error, fmt, ops::Deref};

#[cfg(feature = "alloc")]
use crate::Growing;
use crate::{Fixed, Store};

/// How a frame's length is written in front of it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Prefix {
    /// Two bytes, the high one first.
    U16Be,
    /// Two bytes, the low one first.
    U16Le,
    /// Four bytes, the highest one first ("network byte order").
    U32Be,
    /// Four bytes, the lowest one first.
    U32Le,
    /// Seven bits a byte, the lowest ones first, all bytes but the last with bit 7 set;
    /// 1 to 10 bytes, as Protocol Buffers and LEB128 have it.
    Varint,
}

impl Prefix {
    /// The prefix of a frame of that length; `None` if the length has no place in it.
    ///
    /// ```
    /// use wasmplex_plugin::{Prefix, emit};
    /// # wasmplex_plugin::testing::Request::new().enter(|| {
    /// let frame = b"hello";
    /// if let Some(head) = Prefix::U32Be.of(frame.len()) {
    ///     emit(&head);
    ///     emit(frame);
    /// }
    /// # });
    /// assert_eq!(*Prefix::Varint.of(300).unwrap(), [0xac, 0x02]);
    /// assert_eq!(Prefix::U16Be.of(65_536), None);
    /// ```
    #[must_use]
    pub fn of(self, length: usize) -> Option<FrameHead> {
        let length = length as u64;
        let mut head = FrameHead { bytes: [0; LONGEST_PREFIX], len: 0 };
        match self {
            Self::U16Be => head.push_all(&u16::try_from(length).ok()?.to_be_bytes()),
            Self::U16Le => head.push_all(&u16::try_from(length).ok()?.to_le_bytes()),
            Self::U32Be => head.push_all(&u32::try_from(length).ok()?.to_be_bytes()),
            Self::U32Le => head.push_all(&u32::try_from(length).ok()?.to_le_bytes()),
            Self::Varint => {
                let mut left = length;
                while left >= 0x80 {
                    head.push(left as u8 | 0x80);
                    left >>= 7;
                }
                head.push(left as u8);
            }
        }
        Some(head)
    }

    /// The length that a prefix says, if all of the prefix is there.
    fn length(self, prefix: &FrameHead) -> Result<Option<u64>, FrameError> {
        Ok(match (self, &**prefix) {
            (Self::U16Be, &[a, b]) => Some(u16::from_be_bytes([a, b]).into()),
            (Self::U16Le, &[a, b]) => Some(u16::from_le_bytes([a, b]).into()),
            (Self::U32Be, &[a, b, c, d]) => Some(u32::from_be_bytes([a, b, c, d]).into()),
            (Self::U32Le, &[a, b, c, d]) => Some(u32::from_le_bytes([a, b, c, d]).into()),
            (Self::Varint, bytes) => return varint(bytes),
            _ => None,
        })
    }
}

fn varint(bytes: &[u8]) -> Result<Option<u64>, FrameError> {
    let mut length = 0;
    for (place, byte) in bytes.iter().enumerate() {
        let bits = u64::from(byte & 0x7f);
        // Of the tenth byte only the lowest bit has a place in 64.
        if place + 1 == LONGEST_PREFIX && *byte > 1 {
            return Err(FrameError::BadLength);
        }
        length |= bits << (7 * place);
        if byte & 0x80 == 0 {
            return Ok(Some(length));
        }
    }
    Ok(None)
}

/// The bytes that go in front of a frame: what [`Prefix::of`] makes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FrameHead {
    bytes: [u8; LONGEST_PREFIX],
    len: usize,
}

impl FrameHead {
    const EMPTY: Self = Self { bytes: [0; LONGEST_PREFIX], len: 0 };

    fn push(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    fn push_all(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.push(*byte);
        }
    }
}

impl Deref for FrameHead {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// A varint of 64 bits.
const LONGEST_PREFIX: usize = 10;

/// Takes a stream of length-prefixed frames apart, each of at most as many bytes as its
/// [`Store`] is bound to.
///
/// A frame that lies in one chunk is handed on from where it lies; one that lies across
/// a chunk border is put together. A frame is known as soon as its last byte has
/// arrived. An error is for good: what follows a wrong length cannot be made out.
///
/// ```
/// use wasmplex_plugin::{End, Fixed, Frames, Next, Plugin, Prefix, emit};
///
/// /// Writes each frame of a binary stream on a line of its own.
/// struct AsLines {
///     frames: Frames<Fixed<1024>>,
/// }
///
/// impl Default for AsLines {
///     fn default() -> Self {
///         Self { frames: Frames::new(Prefix::U16Be) }
///     }
/// }
///
/// impl Plugin for AsLines {
///     fn on_chunk(&mut self, chunk: &mut [u8]) -> Next {
///         let mut chunk = &*chunk;
///         loop {
///             match self.frames.next(&mut chunk) {
///                 Ok(Some(frame)) => {
///                     emit(frame);
///                     emit(b"\n");
///                 }
///                 Ok(None) => return Next::GoOn,
///                 Err(_) => return Next::Reject,
///             }
///         }
///     }
///     fn on_end(&mut self) -> End {
///         if self.frames.end().is_ok() { End::Done } else { End::Reject }
///     }
/// }
///
/// let request = wasmplex_plugin::testing::Request::new();
/// let outcome = request.assert_cuts_agree::<AsLines>(b"\0\x03one\0\0\0\x05three");
/// assert_eq!(outcome.emitted, b"one\n\nthree\n");
/// ```
#[derive(Clone, Debug)]
pub struct Frames<S> {
    prefix: Prefix,
    store: S,
    /// What is in the store has been handed out.
    is_handed_out: bool,
    head: FrameHead,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// In the length, perhaps before its first byte.
    Head,
    /// In a frame of that many bytes.
    Body(usize),
    Failed(FrameError),
}

impl<const N: usize> Frames<Fixed<N>> {
    /// Frames of at most `N` bytes, without an allocator.
    #[must_use]
    pub const fn new(prefix: Prefix) -> Self {
        Self::with_store(prefix, Fixed::new())
    }
}

#[cfg(feature = "alloc")]
impl Frames<Growing> {
    /// Frames of at most `bound` bytes; memory is taken as the bytes arrive, not as a
    /// length promises them.
    #[must_use]
    pub const fn growing(prefix: Prefix, bound: usize) -> Self {
        Self::with_store(prefix, Growing::new(bound))
    }
}

impl<S> Frames<S> {
    const fn with_store(prefix: Prefix, store: S) -> Self {
        Self { prefix, store, is_handed_out: false, head: FrameHead::EMPTY, state: State::Head }
    }
}

impl<S: Store> Frames<S> {
    /// The next frame of the chunk, without its prefix; the chunk is moved on behind it.
    /// `None` when there is no more whole frame. Call it until then.
    ///
    /// # Errors
    ///
    /// [`FrameError::TooLong`] and [`FrameError::BadLength`], as soon as the prefix is
    /// there, and from then on always.
    pub fn next<'s, 'c: 's>(&'s mut self, chunk: &mut &'c [u8]) -> Result<Option<&'s [u8]>, FrameError> {
        if self.is_handed_out {
            self.is_handed_out = false;
            self.store.clear();
        }
        let Some(length) = self.length(chunk)? else { return Ok(None) };
        let missing = length - self.store.bytes().len();
        let Some((end, rest)) = chunk.split_at_checked(missing) else {
            self.store.append(chunk);
            *chunk = &[];
            return Ok(None);
        };
        *chunk = rest;
        self.state = State::Head;
        if self.store.bytes().is_empty() {
            return Ok(Some(end));
        }
        self.is_handed_out = true;
        self.store.append(end);
        Ok(Some(self.store.bytes()))
    }

    /// The stream has ended.
    ///
    /// # Errors
    ///
    /// [`FrameError::Incomplete`] in the middle of a frame or of its length, and the
    /// error that [`next`](Frames::next) has answered, if it has.
    pub fn end(&self) -> Result<(), FrameError> {
        match self.state {
            State::Head if self.head.is_empty() => Ok(()),
            State::Head | State::Body(_) => Err(FrameError::Incomplete),
            State::Failed(error) => Err(error),
        }
    }

    /// The length of the frame under way, read from the chunk if it is not known yet.
    fn length(&mut self, chunk: &mut &[u8]) -> Result<Option<usize>, FrameError> {
        loop {
            match self.state {
                State::Body(length) => return Ok(Some(length)),
                State::Failed(error) => return Err(error),
                State::Head => {}
            }
            let Some((byte, rest)) = chunk.split_first() else { return Ok(None) };
            *chunk = rest;
            self.head.push(*byte);
            let length = self
                .prefix
                .length(&self.head)
                .and_then(|length| length.map(|length| bounded(length, self.store.bound())).transpose());
            match length {
                Ok(Some(length)) => {
                    self.state = State::Body(length);
                    self.head = FrameHead::EMPTY;
                }
                Ok(None) => {}
                Err(error) => self.state = State::Failed(error),
            }
        }
    }
}

fn bounded(length: u64, bound: usize) -> Result<usize, FrameError> {
    let fits = usize::try_from(length).ok().filter(|length| *length <= bound);
    fits.ok_or(FrameError::TooLong { length })
}

/// Why a stream is not one of frames.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FrameError {
    /// A frame is longer than the bound.
    TooLong {
        /// The length that its prefix says, in bytes.
        length: u64,
    },
    /// A varint has no end within 64 bits.
    BadLength,
    /// The stream has ended within a frame.
    Incomplete,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { length } => write!(f, "a frame of {length} bytes is too long"),
            Self::BadLength => f.write_str("a frame's length has no end"),
            Self::Incomplete => f.write_str("the stream ends within a frame"),
        }
    }
}

impl Error for FrameError {}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Prefix; 5] = [Prefix::U16Be, Prefix::U16Le, Prefix::U32Be, Prefix::U32Le, Prefix::Varint];

    fn frames_of<S: Store>(mut frames: Frames<S>, chunks: &[&[u8]]) -> Result<Vec<Vec<u8>>, FrameError> {
        let mut all = Vec::new();
        for chunk in chunks {
            let mut chunk = *chunk;
            while let Some(frame) = frames.next(&mut chunk)? {
                all.push(frame.to_vec());
            }
        }
        frames.end().map(|()| all)
    }

    #[test]
    fn whole_byte_by_byte_and_every_cut_agree() {
        let frames = [b"one".to_vec(), vec![], vec![b'x'; 200], b"last".to_vec()];
        for prefix in ALL {
            let mut stream = Vec::new();
            for frame in &frames {
                stream.extend_from_slice(&prefix.of(frame.len()).unwrap());
                stream.extend_from_slice(frame);
            }
            let bytes: Vec<&[u8]> = stream.chunks(1).collect();
            assert_eq!(frames_of(Frames::<Fixed<200>>::new(prefix), &bytes).as_deref(), Ok(&frames[..]));
            for at in 0..=stream.len() {
                let (head, tail) = stream.split_at(at);
                let all = frames_of(Frames::<Fixed<200>>::new(prefix), &[head, tail]);
                assert_eq!(all.as_deref(), Ok(&frames[..]), "{prefix:?} cut at {at}");
                #[cfg(feature = "alloc")]
                assert_eq!(frames_of(Frames::growing(prefix, 200), &[head, tail]), all);
            }
        }
    }

    #[test]
    fn a_stream_that_ends_within_a_frame_is_incomplete() {
        let stream = [&*Prefix::U32Be.of(3).unwrap(), b"abc"].concat();
        for len in 1..stream.len() {
            let all = frames_of(Frames::<Fixed<8>>::new(Prefix::U32Be), &[&stream[..len]]);
            assert_eq!(all, Err(FrameError::Incomplete), "after {len}");
        }
        assert_eq!(frames_of(Frames::<Fixed<8>>::new(Prefix::U32Be), &[]), Ok(vec![]));
    }

    #[test]
    fn errors_stay() {
        let mut frames = Frames::<Fixed<8>>::new(Prefix::U16Le);
        let mut chunk = b"\x08\0exactly8\x09\0nine bytes".as_slice();
        assert_eq!(frames.next(&mut chunk), Ok(Some(b"exactly8".as_slice())));
        for _ in 0..2 {
            assert_eq!(frames.next(&mut chunk), Err(FrameError::TooLong { length: 9 }));
        }
        assert_eq!(frames.end(), Err(FrameError::TooLong { length: 9 }));
    }

    #[test]
    fn varints() {
        for length in [0, 1, 127, 128, 16_383, 16_384, usize::MAX] {
            let head = Prefix::Varint.of(length).unwrap();
            assert_eq!(Prefix::Varint.length(&head), Ok(Some(length as u64)));
        }
        let endless = [0x80; 12];
        let all = frames_of(Frames::<Fixed<8>>::new(Prefix::Varint), &[&endless]);
        assert_eq!(all, Err(FrameError::BadLength));
        let long = frames_of(Frames::<Fixed<8>>::new(Prefix::Varint), &[&[0xff; 9], &[1]]);
        assert_eq!(long, Err(FrameError::TooLong { length: u64::MAX }));
        let padded = frames_of(Frames::<Fixed<8>>::new(Prefix::Varint), &[&[0x81, 0], b"a"]);
        assert_eq!(padded, Ok(vec![b"a".to_vec()]));
    }

    #[test]
    fn prefixes_have_their_bounds() {
        for prefix in ALL {
            let longest = prefix.of(65_535).unwrap();
            assert_eq!(prefix.length(&longest), Ok(Some(65_535)));
        }
        assert_eq!((Prefix::U16Be.of(65_536), Prefix::U16Le.of(65_536)), (None, None));
        assert_eq!(Prefix::U32Le.of(1 << 32), None);
    }
}
