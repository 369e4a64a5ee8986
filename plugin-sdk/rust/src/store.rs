//! Where a line or a frame that is not whole yet waits for the rest of it.

#[cfg(feature = "alloc")]
use alloc::vec::Vec;

/// Room for a piece of the stream, up to a bound. [`Fixed`] is one kind; with
/// the feature `alloc` there is `Growing` too.
pub trait Store: sealed::Sealed {
    /// The most bytes that it takes.
    fn bound(&self) -> usize;

    /// What is in it.
    fn bytes(&self) -> &[u8];

    /// Adds bytes; never more than the bound has room for.
    #[doc(hidden)]
    fn append(&mut self, bytes: &[u8]);

    /// Empties it.
    #[doc(hidden)]
    fn clear(&mut self);
}

mod sealed {
    pub trait Sealed {}
}

/// Room for `N` bytes in the plugin's value itself. No allocator is needed; all of it
/// is touched when the plugin is made, so this is for bounds of up to some 4 KiB.
#[derive(Clone, Debug)]
pub struct Fixed<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Fixed<N> {
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; N], len: 0 }
    }
}

impl<const N: usize> sealed::Sealed for Fixed<N> {}

impl<const N: usize> Store for Fixed<N> {
    fn bound(&self) -> usize {
        N
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn append(&mut self, bytes: &[u8]) {
        self.bytes[self.len..][..bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    fn clear(&mut self) {
        self.len = 0;
    }
}

/// Allocated room that grows with what is in it, up to a bound. Needs the feature
/// `alloc`. It keeps the room that it has got.
#[cfg(feature = "alloc")]
#[derive(Clone, Debug)]
pub struct Growing {
    bytes: Vec<u8>,
    bound: usize,
}

#[cfg(feature = "alloc")]
impl Growing {
    pub(crate) const fn new(bound: usize) -> Self {
        Self { bytes: Vec::new(), bound }
    }
}

#[cfg(feature = "alloc")]
impl sealed::Sealed for Growing {}

#[cfg(feature = "alloc")]
impl Store for Growing {
    fn bound(&self) -> usize {
        self.bound
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn clear(&mut self) {
        self.bytes.clear();
    }
}
