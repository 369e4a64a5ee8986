//! The plugins of one server, in a temporary folder that is removed when it is dropped.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::TempDir;

use crate::connection::{COMMAND, COMPONENT, ROUTE};

/// Plugins that are always there: the name, and where its text is in this package.
const SAMPLES: [(&str, &str); 3] = [
    (ROUTE, "../plugins/rot13/rot13.wat"),
    (COMMAND, "benches/duplex/plugins/command.wat"),
    (COMPONENT, "benches/duplex/plugins/component.wat"),
];

pub(crate) struct Folder {
    whole: TempDir,
}

impl Folder {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let folder = Self { whole: tempfile::Builder::new().prefix("wasmplex-bench-").tempdir()? };
        fs::create_dir(folder.plugins())?;
        for (name, source) in SAMPLES {
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
            let text = fs::read(&source).with_context(|| source.display().to_string())?;
            folder.put(&format!("{name}.wat"), &text)?;
        }
        Ok(folder)
    }

    /// Puts a file among the plugins at once and whole, in place of the one before.
    pub(crate) fn put(&self, file: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let new = self.plugins().join(format!(".{file}.new"));
        fs::write(&new, bytes).with_context(|| new.display().to_string())?;
        fs::rename(&new, self.plugins().join(file))
            .with_context(|| format!("cannot rename {}", new.display()))
    }

    pub(crate) fn plugins(&self) -> PathBuf {
        self.whole.path().join("plugins")
    }

    /// For compiled code.
    pub(crate) fn cache(&self) -> PathBuf {
        self.whole.path().join("cache")
    }
}
