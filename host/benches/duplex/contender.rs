//! What is measured: a way to start a server, and what can be asked of it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::Context as _;

use crate::folder::Folder;
use crate::server::Server;

/// What a measurement asks of a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Need {
    /// A stream that is transformed while it is sent, on a connection of its own.
    Stream,
    /// Further requests on the same connection.
    KeepAlive,
    /// To be looked at closely: the server of this repository, and its ceiling.
    Closely,
    /// Plugins, pipes of them, and a folder that may change.
    Plugins,
}

/// A way to start a server. It must print a ready line like that of wasmplex.
pub(crate) struct Contender {
    name: String,
    program: PathBuf,
    arguments: Vec<OsString>,
    gives: &'static [Need],
    /// The plugins of wasmplex; nobody else uses them.
    folder: Option<Arc<Folder>>,
    /// What it logs goes nowhere.
    is_muted: bool,
}

/// The name of the ceiling.
pub(crate) const NATIVE: &str = "native";

/// The name of this build's server.
pub(crate) const WASMPLEX: &str = "wasmplex";

impl Contender {
    /// The ceiling: this program, as a server.
    pub(crate) fn native() -> anyhow::Result<Self> {
        const GIVES: &[Need] = &[Need::Stream, Need::KeepAlive, Need::Closely];
        Ok(Self::foreign(NATIVE, std::env::current_exe()?, vec!["--serve-native".into()], GIVES))
    }

    /// The server of this build.
    pub(crate) fn wasmplex() -> anyhow::Result<Self> {
        Self::build(WASMPLEX, env!("CARGO_BIN_EXE_wasmplex").into())
    }

    /// Any build of wasmplex.
    pub(crate) fn build(name: &str, program: PathBuf) -> anyhow::Result<Self> {
        let folder = Arc::new(Folder::new()?);
        let serve = ["serve", "--listen", "127.0.0.1:0", "--log-level", "warn", "--plugins"];
        let mut arguments: Vec<OsString> = serve.map(OsString::from).into();
        arguments.extend([folder.plugins().into(), "--cache".into(), folder.cache().into()]);
        let gives = &[Need::Stream, Need::KeepAlive, Need::Closely, Need::Plugins];
        Ok(Self { folder: Some(folder), ..Self::foreign(name, program, arguments, gives) })
    }

    /// Any other server.
    pub(crate) fn foreign(
        name: &str,
        program: PathBuf,
        arguments: Vec<OsString>,
        gives: &'static [Need],
    ) -> Self {
        Self { name: name.to_owned(), program, arguments, gives, folder: None, is_muted: false }
    }

    /// With the log that servers usually write; nobody reads it here.
    pub(crate) fn logging(mut self) -> Self {
        if let Some(level) = self.arguments.iter_mut().find(|argument| **argument == "warn") {
            *level = "info".into();
        }
        self.is_muted = true;
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether a measurement with this need can be taken.
    pub(crate) fn gives(&self, need: Need) -> bool {
        self.gives.contains(&need)
    }

    /// Where its plugins are.
    pub(crate) fn folder(&self) -> anyhow::Result<&Folder> {
        self.folder.as_deref().with_context(|| format!("{} has no plugins", self.name))
    }

    /// Starts the server and waits until it takes connections.
    pub(crate) fn start(&self) -> anyhow::Result<Server> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        if self.is_muted {
            command.stderr(Stdio::null());
        }
        Server::start(&self.name, command, self.folder.clone())
    }
}
