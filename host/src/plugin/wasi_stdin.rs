//! Where a command waits: `fd_read` of standard input, and `poll_oneoff`.
//!
//! Neither counts as the program's time: it is suspended, and the exchange goes on with it when there is
//! input, or its sleep is over.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use wasmtime::{AsContextMut as _, Caller, Linker};
use wasmtime_wasi::p1::types::Clockid;
use wasmtime_wasi::p1::wasi_snapshot_preview1::{self as p1, WasiSnapshotPreview1 as _};
use wiggle::GuestMemory;

use super::failure::Thrown;
use super::memory;
use super::state::State;
use super::stdin::{Answer, Asks, Stdin};
use super::wasi::{BAD_DESCRIPTOR, FAULT, INVALID, MAX_PIECES, MODULE, SUCCESS, piece, store, wasi};
use super::wasi_files::{delegated, is_ours};

/// The most subscriptions of one `poll_oneoff`: a program has a handful of descriptors.
const MAX_SUBSCRIPTIONS: u32 = 1_024;

/// The size of a `subscription` and of an `event` in bytes.
const SUBSCRIPTION: u32 = 48;
const EVENT: u32 = 32;

/// How much a write to an output that is always ready is said to take.
const WRITE_ROOM: u64 = 64 * 1024;

/// `eventtype` values.
const CLOCK: u8 = 0;
const READ: u8 = 1;
const WRITE: u8 = 2;

/// Defines `poll_oneoff` in `linker`.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap_async(MODULE, "poll_oneoff", |caller, (subscriptions, events, count, stored)| {
        Box::new(poll_oneoff(caller, subscriptions, events, count, stored))
    })?;
    Ok(())
}

/// Suspends the program until it has what it asks for. If that takes a while, the exchange has it let the
/// response head go meanwhile.
async fn wait(caller: &mut Caller<'_, State>, stdin: &Stdin, asks: Asks) -> Result<(), Thrown> {
    stdin.ask(asks);
    while poll_fn(|_| stdin.poll_answer()).await == Answer::Begin {
        caller.data_mut().begin_response()?;
    }
    // A look that finds nothing is no end of a call: to look again and again is no way around its budget.
    if !asks.is_look || stdin.available().is_some() {
        caller.data_mut().begin_call();
        caller.as_context_mut().set_epoch_deadline(1);
    }
    Ok(())
}

/// Reads standard input as far as it is there; waits only if nothing is.
pub(super) async fn read(
    mut caller: Caller<'_, State>,
    stdin: Arc<Stdin>,
    pieces: u32,
    count: u32,
    read: u32,
) -> wasmtime::Result<i32> {
    if stdin.is_closed(0) {
        return Ok(BAD_DESCRIPTOR);
    }
    if count > MAX_PIECES {
        return Ok(INVALID);
    }
    let (bytes, _) = memory::with_state(&mut caller)?;
    if memory::range(bytes, read, 4, "fd_read").is_err() {
        return Ok(FAULT);
    }
    let mut ranges = Vec::with_capacity(count as usize);
    for index in 0..count {
        let range = piece(bytes, pieces, index)
            .and_then(|(start, length)| memory::range(bytes, start, length, "fd_read").ok());
        match range {
            Some(range) => ranges.push(range),
            None => return Ok(FAULT),
        }
    }
    if ranges.iter().any(|range| !range.is_empty()) {
        while stdin.available().is_none() {
            wait(&mut caller, &stdin, Asks::INPUT).await?;
        }
    }
    let (bytes, _) = memory::with_state(&mut caller)?;
    let taken = stdin.take(|input| {
        let mut taken = 0;
        for range in ranges {
            let length = range.len().min(input.len() - taken);
            bytes[range.start..range.start + length].copy_from_slice(&input[taken..taken + length]);
            taken += length;
        }
        Ok::<_, wasmtime::Error>(taken)
    })?;
    Ok(store(bytes, read, &(taken as u32).to_le_bytes()))
}

/// What a subscription is about.
#[derive(Clone, Copy)]
enum About {
    Clock(Instant),
    Read(u32),
    Write(u32),
    /// Nothing that there is.
    Wrong(i32),
}

#[derive(Clone, Copy)]
struct Subscription {
    userdata: u64,
    kind: u8,
    about: About,
}

/// `poll_oneoff(subscriptions, events, count, stored) -> errno`.
async fn poll_oneoff(
    mut caller: Caller<'_, State>,
    subscriptions: u32,
    events: u32,
    count: u32,
    stored: u32,
) -> wasmtime::Result<i32> {
    let Some(stdin) = caller.data().stdin.clone() else {
        return delegate(caller, subscriptions, events, count, stored).await;
    };
    if count == 0 || count > MAX_SUBSCRIPTIONS {
        return Ok(INVALID);
    }
    let (bytes, _) = memory::with_state(&mut caller)?;
    let is_out_of_range =
        |start, size: u32| memory::range(bytes, start, size * count, "poll_oneoff").is_err();
    if is_out_of_range(subscriptions, SUBSCRIPTION) || is_out_of_range(events, EVENT) {
        return Ok(FAULT);
    }
    let mut asked = Vec::with_capacity(count as usize);
    for index in 0..count {
        asked.push(subscription(&mut caller, subscriptions + index * SUBSCRIPTION).await?);
    }
    let due = asked.iter().filter_map(|asked| match asked.about {
        About::Clock(due) => Some(due),
        _ => None,
    });
    let due = due.min();
    let wants_input = asked.iter().any(|asked| matches!(asked.about, About::Read(0)));
    // Input that has arrived is not seen before it is asked for.
    let mut must_ask = wants_input && stdin.available().is_none() && !stdin.is_closed(0);
    let happened = loop {
        let now = stdin.now();
        let happened: Vec<_> = asked.iter().filter_map(|asked| event(asked, &stdin, now)).collect();
        if !happened.is_empty() && !must_ask {
            break happened;
        }
        let asks = match due {
            _ if !happened.is_empty() => Asks::look(),
            Some(due) => Asks::until(wants_input, due),
            None => Asks::INPUT,
        };
        wait(&mut caller, &stdin, asks).await?;
        must_ask = false;
    };
    let (bytes, _) = memory::with_state(&mut caller)?;
    for (index, event) in (0_u32..).zip(&happened) {
        store(bytes, events + index * EVENT, event);
    }
    Ok(store(bytes, stored, &(happened.len() as u32).to_le_bytes()))
}

