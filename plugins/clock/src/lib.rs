//! clock: the time, once a second, for as long as the client listens. A plugin that
//! pushes: it needs no request body.
//!
//! ```text
//! $ curl -sN 'http://127.0.0.1:8080/clock?n=3'
//! 2026-11-23T03:48:15.002Z
//! 2026-11-23T03:48:16.002Z
//! 2026-11-23T03:48:17.002Z
//! ```
//!
//! Lines of text, or events if the request's `accept` names `text/event-stream`. The first
//! one comes at once.
//!
//! - `?n=3`: how many, then the response ends; without it, there is no end.
//! - `?ms=250`: how far apart, in milliseconds, 10 to 3,600,000 (an hour); without it,
//!   `config.interval_ms` of the manifest, without that 1,000.
//!
//! A request with a body gets the time until its body ends.
#![cfg_attr(target_arch = "wasm32", no_std)]

use core::time::Duration;

use wasmplex_plugin::{
    Gather, Method, Next, Open, Plugin, Response, config_parsed, method, monotonic_time, query,
    request_lists, set_timer, unix_time,
};

mod date;

/// Tells the time in steps that do not drift.
#[derive(Default)]
struct Clock {
    interval: Duration,
    /// How many are still to come; `None` for no end.
    left: Option<u32>,
    is_event_stream: bool,
    /// When the first one was told, by the clock that never goes back.
    start: Duration,
}

/// How far apart they may be, in milliseconds.
const INTERVALS: core::ops::RangeInclusive<u64> = 10..=3_600_000;

impl Plugin for Clock {
    fn on_open(&mut self) -> Open {
        match self.configure().and_then(|()| self.head()) {
            Ok(()) if method() == Method::Head => Open::Finish,
            Ok(()) => {
                self.start = monotonic_time();
                match self.tell() {
                    Next::Finish => Open::Finish,
                    _ => Open::GoOn,
                }
            }
            Err((status, reason)) => Open::rejected(status, reason),
        }
    }

    /// What the client sends is not looked at. That it is still there counts: a timer that
    /// was set before the end of a body is cancelled by it, and with that the response ends.
    fn on_chunk(&mut self, _: &mut [u8]) -> Next {
        Next::GoOn
    }

    fn on_timer(&mut self) -> Next {
        self.tell()
    }
}

impl Clock {
    fn configure(&mut self) -> Result<(), (u16, &'static str)> {
        let mut buf = [0; 1024];
        let query = query(&mut buf).map_err(|_| (400, "the query is too long"))?;
        let configured = match config_parsed("interval_ms") {
            None => 1_000,
            Some(Ok(millis)) if INTERVALS.contains(&millis) => millis,
            Some(_) => return Err((500, "config.interval_ms is a number from 10 to 3600000")),
        };
        let millis = match query.get("ms").map(|millis| millis.parse()) {
            None => configured,
            Some(Some(millis)) if INTERVALS.contains(&millis) => millis,
            Some(_) => return Err((400, "ms is a number from 10 to 3600000")),
        };
        self.interval = Duration::from_millis(millis);
        self.left = match query.get("n").map(|count| count.parse()) {
            None => None,
            Some(Some(count @ 1..)) => Some(count),
            Some(_) => return Err((400, "n is a number from 1 to 4294967295")),
        };
        Ok(())
    }

    fn head(&mut self) -> Result<(), (u16, &'static str)> {
        self.is_event_stream = request_lists("accept", "text/event-stream");
        let content_type =
            if self.is_event_stream { "text/event-stream" } else { "text/plain; charset=utf-8" };
        let head = Response::new().content_type(content_type).field("cache-control", "no-store");
        head.done().map_err(|refused| (500, refused.name()))
    }

    /// Tells the time, and sets the timer for the next time.
    fn tell(&mut self) -> Next {
        let mut line = Gather::<64>::new();
        line.put(if self.is_event_stream { b"data: " } else { b"" });
        line.put(&date::iso_8601(unix_time()));
        line.put(if self.is_event_stream { b"\n\n" } else { b"\n" });
        line.flush();
        if let Some(left) = &mut self.left {
            *left -= 1;
            if *left == 0 {
                return Next::Finish;
            }
        }
        set_timer(self.until_next());
        Next::GoOn
    }

    /// How long it is to the next multiple of the interval since the start. What the
    /// client was too slow to take is left out.
    fn until_next(&self) -> Duration {
        let (since, interval) =
            (monotonic_time().saturating_sub(self.start).as_nanos(), self.interval.as_nanos());
        // Below an hour, so it fits.
        Duration::from_nanos((interval - since % interval) as u64)
    }
}

wasmplex_plugin::export!(Clock);
wasmplex_plugin::panic_handler!();

#[cfg(test)]
mod tests;
