//! Golden cases: `CASE.in`, `CASE.out` and `CASE.json` of a folder.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::http::method::Method;
use crate::plugin::{Limit, Request};
use crate::registry::folder;

/// A request, and what must come of it.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    /// `None`: a request without a body.
    pub body: Option<Vec<u8>>,
    pub method: Method,
    /// The path and, behind a question mark, the query; `None`: the plugin's route.
    pub target: Option<String>,
    /// Names in lower case.
    pub fields: BTreeMap<String, String>,
    pub expected: Expected,
    /// Where the expected output is, or would be.
    pub output_file: PathBuf,
}

/// What must come of a case; what is not said may be anything.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Expected {
    pub output: Option<Vec<u8>>,
    pub status: Option<u16>,
    pub response: BTreeMap<String, String>,
    /// The kind of failure, as metrics name it; `None`: a clean end.
    pub fails: Option<String>,
}

/// `CASE.json` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Written {
    method: Option<String>,
    path: Option<String>,
    fields: BTreeMap<String, String>,
    status: Option<u16>,
    response: BTreeMap<String, String>,
    fails: Option<String>,
}

/// Kinds of failures that are not limits.
const FAILURES: [&str; 3] = ["trap", "rejected", "exit"];

/// Kinds of failures that are.
const LIMITS: [Limit; 8] = [
    Limit::Memory,
    Limit::MemoryPerExchange,
    Limit::CpuPerCall,
    Limit::TimePerCall,
    Limit::CpuPerExchange,
    Limit::Emitted,
    Limit::Received,
    Limit::LogLines,
];

/// The cases of a folder, by name.
///
/// # Errors
///
/// When the folder or a file of a case cannot be read or understood, or there is no case.
pub fn load(dir: &Path) -> anyhow::Result<Vec<Case>> {
    let shown = dir.display();
    let mut names = BTreeSet::new();
    let entries = fs::read_dir(dir).with_context(|| format!("no cases: {shown} cannot be read"))?;
    for entry in entries {
        let path = entry.with_context(|| format!("{shown} cannot be read"))?.path();
        let is_case =
            path.extension().is_some_and(|ending| ["in", "out", "json"].iter().any(|one| ending == *one));
        if let (true, true, Some(stem)) = (is_case, path.is_file(), path.file_stem()) {
            names.insert(stem.to_string_lossy().into_owned());
        }
    }
    if names.is_empty() {
        bail!("{shown}: no cases. One is a body in CASE.in, and the response that it must have in CASE.out");
    }
    names.into_iter().map(|name| Case::load(dir, name)).collect()
}

impl Case {
    fn load(dir: &Path, name: String) -> anyhow::Result<Self> {
        // A name may have dots in it, so the ending is added and not set.
        let file = |ending: &str| dir.join(format!("{name}.{ending}"));
        let optional = |file: PathBuf| match file.exists() {
            true => folder::read(&file).map(Some).with_context(|| file.display().to_string()),
            false => Ok(None),
        };
        let (body, output) = (optional(file("in"))?, optional(file("out"))?);
        let written = match optional(file("json"))? {
            Some(bytes) => understand(&bytes)
                .map_err(|reason| anyhow::anyhow!("{}: {reason}", file("json").display()))?,
            None => Written::default(),
        };
        let method = match &written.method {
            Some(name) => Method::parse(name).map_err(|_| {
                anyhow::anyhow!("{}: method: '{name}' does not reach plugins", file("json").display())
            })?,
            None if body.is_some() => Method::Post,
            None => Method::Get,
        };
        let Written { path, fields, status, response, fails, .. } = written;
        let fields = fields.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        let expected = Expected { output, status, response, fails };
        Ok(Self { output_file: file("out"), name, body, method, target: path, fields, expected })
    }

    /// The body; of a request without one, nothing.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.body.as_deref().unwrap_or_default()
    }
}

