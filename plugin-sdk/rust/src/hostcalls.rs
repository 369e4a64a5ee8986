//! What the host does for a plugin, as safe functions.

#[cfg(feature = "alloc")]
use alloc::{string::String, vec, vec::Vec};
use core::{error::Error, fmt, time::Duration};

use crate::host;

/// Sends bytes to the client, and before the first of them the response head if it
/// is not out.
///
/// Waits while the client does not read, so what a plugin emits needs no bound of
/// its own. If the client goes away meanwhile, this does not return: the instance
/// ends. No bytes, no effect; an empty emit never ends the response.
pub fn emit(bytes: &[u8]) {
    host::emit(bytes);
}

/// A field of the request head, copied into `buf`: `None` if the request has no
/// such field, `TooLong` (and `buf` unchanged) if it does not fit.
///
/// Names are case-insensitive. Several fields of one name come as one value, joined
/// with `", "`. `:method`, `:path`, `:query`, `:version`, `:peer` and `:plugin` work
/// too. Values are bytes, as HTTP does not promise that they are UTF-8.
///
/// ```
/// # wasmplex_plugin::testing::Request::new().field("Accept", "text/plain").enter(|| {
/// let mut buf = [0; 256];
/// let plain = matches!(
///     wasmplex_plugin::request_field("accept", &mut buf),
///     Some(Ok(b"text/plain"))
/// );
/// # assert!(plain);
/// # });
/// ```
pub fn request_field<'b>(name: &str, buf: &'b mut [u8]) -> Option<Result<&'b [u8], TooLong>> {
    copied(host::request_field(name, buf), buf)
}

/// [`request_field`] as an owned value, however long it is.
#[cfg(feature = "alloc")]
#[must_use]
pub fn request_field_vec(name: &str) -> Option<Vec<u8>> {
    owned(|buf| host::request_field(name, buf))
}

/// A value of `config` in the plugin's manifest, copied into `buf`: `None` if there
/// is no such key, `TooLong` (and `buf` unchanged) if it does not fit.
///
/// # Panics
///
/// If the value is not UTF-8, which a manifest (it is JSON) rules out.
pub fn config<'b>(key: &str, buf: &'b mut [u8]) -> Option<Result<&'b str, TooLong>> {
    let value = copied(host::config(key, buf), buf)?;
    Some(value.map(|bytes| match core::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => panic!("a config value is not UTF-8"),
    }))
}

/// A value of `config` that is a number or another short text (up to 64 bytes): `None`
/// if there is no such key, an error if its value is something else.
///
/// ```
/// # wasmplex_plugin::testing::Request::new().config("level", "9").enter(|| {
/// let level: u8 = match wasmplex_plugin::config_parsed("level") {
///     None => 6,
///     Some(Ok(level)) if level <= 9 => level,
///     Some(_) => panic!("config.level is not a number from 0 to 9"),
/// };
/// # assert_eq!(level, 9);
/// # });
/// ```
///
/// # Panics
///
/// As [`config`].
#[must_use]
pub fn config_parsed<T: core::str::FromStr>(key: &str) -> Option<Result<T, BadConfig>> {
    let value = config(key, &mut [0; 64])?.map(|text| text.parse().map_err(|_| BadConfig));
    Some(value.unwrap_or(Err(BadConfig)))
}

/// [`config`] as an owned value, however long it is.
///
/// # Panics
///
/// As [`config`].
#[cfg(feature = "alloc")]
#[must_use]
pub fn config_string(key: &str) -> Option<String> {
    let bytes = owned(|buf| host::config(key, buf))?;
    match String::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(_) => panic!("a config value is not UTF-8"),
    }
}

/// Sets the response's status, 200 to 599; without it, 200.
///
/// # Errors
///
/// [`HeadRefused`] if the head is out already, or the code is outside that range.
pub fn response_status(code: u16) -> Result<(), HeadRefused> {
    accepted(host::response_status(code))
}

/// Sets a field of the response's head, in place of an earlier one of that name
/// (`set-cookie` alone adds).
///
/// `content-length` is accepted, and then enforced on what is emitted; the other
/// fields that frame a message are the host's.
///
/// # Errors
///
/// [`HeadRefused`] if the head is out already, the name is not a field name, the
/// value has CR, LF or another control character in it or white space around it, or
/// the field is the host's.
pub fn response_field(name: &str, value: impl AsRef<[u8]>) -> Result<(), HeadRefused> {
    accepted(host::response_field(name, value.as_ref()))
}

/// Has [`on_timer`](crate::Plugin::on_timer) called once, `after` from now, body or
/// no body. A timer that was set before is replaced, and the end of a body cancels it;
/// one that is set in [`on_end`](crate::Plugin::on_end) holds the response open until
/// it has fired, and so does any in an exchange without a body.
///
/// Counted in milliseconds, rounded up: from 1 ms to [`MAX_TIMER`], which stands
/// for anything longer.
pub fn set_timer(after: Duration) {
    host::set_timer(timer_millis(after));
}

/// Takes back the timer that [`set_timer`] set, if it has not fired.
pub fn cancel_timer() {
    host::set_timer(0);
}

/// The time since 1970-01-01 00:00:00 UTC, leap seconds left out, as the host's clock
/// says. Zero if the host has no clock.
#[must_use]
pub fn unix_time() -> Duration {
    Duration::from_nanos(host::clock(Clock::Unix))
}

/// The time since some moment before the exchange, for measuring: it never goes back.
/// Zero if the host has no clock.
#[must_use]
pub fn monotonic_time() -> Duration {
    Duration::from_nanos(host::clock(Clock::Monotonic))
}

