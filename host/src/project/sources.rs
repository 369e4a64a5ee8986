//! What a project is built of, as far as a change of it matters.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::registry::folder::Stamp;

/// Folders with what tools make or fetch, and cases, which are no part of the plugin.
const NOT_SOURCES: [&str; 8] =
    ["target", "node_modules", "tests", ".git", ".venv", "__pycache__", ".zig-cache", "zig-out"];

/// The most files that are looked at. What has more holds something else than a plugin's sources.
const MAX_FILES: usize = 10_000;

/// The files of a project, each with what tells whether it has changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sources(BTreeMap<PathBuf, Stamp>);

impl Sources {
    /// Looks at a project's folder.
    #[must_use]
    pub fn look(dir: &Path) -> Self {
        let mut files = BTreeMap::new();
        let mut folders = vec![dir.to_owned()];
        while let Some(folder) = folders.pop() {
            // What goes away while we look is gone at the next look.
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if files.len() >= MAX_FILES || !is_source(&entry.file_name()) {
                    continue;
                }
                match entry.file_type() {
                    // Links to folders are not followed: they may lead in circles.
                    Ok(kind) if kind.is_dir() => folders.push(path),
                    _ => files.extend(Stamp::of(&path).map(|stamp| (path, stamp))),
                }
            }
        }
        Self(files)
    }
}

/// Whether a file or folder of this name has a say.
fn is_source(name: &OsStr) -> bool {
    let text = name.to_string_lossy();
    // Editors write beside a file first: .x.swp, x~.
    !NOT_SOURCES.contains(&&*text)
        && !text.ends_with(".wasm")
        && !text.ends_with('~')
        && !text.ends_with(".swp")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::Scratch;

    #[test]
    fn what_is_made_has_no_say() {
        let scratch = Scratch::new().unwrap();
        let dir = scratch.path();
        fs::create_dir_all(dir.join("src/deep")).unwrap();
        fs::create_dir_all(dir.join("target/release")).unwrap();
        fs::write(dir.join("src/deep/a.rs"), "a").unwrap();
        let before = Sources::look(dir);
        assert_eq!(before.0.len(), 1);
        for made in ["target/release/a.o", "x.wasm", "src/.a.rs.swp", "src/a.rs~"] {
            fs::write(dir.join(made), "made").unwrap();
        }
        assert_eq!(Sources::look(dir), before);
        fs::write(dir.join("src/deep/a.rs"), "longer").unwrap();
        let changed = Sources::look(dir);
        assert_ne!(changed, before);
        fs::write(dir.join("x.json"), "{}").unwrap();
        assert_ne!(Sources::look(dir), changed);
    }
}
