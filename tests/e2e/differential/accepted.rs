//! The list of differences that are right, each with its reason.

use std::fs;

use serde_json::Value;

use super::inputs::{self, Input};
use super::peers::Peer;

/// `tests/differential/accepted.json`.
pub struct Accepted {
    /// The version of each peer that the list was made with.
    versions: Value,
    entries: Vec<Entry>,
}

/// Some inputs, at one peer, where it does one thing.
struct Entry {
    peer: String,
    /// What the peer does, in part.
    saw: String,
    /// Only inputs with one of these in it, if there are any. A `^` at the start stands for that of the
    /// input.
    with: Vec<String>,
    /// Names of inputs, and whether they were needed. A `*` at the end stands for any rest.
    cases: Vec<(String, bool)>,
}

impl Accepted {
    pub fn read() -> Accepted {
        let list = fs::read(inputs::sources().join("accepted.json")).expect("accepted.json");
        let list: Value = serde_json::from_slice(&list).expect("accepted.json is JSON");
        let text = |entry: &Value, key: &str| {
            let text = entry[key].as_str().unwrap_or_default().to_owned();
            assert!(!text.is_empty(), "{key} is missing in {entry}");
            text
        };
        let entry = |entry: &Value| {
            // For readers; none may be without.
            text(entry, "why");
            text(entry, "rfc");
            let cases = texts(&entry["cases"]).map(|case| (case, false)).collect();
            let with = texts(&entry["with"]).collect();
            Entry { peer: text(entry, "peer"), saw: text(entry, "saw"), with, cases }
        };
        let entries = list["differences"].as_array().expect("differences is a list");
        Accepted { versions: list["versions"].clone(), entries: entries.iter().map(entry).collect() }
    }

    /// Whether a difference is in the list. All entries that have it count as needed.
    pub fn covers(&mut self, input: &Input, peer: &str, difference: &str) -> bool {
        let mut covered = false;
        let fits = |entry: &&mut Entry| {
            entry.peer == peer && difference.starts_with(&entry.saw) && entry.has_what_it_takes(&input.bytes)
        };
        for entry in self.entries.iter_mut().filter(fits) {
            for (pattern, needed) in &mut entry.cases {
                let rest = pattern.strip_suffix('*');
                let fits = rest.map_or(input.name == *pattern, |start| input.name.starts_with(start));
                *needed |= fits;
                covered |= fits;
            }
        }
        covered
    }

    /// What was not needed at peers of the versions that the list was made with.
    pub fn unused(&self, peers: &[Peer]) -> Vec<String> {
        let is_known = |name: &str| {
            let version = self.versions[name].as_str().unwrap_or_default();
            peers.iter().any(|peer| peer.name == name && peer.version.starts_with(version))
        };
        let entries = self.entries.iter().filter(|entry| is_known(&entry.peer));
        let unused = entries.flat_map(|entry| {
            let cases = entry.cases.iter().filter(|(_, needed)| !needed);
            cases.map(|(case, _)| {
                format!("accepted.json: {case} at {} ({}) is not needed", entry.peer, entry.saw)
            })
        });
        unused.collect()
    }
}

impl Entry {
    fn has_what_it_takes(&self, bytes: &[u8]) -> bool {
        let has = |text: &String| match text.strip_prefix('^') {
            Some(start) => bytes.starts_with(start.as_bytes()),
            None => bytes.windows(text.len()).any(|piece| piece == text.as_bytes()),
        };
        self.with.is_empty() || self.with.iter().any(has)
    }
}

fn texts(list: &Value) -> impl Iterator<Item = String> {
    let texts = list.as_array().map_or(&[][..], Vec::as_slice).iter();
    texts.map(|text| text.as_str().expect("a text").to_owned())
}
