//! Golden cases: files beside the plugin that say what it answers.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use super::{Ending, Outcome, Request, json::Json};
use crate::Plugin;

/// Runs the golden cases of a folder, as `wasmplex test` does with the real host: for
/// each `CASE`
///
/// - `CASE.in` is the request's body; without it the request has none,
/// - `CASE.out` is the response's body, not compared if it is not there,
/// - `CASE.json`, optional, says more of request and response:
///   `{"method": "PUT", "path": "/name?x=1", "fields": {"accept": "text/csv"},
///   "status": 201, "response": {"content-type": "text/csv"}, "fails": "rejected"}`.
///
/// Each body is cut in many ways ([`Request::assert_cuts_agree`] up to 1 KiB,
/// [`Request::assert_random_cuts_agree`] beyond). The path is relative to the package,
/// where cargo runs tests. Of failures only `rejected` can be told natively.
///
/// # Panics
///
/// If a case has another outcome, if a file cannot be read, and if there is no case.
#[track_caller]
pub fn golden<P: Plugin>(folder: impl AsRef<Path>) {
    let cases = cases(folder.as_ref());
    assert!(!cases.is_empty(), "there is no golden case in {}", folder.as_ref().display());
    for case in cases {
        Case::read(&case).check::<P>();
    }
}

/// The files of the cases without their extensions, in order.
fn cases(folder: &Path) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("an entry of the folder").path());
    let is_case = |path: &PathBuf| {
        path.extension().and_then(OsStr::to_str).is_some_and(|ending| ["in", "out", "json"].contains(&ending))
    };
    paths.filter(is_case).map(|path| path.with_extension("")).collect()
}

struct Case {
    name: String,
    request: Request,
    body: Option<Vec<u8>>,
    answer: Option<Vec<u8>>,
    status: u16,
    fields: Vec<(String, String)>,
    is_rejected: bool,
}

impl Case {
    fn read(path: &Path) -> Self {
        let name = path.display().to_string();
        let mut case = Self {
            request: Request::new(),
            body: fs::read(path.with_extension("in")).ok(),
            answer: fs::read(path.with_extension("out")).ok(),
            status: 200,
            fields: Vec::new(),
            is_rejected: false,
            name,
        };
        if let Ok(text) = fs::read_to_string(path.with_extension("json")) {
            case.describe(&text).unwrap_or_else(|why| panic!("{}.json: {why}", case.name));
        }
        case
    }

    fn describe(&mut self, text: &str) -> Result<(), String> {
        for (key, value) in Json::parse(text)?.object()? {
            let request = self.request.clone();
            match key.as_str() {
                "method" => self.request = request.field(":method", value.text()?),
                "path" => self.request = request.target(&value.text()?),
                "fields" => {
                    for (name, value) in value.object()? {
                        self.request = self.request.clone().field(&name, value.text()?);
                    }
                }
                "status" => self.status = value.number()?,
                "response" => {
                    for (name, value) in value.object()? {
                        self.fields.push((name, value.text()?));
                    }
                }
                "fails" => match value.text()?.as_str() {
                    "rejected" => self.is_rejected = true,
                    other => return Err(format!("the failure {other:?} cannot be told natively")),
                },
                other => return Err(format!("the key {other:?} is not known")),
            }
        }
        Ok(())
    }

    #[track_caller]
    fn check<P: Plugin>(&self) {
        let name = &self.name;
        let outcome = self.run::<P>();
        if let Some(answer) = &self.answer {
            assert!(
                outcome.emitted == *answer,
                "{name}.out: {:?}",
                outcome.emitted.escape_ascii().to_string()
            );
        }
        assert_eq!(outcome.status, self.status, "{name}: status; log: {:?}", outcome.logs);
        assert_eq!(outcome.ending == Ending::Rejected, self.is_rejected, "{name}: log: {:?}", outcome.logs);
        for (field, value) in &self.fields {
            assert_eq!(outcome.field(field), Some(value.as_bytes()), "{name}: {field}");
        }
    }

    #[track_caller]
    fn run<P: Plugin>(&self) -> Outcome {
        match &self.body {
            None => self.request.run::<P>(&[]),
            Some(body) if body.len() <= 1_024 => self.request.assert_cuts_agree::<P>(body),
            Some(body) => self.request.assert_random_cuts_agree::<P>(body, 1),
        }
    }
}
