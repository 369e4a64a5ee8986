//! Finding the programs that build plugins, and saying what is missing.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A program, and the arguments that always come first (`python3 -m ziglang`).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Program {
    pub(super) path: PathBuf,
    pub(super) first: Vec<OsString>,
}

/// A tool that is not here, and how to get it. Its text has several lines.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Missing {
    /// Which tool, and what for.
    pub(super) what: String,
    /// What was tried, and why it did not do.
    pub(super) tried: Vec<String>,
    /// Platform or package manager, and the line to type.
    pub(super) get: Vec<(&'static str, String)>,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "missing: {}", self.what)?;
        for tried in &self.tried {
            write!(f, "\n  {tried}")?;
        }
        let width = self.get.iter().map(|(platform, _)| platform.len()).max().unwrap_or_default();
        for (platform, line) in &self.get {
            write!(f, "\n  {platform:width$}  {line}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Missing {}

impl Program {
    /// The program of this name in `PATH`, or at this path.
    pub(super) fn find(name: &str) -> Option<Self> {
        let is_runnable = |path: &Path| {
            path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
        };
        if name.contains('/') {
            let path = PathBuf::from(name);
            // The program runs in the project's folder, the path is from here.
            let path = std::path::absolute(&path).unwrap_or(path);
            return is_runnable(&path).then(|| Self { path, first: vec![] });
        }
        let folders = std::env::var_os("PATH")?;
        let found = std::env::split_paths(&folders).any(|folder| is_runnable(&folder.join(name)));
        // By its name, as people call it: some programs look at how they were called.
        found.then(|| Self { path: name.into(), first: vec![] })
    }

    /// The file behind its name, links followed.
    pub(super) fn resolved(&self) -> Option<PathBuf> {
        if self.path.is_absolute() {
            return self.path.canonicalize().ok();
        }
        let folders = std::env::var_os("PATH")?;
        std::env::split_paths(&folders).find_map(|folder| folder.join(&self.path).canonicalize().ok())
    }

    /// A program that runs as a module of Python's, if that module is there.
    pub(super) fn python_module(module: &str) -> Option<Self> {
        ["python3", "python"].into_iter().find_map(|python| {
            let program = Self { first: vec!["-m".into(), module.into()], ..Self::find(python)? };
            let check = Self::find(python)?.says(&["-c", &format!("import {module}")]);
            check.map(|_| program)
        })
    }

    /// What the environment variable `variable` names, split at blanks; `None` if it is not set.
    ///
    /// # Errors
    ///
    /// A line, if it names no program.
    pub(super) fn from_variable(variable: &str) -> Result<Option<Self>, String> {
        let Some(value) = std::env::var(variable).ok().filter(|value| !value.trim().is_empty()) else {
            return Ok(None);
        };
        let mut words = value.split_whitespace();
        let name = words.next().unwrap_or_default();
        let program =
            Self::find(name).ok_or_else(|| format!("{variable}={value}: there is no such program"))?;
        Ok(Some(Self { first: words.map(OsString::from).collect(), ..program }))
    }

    /// A program of node's, installed in the project or in a folder above it.
    pub(super) fn in_node_modules(dir: &Path, name: &str) -> Option<Self> {
        dir.ancestors().find_map(|folder| {
            let path = folder.join("node_modules/.bin").join(name);
            Self::find(path.to_str()?)
        })
    }

    /// A command for it, with nothing to read.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.args(&self.first).stdin(Stdio::null());
        command
    }

    /// The first line that it prints with these arguments, if it ends well.
    pub(super) fn says(&self, arguments: &[&str]) -> Option<String> {
        self.says_in(Path::new("."), arguments)
    }

    /// The same, run in a folder: there may be files that say which version to use.
    pub(super) fn says_in(&self, dir: &Path, arguments: &[&str]) -> Option<String> {
        let output = self.command().args(arguments).current_dir(dir).stderr(Stdio::null()).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success().then(|| text.lines().next().unwrap_or_default().trim().to_owned())
    }

    /// Whether it ends well with these arguments.
    pub(super) fn can(&self, arguments: &[&str]) -> bool {
        self.says(arguments).is_some()
    }

    /// As it is typed.
    pub(super) fn shown(&self) -> String {
        let words = std::iter::once(self.path.as_os_str()).chain(self.first.iter().map(OsString::as_os_str));
        words.map(|word| quoted(&word.to_string_lossy())).collect::<Vec<_>>().join(" ")
    }
}

/// A word as a shell takes it.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = |next: char| next.is_alphanumeric() || "-_=+./,:@%^".contains(next);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        for (word, expected) in
            [("-O2", "-O2"), ("", "''"), ("a b", "'a b'"), ("it's", r"'it'\''s'"), ("$HOME", "'$HOME'")]
        {
            assert_eq!(quoted(word), expected);
        }
    }

    #[test]
    fn what_is_missing_is_said_in_columns() {
        let missing = Missing {
            what: "needs x".to_owned(),
            tried: vec!["tried x-1".to_owned()],
            get: vec![("Debian", "apt".to_owned()), ("pip", "pip install x".to_owned())],
        };
        assert_eq!(
            missing.to_string(),
            "missing: needs x\n  tried x-1\n  Debian  apt\n  pip     pip install x"
        );
    }

    #[test]
    fn programs_are_found_by_name_and_by_path() {
        assert_eq!(Program::find("sh").unwrap().shown(), "sh");
        assert_eq!(Program::find("/bin/sh").unwrap().says(&["-c", "echo hi; echo more"]).unwrap(), "hi");
        assert!(!Program::find("sh").unwrap().can(&["-c", "exit 1"]));
        assert!(Program::find("no such program").is_none() && Program::find("/bin").is_none());
    }
}
