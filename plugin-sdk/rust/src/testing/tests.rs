//! A sample plugin with state across chunks, and plugins that take each way out.

use std::time::Duration;

use super::*;
use crate::{HeadRefused, cancel_timer, config, emit, info, monotonic_time, request_field, response_field};
use crate::{response_status, set_timer, unix_time};

/// Numbers the lines of a text. State across chunks: the line under way.
#[derive(Default)]
struct NumberLines {
    line: Vec<u8>,
    count: u32,
}

impl NumberLines {
    fn emit_line(&mut self) {
        self.count += 1;
        emit(format!("{} ", self.count).as_bytes());
        emit(&self.line);
        self.line.clear();
    }
}

impl Plugin for NumberLines {
    fn on_open(&mut self) -> Open {
        response_field("content-type", "text/plain").expect("the head is open");
        Open::GoOn
    }

    fn on_chunk(&mut self, chunk: &mut [u8]) -> Next {
        for line in chunk.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(line);
            if line.ends_with(b"\n") {
                self.emit_line();
            }
        }
        Next::GoOn
    }

    fn on_end(&mut self) -> End {
        if !self.line.is_empty() {
            self.emit_line();
        }
        End::Done
    }
}

crate::export!(NumberLines);

#[test]
fn whole_byte_by_byte_and_cut_at_every_offset_agree() {
    let outcome = Request::new().assert_cuts_agree::<NumberLines>(b"one\ntwo\n\nlast");
    assert_eq!(outcome.emitted, b"1 one\n2 two\n3 \n4 last");
    assert_eq!(outcome.field("Content-Type"), Some(b"text/plain".as_slice()));
    assert_eq!((outcome.ending, outcome.status), (Ending::Clean, 200));
}

#[test]
fn no_body_is_open_and_end() {
    let outcome = run::<NumberLines>(&[]);
    assert_eq!((outcome.emitted.as_slice(), outcome.emits), (b"".as_slice(), 0));
    assert_eq!(run::<NumberLines>(&[b"", b""]), outcome);
}

#[test]
fn lines_come_back_while_the_body_is_open() {
    let mut exchange = Request::new().open::<NumberLines>();
    exchange.chunk(b"one\ntw");
    assert_eq!(exchange.emitted(), b"1 one\n");
    exchange.chunk(b"o\n");
    assert_eq!(exchange.emitted(), b"1 one\n2 two\n");
}

/// Depends on chunk borders, which no plugin may.
#[derive(Default)]
struct MarkBorders;

impl Plugin for MarkBorders {
    fn on_chunk(&mut self, chunk: &mut [u8]) -> Next {
        emit(chunk);
        emit(b"|");
        Next::GoOn
    }
}

#[test]
#[should_panic(expected = "emitted: whole and byte by byte")]
fn a_plugin_that_depends_on_chunk_borders_is_caught() {
    Request::new().assert_cuts_agree::<MarkBorders>(b"ab");
}

#[test]
fn chunks_are_at_most_64_kib() {
    let outcome = run::<MarkBorders>(&[&vec![b'x'; CHUNK_CAPACITY + 1]]);
    assert_eq!(outcome.emitted.len(), CHUNK_CAPACITY + 1 + 2);
    assert_eq!(outcome.emitted[CHUNK_CAPACITY..], *b"|x|");
}

/// Does what the configuration says.
#[derive(Default)]
struct Obey;

impl Obey {
    fn order(key: &str) -> String {
        let mut buf = [0; 16];
        config(key, &mut buf).and_then(Result::ok).unwrap_or_default().to_owned()
    }
}

impl Plugin for Obey {
    fn on_open(&mut self) -> Open {
        match Self::order("open").as_str() {
            "finish" => Open::Finish,
            "pass" => Open::Pass,
            "hold" => Open::Hold,
            "404" => {
                response_status(404).expect("the head is open");
                Open::Reject
            }
            "reject" => Open::Reject,
            _ => Open::GoOn,
        }
    }

    fn on_chunk(&mut self, chunk: &mut [u8]) -> Next {
        let late = response_status(202);
        let emits = Self::order("emit") != "no";
        if emits {
            emit(b"[");
            emit(chunk);
            assert_eq!(response_status(203), Err(HeadRefused));
        }
        info!("status {late:?}, chunk of {}", chunk.len());
        match Self::order("chunk").as_str() {
            "finish" => Next::Finish,
            "pass" => Next::Pass,
            "reject" => Next::Reject,
            _ => Next::GoOn,
        }
    }

    fn on_end(&mut self) -> End {
        if Self::order("end") == "reject" { End::Reject } else { End::Done }
    }
}

