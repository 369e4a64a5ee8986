//! The imports of ABI version 1: one function each, checked and short.

use std::time::Instant;

use wasmtime::{Caller, Linker};

use super::abi::IMPORT_MODULE;
use super::failure::Thrown;
use super::memory;
use super::state::State;

/// The most bytes of one log line; what is beyond is cut.
pub(super) const MAX_LOG_LINE: usize = 4 * 1024;

/// Defines all imports in `linker`.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap_async(IMPORT_MODULE, "emit", |caller, (pointer, length)| {
        Box::new(emit(caller, pointer, length))
    })?;
    linker.func_wrap(IMPORT_MODULE, "log", log)?;
    linker.func_wrap(IMPORT_MODULE, "request_field", request_field)?;
    linker.func_wrap(IMPORT_MODULE, "response_status", response_status)?;
    linker.func_wrap(IMPORT_MODULE, "response_field", response_field)?;
    linker.func_wrap(IMPORT_MODULE, "config", config)?;
    linker.func_wrap(IMPORT_MODULE, "set_timer", set_timer)?;
    Ok(())
}

async fn emit(mut caller: Caller<'_, State>, pointer: u32, length: u32) -> wasmtime::Result<i32> {
    let (bytes, state) = memory::with_state(&mut caller)?;
    let bytes = &bytes[memory::range(bytes, pointer, length, "emit")?];
    state.emit(bytes).await?;
    Ok(0)
}

fn log(mut caller: Caller<'_, State>, level: u32, pointer: u32, length: u32) -> wasmtime::Result<()> {
    let (bytes, state) = memory::with_state(&mut caller)?;
    let line = &bytes[memory::range(bytes, pointer, length, "log")?];
    Ok(write_log(state, level, line)?)
}

/// Writes one line of the plugin's to the log, within its budget: 0 trace, 1 debug, 2 info,
/// 3 warn, 4 and more error.
///
/// # Errors
///
/// [`Thrown::Beyond`] when the exchange has written all the lines that it may.
pub(super) fn write_log(state: &mut State, level: u32, line: &[u8]) -> Result<(), Thrown> {
    state.tally.usage().log_line()?;
    let Some(dropped) = state.log.admit(Instant::now()) else {
        return Ok(());
    };
    let plugin = state.plugin.name();
    let exchange = state.exchange();
    if dropped > 0 {
        tracing::warn!(target: "plugin", plugin, %exchange, dropped, "log lines were dropped: too many at once");
    }
    let text = printable(line, MAX_LOG_LINE);
    match level {
        0 => tracing::trace!(target: "plugin", plugin, %exchange, "{text}"),
        1 => tracing::debug!(target: "plugin", plugin, %exchange, "{text}"),
        2 => tracing::info!(target: "plugin", plugin, %exchange, "{text}"),
        3 => tracing::warn!(target: "plugin", plugin, %exchange, "{text}"),
        _ => tracing::error!(target: "plugin", plugin, %exchange, "{text}"),
    }
    Ok(())
}

/// The first `most` bytes of a plugin's text, or of a text with names out of a file, as they may stand in a
/// log line: they must not bring line ends or terminal codes into the operator's log.
#[must_use]
pub fn printable(text: &[u8], most: usize) -> String {
    let text = String::from_utf8_lossy(&text[..text.len().min(most)]);
    text.chars().flat_map(Shown::new).collect()
}

/// A character as it may stand in a log line: control characters escaped.
enum Shown {
    Plain(std::iter::Once<char>),
    Escaped(std::char::EscapeDefault),
}

impl Shown {
    fn new(char: char) -> Self {
        if char.is_control() || is_deceptive(char) {
            Self::Escaped(char.escape_default())
        } else {
            Self::Plain(std::iter::once(char))
        }
    }
}

/// Characters that end a line for some, or turn the order of what follows around.
const fn is_deceptive(char: char) -> bool {
    matches!(char, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl Iterator for Shown {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        match self {
            Self::Plain(char) => char.next(),
            Self::Escaped(chars) => chars.next(),
        }
    }
}

fn request_field(
    mut caller: Caller<'_, State>,
    name: u32,
    name_length: u32,
    buffer: u32,
    capacity: u32,
) -> wasmtime::Result<i32> {
    let (bytes, state) = memory::with_state(&mut caller)?;
    let name = &bytes[memory::range(bytes, name, name_length, "request_field")?];
    match state.request.field(name) {
        Some(value) => Ok(memory::answer(bytes, &value, buffer, capacity, "request_field")?),
        None => {
            memory::range(bytes, buffer, capacity, "request_field")?;
            Ok(-1)
        }
    }
}

fn response_status(mut caller: Caller<'_, State>, code: i32) -> i32 {
    answer(caller.data_mut().response.set_status(code))
}

fn response_field(
    mut caller: Caller<'_, State>,
    name: u32,
    name_length: u32,
    value: u32,
    value_length: u32,
) -> wasmtime::Result<i32> {
    let (bytes, state) = memory::with_state(&mut caller)?;
    let name = &bytes[memory::range(bytes, name, name_length, "response_field")?];
    let value = &bytes[memory::range(bytes, value, value_length, "response_field")?];
    Ok(answer(state.outlet.accepts_field(name, value) && state.response.set_field(name, value)))
}

fn config(
    mut caller: Caller<'_, State>,
    key: u32,
    key_length: u32,
    buffer: u32,
    capacity: u32,
) -> wasmtime::Result<i32> {
    let (bytes, state) = memory::with_state(&mut caller)?;
    let key = &bytes[memory::range(bytes, key, key_length, "config")?];
    let value = std::str::from_utf8(key).ok().and_then(|key| state.plugin.settings().config.get(key));
    match value {
        Some(value) => Ok(memory::answer(bytes, value.as_bytes(), buffer, capacity, "config")?),
        None => {
            memory::range(bytes, buffer, capacity, "config")?;
            Ok(-1)
        }
    }
}

/// 0 cancels. A module without `on_timer` gets -1: nobody would hear it ring.
fn set_timer(mut caller: Caller<'_, State>, milliseconds: u32) -> wasmtime::Result<i32> {
    Ok(answer(caller.data_mut().set_timer(milliseconds)?))
}

const fn answer(done: bool) -> i32 {
    if done { 0 } else { -1 }
}
