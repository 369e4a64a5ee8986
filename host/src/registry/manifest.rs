//! `NAME.json`: what the operator allows a plugin, and tells it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::limit_texts::{LimitTexts, not_null};
use super::{folder, in_a_line, routes};
use crate::http::encode::is_settable_field;
use crate::http::method::{Method, MethodSet};
use crate::plugin::{DirGrant, Grants, Limits, Settings};

/// The largest manifest, in bytes. What is meant to be larger belongs into a folder that the
/// manifest grants.
pub const MAX_MANIFEST: u64 = 64 * 1024;

/// The most folders that a manifest may grant: each is an open descriptor of every instance.
const MAX_DIRS: usize = 16;

/// The most arguments that a manifest may give.
const MAX_ARGS: usize = 256;

/// What the operator's command line says of limits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policy {
    /// Where a manifest says nothing.
    pub defaults: Limits,
    /// How far a manifest may go.
    pub caps: Limits,
}

/// What comes out of a manifest.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settled {
    /// For the plugin.
    pub settings: Settings,
    /// For its route.
    pub methods: MethodSet,
}

/// The file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Manifest {
    /// Where editors find the schema.
    #[serde(rename = "$schema")]
    _schema: Option<String>,
    limits: LimitTexts,
    response: BTreeMap<String, String>,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    dirs: Vec<Dir>,
    config: BTreeMap<String, Scalar>,
    #[serde(deserialize_with = "not_null")]
    methods: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Dir {
    host: PathBuf,
    guest: String,
    #[serde(default)]
    write: bool,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a text, a number, true or false")]
enum Scalar {
    Text(String),
    Number(serde_json::Number),
    Flag(bool),
}

/// The manifest that belongs to a plugin file. `routes.json` is nobody's.
#[must_use]
pub fn path_of(file: &Path) -> Option<PathBuf> {
    let path = file.with_extension("json");
    (path.file_name()? != routes::FILE).then_some(path)
}

/// Reads the manifest beside a plugin file; where there is none, everything is denied and limits are
/// the defaults.
///
/// # Errors
///
/// What is wrong with it, with the key, in a line.
pub fn load(file: &Path, policy: &Policy) -> Result<Settled, String> {
    let Some(path) = path_of(file) else {
        return parse(b"{}", Path::new("."), policy);
    };
    let named = |reason: String| match path.file_name() {
        Some(name) => format!("{}: {reason}", name.to_string_lossy()),
        None => reason,
    };
    match read(&path) {
        Ok(Some(bytes)) => {
            let folder = file.parent().unwrap_or(Path::new("."));
            parse(&bytes, folder, policy).map_err(named)
        }
        Ok(None) => parse(b"{}", Path::new("."), policy),
        Err(error) => Err(named(error)),
    }
}

/// Reads a small file of the folder, if it is there.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, String> {
    match folder::open(path) {
        // A link that leads nowhere is there, and broken.
        Err(error) if error.kind() == io::ErrorKind::NotFound && !folder::is_there(path) => Ok(None),
        Err(error) => Err(format!("cannot be read: {error}")),
        Ok(file) => {
            let bytes = folder::read_bounded(file, MAX_MANIFEST);
            bytes.map(Some).map_err(|error| format!("{error:#}"))
        }
    }
}

/// Understands a manifest. `folder` is where relative host folders begin.
///
/// # Errors
///
/// What is wrong with it, with the key, in a line.
pub fn parse(bytes: &[u8], folder: &Path, policy: &Policy) -> Result<Settled, String> {
    understand(bytes, folder, policy).map_err(|reason| in_a_line(&reason))
}