#[test]
fn every_answer_has_its_outcome() {
    type Orders = &'static [(&'static str, &'static str)];
    let table: [(Orders, Ending, u16, &str); 10] = [
        (&[], Ending::Clean, 200, "[ab[cd"),
        (&[("open", "finish")], Ending::Early, 200, ""),
        (&[("open", "pass")], Ending::Clean, 200, "abcd"),
        (&[("open", "hold")], Ending::Clean, 202, "[ab[cd"),
        (&[("open", "reject")], Ending::Rejected, 500, ""),
        (&[("open", "404")], Ending::Rejected, 404, ""),
        (&[("chunk", "finish")], Ending::Early, 200, "[ab"),
        (&[("chunk", "pass")], Ending::Clean, 200, "[abcd"),
        (&[("chunk", "reject")], Ending::Rejected, 200, "[ab"),
        (&[("end", "reject")], Ending::Rejected, 200, "[ab[cd"),
    ];
    for (orders, ending, status, emitted) in table {
        let mut request = Request::new();
        for (key, order) in orders {
            request = request.config(key, order);
        }
        let outcome = request.run::<Obey>(&[b"ab", b"cd"]);
        assert_eq!((outcome.ending, outcome.status), (ending, status), "{orders:?}");
        assert_eq!(outcome.emitted, emitted.as_bytes(), "{orders:?}");
    }
}

#[test]
fn a_held_head_turns_into_an_error_response() {
    let request = Request::new().config("open", "hold").config("emit", "no");
    let outcome = request.clone().config("chunk", "reject").run::<Obey>(&[b"ab"]);
    assert_eq!((outcome.ending, outcome.status), (Ending::Rejected, 500));
    assert_eq!(request.config("end", "reject").run::<Obey>(&[b"ab"]).status, 500);
}

#[test]
fn logs_are_kept() {
    let outcome = run::<Obey>(&[b"ab"]);
    let line = "status Err(HeadRefused), chunk of 2".to_owned();
    assert_eq!(outcome.logs, [(Level::Info, line)]);
}

#[test]
fn the_head_takes_what_may_stand_in_it() {
    Request::new().enter(|| {
        let all: Vec<u8> = (0x20..=0xff).filter(|byte| *byte != 0x7f).collect();
        let visible = [b"'", all.as_slice(), b"	'"].concat();
        assert_eq!(response_field("X-Any", visible), Ok(()));
        assert_eq!(response_field("content-length", "5"), Ok(()));
        for name in ["", "a b", "a:", "ä", "Connection", "TRANSFER-ENCODING", "a\n"] {
            assert_eq!(response_field(name, "v"), Err(HeadRefused), "{name:?}");
        }
        for value in ["\r", "a\nb", "\0", "\x7f", " a", "a\t"] {
            assert_eq!(response_field("name", value), Err(HeadRefused), "{value:?}");
        }
        let codes = [0, 100, 199, 200, 404, 599, 600, u16::MAX].map(|code| response_status(code).is_ok());
        assert_eq!(codes, [false, false, false, true, true, true, false, false]);
    });
}

#[test]
fn request_fields_of_one_name_are_joined() {
    Request::new().field("Via", "a").field("via", "b").field(":method", "PUT").enter(|| {
        let mut buf = [0; 8];
        assert_eq!(request_field("VIA", &mut buf), Some(Ok(b"a, b".as_slice())));
        assert_eq!(request_field(":method", &mut buf), Some(Ok(b"PUT".as_slice())));
        assert_eq!(request_field(":query", &mut buf), None);
    });
}

/// Sets fields again, and emits in `on_open`.
#[derive(Default)]
struct Fields;

impl Plugin for Fields {
    fn on_open(&mut self) -> Open {
        let fields = [("a", "1"), ("Set-Cookie", "x"), ("A", "2"), ("set-cookie", "y")];
        for (name, value) in fields {
            response_field(name, value).expect("the head is open");
        }
        emit(b"");
        response_status(201).expect("an empty emit does nothing");
        emit(b"x");
        assert_eq!(response_status(202), Err(HeadRefused));
        Open::Reject
    }

    fn on_chunk(&mut self, _: &mut [u8]) -> Next {
        Next::GoOn
    }
}

#[test]
fn fields_replace_cookies_add_and_the_first_emit_sends_the_head() {
    let outcome = run::<Fields>(&[]);
    let values: Vec<&[u8]> = outcome.fields.iter().map(|(_, value)| value.as_slice()).collect();
    assert_eq!(values, [b"x", b"2", b"y"]);
    assert_eq!((outcome.status, outcome.emitted.as_slice()), (201, b"x".as_slice()));
    assert_eq!(outcome.ending, Ending::Rejected);
}

/// Emits a dot whenever the client has been silent for a second, three at most.
#[derive(Default)]
struct Dots(u8);

impl Plugin for Dots {
    fn on_open(&mut self) -> Open {
        set_timer(Duration::from_secs(1));
        Open::GoOn
    }

    fn on_chunk(&mut self, _: &mut [u8]) -> Next {
        cancel_timer();
        Next::GoOn
    }

    fn on_timer(&mut self) -> Next {
        emit(b".");
        self.0 += 1;
        set_timer(Duration::from_secs(1));
        if self.0 < 3 { Next::GoOn } else { Next::Finish }
    }
}