/// The subscription at `place`, which lies in the memory.
async fn subscription(caller: &mut Caller<'_, State>, place: u32) -> wasmtime::Result<Subscription> {
    let (bytes, state) = memory::with_state(caller)?;
    let place = place as usize;
    let mut entry = [0; SUBSCRIPTION as usize];
    entry.copy_from_slice(&bytes[place..place + SUBSCRIPTION as usize]);
    let word = |at: usize| u32::from_le_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]]);
    let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
    let about = match entry[8] {
        CLOCK => {
            let is_absolute = entry[40] & 1 != 0;
            clock(state, bytes, word(16), long(24), is_absolute)?.map_or(About::Wrong(INVALID), About::Clock)
        }
        READ | WRITE if !is_ours(word(16)) && !is_open(state, bytes, word(16)).await => {
            About::Wrong(BAD_DESCRIPTOR)
        }
        READ => About::Read(word(16)),
        WRITE => About::Write(word(16)),
        _ => About::Wrong(INVALID),
    };
    Ok(Subscription { userdata: long(0), kind: entry[8], about })
}

/// Whether the program has opened this file or folder.
async fn is_open(state: &mut State, bytes: &mut [u8], descriptor: u32) -> bool {
    if state.plugin.settings().grants.dirs.is_empty() {
        return false;
    }
    let mut memory = GuestMemory::Unshared(bytes);
    wasi(state).context.fd_fdstat_get(&mut memory, descriptor.into()).await.is_ok()
}

/// When the time of a clock has come, if there is such a clock.
fn clock(
    state: &mut State,
    bytes: &mut [u8],
    id: u32,
    nanos: u64,
    is_absolute: bool,
) -> wasmtime::Result<Option<Instant>> {
    let id = match id {
        0 => Clockid::Realtime,
        1 => Clockid::Monotonic,
        _ => return Ok(None),
    };
    let mut pause = nanos;
    if is_absolute {
        let mut memory = GuestMemory::Unshared(bytes);
        let now = wasi(state).context.clock_time_get(&mut memory, id, 0);
        pause = nanos.saturating_sub(now.map_err(|error| wasmtime::Error::msg(error.to_string()))?);
    }
    let now = Instant::now();
    // Beyond the end of time: a year is as good.
    let far = || now + Duration::from_secs(365 * 24 * 3_600);
    Ok(Some(now.checked_add(Duration::from_nanos(pause)).unwrap_or_else(far)))
}

/// The event of a subscription, if it has happened.
fn event(asked: &Subscription, stdin: &Stdin, now: Instant) -> Option<[u8; EVENT as usize]> {
    const HANGUP: u16 = 1;
    let (error, ready, flags) = match asked.about {
        About::Wrong(error) => (error, 0, 0),
        About::Clock(due) if due <= now => (SUCCESS, 0, 0),
        About::Clock(_) => return None,
        About::Read(0) if stdin.is_closed(0) => (BAD_DESCRIPTOR, 0, 0),
        About::Read(0) => match stdin.available()? {
            0 => (SUCCESS, 0, HANGUP),
            count => (SUCCESS, count as u64, 0),
        },
        About::Write(descriptor @ (1 | 2)) if !stdin.is_closed(descriptor) => (SUCCESS, WRITE_ROOM, 0),
        About::Read(0..=2) | About::Write(0..=2) => (BAD_DESCRIPTOR, 0, 0),
        // Files are always ready.
        About::Read(_) => (SUCCESS, 1, 0),
        About::Write(_) => (SUCCESS, WRITE_ROOM, 0),
    };
    let mut event = [0; EVENT as usize];
    event[..8].copy_from_slice(&asked.userdata.to_le_bytes());
    event[8..10].copy_from_slice(&(error as u16).to_le_bytes());
    event[10] = asked.kind;
    event[16..24].copy_from_slice(&ready.to_le_bytes());
    event[24..26].copy_from_slice(&flags.to_le_bytes());
    Some(event)
}

/// wasmtime's `poll_oneoff`, for plugins that have no standard input to wait for.
async fn delegate(
    mut caller: Caller<'_, State>,
    subscriptions: u32,
    events: u32,
    count: u32,
    stored: u32,
) -> wasmtime::Result<i32> {
    let (mut memory, wasi) = delegated(&mut caller)?;
    let [subscriptions, events, count, stored] = [subscriptions, events, count, stored].map(u32::cast_signed);
    p1::poll_oneoff(&mut wasi.context, &mut memory, subscriptions, events, count, stored).await
}