fn understand(bytes: &[u8], folder: &Path, policy: &Policy) -> Result<Settled, String> {
    check_shape(bytes)?;
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let manifest: Manifest = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let key = error.path().to_string();
        if key == "." { error.inner().to_string() } else { format!("{key}: {}", error.inner()) }
    })?;
    let limits = manifest.limits.settle(policy)?;
    for (name, value) in &manifest.response {
        if name.eq_ignore_ascii_case("content-length")
            || !is_settable_field(name.as_bytes(), value.as_bytes())
        {
            return Err(format!("response.{name}: not a response field that can be set here"));
        }
    }
    for (name, value) in &manifest.env {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return Err(format!("env.{name}: not an environment variable"));
        }
    }
    if manifest.args.len() > MAX_ARGS || manifest.args.iter().any(|arg| arg.contains('\0')) {
        return Err(format!("args: at most {MAX_ARGS} texts, without NUL"));
    }
    if manifest.dirs.len() > MAX_DIRS {
        return Err(format!("dirs: more than {MAX_DIRS} folders"));
    }
    let dirs = manifest.dirs.into_iter().map(|dir| dir.settle(folder)).collect::<Result<_, _>>()?;
    let methods = match manifest.methods {
        None => MethodSet::ALL,
        Some(names) if names.is_empty() => return Err("methods: at least one is needed".to_owned()),
        Some(names) => names.iter().map(|name| method(name)).collect::<Result<_, _>>()?,
    };
    let config = manifest.config.into_iter().map(|(key, value)| (key, value.into_text())).collect();
    let grants = Grants { args: manifest.args, env: manifest.env.into_iter().collect(), dirs };
    let response = manifest.response.into_iter().collect();
    Ok(Settled { settings: Settings { limits, grants, response, config }, methods })
}

/// The library would also take lists, with the values in order, where objects are meant.
fn check_shape(bytes: &[u8]) -> Result<(), String> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let dirs = value.get("dirs").and_then(Value::as_array).into_iter().flatten();
    let objects = [("the manifest", &value)]
        .into_iter()
        .chain(value.get("limits").map(|limits| ("limits", limits)))
        .chain(dirs.map(|dir| ("each of dirs", dir)));
    for (what, value) in objects {
        if !value.is_object() {
            return Err(format!("{what} must be an object, {{…}}"));
        }
    }
    Ok(())
}

/// A method by its name.
fn method(name: &str) -> Result<Method, String> {
    Method::parse(name).map_err(|_| format!("methods: '{name}' is not a method that reaches plugins"))
}

impl Scalar {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
            Self::Flag(flag) => flag.to_string(),
        }
    }
}

/// Whether `folder` lies in `host`, or is it.
fn holds(host: &Path, folder: &Path) -> bool {
    match (host.canonicalize(), folder.canonicalize()) {
        (Ok(host), Ok(folder)) => folder.starts_with(host),
        // What cannot be told is better not granted.
        _ => true,
    }
}

