//! The inputs: rows of text with escapes, read from files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The longest name of a plugin.
const LONGEST_NAME: usize = 64;

/// What a client sends on one connection.
#[derive(Clone)]
pub struct Input {
    pub name: String,
    pub bytes: Vec<u8>,
}

impl Input {
    /// Names of plugins that its targets may begin with: the words behind its slashes.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let pieces = self.bytes.split(|&byte| byte == b'/').skip(1);
        pieces.filter_map(|piece| {
            let end = piece.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(piece.len());
            let name = std::str::from_utf8(&piece[..end]).expect("ASCII");
            (end <= LONGEST_NAME && name.starts_with(|first: char| first.is_ascii_lowercase()))
                .then_some(name)
        })
    }
}

/// Where the test's own files are.
pub fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/differential")
}

/// All inputs of the two folders; each has a name of its own. Pipes of plugins are left out: they are
/// routes, not grammar, and the second plugin of a pipe does not see the request's body.
pub fn all() -> Vec<Input> {
    let mut inputs = rows(&text(&sources().join("smuggling.cases")));
    for file in files(&sources().join("../corpus/http")) {
        inputs.extend(cases(&text(&file)));
    }
    let names: BTreeSet<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
    assert_eq!(names.len(), inputs.len(), "two inputs have the same name");
    inputs.retain(|input| !input.name.starts_with("pipe-name-"));
    inputs
}

fn text(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The raw cases of the folder, if it is there.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|ending| ending == "case")).collect();
    files.sort();
    files
}

/// `smuggling.cases`: frames, and the rows that stand in them.
fn rows(text: &str) -> Vec<Input> {
    let mut frame = ("", "");
    let mut inputs = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, row) = line.split_once(' ').unwrap_or((line, ""));
        let row = row.trim_start_matches(' ');
        if name == "frame" {
            frame = row.split_once('@').expect("a frame has an @");
        } else {
            let bytes = unescape(&format!("{}{row}{}", frame.0, frame.1));
            inputs.push(Input { name: name.to_owned(), bytes });
        }
    }
    inputs
}

/// What the raw cases send: the lines behind `>`. What they expect is another test's.
fn cases(text: &str) -> Vec<Input> {
    let mut inputs: Vec<Input> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("case ") {
            inputs.push(Input { name: name.to_owned(), bytes: Vec::new() });
        } else if let Some(bytes) = line.strip_prefix("> ") {
            let input = inputs.last_mut().expect("a case begins with its name");
            input.bytes.extend(unescape(bytes));
        }
    }
    inputs
}

/// `\r \n \t \0 \\ \xHH`, and `\[TEXT*N]` for TEXT so many times.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let escape = &rest[at + 1..];
        let (byte, length) = match escape.as_bytes().first() {
            Some(b'r') => (b'\r', 1),
            Some(b'n') => (b'\n', 1),
            Some(b't') => (b'\t', 1),
            Some(b'0') => (0, 1),
            Some(b'\\') => (b'\\', 1),
            Some(b'x') => (u8::from_str_radix(&escape[1..3], 16).expect("two hexadecimal digits"), 3),
            Some(b'[') => {
                let (inside, behind) = escape[1..].split_once(']').expect("the end of \\[");
                let (text, times) = inside.rsplit_once('*').expect("TEXT*N in \\[");
                bytes.extend(unescape(text).repeat(times.parse().expect("a number of times")));
                rest = behind;
                continue;
            }
            _ => panic!("no such escape: \\{escape}"),
        };
        bytes.push(byte);
        rest = &escape[length..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}
