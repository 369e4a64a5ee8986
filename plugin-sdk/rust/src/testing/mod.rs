//! Runs a plugin natively, without a host, in a unit test. Not there on wasm32.
//!
//! ```
//! use wasmplex_plugin::{End, Next, Plugin, emit, testing::Request};
//!
//! /// Counts the bytes of the body.
//! #[derive(Default)]
//! struct Count(usize);
//!
//! impl Plugin for Count {
//!     fn on_chunk(&mut self, chunk: &mut [u8]) -> Next {
//!         self.0 += chunk.len();
//!         Next::GoOn
//!     }
//!     fn on_end(&mut self) -> End {
//!         emit(format!("{}\n", self.0).as_bytes());
//!         End::Done
//!     }
//! }
//!
//! let outcome = Request::new().field(":path", "/count").assert_cuts_agree::<Count>(b"12345");
//! assert_eq!(outcome.emitted, b"5\n");
//! ```
//!
//! The test host keeps to ABI version 1 as far as a plugin's logic can tell: order
//! of the calls, when the head is out, which head fields are refused, chunks of at
//! most 64 KiB and never empty. It has no limits of memory or time, sends no bytes
//! anywhere, does not enforce `content-length`, and time passes in it only when
//! [`Exchange::fire_timer`] says so.
//!
//! [`golden`] runs cases that are kept as files.

use std::time::Duration;

pub use self::golden::golden;
use self::host::Host;
pub(crate) use self::host::hostcalls;
use crate::{CHUNK_CAPACITY, End, Level, Next, Open, Plugin};

mod cuts;
mod golden;
mod host;
mod json;

/// Runs a plugin on a plain `POST` whose body comes in these chunks.
pub fn run<P: Plugin>(chunks: &[&[u8]]) -> Outcome {
    Request::new().run::<P>(chunks)
}

/// What the client asks for and what the manifest configures.
#[derive(Clone, Debug)]
pub struct Request {
    fields: Vec<(String, Vec<u8>)>,
    config: Vec<(String, String)>,
    unix_time: Duration,
}

impl Request {
    /// `POST /plugin` in HTTP/1.1 to a plugin called `plugin`, from `127.0.0.1:50000`,
    /// with no fields and no configuration, on 2026-01-01 at 00:00:00 UTC.
    #[must_use]
    pub fn new() -> Self {
        let unix_time = Duration::from_secs(1_767_225_600);
        let request = Self { fields: Vec::new(), config: Vec::new(), unix_time };
        request
            .field(":method", "POST")
            .field(":path", "/plugin")
            .field(":version", "HTTP/1.1")
            .field(":peer", "127.0.0.1:50000")
            .field(":plugin", "plugin")
    }

    /// Sets `:path` and, from what follows a `?`, `:query`.
    #[must_use]
    pub fn target(mut self, target: &str) -> Self {
        self.fields.retain(|(present, _)| present != ":query");
        match target.split_once('?') {
            Some((path, query)) => self.field(":path", path).field(":query", query),
            None => self.field(":path", target),
        }
    }

    /// Sets what the plugin's clock says at the beginning, as the time since 1970.
    #[must_use]
    pub fn unix_time(mut self, time: Duration) -> Self {
        self.unix_time = time;
        self
    }