/// The clocks of WASI preview 1, which the host links for every module.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(crate) enum Clock {
    Unix = 0,
    Monotonic = 1,
}

/// The longest timer, 24 days and 20 hours: what counts as positive milliseconds
/// in the ABI's 32-bit integer, read signed or unsigned.
pub const MAX_TIMER: Duration = Duration::from_millis(i32::MAX as u64);

fn timer_millis(after: Duration) -> u32 {
    let below_a_second = u64::from(after.subsec_nanos().div_ceil(1_000_000));
    let millis = after.as_secs().saturating_mul(1_000).saturating_add(below_a_second);
    millis.clamp(1, i32::MAX as u64) as u32
}

/// A value is longer than the buffer that was given for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TooLong {
    /// The value's length in bytes.
    pub needed: usize,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the value does not fit: it has {} bytes", self.needed)
    }
}

impl Error for TooLong {}

/// The host did not take a change to the response head; the head is as it was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HeadRefused;

impl fmt::Display for HeadRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the response head is out already, or this may not stand in it")
    }
}

impl Error for HeadRefused {}

/// A value of `config` is not what it should be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BadConfig;

impl fmt::Display for BadConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this value of config is not of the right kind")
    }
}

impl Error for BadConfig {}

/// Method, path and query are printable ASCII: the host refuses any other request.
pub(crate) fn ascii(bytes: &[u8]) -> &str {
    match core::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => panic!("a request target is not ASCII"),
    }
}

/// The ABI answers with the value's length, negative if there is none, and has
/// written it only if it fits.
fn copied(len: i32, buf: &[u8]) -> Option<Result<&[u8], TooLong>> {
    let needed = usize::try_from(len).ok()?;
    Some(buf.get(..needed).ok_or(TooLong { needed }))
}

/// Asks with a small buffer first, then with one of the size it takes.
#[cfg(feature = "alloc")]
fn owned(ask: impl Fn(&mut [u8]) -> i32) -> Option<Vec<u8>> {
    let mut buf = vec![0; FIRST_TRY];
    loop {
        let needed = usize::try_from(ask(&mut buf)).ok()?;
        if needed <= buf.len() {
            buf.truncate(needed);
            return Some(buf);
        }
        buf.resize(needed, 0);
    }
}

/// Longer than most field values, so that one hostcall is enough for most.
#[cfg(feature = "alloc")]
const FIRST_TRY: usize = 128;

fn accepted(code: i32) -> Result<(), HeadRefused> {
    if code < 0 { Err(HeadRefused) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Request;

    #[test]
    fn values_fit_or_say_how_long_they_are() {
        let request = Request::new().field("X-Name", "seven b").field("empty", "").config("key", "v");
        request.enter(|| {
            let mut buf = [b'.'; 8];
            assert_eq!(request_field("x-nAME", &mut buf), Some(Ok(b"seven b".as_slice())));
            assert_eq!(request_field("x-name", &mut buf[..7]), Some(Ok(b"seven b".as_slice())));
            let mut short = [b'.'; 6];
            assert_eq!(request_field("x-name", &mut short), Some(Err(TooLong { needed: 7 })));
            assert_eq!(short, [b'.'; 6]);
            assert_eq!(request_field("empty", &mut []), Some(Ok(b"".as_slice())));
            assert_eq!(request_field("absent", &mut buf), None);
            assert_eq!(config("key", &mut buf), Some(Ok("v")));
            assert_eq!(config("key", &mut []), Some(Err(TooLong { needed: 1 })));
            assert_eq!(config("Key", &mut buf), None);
        });
    }

    #[test]
    fn config_values_of_a_kind() {
        let request = Request::new().config("n", "12").config("no", "twelve").config("long", &"1".repeat(65));
        request.enter(|| {
            assert_eq!(config_parsed::<u8>("n"), Some(Ok(12)));
            assert_eq!(config_parsed::<u8>("no"), Some(Err(BadConfig)));
            assert_eq!(config_parsed::<bool>("n"), Some(Err(BadConfig)));
            assert_eq!(config_parsed::<u128>("long"), Some(Err(BadConfig)));
            assert_eq!(config_parsed::<u8>("absent"), None);
        });
    }

    #[test]
    fn clocks() {
        let time = Duration::from_millis(1_795_392_000_123);
        Request::new().unix_time(time).enter(|| {
            assert_eq!(unix_time(), time);
            assert_eq!(monotonic_time(), monotonic_time());
        });
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn owned_values_of_any_length() {
        for len in [0, 1, FIRST_TRY - 1, FIRST_TRY, FIRST_TRY + 1, 5_000] {
            let value = "x".repeat(len);
            Request::new().field("name", &value).config("key", &value).enter(|| {
                assert_eq!(request_field_vec("name").as_deref(), Some(value.as_bytes()));
                assert_eq!(config_string("key").as_deref(), Some(value.as_str()));
                assert_eq!(request_field_vec("absent"), None);
                assert_eq!(config_string("absent"), None);
            });
        }
    }

    #[test]
    fn timers_are_rounded_up_and_never_zero() {
        assert_eq!(timer_millis(Duration::ZERO), 1);
        assert_eq!(timer_millis(Duration::from_nanos(1)), 1);
        assert_eq!(timer_millis(Duration::from_micros(1_001)), 2);
        assert_eq!(timer_millis(Duration::from_millis(1_999)), 1_999);
        assert_eq!(timer_millis(MAX_TIMER), i32::MAX as u32);
        assert_eq!(timer_millis(Duration::MAX), i32::MAX as u32);
    }
}