impl Dir {
    fn settle(self, folder: &Path) -> Result<DirGrant, String> {
        if self.host.as_os_str().is_empty() {
            return Err("dirs: host must be a folder".to_owned());
        }
        let host = folder.join(&self.host);
        if self.guest.is_empty() || self.guest.contains('\0') {
            return Err("dirs: guest must be a path such as /data".to_owned());
        }
        match fs::metadata(&host) {
            Ok(metadata) if metadata.is_dir() && self.write && holds(&host, folder) => Err(format!(
                "dirs: {} holds the plugin folder: a plugin could write plugins and manifests there",
                host.display()
            )),
            Ok(metadata) if metadata.is_dir() => Ok(DirGrant { host, guest: self.guest, write: self.write }),
            Ok(_) => Err(format!("dirs: {} is not a folder", host.display())),
            Err(error) => Err(format!("dirs: {}: {error}", host.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn parsed(text: &str) -> Result<Settled, String> {
        let caps = Limits { memory: 1 << 20, emitted: Some(100), ..Limits::default() };
        parse(text.as_bytes(), Path::new("/"), &Policy { defaults: Limits { memory: 1 << 16, ..caps }, caps })
    }

    #[test]
    fn nothing_said_is_nothing_given() {
        let settled = parsed("{}").unwrap();
        assert_eq!(settled.methods, MethodSet::ALL);
        assert_eq!(settled.settings.grants, Grants::default());
        assert_eq!(settled.settings.limits.memory, 1 << 16);
        assert_eq!(settled.settings.limits.emitted, Some(100));
    }

    #[test]
    fn everything_said() {
        let settled = parsed(
            r#"{"$schema": "x", "limits": {"memory": "512KiB", "cpu_per_call": "50ms", "emitted": 7, "log_lines": 3,
                "cpu_per_exchange": "1s", "received": "off"},
                "response": {"content-type": "text/plain"}, "env": {"A": "b"},
                "dirs": [{"host": "/tmp", "guest": "/data"}],
                "config": {"a": "x", "b": 1.5, "c": true}, "methods": ["POST", "GET"]}"#,
        )
        .unwrap();
        let limits = settled.settings.limits;
        assert_eq!((limits.memory, limits.cpu_per_call), (512 << 10, Duration::from_millis(50)));
        assert_eq!((limits.emitted, limits.log_lines, limits.received), (Some(7), Some(3), None));
        assert_eq!(limits.cpu_per_exchange, Some(Duration::from_secs(1)));
        assert_eq!(settled.methods.allow(), "GET, POST");
        let config: Vec<_> = settled.settings.config.values().map(String::as_str).collect();
        assert_eq!(config, ["x", "1.5", "true"]);
        let dir = DirGrant { host: "/tmp".into(), guest: "/data".to_owned(), write: false };
        assert_eq!(settled.settings.grants.dirs, [dir]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, named) in [
            ("", "EOF"),
            ("[]", "must be an object"),
            (r#"{"limits": [1]}"#, "limits must be an object"),
            (r#"{"dirs": [["/tmp", "/x", true]]}"#, "each of dirs must be an object"),
            (r#"{"limit": {}}"#, "`limit`"),
            (r#"{"limits": {"memroy": 1}}"#, "`memroy`"),
            (r#"{"a\nb\u001b": 1}"#, r"`a\nb\u{1b}`"),
            (r#"{"limits": {"memory": "2MiB"}}"#, "limits.memory: beyond what the operator allows, 1MiB"),
            (r#"{"limits": {"memory": "much"}}"#, "limits.memory: 'much'"),
            (r#"{"limits": {"memory": -1}}"#, "limits.memory: expected a number or a text"),
            (r#"{"limits": {"memory": "off"}}"#, "limits.memory"),
            (r#"{"limits": {"emitted": null}}"#, "limits.emitted"),
            (r#"{"methods": null}"#, "methods"),
            (r#"{"limits": {"cpu_per_call": 50}}"#, "limits.cpu_per_call: 50 needs a unit"),
            (r#"{"limits": {"emitted": "off"}}"#, "limits.emitted: beyond"),
            (r#"{"limits": {"log_lines": "x"}}"#, "limits.log_lines: 'x'"),
            (r#"{"response": {"Content-Length": "1"}}"#, "response.Content-Length"),
            (r#"{"response": {"connection": "close"}}"#, "response.connection"),
            (r#"{"response": {"a": "b\n"}}"#, "response.a"),
            (r#"{"env": {"A=B": ""}}"#, "env.A=B"),
            (r#"{"dirs": [{"host": "/", "guest": ""}]}"#, "guest"),
            (r#"{"dirs": [{"host": "", "guest": "/x"}]}"#, "host must be"),
            (r#"{"dirs": [{"host": ".", "guest": "/x", "write": true}]}"#, "holds the plugin folder"),
            (r#"{"dirs": [{"host": "/no/such/folder", "guest": "/x"}]}"#, "/no/such/folder"),
            (r#"{"dirs": [{"host": "/etc/passwd", "guest": "/x"}]}"#, "not a folder"),
            (r#"{"dirs": [{"host": "/", "guest": "/x", "wirte": true}]}"#, "`wirte`"),
            (r#"{"config": {"a": []}}"#, "config.a: expected a text"),
            (r#"{"dirs": [{"host": 1, "guest": "/x"}]}"#, "dirs[0].host"),
            (r#"{"methods": ["post"]}"#, "'post'"),
            (r#"{"methods": []}"#, "methods"),
        ] {
            let error = parsed(text).expect_err(text);
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