    /// Adds a field to the request head. A name that begins with `:` replaces what
    /// was there: `field(":method", "GET")`.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        if name.starts_with(':') {
            self.fields.retain(|(present, _)| present != name);
        }
        self.fields.push((name.to_ascii_lowercase(), value.as_ref().to_vec()));
        self
    }

    /// Sets a key of the manifest's `config`.
    #[must_use]
    pub fn config(mut self, key: &str, value: &str) -> Self {
        self.config.retain(|(present, _)| present != key);
        self.config.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Runs a plugin on this request, with a body that comes in these chunks.
    pub fn run<P: Plugin>(&self, chunks: &[&[u8]]) -> Outcome {
        let mut exchange = self.open::<P>();
        for chunk in chunks {
            exchange.chunk(chunk);
        }
        exchange.end()
    }

    /// Runs a plugin on the body in one chunk, byte by byte, cut in two at each offset,
    /// and cut at random; they must agree, as chunk borders mean nothing. Returns the
    /// first.
    ///
    /// The time that it takes grows with the square of the body, so keep it short, or use
    /// [`Request::assert_random_cuts_agree`].
    ///
    /// # Panics
    ///
    /// If what the client gets differs between two of the runs.
    #[track_caller]
    pub fn assert_cuts_agree<P: Plugin>(&self, body: &[u8]) -> Outcome {
        let whole = self.run_body::<P>(&[body]);
        let bytes: Vec<&[u8]> = body.chunks(1).collect();
        whole.assert_same_response(&self.run_body::<P>(&bytes), "byte by byte");
        for offset in 1..body.len() {
            let (head, tail) = body.split_at(offset);
            let cut = self.run_body::<P>(&[head, tail]);
            whole.assert_same_response(&cut, &format!("cut at {offset}"));
        }
        self.assert_random_cuts_agree::<P>(body, 1)
    }

    /// Runs a plugin on the body in one chunk, and cut at random in 32 ways that the seed
    /// decides, from single bytes up to pieces of 64 KiB; they must agree. Returns the
    /// first.
    ///
    /// # Panics
    ///
    /// If what the client gets differs between two of the runs.
    #[track_caller]
    pub fn assert_random_cuts_agree<P: Plugin>(&self, body: &[u8], seed: u64) -> Outcome {
        let whole = self.run_body::<P>(&[body]);
        for round in 0..cuts::ROUNDS {
            let cut = self.run_body::<P>(&cuts::random(body, seed, round));
            whole.assert_same_response(&cut, &format!("cut at random (seed {seed}, round {round})"));
        }
        whole
    }

    /// As [`Request::run`], and the request has a body even if there is no byte in it.
    fn run_body<P: Plugin>(&self, chunks: &[&[u8]]) -> Outcome {
        let mut exchange = self.open::<P>();
        exchange.chunk(b"");
        for chunk in chunks {
            exchange.chunk(chunk);
        }
        exchange.end()
    }

    /// Opens an exchange step by step: the plugin is made and its `on_open` called.
    pub fn open<P: Plugin>(&self) -> Exchange<P> {
        let mut host = Host::new(self);
        let (plugin, open) = host.enter(|| {
            let mut plugin = P::default();
            let open = plugin.on_open();
            (plugin, open)
        });
        let state = match open {
            Open::GoOn | Open::Hold => State::Body,
            Open::Finish => State::Over(Ending::Early),
            Open::Pass => State::Passing,
            Open::Reject => State::Over(Ending::Rejected),
        };
        if !matches!(open, Open::Hold | Open::Reject) {
            host.send_head();
        }
        Exchange { plugin, host, state, has_body: false }
    }

    /// Calls a function that uses hostcalls, with the response head not yet out, and
    /// returns what it returns. For testing parts of a plugin.
    pub fn enter<R>(&self, call: impl FnOnce() -> R) -> R {
        Host::new(self).enter(call)
    }

    /// As [`Request::enter`], and returns what became of the response.
    pub fn collect(&self, call: impl FnOnce()) -> Outcome {
        let mut host = Host::new(self);
        host.enter(call);
        host.finish(Ending::Clean)
    }
}

impl Default for Request {
    fn default() -> Self {
        Self::new()
    }
}

/// A request under way, with its body still open.
#[derive(Debug)]
pub struct Exchange<P> {
    plugin: P,
    host: Host,
    state: State,
    /// Whether the request has a body, empty or not.
    has_body: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// The body is open.
    Body,
    /// The rest of the body goes to the client as it is.
    Passing,
    /// The body is complete; only timers are left.
    Ended,
    Over(Ending),
}

impl<P: Plugin> Exchange<P> {
    /// The next bytes of the body, in calls of at most [`CHUNK_CAPACITY`] bytes. A
    /// plugin that has ended is not called again.
    pub fn chunk(&mut self, bytes: &[u8]) {
        self.has_body = true;
        for piece in bytes.chunks(CHUNK_CAPACITY) {
            match self.state {
                State::Body => {
                    let mut buffer = piece.to_vec();
                    let next = self.host.enter(|| self.plugin.on_chunk(&mut buffer));
                    self.go(next);
                }
                State::Passing => self.host.pass(piece),
                State::Ended | State::Over(_) => {}
            }
        }
    }

