//! Where the SDK of a language is, as seen from a project: its own copy, or the repository's.

use std::path::{Path, PathBuf};

/// The folder with `wasmplex.h`.
pub(super) fn c(dir: &Path) -> Option<PathBuf> {
    let folders = std::iter::once(dir.to_owned()).chain(above(dir, "plugin-sdk/c"));
    folders.into_iter().find(|folder| folder.join("wasmplex.h").is_file())
}

/// `wasmplex.zig`.
pub(super) fn zig(dir: &Path) -> Option<PathBuf> {
    let folders = std::iter::once(dir.to_owned()).chain(above(dir, "plugin-sdk/zig"));
    folders.map(|folder| folder.join("wasmplex.zig")).find(|file| file.is_file())
}

/// `wasmplex.ts`.
pub(super) fn assemblyscript(dir: &Path) -> Option<PathBuf> {
    let own = [dir.to_owned(), dir.join("assembly")];
    let folders = own.into_iter().chain(above(dir, "plugin-sdk/assemblyscript"));
    folders.map(|folder| folder.join("wasmplex.ts")).find(|file| file.is_file())
}

/// The folder with the WIT package.
pub(super) fn wit(dir: &Path) -> Option<PathBuf> {
    let folders = std::iter::once(dir.join("wit")).chain(above(dir, "plugin-sdk/wit"));
    folders.into_iter().find(|folder| folder.is_dir())
}

/// The folder of this path in each folder around the project.
fn above(dir: &Path, path: &'static str) -> impl Iterator<Item = PathBuf> {
    dir.ancestors().skip(1).map(move |folder| folder.join(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::Scratch;
    use std::fs;

    #[test]
    fn a_copy_of_its_own_comes_first() {
        let scratch = Scratch::new().unwrap();
        let project = scratch.path().join("plugins/x");
        let home = scratch.path().join("plugin-sdk/c");
        fs::create_dir_all(&project).unwrap();
        assert_eq!((c(&project), wit(&project)), (None, None));
        fs::create_dir_all(&home).unwrap();
        fs::write(home.join("wasmplex.h"), "").unwrap();
        assert_eq!(c(&project), Some(home));
        fs::write(project.join("wasmplex.h"), "").unwrap();
        assert_eq!(c(&project), Some(project.clone()));
        fs::create_dir_all(scratch.path().join("plugin-sdk/wit")).unwrap();
        assert_eq!(wit(&project), Some(scratch.path().join("plugin-sdk/wit")));
        fs::create_dir_all(project.join("wit")).unwrap();
        assert_eq!(wit(&project), Some(project.join("wit")));
    }
}
