//! lines: newline-delimited JSON, and of each object only the chosen fields.
//!
//! ```text
//! $ curl -sN -T . 'http://127.0.0.1:8080/lines?fields=user,card.last4'
//! {"time":1,"user":"ann","card":{"number":"4111","last4":"1111"}}
//! {"user":"ann","card":{"last4":"1111"}}
//! ```
//!
//! Each line is answered when its newline arrives, with one line, whose fields are in the
//! order in which they were chosen; one that an object has not is left out, and `{}` is an
//! answer. Where an object has a field twice, the last one counts. Values are passed on as
//! they are written.
//!
//! `config` in the manifest:
//!
//! - `"fields": "user,card.last4"`: a dot goes one object down; a backslash in front of a
//!   dot, a comma or a backslash makes it part of the name. If it is not there, the request
//!   chooses with `?fields=`; a request does not get past the operator's choice.
//! - `"bad"`: what becomes of lines that are not a JSON object (RFC 8259; nested at most
//!   128 deep) or too long: `"drop"`, the default, and a warning with their number in the
//!   log at the end; `"pass"`, unchanged; or `"reject"`: the exchange fails.
//! - `"max_line": 1048576`: the longest line in bytes, up to 16 MiB.
//!
//! Empty lines are left out without being counted, or passed on with `"bad": "pass"`.

use wasmplex_plugin::{
    End, Growing, Line, Lines, Next, Open, Plugin, Response, config_parsed, config_string, emit, query, warn,
};

mod fields;
mod json;

use fields::Fields;

/// Cuts objects down to some of their fields.
struct ChosenFields {
    lines: Lines<Growing>,
    answers: Answers,
}

/// What becomes of the lines.
#[derive(Default)]
struct Answers {
    fields: Fields,
    bad: Bad,
    /// What is not emitted yet.
    out: Vec<u8>,
    /// How many lines there were, and the bad ones among them.
    lines: u64,
    bad_lines: u64,
    first_bad: u64,
}

/// What becomes of bad lines.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
enum Bad {
    #[default]
    Drop,
    Pass,
    Reject,
}

/// A bad line has come, and they are to be rejected.
struct Rejected;

const MAX_LINE: usize = 1 << 20;
const MAX_MAX_LINE: usize = 16 << 20;
/// The longest list of fields, in bytes.
const MAX_FIELDS: usize = 4_096;
/// Answers are emitted together, as soon as there are so many bytes and at the end of
/// each chunk.
const EMIT_AT: usize = 32 * 1_024;

impl Default for ChosenFields {
    fn default() -> Self {
        wasmplex_plugin::log_panics!();
        Self { lines: Lines::growing(MAX_LINE), answers: Answers::default() }
    }
}

impl Plugin for ChosenFields {
    fn on_open(&mut self) -> Open {
        match self.configure() {
            Ok(()) => {}
            Err((status, reason)) => return Open::rejected(status, reason),
        }
        match Response::new().content_type("application/x-ndjson").done() {
            Ok(()) => Open::GoOn,
            Err(refused) => Open::rejected(500, refused.name()),
        }
    }

    fn on_chunk(&mut self, chunk: &mut [u8]) -> Next {
        let Self { lines, answers } = self;
        let mut chunk = &*chunk;
        let mut fate = Ok(());
        while let (Ok(()), Some(line)) = (&fate, lines.next(&mut chunk)) {
            fate = answers.line(line);
        }
        answers.emit();
        fate.map_or_else(|Rejected| Next::rejected(400, &answers.reason()), |()| Next::GoOn)
    }

    fn on_end(&mut self) -> End {
        let Self { lines, answers } = self;
        let fate = lines.end().map_or(Ok(()), |line| answers.line(line));
        answers.emit();
        if let Err(Rejected) = fate {
            return End::rejected(400, &answers.reason());
        }
        answers.tell();
        End::Done
    }
}

impl ChosenFields {
    fn configure(&mut self) -> Result<(), (u16, &'static str)> {
        let fields = match config_string("fields") {
            Some(list) => Fields::parse(&list).ok_or((500, "config.fields is not a list of fields"))?,
            None => of_the_request().ok_or((400, "the request does not say which fields: ?fields=a,b.c"))?,
        };
        let bad = match config_string("bad").as_deref() {
            None | Some("drop") => Bad::Drop,
            Some("pass") => Bad::Pass,
            Some("reject") => Bad::Reject,
            Some(_) => return Err((500, "config.bad is drop, pass or reject")),
        };
        match config_parsed("max_line") {
            None => {}
            Some(Ok(bound @ 1..=MAX_MAX_LINE)) => self.lines = Lines::growing(bound),
            Some(_) => return Err((500, "config.max_line is a number of bytes up to 16 MiB")),
        }
        self.answers = Answers { fields, bad, ..Answers::default() };
        Ok(())
    }
}

/// The fields that the request's query chooses.
fn of_the_request() -> Option<Fields> {
    let mut buf = [0; MAX_FIELDS];
    let list: Vec<u8> = query(&mut buf).ok()?.get("fields")?.bytes().collect();
    Fields::parse(core::str::from_utf8(&list).ok()?)
}

impl Answers {
    fn line(&mut self, line: Line<'_>) -> Result<(), Rejected> {
        match line {
            Line::Whole(line) => return self.whole_line(line),
            Line::TooLong(start) => {
                self.lines += 1;
                self.bad_line()?;
                self.pass(start, false);
            }
            Line::Rest { bytes, is_last } => self.pass(bytes, is_last),
        }
        Ok(())
    }

    fn whole_line(&mut self, line: &[u8]) -> Result<(), Rejected> {
        self.lines += 1;
        if !line.trim_ascii().is_empty() {
            if self.fields.choose(line, &mut self.out).is_ok() {
                self.out.push(b'\n');
                self.emit_if_much();
                return Ok(());
            }
            self.bad_line()?;
        }
        self.pass(line, true);
        Ok(())
    }

    fn bad_line(&mut self) -> Result<(), Rejected> {
        self.bad_lines += 1;
        if self.bad_lines == 1 {
            self.first_bad = self.lines;
        }
        if self.bad == Bad::Reject { Err(Rejected) } else { Ok(()) }
    }

    /// Bytes of a line that has no answer, unchanged, if such lines are passed on.
    fn pass(&mut self, bytes: &[u8], is_end: bool) {
        if self.bad == Bad::Pass {
            self.out.extend_from_slice(bytes);
            self.out.extend_from_slice(if is_end { b"\n" } else { b"" });
            self.emit_if_much();
        }
    }

    fn emit_if_much(&mut self) {
        if self.out.len() >= EMIT_AT {
            self.emit();
        }
    }

    fn emit(&mut self) {
        emit(&self.out);
        self.out.clear();
    }

    fn reason(&self) -> String {
        format!("line {} is not a JSON object, or too long", self.first_bad)
    }

    /// Says how many bad lines there were.
    fn tell(&self) {
        let Self { lines, bad_lines, first_bad, .. } = self;
        if *bad_lines > 0 {
            let fate = if self.bad == Bad::Pass { "passed on" } else { "dropped" };
            warn!(
                "{bad_lines} of {lines} lines {fate}: not a JSON object, or too long; the first is line {first_bad}"
            );
        }
    }
}

wasmplex_plugin::export!(ChosenFields);

#[cfg(test)]
mod tests;
