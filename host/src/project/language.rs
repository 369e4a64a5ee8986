//! The languages and kinds of plugins that can be built from a project folder.

use std::fmt;

use clap::ValueEnum;

/// A language with a way from its sources to a plugin.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, ValueEnum)]
#[value(rename_all = "lowercase")]
pub enum Language {
    Rust,
    C,
    Cpp,
    Zig,
    Go,
    AssemblyScript,
    JavaScript,
    Python,
    Wat,
}

/// What comes out of a project.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// A core module with `on_chunk`.
    Module,
    /// A WASI program: standard input to standard output.
    Command,
    /// A component of package `wasmplex:plugin`.
    Component,
}

impl Language {
    /// All of them, in the order in which people look for theirs.
    pub const ALL: [Self; 9] = [
        Self::Rust,
        Self::C,
        Self::Cpp,
        Self::Zig,
        Self::Go,
        Self::AssemblyScript,
        Self::JavaScript,
        Self::Python,
        Self::Wat,
    ];

    /// Its name in a sentence.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::C => "C",
            Self::Cpp => "C++",
            Self::Zig => "Zig",
            Self::Go => "Go",
            Self::AssemblyScript => "AssemblyScript",
            Self::JavaScript => "JavaScript",
            Self::Python => "Python",
            Self::Wat => "WebAssembly text",
        }
    }

    /// Whether an unmodified program from standard input to standard output can be made of it.
    #[must_use]
    pub const fn has_commands(self) -> bool {
        !matches!(self, Self::JavaScript | Self::Python | Self::Wat)
    }

    /// What a plugin in it is, if it is no command.
    #[must_use]
    pub const fn filter_kind(self) -> Kind {
        match self {
            Self::JavaScript | Self::Python => Kind::Component,
            _ => Kind::Module,
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Module => "core module",
            Self::Command => "command",
            Self::Component => "component",
        })
    }
}
