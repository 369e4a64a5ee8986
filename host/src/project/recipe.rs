//! The command line that builds a project.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use super::detect::Project;
use super::language::Language;
use super::tools::{Missing, Program, quoted};
use super::{clang, recipes};

/// A program to run in the project's folder, and where its output is then.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recipe {
    program: Program,
    variables: Vec<(&'static str, OsString)>,
    arguments: Vec<OsString>,
    pub(super) output: Output,
    /// What it prints on standard output says nothing, unless it fails.
    pub(super) is_quiet: bool,
}

/// Where the plugin is when the program has ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Output {
    /// In the file that it was given.
    File,
    /// Cargo says so in its messages.
    Artifact,
}

impl Recipe {
    /// The command line for a project, with output to `output`, an absolute path. `None`: nothing is to be run, the
    /// text format is understood here.
    ///
    /// # Errors
    ///
    /// [`Missing`], if a tool is not here.
    pub fn find(project: &Project, output: &Path) -> Result<Option<Self>, Missing> {
        match project.language {
            Language::Wat => return Ok(None),
            Language::C | Language::Cpp => clang::recipe(project, output)
                .map(|(program, arguments)| Self { arguments, ..Self::new(program, Output::File) }),
            Language::Rust => recipes::rust(project),
            Language::Zig => recipes::zig(project, output),
            Language::Go => recipes::go(project, output),
            Language::AssemblyScript => recipes::assemblyscript(project, output),
            Language::JavaScript => recipes::javascript(project, output),
            Language::Python => recipes::python(project, output),
        }
        .map(Some)
    }

    pub(super) const fn new(program: Program, output: Output) -> Self {
        Self { program, variables: Vec::new(), arguments: Vec::new(), output, is_quiet: false }
    }

    pub(super) fn words<'a>(
        mut self,
        words: impl IntoIterator<Item = &'a (impl AsRef<str> + ?Sized + 'a)>,
    ) -> Self {
        self.arguments.extend(words.into_iter().map(|word| OsString::from(word.as_ref())));
        self
    }

    pub(super) fn path(mut self, path: &Path) -> Self {
        self.arguments.push(path.into());
        self
    }

    pub(super) fn variable(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    pub(super) const fn quiet(mut self) -> Self {
        self.is_quiet = true;
        self
    }

    /// The command, to be run in the project's folder.
    pub(super) fn command(&self) -> Command {
        let mut command = self.program.command();
        command.args(&self.arguments).envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// The line as it could be typed.
    #[must_use]
    pub fn shown(&self) -> String {
        let variables =
            self.variables.iter().map(|(name, value)| format!("{name}={}", quoted(&value.to_string_lossy())));
        let arguments = self.arguments.iter().map(|word| quoted(&word.to_string_lossy()));
        let words: Vec<String> = variables.chain([self.program.shown()]).chain(arguments).collect();
        words.join(" ")
    }
}
