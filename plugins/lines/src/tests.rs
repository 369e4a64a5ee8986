//! The plugin as a whole.

use wasmplex_plugin::Level;
use wasmplex_plugin::testing::{Ending, Outcome, Request, golden};

use super::ChosenFields;

fn of(fields: &str) -> Request {
    Request::new().config("fields", fields)
}

fn answer(request: &Request, body: &str) -> Outcome {
    request.assert_cuts_agree::<ChosenFields>(body.as_bytes())
}

const MIXED: &str = "{\"a\":1,\"b\":2}\nnot json\n\n[1]\n{\"b\":3}\r\n  \n{\"a\":{\"c\":4}}";

#[test]
fn golden_cases() {
    golden::<ChosenFields>("tests");
}

#[test]
fn a_line_is_answered_when_it_ends() {
    let mut exchange = of("a").open::<ChosenFields>();
    assert!(exchange.is_head_out());
    exchange.chunk(b"{\"a\":1}\n{\"a\":2");
    assert_eq!(exchange.emitted(), b"{\"a\":1}\n");
    exchange.chunk(b"}");
    assert_eq!(exchange.emitted(), b"{\"a\":1}\n");
    exchange.chunk(b"\n");
    assert_eq!(exchange.emitted(), b"{\"a\":1}\n{\"a\":2}\n");
}

#[test]
fn bad_lines_are_dropped_and_counted() {
    let outcome = answer(&of("a"), MIXED);
    assert_eq!(outcome.emitted, b"{\"a\":1}\n{}\n{\"a\":{\"c\":4}}\n");
    assert_eq!(outcome.field("content-type"), Some(b"application/x-ndjson".as_slice()));
    let line = "2 of 7 lines dropped: not a JSON object, or too long; the first is line 2";
    assert_eq!(outcome.logs, [(Level::Warn, line.to_owned())]);
    assert_eq!(answer(&of("a"), "{\"a\":1}\n").logs, []);
}

#[test]
fn bad_lines_are_passed_on() {
    let outcome = answer(&of("a").config("bad", "pass"), MIXED);
    assert_eq!(outcome.emitted, b"{\"a\":1}\nnot json\n\n[1]\n{}\n  \n{\"a\":{\"c\":4}}\n");
    assert_eq!(outcome.logs.len(), 1);
}

#[test]
fn bad_lines_are_rejected() {
    let request = of("a").config("bad", "reject");
    let outcome = answer(&request, MIXED);
    assert_eq!((outcome.ending, outcome.emitted.as_slice()), (Ending::Rejected, b"{\"a\":1}\n".as_slice()));
    assert_eq!(outcome.logs[0].1, "line 2 is not a JSON object, or too long");
    assert_eq!(answer(&request, "{}\n{").ending, Ending::Rejected);
    assert_eq!(answer(&request, "{}\n\n{}").ending, Ending::Clean);
}

#[test]
fn lines_are_bounded() {
    let body = "{\"a\":1}\n{\"a\":22}\n{\"a\":\"long\"}\n{\"a\":3}\n{\"a\":\"long\"}";
    let request = of("a").config("max_line", "8");
    assert_eq!(answer(&request, body).emitted, b"{\"a\":1}\n{\"a\":22}\n{\"a\":3}\n");
    assert_eq!(
        answer(&request.clone().config("bad", "pass"), body).emitted,
        [body, "\n"].concat().as_bytes()
    );
    assert_eq!(answer(&request.config("bad", "reject"), body).emitted, b"{\"a\":1}\n{\"a\":22}\n");
    let long = format!("{{\"a\":\"{}\"}}\n", "x".repeat((1 << 20) - 8));
    assert_eq!(of("a").assert_random_cuts_agree::<ChosenFields>(long.as_bytes(), 1).emitted, long.as_bytes());
    let too_long = long.replace("{\"a\"", "{\"a\" ");
    assert_eq!(of("a").assert_random_cuts_agree::<ChosenFields>(too_long.as_bytes(), 1).emitted, b"");
}

#[test]
fn the_operators_choice_stands() {
    let both = of("a").target("/lines?fields=b");
    assert_eq!(answer(&both, MIXED.lines().next().unwrap()).emitted, b"{\"a\":1}\n");
    let asked = Request::new().target("/lines?x=1&fields=b%2Ca");
    assert_eq!(answer(&asked, MIXED.lines().next().unwrap()).emitted, b"{\"b\":2,\"a\":1}\n");
}

#[test]
fn a_choice_that_is_not_understood_is_rejected() {
    let rejected = |request: Request, status| {
        let outcome = request.run::<ChosenFields>(&[b"{}"]);
        assert_eq!((outcome.ending, outcome.status), (Ending::Rejected, status), "{request:?}");
    };
    rejected(Request::new(), 400);
    rejected(Request::new().target("/lines?fields="), 400);
    rejected(Request::new().target("/lines?fields=%ff"), 400);
    rejected(Request::new().target(&format!("/lines?fields={}", "x".repeat(5_000))), 400);
    rejected(of("a..b"), 500);
    rejected(of("a").config("bad", "keep"), 500);
    for max_line in ["", "0", "-1", "1k", "16777217"] {
        rejected(of("a").config("max_line", max_line), 500);
    }
}

#[test]
fn answers_of_a_chunk_leave_together() {
    let body = "{\"a\":1}\n".repeat(1_000);
    let outcome = of("a").run::<ChosenFields>(&[body.as_bytes()]);
    assert_eq!((outcome.emitted.len(), outcome.emits), (8_000, 1));
}
