//! What a server sent, taken apart without mercy, and compared with what a case wants.

use super::format::{Case, End, Expected, Field};

/// How the server's side of a connection ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ended {
    Fin,
    Reset,
}

/// One answer as it came.
struct Answer {
    status: u16,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
    /// Its proper end was there.
    is_whole: bool,
    /// It ends with the connection.
    is_close_delimited: bool,
}

/// Compares all that came on a connection with what the case wants. `is_probed`: behind the case
/// another request was sent, with `Connection: close`, and `probe` is what it must be answered.
///
/// # Errors
///
/// What is wrong.
pub fn check(case: &Case, received: &[u8], ended: Ended, probe: Option<&Expected>) -> Result<(), String> {
    let mut rest = received;
    let mut expected = case.answers.iter().chain(probe).peekable();
    let mut last: Option<Answer> = None;
    while let Some(wanted) = expected.next() {
        if rest.is_empty() && wanted.is_optional {
            continue;
        }
        let (answer, behind) = read(rest, wanted.is_head, ended)?;
        if wanted.is_optional && !wanted.statuses.contains(&answer.status) {
            // Not there: the next one must be it.
            continue;
        }
        rest = behind;
        let is_last = expected.peek().is_none();
        let is_cut = is_last && probe.is_none() && matches!(case.end, End::Cut | End::Reset);
        compare(wanted, &answer, is_cut)?;
        // Whoever goes away in the middle of a body may be noticed before the plugin's answer to it.
        let may_be_short = is_cut && case.half_closes();
        let body = wanted.body.as_deref().unwrap_or(&answer.body);
        if body != answer.body && !(may_be_short && body.starts_with(&answer.body)) {
            return Err(format!("the body of {} is \"{}\"", answer.status, answer.body.escape_ascii()));
        }
        if !is_last && says_close(&answer) {
            return Err("an answer before the last one says that the connection closes".to_owned());
        }
        last = Some(answer);
    }
    if !rest.is_empty() {
        return Err("more was answered than was asked".to_owned());
    }
    check_end(case, last.as_ref(), ended)
}

fn check_end(case: &Case, last: Option<&Answer>, ended: Ended) -> Result<(), String> {
    match case.end {
        End::Keep | End::Close if ended == Ended::Reset => Err("the connection was reset".to_owned()),
        End::Reset if ended == Ended::Fin => Err("the connection was not reset".to_owned()),
        // The probe behind a case that keeps its connection asks for the close.
        End::Keep | End::Close if !case.is_unannounced && !last.is_none_or(says_close) => {
            Err("the close was not announced".to_owned())
        }
        _ => Ok(()),
    }
}

fn says_close(answer: &Answer) -> bool {
    answer.fields.iter().any(|(name, value)| name == "connection" && value == "close")
}

fn compare(wanted: &Expected, answer: &Answer, is_cut: bool) -> Result<(), String> {
    let status = answer.status;
    if !wanted.statuses.contains(&status) {
        return Err(format!("status {status}, not {:?}", wanted.statuses));
    }
    if answer.is_whole == is_cut && !(is_cut && answer.is_close_delimited) {
        return Err(format!("the answer {status} {}", if is_cut { "has its end" } else { "has no end" }));
    }
    let values = |name: &str| -> Vec<&str> {
        let of_name = answer.fields.iter().filter(|field| field.0 == name);
        of_name.map(|field| field.1.as_str()).collect()
    };
    for field in &wanted.fields {
        let is_right = match field {
            Field::Is(name, value) => values(name) == [value],
            Field::Exists(name) => !values(name).is_empty(),
            Field::Missing(name) => values(name).is_empty(),
        };
        if !is_right {
            return Err(format!("{field:?} is wrong in {:?}", answer.fields));
        }
    }
    if status < 200 {
        return Ok(());
    }
    if !matches!(values("date").as_slice(), [date] if is_date(date)) {
        return Err(format!("Date is wrong in {:?}", answer.fields));
    }
    if status == 405 && values("allow").len() != 1 {
        return Err("405 without Allow".to_owned());
    }
    Ok(())
}

/// An IMF-fixdate: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn is_date(text: &str) -> bool {
    const FORM: &[u8] = b"Aaa, 00 Aaa 0000 00:00:00 GMT";
    text.len() == FORM.len()
        && text.bytes().zip(FORM).all(|(byte, form)| match form {
            b'A' if text.ends_with("GMT") => byte.is_ascii_uppercase(),
            b'a' => byte.is_ascii_lowercase(),
            b'0' => byte.is_ascii_digit(),
            _ => byte == *form,
        })
}

/// The answer at the front of `bytes`, and what is behind it.
fn read(bytes: &[u8], is_head: bool, ended: Ended) -> Result<(Answer, &[u8]), String> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Err("an answer is missing".to_owned());
    };
    let head = std::str::from_utf8(&bytes[..end]).map_err(|error| error.to_string())?;
    let mut lines = head.split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let status = status_line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).map(str::parse);
    let Some(Ok(status)) = status else {
        return Err(format!("not a status line: {status_line}"));
    };
    let fields = lines.map(|line| {
        let (name, value) = line.split_once(": ").ok_or_else(|| format!("not a field: {line}"))?;
        Ok((name.to_lowercase(), value.to_owned()))
    });
    let fields = fields.collect::<Result<Vec<_>, String>>()?;
    let mut answer = Answer { status, fields, body: Vec::new(), is_whole: true, is_close_delimited: false };
    let body = &bytes[end + 4..];
    let behind = if is_head || matches!(status, 100..200 | 204 | 304) {
        body
    } else {
        answer.read_body(body, ended)?
    };
    Ok((answer, behind))
}

impl Answer {
    fn read_body<'a>(&mut self, bytes: &'a [u8], ended: Ended) -> Result<&'a [u8], String> {
        let value =
            |name: &str| self.fields.iter().find(|field| field.0 == name).map(|field| field.1.clone());
        match (value("transfer-encoding").as_deref(), value("content-length")) {
            (Some("chunked"), None) => self.read_chunks(bytes),
            (None, Some(length)) => {
                let length: usize = length.parse().map_err(|_| format!("content-length: {length}"))?;
                self.is_whole = bytes.len() >= length;
                let (body, behind) = bytes.split_at(length.min(bytes.len()));
                self.body = body.to_vec();
                Ok(behind)
            }
            (None, None) => {
                self.is_close_delimited = true;
                self.is_whole = ended == Ended::Fin;
                self.body = bytes.to_vec();
                Ok(&[])
            }
            _ => Err(format!("no one framing: {:?}", self.fields)),
        }
    }

    fn read_chunks<'a>(&mut self, mut rest: &'a [u8]) -> Result<&'a [u8], String> {
        self.is_whole = false;
        loop {
            let Some(line) = rest.windows(2).position(|two| two == b"\r\n") else {
                return Ok(&[]);
            };
            let size = std::str::from_utf8(&rest[..line]).ok();
            let size =
                size.and_then(|size| usize::from_str_radix(size, 16).ok()).ok_or("not a chunk size")?;
            rest = &rest[line + 2..];
            if rest.len() < size + 2 {
                self.body.extend_from_slice(&rest[..size.min(rest.len())]);
                return Ok(&[]);
            }
            self.body.extend_from_slice(&rest[..size]);
            if &rest[size..size + 2] != b"\r\n" {
                return Err("a chunk does not end with CRLF".to_owned());
            }
            rest = &rest[size + 2..];
            if size == 0 {
                self.is_whole = true;
                return Ok(rest);
            }
        }
    }
}
