//! WASI preview 1 for core modules: wasmtime's own, with the three standard descriptors taken
//! over: standard output is `emit`, standard error is the log, and standard input is empty but for
//! commands, whose body it is ([`super::wasi_stdin`]).
//!
//! The context behind the other calls is made at the first call that needs it. It has clocks and
//! random numbers, and what the plugin's [`Grants`](super::grants::Grants) name: environment and
//! folders. Never sockets.
//!
//! Descriptors 0 to 2 are ours for good: nothing else can get their numbers. Closing one does nothing,
//! but in a command, which can use it no more then. From 3 on they are wasmtime's ([`super::wasi_files`]): the granted folders and what is
//! opened in them. Without granted folders none of those can be open. (wasmtime's context has
//! standard descriptors too, which lead nowhere; the calls that are not taken over find those:
//! `poll_oneoff` says that they are ready, seeking is refused.)

use wasmtime::{Caller, Linker};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtxBuilder};

use super::failure::Thrown;
use super::hostcalls::write_log;
use super::memory;
use super::state::State;
use super::wasi_files::{self, is_ours};
use super::wasi_stdin;

pub(super) const MODULE: &str = "wasi_snapshot_preview1";

/// `errno` values of preview 1.
pub(super) const SUCCESS: i32 = 0;
pub(super) const BAD_DESCRIPTOR: i32 = 8;
pub(super) const FAULT: i32 = 21;
pub(super) const INVALID: i32 = 28;

/// The most pieces of one `fd_write` or `fd_read`, as `IOV_MAX` is elsewhere.
pub(super) const MAX_PIECES: u32 = 1_024;

/// The longest line that standard error collects before it is written without its end.
const MAX_STDERR_LINE: usize = 4 * 1024;

/// The most bytes of one write to standard error.
const MAX_STDERR_WRITE: u32 = 64 * 1024;

/// The most random bytes of one call: programs ask for a seed, and more takes long.
const MAX_RANDOM: u64 = 64 * 1024;

/// The level of lines on standard error: info.
const STDERR_LEVEL: u32 = 2;

/// WASI as one instance has it.
pub(super) struct Wasi {
    pub(super) context: WasiP1Ctx,
    /// Descriptors of the host that it holds: granted folders and what it opened in them.
    pub(super) open: usize,
}

/// Defines preview 1 in `linker`.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    p1::add_to_linker_async(linker, |state| &mut wasi(state).context)?;
    linker.allow_shadowing(true);
    linker.func_wrap_async(MODULE, "fd_write", |caller, (descriptor, pieces, count, written)| {
        Box::new(fd_write(caller, descriptor, pieces, count, written))
    })?;
    linker.func_wrap_async(MODULE, "fd_read", |caller, (descriptor, pieces, count, read)| {
        Box::new(fd_read(caller, descriptor, pieces, count, read))
    })?;
    linker.func_wrap_async(MODULE, "fd_fdstat_get", |caller, (descriptor, stat)| {
        Box::new(fd_fdstat_get(caller, descriptor, stat))
    })?;
    // wasmtime's own refuses codes from 126 on.
    linker
        .func_wrap(MODULE, "proc_exit", |code: i32| -> wasmtime::Result<()> { Err(I32Exit(code).into()) })?;
    wasi_files::link(linker)?;
    wasi_stdin::link(linker)?;
    linker.allow_shadowing(false);
    Ok(())
}

/// The instance's WASI, made now if it is its first use.
pub(super) fn wasi(state: &mut State) -> &mut Wasi {
    let wasi = state.wasi.take().unwrap_or_else(|| {
        let (mut builder, open) = context(state);
        Box::new(Wasi { context: builder.build_p1(), open })
    });
    state.wasi.insert(wasi)
}

