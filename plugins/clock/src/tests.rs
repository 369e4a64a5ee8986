//! The plugin as a whole, on a clock that goes when it is told to.

use wasmplex_plugin::testing::{Ending, Exchange, Request, golden};

use super::*;

fn get(target: &str) -> Request {
    Request::new().field(":method", "GET").target(target).unix_time(Duration::from_millis(1_795_405_695_002))
}

/// Opens an exchange without a body.
fn open(request: &Request) -> Exchange<Clock> {
    let mut exchange = request.open::<Clock>();
    exchange.end_body();
    exchange
}

#[test]
fn golden_cases() {
    golden::<Clock>("tests");
}

#[test]
fn once_a_second_until_there_are_enough() {
    let mut exchange = open(&get("/clock?n=3"));
    assert_eq!(exchange.emitted(), b"2026-11-23T03:48:15.002Z\n");
    assert_eq!(exchange.timer(), Some(Duration::from_secs(1)));
    assert!(exchange.fire_timer() && exchange.fire_timer());
    assert!(exchange.is_over() && !exchange.fire_timer());
    let outcome = exchange.end();
    let expected = b"2026-11-23T03:48:15.002Z\n2026-11-23T03:48:16.002Z\n2026-11-23T03:48:17.002Z\n";
    assert_eq!(outcome.emitted, expected);
    assert_eq!((outcome.ending, outcome.emits), (Ending::Clean, 3));
    assert_eq!(outcome.field("content-type"), Some(b"text/plain; charset=utf-8".as_slice()));
    assert_eq!(outcome.field("cache-control"), Some(b"no-store".as_slice()));
}

#[test]
fn without_a_number_there_is_no_end() {
    let mut exchange = open(&get("/clock?ms=10"));
    for _ in 0..1_000 {
        assert!(exchange.fire_timer());
    }
    assert!(!exchange.is_over());
}

#[test]
fn events_if_the_client_asks_for_them() {
    let outcome = get("/clock?n=1").field("accept", "text/event-stream").run::<Clock>(&[]);
    assert_eq!(outcome.emitted, b"data: 2026-11-23T03:48:15.002Z\n\n");
    assert_eq!(outcome.field("content-type"), Some(b"text/event-stream".as_slice()));
}

#[test]
fn the_interval_is_the_requests_or_the_operators() {
    let configured = get("/clock").config("interval_ms", "250");
    assert_eq!(open(&configured).timer(), Some(Duration::from_millis(250)));
    assert_eq!(open(&configured.target("/clock?ms=3600000")).timer(), Some(Duration::from_secs(3_600)));
}

#[test]
fn it_does_not_drift() {
    let mut exchange = open(&get("/clock"));
    assert!(exchange.fire_timer());
    // The next one is told 300 ms late, and the one after it on time; then two are left out.
    exchange.pass_time(Duration::from_millis(300));
    assert!(exchange.fire_timer());
    assert_eq!(exchange.timer(), Some(Duration::from_millis(700)));
    exchange.pass_time(Duration::from_millis(2_000));
    assert!(exchange.fire_timer());
    assert_eq!(exchange.timer(), Some(Duration::from_secs(1)));
}

#[test]
fn with_a_body_it_ends_with_the_body() {
    let mut exchange = Request::new().open::<Clock>();
    exchange.chunk(b"hello");
    assert!(exchange.fire_timer());
    exchange.end_body();
    assert!(!exchange.fire_timer());
    let outcome = exchange.end();
    assert_eq!(outcome.emitted, b"2026-01-01T00:00:00.000Z\n2026-01-01T00:00:01.000Z\n");
    assert_eq!(outcome.ending, Ending::Clean);
}

#[test]
fn head_has_no_body() {
    let outcome = get("/clock").field(":method", "HEAD").run::<Clock>(&[]);
    assert_eq!((outcome.ending, outcome.emits), (Ending::Early, 0));
    assert!(outcome.field("content-type").is_some());
}

#[test]
fn what_is_not_understood() {
    for target in [
        "/clock?n=0",
        "/clock?n=",
        "/clock?n=-1",
        "/clock?n=x",
        "/clock?n=4294967296",
        "/clock?ms=9",
        "/clock?ms=3600001",
        "/clock?ms=1.5",
    ] {
        let outcome = get(target).run::<Clock>(&[]);
        assert_eq!((outcome.ending, outcome.status), (Ending::Rejected, 400), "{target}");
    }
    let outcome = get(&format!("/clock?{}", "x".repeat(1_025))).run::<Clock>(&[]);
    assert_eq!(outcome.status, 400);
    for millis in ["", "9", "1s"] {
        assert_eq!(get("/clock").config("interval_ms", millis).run::<Clock>(&[]).status, 500, "{millis}");
    }
}
