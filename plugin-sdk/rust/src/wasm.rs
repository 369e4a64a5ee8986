//! The ABI as it is in a wasm module: imports, the chunk buffer, the plugin's place.
//!
//! This is the only module with unsafe code. It rests on three facts:
//!
//! - One thread. ABI version 1 has no shared memory, and the check below refuses a
//!   build that would have.
//! - The host reads and writes this memory only inside of a hostcall, and only the
//!   ranges that the call names, and writes the chunk buffer only between calls.
//! - [`BUSY`] keeps a second entry out while one is under way, whatever the host
//!   does, so that at most one borrow of plugin and chunk buffer exists.
#![allow(unsafe_code, reason = "the fence: see the module's comment")]

use core::{
    cell::{Cell, UnsafeCell},
    panic::PanicInfo,
};

use crate::{CHUNK_CAPACITY, Plugin, chunk, logging};

#[cfg(target_feature = "atomics")]
compile_error!("wasmplex plugins have one thread: build without the target feature `atomics`");

/// The imports as safe functions.
pub mod hostcalls {
    use crate::{Level, hostcalls::Clock};

    /// As they are on the wire. Pointers and lengths are unsigned and 32 bits wide.
    mod imports {
        #[link(wasm_import_module = "wasmplex")]
        unsafe extern "C" {
            pub fn emit(ptr: *const u8, len: usize) -> i32;
            pub fn log(level: i32, ptr: *const u8, len: usize);
            pub fn request_field(
                name_ptr: *const u8,
                name_len: usize,
                buf_ptr: *mut u8,
                buf_cap: usize,
            ) -> i32;
            pub fn response_status(code: i32) -> i32;
            pub fn response_field(
                name_ptr: *const u8,
                name_len: usize,
                value_ptr: *const u8,
                value_len: usize,
            ) -> i32;
            pub fn config(key_ptr: *const u8, key_len: usize, buf_ptr: *mut u8, buf_cap: usize) -> i32;
            pub fn set_timer(ms: u32) -> i32;
        }

        #[link(wasm_import_module = "wasi_snapshot_preview1")]
        unsafe extern "C" {
            pub fn clock_time_get(clock: u32, precision: u64, time: *mut u64) -> i32;
        }
    }

    pub fn emit(bytes: &[u8]) {
        // SAFETY: the host only reads the bytes of this live slice. (It answers 0.)
        unsafe { imports::emit(bytes.as_ptr(), bytes.len()) };
    }

    pub fn log(level: Level, line: &str) {
        // SAFETY: the host only reads the bytes of this live string.
        unsafe { imports::log(level as i32, line.as_ptr(), line.len()) };
    }

    pub fn request_field(name: &str, buf: &mut [u8]) -> i32 {
        // SAFETY: the host reads `name` and writes at most `buf.len()` bytes to
        // `buf`, which is borrowed mutably for the call.
        unsafe { imports::request_field(name.as_ptr(), name.len(), buf.as_mut_ptr(), buf.len()) }
    }

    pub fn response_status(code: u16) -> i32 {
        // SAFETY: no memory is involved.
        unsafe { imports::response_status(i32::from(code)) }
    }

    pub fn response_field(name: &str, value: &[u8]) -> i32 {
        // SAFETY: the host only reads the bytes of these two live slices.
        unsafe { imports::response_field(name.as_ptr(), name.len(), value.as_ptr(), value.len()) }
    }

    pub fn config(key: &str, buf: &mut [u8]) -> i32 {
        // SAFETY: as in request_field.
        unsafe { imports::config(key.as_ptr(), key.len(), buf.as_mut_ptr(), buf.len()) }
    }

    pub fn set_timer(ms: u32) {
        // SAFETY: no memory is involved.
        unsafe { imports::set_timer(ms) };
    }

    /// Nanoseconds.
    pub fn clock(clock: Clock) -> u64 {
        let mut time = 0;
        // SAFETY: the host writes eight bytes to `time`, which is borrowed mutably, or
        // none, and answers with an error code.
        unsafe { imports::clock_time_get(clock as u32, 1, &raw mut time) };
        time
    }
}

/// A value for this module's one thread.
struct OneThread<T>(T);

// SAFETY: there is no second thread to share it with (see the module's comment).
unsafe impl<T> Sync for OneThread<T> {}

/// Where the host puts chunks: part of the module's static memory, so that it never
/// moves, all zeros, so that it is not in the file. Aligned for vector loads.
#[repr(align(16))]
struct Buffer(UnsafeCell<[u8; CHUNK_CAPACITY]>);

static BUFFER: OneThread<Buffer> = OneThread(Buffer(UnsafeCell::new([0; CHUNK_CAPACITY])));

/// Whether a call from the host is under way.
static BUSY: OneThread<Cell<bool>> = OneThread(Cell::new(false));

/// The export `chunk_buffer`: the buffer's address, 0 (refused) if it is too small.
pub fn chunk_buffer(cap: usize) -> usize {
    if cap <= CHUNK_CAPACITY { buffer_address() } else { 0 }
}

fn buffer_address() -> usize {
    BUFFER.0.0.get() as usize
}

/// The place of the one plugin value, filled at the first call from the host.
pub struct Slot<P>(OneThread<UnsafeCell<Option<P>>>);

impl<P: Plugin> Slot<P> {
    #[expect(clippy::new_without_default, reason = "a static needs it const")]
    /// An empty slot.
    pub const fn new() -> Self {
        Self(OneThread(UnsafeCell::new(None)))
    }

    /// The export `on_open`.
    pub fn on_open(&self) -> i32 {
        self.enter(|plugin, _| plugin.on_open() as i32)
    }

    /// The export `on_chunk`.
    pub fn on_chunk(&self, ptr: usize, len: usize) -> i32 {
        self.enter(|plugin, buffer| {
            // The ABI has the host put chunks in the buffer and nowhere else.
            match chunk::range(buffer_address(), ptr, len).and_then(|range| buffer.get_mut(range)) {
                Some(chunk) => plugin.on_chunk(chunk) as i32,
                None => core::arch::wasm32::unreachable(),
            }
        })
    }

    /// The export `on_end`.
    pub fn on_end(&self) -> i32 {
        self.enter(|plugin, _| plugin.on_end() as i32)
    }

    /// The export `on_timer`.
    pub fn on_timer(&self) -> i32 {
        self.enter(|plugin, _| plugin.on_timer() as i32)
    }

    fn enter(&self, call: impl FnOnce(&mut P, &mut [u8; CHUNK_CAPACITY]) -> i32) -> i32 {
        if BUSY.0.replace(true) {
            core::arch::wasm32::unreachable();
        }
        // SAFETY: BUSY was false, so no other borrow of a slot or of the buffer is
        // alive, and none begins before it is false again. It stays true when the
        // call panics, which ends the instance.
        let (plugin, buffer) = unsafe { (&mut *self.0.0.get(), &mut *BUFFER.0.0.get()) };
        let code = call(plugin.get_or_insert_with(P::default), buffer);
        BUSY.0.set(false);
        code
    }
}

/// The panic handler of `no_std` plugins.
pub fn panicked(info: &PanicInfo<'_>) -> ! {
    logging::log_panic(info.location(), info.message().as_str());
    core::arch::wasm32::unreachable()
}