    /// Lets the timer that the plugin has set fire now, however far away, and the clocks
    /// go on by that; `false` if none is set.
    pub fn fire_timer(&mut self) -> bool {
        let is_live = matches!(self.state, State::Body | State::Ended);
        let Some(after) = self.host.timer.take().filter(|_| is_live) else { return false };
        self.host.pass_time(after);
        let next = self.host.enter(|| self.plugin.on_timer());
        self.go(next);
        true
    }

    /// Lets time pass, without a timer firing.
    pub fn pass_time(&mut self, time: Duration) {
        self.host.pass_time(time);
    }

    /// Whether the exchange has ended, and nothing of the plugin is called any more.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over(_))
    }

    /// Whether the response head is out.
    pub fn is_head_out(&self) -> bool {
        self.host.is_head_out()
    }

    /// The timer that the plugin has set: how long after setting it it fires.
    pub fn timer(&self) -> Option<Duration> {
        self.host.timer
    }

    /// What has been emitted so far.
    pub fn emitted(&self) -> &[u8] {
        &self.host.emitted
    }

    /// The body is complete: `on_end`. A timer set during the body is cancelled; one
    /// that is set in `on_end`, or earlier if there was no body to wait for, still
    /// holds the response open, and [`Exchange::fire_timer`] has it go on.
    pub fn end_body(&mut self) {
        if self.has_body {
            self.host.timer = None;
        }
        match self.state {
            State::Body => match self.host.enter(|| self.plugin.on_end()) {
                End::Done => self.state = State::Ended,
                End::Reject => self.state = State::Over(Ending::Rejected),
            },
            State::Passing => self.state = State::Over(Ending::Clean),
            State::Ended | State::Over(_) => {}
        }
    }

    /// Ends the body, if it is open, and the exchange. Timers do not fire any more.
    pub fn end(mut self) -> Outcome {
        self.end_body();
        let ending = match self.state {
            State::Over(ending) => ending,
            State::Body | State::Passing | State::Ended => Ending::Clean,
        };
        self.host.finish(ending)
    }

    fn go(&mut self, next: Next) {
        match next {
            Next::GoOn => {}
            // With the body complete there is nothing to pass, and nothing early in it.
            Next::Finish | Next::Pass if matches!(self.state, State::Ended) => {
                self.state = State::Over(Ending::Clean);
            }
            Next::Finish => self.state = State::Over(Ending::Early),
            Next::Pass => {
                self.host.send_head();
                self.state = State::Passing;
            }
            Next::Reject => self.state = State::Over(Ending::Rejected),
        }
    }
}

/// What became of an exchange.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// The response's status.
    pub status: u16,
    /// The response fields that the plugin set, in its order.
    pub fields: Vec<(String, Vec<u8>)>,
    /// The response body.
    pub emitted: Vec<u8>,
    /// How many emits (of at least one byte) made it up.
    pub emits: usize,
    /// The lines that were logged, in order.
    pub logs: Vec<(Level, String)>,
}

impl Outcome {
    /// The value of the first response field of that name, in any case.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        let field = self.fields.iter().find(|(present, _)| present.eq_ignore_ascii_case(name));
        field.map(|(_, value)| value.as_slice())
    }

    #[track_caller]
    fn assert_same_response(&self, other: &Self, how: &str) {
        assert_eq!(self.emitted, other.emitted, "emitted: whole and {how}");
        assert_eq!(self.ending, other.ending, "ending: whole and {how}");
        assert_eq!(self.status, other.status, "status: whole and {how}");
        assert_eq!(self.fields, other.fields, "fields: whole and {how}");
    }
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ending {
    /// The body was complete and the plugin agreed.
    Clean,
    /// The plugin finished the response before it had read the whole body.
    Early,
    /// The plugin rejected the request, a chunk or the end of the body.
    Rejected,
}

#[cfg(test)]
mod tests;
