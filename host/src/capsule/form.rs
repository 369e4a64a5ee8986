//! The form of a capsule: JSON that a person can read and a program gets every byte back from.
//!
//! One file is one stage of one exchange that failed. Bytes are text where they are UTF-8 without
//! control characters, and base64 otherwise. Later versions may add keys; what changes the meaning of
//! those that are there gets another number in `capsule`.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::metrics::Way;
use crate::plugin::abi::CHUNK_CAPACITY;
use crate::plugin::{Entry, Happening};

/// The number of this form.
pub const FORM: u32 = 1;

/// Bytes: `"text"` where they can be that, `{"base64": "…"}` otherwise.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(untagged, expecting = "expected a text or {\"base64\": …}")]
pub enum Bytes {
    Text(String),
    Coded { base64: String },
}

impl Bytes {
    /// These bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let is_plain = |char: char| !char.is_control() || matches!(char, '\t' | '\n' | '\r');
        match std::str::from_utf8(bytes) {
            Ok(text) if text.chars().all(is_plain) => Self::Text(text.to_owned()),
            _ => Self::Coded { base64: STANDARD.encode(bytes) },
        }
    }

    /// The bytes.
    ///
    /// # Errors
    ///
    /// When what is called base64 is not.
    pub fn get(&self) -> anyhow::Result<Vec<u8>> {
        match self {
            Self::Text(text) => Ok(text.as_bytes().to_vec()),
            Self::Coded { base64 } => STANDARD.decode(base64).context("what is called base64 is not"),
        }
    }
}

/// One capsule.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Capsule {
    /// [`FORM`].
    pub capsule: u32,
    /// For the reader.
    pub note: String,
    /// Version of the host.
    pub wasmplex: String,
    /// When the exchange failed (RFC 3339, UTC).
    pub recorded: String,
    /// The exchange's id, as in the log.
    pub exchange: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    pub failure: Failed,
    pub plugin: Module,
    pub route: Route,
    pub manifest: Manifest,
    pub request: Asked,
    /// The response as the stage before left it; absent in a first stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inherited: Option<Inherited>,
    /// Places of masked values, such as `request.fields.authorization`.
    pub masked: Vec<String>,
    pub output: Output,
    pub input: Input,
    /// What the plugin was handed, in order. The last key: it may be long.
    pub events: Vec<Event>,
}

/// How the plugin failed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Failed {
    /// One of the words of `wasmplex_failures_total`.
    pub kind: String,
    /// As in the log.
    pub reason: String,
    /// The innermost function first.
    pub backtrace: Vec<String>,
    /// Number of the chunk that the plugin worked on, 0 before the first.
    pub chunk: u64,
    /// Body bytes before that chunk.
    pub offset: u64,
    /// Microseconds since the exchange began.
    pub at_us: u64,
}

/// The code that failed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Module {
    pub name: String,
    /// The first digits of `digest`.
    pub version: String,
    /// SHA-256 of the file.
    pub digest: String,
    /// Bytes of the file.
    pub size: u64,
    /// `core module`, `command` or `component`.
    pub kind: String,
    /// Where the file is, from the capsule on; null if it was not kept.
    pub file: Option<String>,
}

/// Where the plugin stood.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Route {
    /// Name and version of all stages.
    pub stages: Vec<String>,
    /// Which of them failed; 1 is the first.
    pub failed: usize,
    /// Bounds of all stages together, in the texts of a manifest.
    pub memory_per_exchange: String,
    pub cpu_per_exchange: String,
    /// Bytes of memory that the other stages held when this one was refused more.
    #[serde(default)]
    pub memory_elsewhere: u64,
}

/// The manifest in effect. Null values are masked.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Manifest {
    pub limits: Map<String, Value>,
    pub response: BTreeMap<String, Option<String>>,
    /// What looks like a secret is masked in place.
    #[serde(default)]
    pub args: Vec<String>,
    pub env: BTreeMap<String, Option<String>>,
    pub dirs: Vec<Dir>,
    pub config: BTreeMap<String, Option<String>>,
    pub methods: Vec<String>,
}

/// A folder that the plugin was granted.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Dir {
    pub host: String,
    pub guest: String,
    pub write: bool,
}

/// What the plugin could ask of the request.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Asked {
    /// How the bytes came: `http`, `upgrade`, `websocket` or `tcp`.
    #[serde(default = "http")]
    pub way: String,
    /// Method, path and version are empty where there was no request, but only a connection.
    pub method: String,
    pub path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<Bytes>,
    pub version: String,
    pub peer: String,
    /// Whether a body was announced.
    pub has_body: bool,
    pub fields: Vec<Field>,
}

