//! Changes to WebAssembly text that leave most of its structure: far more of what comes out loads than of
//! modules with changed bytes.

use std::ops::Range;

/// Instructions of which each may stand in the place of any other of its row.
const EQUALS: [&[&str]; 5] = [
    &[
        "i32.add",
        "i32.sub",
        "i32.mul",
        "i32.div_u",
        "i32.rem_s",
        "i32.and",
        "i32.shl",
        "i32.rotr",
        "i32.lt_u",
    ],
    &["i32.load", "i32.load8_u", "i32.load8_s", "i32.load16_u"],
    &["i32.store", "i32.store8", "i32.store16"],
    &["i32.eqz", "i32.clz", "i32.popcnt", "i32.extend8_s", "memory.grow"],
    &["i32", "i64", "f32", "f64", "v128", "funcref", "externref"],
];

/// Names that mean something to the host.
const NAMES: [&str; 24] = [
    "memory",
    "on_chunk",
    "on_open",
    "on_end",
    "on_timer",
    "chunk_buffer",
    "_initialize",
    "_start",
    "wasmplex",
    "emit",
    "log",
    "config",
    "set_timer",
    "request_field",
    "response_status",
    "response_field",
    "wasi_snapshot_preview1",
    "fd_read",
    "fd_write",
    "poll_oneoff",
    "proc_exit",
    "random_get",
    "environ_get",
    "path_open",
];

/// Numbers at the edges of something.
const NUMBERS: [&str; 16] = [
    "0",
    "1",
    "2",
    "-1",
    "3",
    "7",
    "127",
    "255",
    "65535",
    "65536",
    "131072",
    "1048576",
    "2147483647",
    "-2147483648",
    "4294967295",
    "4294967296",
];

/// One change to `text`; forms may come from `other`. `below` chooses a number below its argument, which is
/// never 0.
pub fn mutate(text: &str, other: &str, below: &mut dyn FnMut(usize) -> usize) -> String {
    let (forms, words) = (forms(text), words(text));
    let Some(form) = pick(&forms, below).cloned() else {
        return other.to_owned();
    };
    match below(8) {
        0 => replaced(text, &form, ""),
        1 => replaced(text, &form, &text[form.clone()].repeat(2)),
        2 | 3 => {
            let head = keyword(&text[form.clone()]);
            let others = self::forms(other);
            let alike: Vec<_> =
                others.iter().filter(|form| keyword(&other[(*form).clone()]) == head).collect();
            match pick(&alike, below) {
                Some(from) => replaced(text, &form, &other[(*from).clone()]),
                None => replaced(text, &form, ""),
            }
        }
        4 => {
            let from = pick(&forms, below).unwrap_or(&form).clone();
            replaced(text, &form, &text[from])
        }
        _ => match pick(&words, below) {
            Some(word) => replaced(text, word, &another(&text[word.clone()], below)),
            None => text.to_owned(),
        },
    }
}

/// A word that may stand where `word` stands.
fn another(word: &str, below: &mut dyn FnMut(usize) -> usize) -> String {
    if word.starts_with('"') {
        return format!("\"{}\"", NAMES[below(NAMES.len())]);
    }
    if word.starts_with(|first: char| first.is_ascii_digit() || first == '-') {
        return NUMBERS[below(NUMBERS.len())].to_owned();
    }
    match EQUALS.iter().find(|row| row.contains(&word)) {
        Some(row) => row[below(row.len())].to_owned(),
        None => word.to_owned(),
    }
}

fn pick<'a, T>(of: &'a [T], below: &mut dyn FnMut(usize) -> usize) -> Option<&'a T> {
    if of.is_empty() { None } else { Some(&of[below(of.len())]) }
}

fn replaced(text: &str, place: &Range<usize>, by: &str) -> String {
    [&text[..place.start], by, &text[place.end..]].concat()
}

/// The word behind the parenthesis.
fn keyword(form: &str) -> &str {
    form[1..].split(|char: char| char.is_whitespace() || "()\"".contains(char)).next().unwrap_or_default()
}

/// All pairs of parentheses but the outermost.
fn forms(text: &str) -> Vec<Range<usize>> {
    let (mut open, mut found) = (Vec::new(), Vec::new());
    for token in tokens(text) {
        match &text[token.clone()] {
            "(" => open.push(token.start),
            ")" => {
                let start = open.pop();
                found.extend(start.filter(|_| !open.is_empty()).map(|start| start..token.end));
            }
            _ => {}
        }
    }
    found
}

/// All words that [`another`] knows something for.
fn words(text: &str) -> Vec<Range<usize>> {
    let is_known = |word: &str| {
        word.starts_with(|first: char| first.is_ascii_digit() || "-\"".contains(first))
            || EQUALS.iter().any(|row| row.contains(&word))
    };
    tokens(text).into_iter().filter(|token| is_known(&text[token.clone()])).collect()
}

/// Parentheses, texts and words, without comments.
fn tokens(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let length = match rest {
            [b'(' | b')', ..] => 1,
            [b';', b';', ..] => {
                at += rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
                continue;
            }
            [b'"', behind @ ..] => {
                let mut is_escaped = false;
                let end = behind.iter().position(|&byte| {
                    let ends = byte == b'"' && !is_escaped;
                    is_escaped = byte == b'\\' && !is_escaped;
                    ends
                });
                end.map_or(rest.len(), |end| end + 2)
            }
            [byte, ..] if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            _ => {
                let ends = |byte: &u8| byte.is_ascii_whitespace() || b"();\"".contains(byte);
                rest.iter().position(ends).unwrap_or(rest.len()).max(1)
            }
        };
        tokens.push(at..at + length);
        at += length;
    }
    // A cut within a character would not be text any more.
    tokens.retain(|token| text.is_char_boundary(token.start) && text.is_char_boundary(token.end));
    tokens
}