/// A context with what is granted, and how many of the host's descriptors it holds.
pub(super) fn context(state: &State) -> (WasiCtxBuilder, usize) {
    let (plugin, grants) = (&state.plugin, &state.plugin.settings().grants);
    let mut builder = WasiCtxBuilder::new();
    builder.arg(plugin.name()).args(&grants.args).envs(&grants.env).max_random_size(MAX_RANDOM);
    builder.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
    let mut open = 0;
    for dir in &grants.dirs {
        let perms = if dir.write { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
        match builder.preopened_dir(&dir.host, &dir.guest, perms) {
            Ok(_) => open += 1,
            Err(error) => tracing::warn!(
                plugin = plugin.name(),
                version = plugin.version(),
                exchange = %state.exchange(),
                folder = %dir.host.display(),
                %error,
                "granted folder not opened: the plugin does not see it"
            ),
        }
    }
    (builder, open)
}

/// `fd_write(fd, iovs, iovs_len, nwritten) -> errno`.
async fn fd_write(
    mut caller: Caller<'_, State>,
    descriptor: u32,
    pieces: u32,
    count: u32,
    written: u32,
) -> wasmtime::Result<i32> {
    if !is_ours(descriptor) {
        return Box::pin(wasi_files::fd_write(caller, descriptor, pieces, count, written)).await;
    }
    if descriptor == 0 {
        return Ok(BAD_DESCRIPTOR);
    }
    if count > MAX_PIECES {
        return Ok(INVALID);
    }
    let (bytes, state) = memory::with_state(&mut caller)?;
    if state.has_closed(descriptor) {
        return Ok(BAD_DESCRIPTOR);
    }
    let mut total = 0_u32;
    for index in 0..count {
        let Some((start, length)) = piece(bytes, pieces, index) else {
            return Ok(FAULT);
        };
        let Ok(range) = memory::range(bytes, start, length, "fd_write") else {
            return Ok(FAULT);
        };
        if descriptor == 2 {
            let room = MAX_STDERR_WRITE - total;
            let taken = length.min(room);
            collect_stderr(state, &bytes[range][..taken as usize])?;
            total += taken;
            if taken < length {
                // A short write: the rest is for another call, and the ticker comes in between.
                break;
            }
            continue;
        }
        let Some(sum) = total.checked_add(length) else {
            return Ok(INVALID);
        };
        total = sum;
        state.emit(&bytes[range]).await?;
    }
    Ok(store(bytes, written, &total.to_le_bytes()))
}

/// The pointer and length of an `iovec`.
pub(super) fn piece(memory: &[u8], pieces: u32, index: u32) -> Option<(u32, u32)> {
    let place = pieces.checked_add(index.checked_mul(8)?)?;
    let bytes = &memory[memory::range(memory, place, 8, "iovec").ok()?];
    let word = |at: usize| bytes[at..at + 4].try_into().map(u32::from_le_bytes).ok();
    Some((word(0)?, word(4)?))
}

pub(super) fn store(memory: &mut [u8], place: u32, value: &[u8]) -> i32 {
    match memory::range(memory, place, value.len() as u32, "result") {
        Ok(range) => {
            memory[range].copy_from_slice(value);
            SUCCESS
        }
        Err(_) => FAULT,
    }
}

pub(super) fn collect_stderr(state: &mut State, bytes: &[u8]) -> Result<(), Thrown> {
    for part in bytes.split_inclusive(|&byte| byte == b'\n') {
        let room = MAX_STDERR_LINE - state.stderr.len();
        state.stderr.extend_from_slice(&part[..part.len().min(room)]);
        if part.ends_with(b"\n") || state.stderr.len() == MAX_STDERR_LINE {
            flush_stderr(state)?;
        }
    }
    Ok(())
}

/// Writes what standard error has collected, line end or not.
///
/// # Errors
///
/// See [`write_log`].
pub(super) fn flush_stderr(state: &mut State) -> Result<(), Thrown> {
    let line = std::mem::take(&mut state.stderr);
    match line.trim_ascii_end() {
        b"" => Ok(()),
        text => write_log(state, STDERR_LEVEL, text),
    }
}

/// `fd_read(fd, iovs, iovs_len, nread) -> errno`. Only a command has standard input: to others the body
/// comes through `on_chunk`.
async fn fd_read(
    mut caller: Caller<'_, State>,
    descriptor: u32,
    pieces: u32,
    count: u32,
    read: u32,
) -> wasmtime::Result<i32> {
    if !is_ours(descriptor) {
        return Box::pin(wasi_files::fd_read(caller, descriptor, pieces, count, read)).await;
    }
    if descriptor != 0 {
        return Ok(BAD_DESCRIPTOR);
    }
    if let Some(stdin) = caller.data().stdin.clone() {
        return wasi_stdin::read(caller, stdin, pieces, count, read).await;
    }
    let memory = memory::of(&mut caller)?;
    Ok(store(memory.data_mut(&mut caller), read, &0_u32.to_le_bytes()))
}

/// `fd_fdstat_get(fd, stat) -> errno`: output is a character device that can be written and not
/// sought, which is what `isatty` asks: C's stdio then flushes at newlines.
async fn fd_fdstat_get(mut caller: Caller<'_, State>, descriptor: u32, stat: u32) -> wasmtime::Result<i32> {
    const UNKNOWN: u8 = 0;
    const CHARACTER_DEVICE: u8 = 2;
    const RIGHT_READ: u64 = 1 << 1;
    const RIGHT_WRITE: u64 = 1 << 6;
    let (kind, rights) = match descriptor {
        0 => (UNKNOWN, RIGHT_READ),
        1 | 2 => (CHARACTER_DEVICE, RIGHT_WRITE),
        _ => return Box::pin(wasi_files::fd_fdstat_get(caller, descriptor, stat)).await,
    };
    if caller.data().has_closed(descriptor) {
        return Ok(BAD_DESCRIPTOR);
    }
    let mut bytes = [0; 24];
    bytes[0] = kind;
    bytes[8..16].copy_from_slice(&rights.to_le_bytes());
    let memory = memory::of(&mut caller)?;
    Ok(store(memory.data_mut(&mut caller), stat, &bytes))
}