/// The way of capsules from before there were others.
fn http() -> String {
    Way::Http.as_str().to_owned()
}

/// A field of a head.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Field {
    pub name: String,
    /// Null if it is masked.
    pub value: Option<Bytes>,
}

/// A response head that came from the stage before.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Inherited {
    pub status: u16,
    pub fields: Vec<Field>,
}

/// What the plugin had emitted when it failed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Output {
    pub bytes: u64,
    /// So many of them, from the first one on, are in `sha256`.
    pub hashed: u64,
    pub sha256: String,
}

/// What the plugin was handed in all.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Input {
    pub chunks: u64,
    pub bytes: u64,
    pub timers: u64,
    /// Why `events` ends before the failure: `capsule-size` or `capsule-memory`, the flag whose bound
    /// was reached; null if it does not.
    pub truncated: Option<String>,
    /// Of these, what is in `events`.
    pub kept_chunks: u64,
    pub kept_bytes: u64,
}

/// Something that the plugin was handed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Event {
    /// Microseconds since the exchange began.
    pub at_us: u64,
    pub event: EventKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<Bytes>,
}

/// What it was.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// Body bytes, in one call.
    Chunk,
    /// Its timer fired.
    Timer,
    /// The body was complete.
    End,
}

impl Event {
    /// An entry of a tape, with its bytes.
    #[must_use]
    pub fn of(entry: Entry, bytes: &[u8]) -> Self {
        let (event, bytes) = match entry.what {
            Happening::Chunk(_) => (EventKind::Chunk, Some(Bytes::of(bytes))),
            Happening::Timer => (EventKind::Timer, None),
            Happening::End => (EventKind::End, None),
        };
        Self { at_us: entry.micros, event, bytes }
    }

    /// The bytes of a chunk, 1 to 65,536; none of anything else.
    ///
    /// # Errors
    ///
    /// When they are not that.
    pub fn bytes(&self) -> anyhow::Result<Vec<u8>> {
        let bytes = match &self.bytes {
            Some(bytes) => bytes.get()?,
            None => Vec::new(),
        };
        if self.event != EventKind::Chunk {
            return Ok(Vec::new());
        }
        ensure!((1..=CHUNK_CAPACITY).contains(&bytes.len()), "a chunk of {} bytes", bytes.len());
        Ok(bytes)
    }
}

/// Reads a capsule.
///
/// # Errors
///
/// When it is none, or of a form that is not known here.
pub fn read(json: &[u8]) -> anyhow::Result<Capsule> {
    let value: Value = serde_json::from_slice(json).context("it is not JSON, and so no capsule")?;
    match value.get("capsule").and_then(Value::as_u64) {
        Some(form) if form == u64::from(FORM) => {}
        Some(form) => bail!("it is a capsule of form {form}; this wasmplex knows form {FORM}"),
        None => bail!("it is no capsule: the key \"capsule\" is missing"),
    }
    let capsule: Capsule = serde_path_to_error::deserialize(value)
        .map_err(|error| anyhow::anyhow!("{}: {}", error.path(), error.inner()))?;
    for (index, event) in capsule.events.iter().enumerate() {
        event.bytes().with_context(|| format!("events[{index}]"))?;
    }
    Ok(capsule)
}

