//! The test host: the state of one exchange, and the hostcalls that act on it.

use std::{cell::RefCell, mem, time::Duration};

use super::{Ending, Outcome, Request};
use crate::Level;

/// Everything that a plugin can ask of a host or leave with it.
#[derive(Debug, Default)]
pub(super) struct Host {
    request_fields: Vec<(String, Vec<u8>)>,
    config: Vec<(String, String)>,
    /// Whether the response head is out: from then on it cannot be changed.
    head_out: bool,
    status: Option<u16>,
    fields: Vec<(String, Vec<u8>)>,
    pub(super) emitted: Vec<u8>,
    emits: usize,
    logs: Vec<(Level, String)>,
    pub(super) timer: Option<Duration>,
    unix_time: Duration,
    /// Since the exchange began.
    monotonic_time: Duration,
}

thread_local! {
    /// The host of the call under way; native plugins find it where wasm has imports.
    static CURRENT: RefCell<Option<Host>> = const { RefCell::new(None) };
}

impl Host {
    pub(super) fn new(request: &Request) -> Self {
        let Request { fields, config, unix_time } = request.clone();
        Self { request_fields: fields, config, unix_time, ..Self::default() }
    }

    /// Runs plugin code with this host behind its hostcalls.
    pub(super) fn enter<R>(&mut self, call: impl FnOnce() -> R) -> R {
        CURRENT.set(Some(mem::take(self)));
        let result = call();
        *self = CURRENT.take().expect("set above, and taken only here");
        result
    }

    pub(super) fn send_head(&mut self) {
        self.head_out = true;
    }

    pub(super) const fn is_head_out(&self) -> bool {
        self.head_out
    }

    pub(super) fn pass_time(&mut self, time: Duration) {
        self.unix_time += time;
        self.monotonic_time += time;
    }

    pub(super) fn pass(&mut self, bytes: &[u8]) {
        self.emitted.extend_from_slice(bytes);
    }

    pub(super) fn finish(mut self, ending: Ending) -> Outcome {
        if ending == Ending::Rejected && !self.head_out {
            self.status = self.status.filter(|code| *code >= 400).or(Some(500));
        }
        Outcome {
            ending,
            status: self.status.unwrap_or(200),
            fields: self.fields,
            emitted: self.emitted,
            emits: self.emits,
            logs: self.logs,
        }
    }

    fn request_field(&self, name: &str) -> Option<Vec<u8>> {
        let same = self.request_fields.iter().filter(|(present, _)| present.eq_ignore_ascii_case(name));
        let values: Vec<&[u8]> = same.map(|(_, value)| value.as_slice()).collect();
        (!values.is_empty()).then(|| values.join(b", ".as_slice()))
    }

    fn emit(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.send_head();
        self.emitted.extend_from_slice(bytes);
        self.emits += 1;
    }

    fn response_status(&mut self, code: u16) -> bool {
        let taken = !self.head_out && (200..=599).contains(&code);
        if taken {
            self.status = Some(code);
        }
        taken
    }

    fn response_field(&mut self, name: &str, value: &[u8]) -> bool {
        let taken = !self.head_out && is_settable(name) && is_field_value(value);
        if taken {
            // One value for each name, but cookies add up: they cannot be joined.
            if !name.eq_ignore_ascii_case("set-cookie") {
                self.fields.retain(|(present, _)| !present.eq_ignore_ascii_case(name));
            }
            self.fields.push((name.to_owned(), value.to_vec()));
        }
        taken
    }
}

/// Whether this is a field name (RFC 9110, 5.6.2) that a plugin may set.
fn is_settable(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty()
        && name.bytes().all(is_token)
        && !HOSTS_OWN.iter().any(|own| name.eq_ignore_ascii_case(own))
}

fn is_field_value(value: &[u8]) -> bool {
    let is_visible = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
    value.iter().all(is_visible) && value.trim_ascii() == value
}

/// Fields that frame the message, manage the connection or are always the host's.
const HOSTS_OWN: [&str; 10] = [
    "connection",
    "date",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "wasmplex-exchange",
    "http2-settings",
];

/// The hostcalls, each as the ABI has it, on the host of the call under way.
pub(crate) mod hostcalls {
    use super::{CURRENT, Duration, Host, Level};
    use crate::hostcalls::Clock;

    pub fn emit(bytes: &[u8]) {
        with(|host| host.emit(bytes));
    }

    pub fn log(level: Level, line: &str) {
        with(|host| host.logs.push((level, line.to_owned())));
    }

    pub fn request_field(name: &str, buf: &mut [u8]) -> i32 {
        copy_out(with(|host| host.request_field(name)), buf)
    }

    pub fn response_status(code: u16) -> i32 {
        if with(|host| host.response_status(code)) { 0 } else { -1 }
    }

    pub fn response_field(name: &str, value: &[u8]) -> i32 {
        if with(|host| host.response_field(name, value)) { 0 } else { -1 }
    }

    pub fn config(key: &str, buf: &mut [u8]) -> i32 {
        let value = with(|host| host.config.iter().find(|(present, _)| present == key).cloned());
        copy_out(value.map(|(_, value)| value.into_bytes()), buf)
    }

    pub fn set_timer(ms: u32) {
        let timer = (ms > 0).then(|| Duration::from_millis(u64::from(ms)));
        with(|host| host.timer = timer);
    }

    /// Nanoseconds.
    pub fn clock(clock: Clock) -> u64 {
        let time = with(|host| match clock {
            Clock::Unix => host.unix_time,
            Clock::Monotonic => host.monotonic_time,
        });
        u64::try_from(time.as_nanos()).expect("a test is over before 2554")
    }

    fn with<R>(act: impl FnOnce(&mut Host) -> R) -> R {
        CURRENT.with_borrow_mut(|current| match current {
            Some(host) => act(host),
            None => panic!(
                "a hostcall outside of an exchange; in tests use wasmplex_plugin::testing::run \
                 for a plugin, and testing::Request::enter for parts of one"
            ),
        })
    }

    fn copy_out(value: Option<Vec<u8>>, buf: &mut [u8]) -> i32 {
        let Some(value) = value else { return -1 };
        if let Some(fitting) = buf.get_mut(..value.len()) {
            fitting.copy_from_slice(&value);
        }
        i32::try_from(value.len()).expect("a test value is below 2 GiB")
    }
}
