//! Many small emits made into few.

use crate::{emit, host};

/// Gathers small pieces and emits them together: a hostcall for each `N` bytes, not
/// for each piece. Long pieces go out from where they lie.
///
/// Nothing leaves it by itself: [`flush`](Gather::flush) before the plugin returns to
/// the host, or what is in it comes late.
///
/// ```
/// use wasmplex_plugin::{Gather, Next, Plugin};
///
/// /// Puts a dot behind each byte.
/// #[derive(Default)]
/// struct Dots {
///     out: Gather<1024>,
/// }
///
/// impl Plugin for Dots {
///     fn on_chunk(&mut self, chunk: &mut [u8]) -> Next {
///         for byte in chunk.iter() {
///             self.out.put(&[*byte, b'.']);
///         }
///         self.out.flush();
///         Next::GoOn
///     }
/// }
///
/// let outcome = wasmplex_plugin::testing::run::<Dots>(&[b"abc"]);
/// assert_eq!((outcome.emitted.as_slice(), outcome.emits), (b"a.b.c.".as_slice(), 1));
/// ```
#[derive(Clone, Debug)]
pub struct Gather<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Gather<N> {
    /// With nothing in it.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: [0; N], len: 0 }
    }

    /// Adds bytes. What is in it is emitted first if they do not fit.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) {
        if let Some(room) = self.bytes[self.len..].get_mut(..bytes.len()) {
            room.copy_from_slice(bytes);
            self.len += bytes.len();
        } else {
            self.put_beyond(bytes);
        }
    }

    fn put_beyond(&mut self, bytes: &[u8]) {
        self.flush();
        match self.bytes.get_mut(..bytes.len()) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.len = bytes.len();
            }
            None => emit(bytes),
        }
    }

    /// Emits what is in it. Waits, as [`emit`], while the client does not read.
    pub fn flush(&mut self) {
        if self.len > 0 {
            host::emit(&self.bytes[..self.len]);
            self.len = 0;
        }
    }
}

impl<const N: usize> Default for Gather<N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Request;

    fn emits_of(pieces: &[&[u8]]) -> (Vec<u8>, usize) {
        let outcome = Request::new().collect(|| {
            let mut out = Gather::<4>::new();
            for piece in pieces {
                out.put(piece);
            }
            out.flush();
            out.flush();
        });
        (outcome.emitted, outcome.emits)
    }

    #[test]
    fn few_emits_in_the_order_of_the_pieces() {
        assert_eq!(emits_of(&[]), (vec![], 0));
        assert_eq!(emits_of(&[b"", b""]), (vec![], 0));
        assert_eq!(emits_of(&[b"a", b"bcd"]), (b"abcd".to_vec(), 1));
        assert_eq!(emits_of(&[b"abc", b"de", b"fg"]), (b"abcdefg".to_vec(), 2));
        assert_eq!(emits_of(&[b"a", b"long one", b"b"]), (b"along oneb".to_vec(), 3));
        assert_eq!(emits_of(&[b"four", b""]), (b"four".to_vec(), 1));
    }
}