/// Writes a capsule, an event a line. `events` stand in the place of those in `capsule`.
///
/// # Errors
///
/// Those of `out`.
pub fn write(out: &mut impl Write, capsule: &Capsule, events: impl Iterator<Item = Event>) -> io::Result<()> {
    debug_assert!(capsule.events.is_empty());
    let head = serde_json::to_string_pretty(capsule)?;
    // `events` is the last key: what stands there is `[]`.
    let head = head.trim_end().trim_end_matches('}').trim_end().trim_end_matches("[]");
    out.write_all(head.as_bytes())?;
    out.write_all(b"[")?;
    for (index, event) in events.enumerate() {
        out.write_all(if index == 0 { b"\n    " } else { b",\n    " })?;
        serde_json::to_writer(&mut *out, &event)?;
    }
    out.write_all(b"\n  ]\n}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capsule() -> Capsule {
        Capsule {
            capsule: FORM,
            note: String::new(),
            wasmplex: "0".to_owned(),
            recorded: String::new(),
            exchange: "1".to_owned(),
            trace_id: None,
            failure: Failed {
                kind: "trap".to_owned(),
                reason: "trap: \"x\"".to_owned(),
                backtrace: vec!["a".to_owned()],
                chunk: 1,
                offset: 0,
                at_us: 1,
            },
            plugin: Module {
                name: "p".to_owned(),
                version: "v".to_owned(),
                digest: "d".to_owned(),
                size: 1,
                kind: "core module".to_owned(),
                file: None,
            },
            route: Route {
                stages: vec!["p@v".to_owned()],
                failed: 1,
                memory_per_exchange: "1MiB".to_owned(),
                cpu_per_exchange: "off".to_owned(),
                memory_elsewhere: 0,
            },
            manifest: Manifest::default(),
            request: Asked {
                way: "http".to_owned(),
                method: "POST".to_owned(),
                path: "/p".to_owned(),
                query: Some(Bytes::of(b"a=\xff")),
                version: "HTTP/1.1".to_owned(),
                peer: "127.0.0.1:1".to_owned(),
                has_body: true,
                fields: vec![
                    Field { name: "a".to_owned(), value: Some(Bytes::of(b"\x80")) },
                    Field { name: "cookie".to_owned(), value: None },
                ],
            },
            inherited: None,
            masked: vec!["request.fields.cookie".to_owned()],
            output: Output { bytes: 0, hashed: 0, sha256: String::new() },
            input: Input { chunks: 0, bytes: 0, timers: 0, truncated: None, kept_chunks: 0, kept_bytes: 0 },
            events: Vec::new(),
        }
    }

    fn chunk(micros: u64, bytes: &[u8]) -> Event {
        Event::of(Entry { micros, what: Happening::Chunk(bytes.len() as u32) }, bytes)
    }

    #[test]
    fn every_byte_comes_back() {
        let all: Vec<u8> = (0..=255).collect();
        let mut events: Vec<Event> = all.iter().map(|&byte| chunk(byte.into(), &[byte])).collect();
        events.push(chunk(300, &all));
        events.push(chunk(301, "}]\"\\ é\u{fffd}\r\n\t".as_bytes()));
        events.push(Event::of(Entry { micros: 302, what: Happening::Timer }, &[]));
        events.push(Event::of(Entry { micros: u64::MAX, what: Happening::End }, &[]));
        for events in [Vec::new(), events] {
            let mut json = Vec::new();
            write(&mut json, &capsule(), events.iter().cloned()).unwrap();
            let expected = Capsule { events, ..capsule() };
            assert_eq!(read(&json).unwrap(), expected);
            let lines = String::from_utf8(json).unwrap().matches("\"event\":").count();
            assert_eq!(lines, expected.events.len());
        }
        assert_eq!(chunk(0, &all).bytes().unwrap(), all);
        assert_eq!(capsule().request.fields[0].value.as_ref().unwrap().get().unwrap(), b"\x80");
    }

    #[test]
    fn text_is_for_people() {
        let json = |bytes: &[u8]| serde_json::to_string(&Bytes::of(bytes)).unwrap();
        assert_eq!(json(b"a line\n"), r#""a line\n""#);
        assert_eq!(json(b"\0"), r#"{"base64":"AA=="}"#);
        assert_eq!(json(b"\xc3"), r#"{"base64":"ww=="}"#);
    }

    #[test]
    fn what_is_no_capsule_is_named() {
        let mut json = Vec::new();
        write(&mut json, &capsule(), [chunk(1, b"x")].into_iter()).unwrap();
        let json = String::from_utf8(json).unwrap();
        let long = format!("\"bytes\":\"{}\"", "x".repeat(CHUNK_CAPACITY + 1));
        let bytes = "\"bytes\":\"x\"";
        for (text, named) in [
            (String::new(), "not JSON"),
            ("{}".to_owned(), "the key \"capsule\" is missing"),
            (json.replace("\"capsule\": 1", "\"capsule\": 2"), "form 2"),
            (json.replace("\"chunk\",", "\"lump\","), "events[0].event"),
            (json.replace(bytes, "\"bytes\":{\"base64\":\"?\"}"), "events[0]"),
            (json.replace(bytes, "\"bytes\":1"), "events[0].bytes: expected a text"),
            (json.replace(bytes, "\"bytes\":\"\""), "a chunk of 0 bytes"),
            (json.replace(bytes, &long), "a chunk of 65537 bytes"),
        ] {
            let error = format!("{:#}", read(text.as_bytes()).expect_err(named));
            assert!(error.contains(named), "{named}: {error}");
        }
    }
}