#[test]
fn timers_fire_when_told_to() {
    let mut exchange = Request::new().open::<Dots>();
    assert_eq!(exchange.timer(), Some(Duration::from_secs(1)));
    assert!(exchange.fire_timer());
    assert!(exchange.fire_timer());
    assert!(exchange.fire_timer());
    assert!(!exchange.fire_timer(), "finished");
    assert_eq!(exchange.end().emitted, b"...");

    let mut exchange = Request::new().open::<Dots>();
    exchange.chunk(b"x");
    assert_eq!(exchange.timer(), None);
    assert!(!exchange.fire_timer());
}

/// Says the time whenever its timer fires.
#[derive(Default)]
struct Times;

impl Plugin for Times {
    fn on_open(&mut self) -> Open {
        set_timer(Duration::from_secs(60));
        Open::GoOn
    }

    fn on_chunk(&mut self, _: &mut [u8]) -> Next {
        self.on_timer()
    }

    fn on_timer(&mut self) -> Next {
        emit(format!("{} {}\n", unix_time().as_secs(), monotonic_time().as_secs()).as_bytes());
        Next::GoOn
    }
}

#[test]
fn clocks_go_on_when_told_to() {
    let mut exchange = Request::new().unix_time(Duration::from_secs(1_000)).open::<Times>();
    assert!(exchange.is_head_out() && !exchange.is_over());
    exchange.chunk(b"x");
    exchange.pass_time(Duration::from_secs(5));
    exchange.fire_timer();
    assert_eq!(exchange.end().emitted, b"1000 0\n1065 65\n");
}

#[test]
fn a_held_head_is_not_out() {
    let mut exchange = Request::new().config("open", "hold").open::<Obey>();
    assert!(!exchange.is_head_out());
    exchange.chunk(b"x");
    assert!(exchange.is_head_out());
    let exchange = Request::new().config("open", "finish").open::<Obey>();
    assert!(exchange.is_over());
}

#[test]
fn a_target_is_path_and_query() {
    let value = |request: &Request, name| {
        request.enter(|| request_field(name, &mut [0; 16]).map(|value| value.map(<[u8]>::to_vec)))
    };
    let request = Request::new().target("/a?b=?&c");
    assert_eq!(value(&request, ":path"), Some(Ok(b"/a".to_vec())));
    assert_eq!(value(&request, ":query"), Some(Ok(b"b=?&c".to_vec())));
    assert_eq!(value(&request.target("/d"), ":query"), None);
}

#[test]
fn cuts_at_random_are_told_with_their_seed() {
    let caught =
        std::panic::catch_unwind(|| Request::new().assert_random_cuts_agree::<MarkBorders>(b"abcd", 7));
    let message = caught.expect_err("it depends on borders");
    assert!(message.downcast_ref::<String>().is_some_and(|text| text.contains("(seed 7, round 0)")));
}

#[test]
fn golden_cases_are_checked() {
    let folder = std::env::temp_dir().join(format!("wasmplex-golden-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let put = |name: &str, text: &str| std::fs::write(folder.join(name), text).expect("a file");
    let check = || {
        let folder = folder.clone();
        std::panic::catch_unwind(move || golden::<Fields>(folder)).map_err(|caught| {
            let text = caught.downcast_ref::<&str>().map(|text| (*text).to_owned());
            text.or(caught.downcast_ref::<String>().cloned()).unwrap_or_default()
        })
    };
    assert!(check().is_err_and(|why| why.contains("there is no golden case")));
    put("a.json", r#"{"status": 201, "fails": "rejected", "response": {"A": "2"}}"#);
    put("a.out", "x");
    put("notes.txt", "no case");
    assert_eq!(check(), Ok(()));
    for (name, text, why) in [
        ("a.out", "y", "a.out: \"x\""),
        ("b.json", "{", "b.json: "),
        ("b.json", r#"{"fails": "rejected"}"#, "b: status"),
        ("b.json", r#"{"status": 201}"#, "b: log"),
        ("b.json", r#"{"status": 201, "fails": "rejected", "response": {"b": "1"}}"#, "b: b"),
        ("b.json", r#"{"fails": "trap"}"#, "cannot be told natively"),
        ("b.json", r#"{"colour": "red"}"#, "\"colour\" is not known"),
    ] {
        put("a.out", "x");
        put(name, text);
        let told = check().expect_err(why);
        assert!(told.contains(why), "{told}");
    }
    std::fs::remove_dir_all(&folder).expect("the folder");
}

#[test]
fn timers_outlive_the_body_only_if_it_is_not_there() {
    let mut exchange = Request::new().open::<Dots>();
    exchange.end_body();
    assert!(exchange.fire_timer() && exchange.fire_timer() && exchange.fire_timer());
    let outcome = exchange.end();
    assert_eq!((outcome.ending, outcome.emitted.as_slice()), (Ending::Clean, b"...".as_slice()));

    let mut exchange = Request::new().open::<Dots>();
    exchange.fire_timer();
    exchange.chunk(b"");
    exchange.end_body();
    assert!(!exchange.fire_timer(), "cancelled with the end of the body");
    assert_eq!(exchange.end().emitted, b".");
}

#[test]
#[should_panic(expected = "a hostcall outside of an exchange")]
fn hostcalls_outside_of_an_exchange_say_what_to_do() {
    emit(b"x");
}