fn understand(bytes: &[u8]) -> Result<Written, String> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let written: Written = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let key = error.path().to_string();
        if key == "." { error.inner().to_string() } else { format!("{key}: {}", error.inner()) }
    })?;
    if let Some(kind) = &written.fails {
        let kinds: Vec<&str> = FAILURES.into_iter().chain(LIMITS.map(Limit::key)).collect();
        if !kinds.contains(&kind.as_str()) {
            return Err(format!("fails: '{kind}' is none of {}", kinds.join(", ")));
        }
    }
    if written.path.as_ref().is_some_and(|path| !path.starts_with('/')) {
        return Err("path: it must begin with /".to_owned());
    }
    Ok(written)
}

/// What an instance sees of a case's request.
#[derive(Clone, Debug)]
pub(super) struct View {
    method: Method,
    path: String,
    query: Option<String>,
    fields: BTreeMap<String, String>,
    plugin: String,
}

impl View {
    pub(super) fn of(case: &Case, plugin: &str) -> Self {
        let target = case.target.clone().unwrap_or_else(|| format!("/{plugin}"));
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path.to_owned(), Some(query.to_owned())),
            None => (target, None),
        };
        Self { method: case.method, path, query, fields: case.fields.clone(), plugin: plugin.to_owned() }
    }
}

impl Request for View {
    fn field(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
        let text = match name.as_str() {
            ":method" => self.method.as_str(),
            ":path" => &self.path,
            ":query" => self.query.as_deref()?,
            ":version" => "HTTP/1.1",
            ":peer" => "127.0.0.1:1",
            ":plugin" => &self.plugin,
            name => self.fields.get(name)?,
        };
        Some(Cow::Borrowed(text.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::Scratch;

    fn folder(files: &[(&str, &str)]) -> Scratch {
        let scratch = Scratch::new().unwrap();
        for (name, text) in files {
            fs::write(scratch.path().join(name), text).unwrap();
        }
        scratch
    }

    #[test]
    fn files_of_a_stem_are_a_case() {
        let json = r#"{"path": "/x?a=1", "fields": {"Accept": "y"}, "status": 404, "fails": "rejected"}"#;
        let scratch = folder(&[
            ("a.in", "body"),
            ("a.out", "BODY"),
            ("b.1.json", json),
            ("README.md", ""),
            ("c.in", ""),
        ]);
        let cases = load(scratch.path()).unwrap();
        let names: Vec<_> = cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names, ["a", "b.1", "c"]);
        assert_eq!((cases[0].bytes(), cases[0].method), (&b"body"[..], Method::Post));
        assert_eq!(cases[0].expected, Expected { output: Some(b"BODY".to_vec()), ..Expected::default() });
        assert_eq!((cases[1].body.is_none(), cases[1].method), (true, Method::Get));
        assert_eq!(
            (cases[1].expected.status, cases[1].expected.fails.as_deref()),
            (Some(404), Some("rejected"))
        );
        assert_eq!(cases[2].expected.output, None);
        let view = View::of(&cases[1], "p");
        for (name, value) in
            [("ACCEPT", "y"), (":path", "/x"), (":query", "a=1"), (":method", "GET"), (":plugin", "p")]
        {
            assert_eq!(view.field(name.as_bytes()).unwrap(), value.as_bytes(), "{name}");
        }
        assert!(view.field(b"other").is_none() && View::of(&cases[0], "p").field(b":query").is_none());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (json, named) in [
            ("{", "EOF"),
            (r#"{"stauts": 1}"#, "`stauts`"),
            (r#"{"method": "get"}"#, "'get'"),
            (r#"{"path": "x"}"#, "path: "),
            (r#"{"fails": "boom"}"#, "'boom' is none of trap, rejected, exit, memory"),
            (r#"{"status": "200"}"#, "status: "),
        ] {
            let error = load(folder(&[("a.json", json)]).path()).unwrap_err();
            assert!(format!("{error:#}").contains(named), "{json}: {error:#}");
        }
        assert!(load(folder(&[("README.md", "")]).path()).unwrap_err().to_string().contains("no cases"));
    }
}
