//! The inputs: rows of `smuggling.cases`, and the raw cases.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::raw;
use crate::raw::format::decode;

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

/// All inputs; each has a name of its own. Pipes of plugins are left out: they are routes, not grammar, and
/// the second plugin of a pipe does not see the request's body.
pub fn all() -> Vec<Input> {
    let text = fs::read_to_string(sources().join("smuggling.cases")).expect("smuggling.cases");
    let mut inputs = rows(&text);
    inputs.extend(raw::cases().iter().map(|case| Input { name: case.name.clone(), bytes: case.input() }));
    let names: BTreeSet<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
    assert_eq!(names.len(), inputs.len(), "two inputs have the same name");
    inputs.retain(|input| !input.name.starts_with("pipe-name-"));
    inputs
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
            let bytes = decode(&format!("{}{row}{}", frame.0, frame.1));
            let bytes = bytes.unwrap_or_else(|error| panic!("{name}: {error}"));
            inputs.push(Input { name: name.to_owned(), bytes });
        }
    }
    inputs
}
