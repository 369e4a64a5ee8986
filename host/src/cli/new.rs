//! `wasmplex new`: a project to begin with.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};

use super::terminal;
use crate::project::{Language, Project, Recipe, template};
use crate::registry::is_name;

/// Make a project for a new plugin
///
/// It builds and passes its own tests at once:
///
///     wasmplex new shout --lang zig
///     wasmplex test shout
///     wasmplex dev shout
///
/// It holds a copy of the language's SDK, so that it builds anywhere, without the network.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct New {
    /// The plugin's name, and so its route: letters, digits, '.', '_' and '-'
    name: String,
    /// The language
    #[arg(long, value_enum, value_name = "LANGUAGE")]
    lang: Language,
    /// A filter is called for each chunk; a command is an ordinary program, standard input to
    /// standard output
    #[arg(long, value_enum, default_value_t = Shape::Filter)]
    kind: Shape,
    /// The project's folder, new or empty; its last part is the plugin's name for `build`
    /// [default: NAME]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Shape {
    Filter,
    Command,
}

impl New {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let Self { name, lang, kind, dir } = self;
        if !is_name(&name) {
            bail!(
                "{name}: a name begins with a letter or digit and has only letters, digits, '.', '_' and '-' (at \
                 most 64)"
            );
        }
        let is_command = kind == Shape::Command;
        if is_command && !lang.has_commands() {
            bail!("{lang} has no commands here: leave out --kind command");
        }
        let dir = dir.unwrap_or_else(|| PathBuf::from(&name));
        let shown = shown(&dir);
        template::write(&dir, &name, lang, is_command).with_context(|| shown.clone())?;
        println!("{shown}: a {lang} {}", if is_command { "command" } else { "plugin" });
        println!("    wasmplex test {shown}    # builds it, and runs its tests");
        println!("    wasmplex dev {shown}     # serves it, and again after every change");
        // What is missing is better said now than after the next command.
        if let Ok(project) = Project::find(&dir)
            && let Err(missing) = Recipe::find(&project, Path::new("/"))
        {
            terminal::warn(&missing.to_string());
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The folder as it can be typed.
fn shown(dir: &Path) -> String {
    let text = dir.display().to_string();
    // The name of a folder must not be taken for an option.
    if text.starts_with('-') { format!("./{text}") } else { text }
}
