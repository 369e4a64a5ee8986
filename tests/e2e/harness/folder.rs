//! Temporary folders of plugins, and where the fixtures are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A temporary folder that goes away with this value.
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    pub fn new() -> Folder {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("wasmplex-e2e-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("create a temporary folder");
        Folder { path }
    }

    pub fn of(plugins: &[&str]) -> Folder {
        let folder = Folder::new();
        for name in plugins {
            folder.copy(&fixture(name));
        }
        folder
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn copy(&self, file: &Path) {
        let name = file.file_name().expect("a file has a name");
        fs::copy(file, self.path.join(name))
            .unwrap_or_else(|error| panic!("copy {}: {error}", file.display()));
    }

    /// Writes a file in place: it is empty for a moment, then it is whole.
    pub fn write(&self, name: &str, contents: &[u8]) -> PathBuf {
        let path = self.path.join(name);
        fs::write(&path, contents).expect("write into a temporary folder");
        path
    }

    /// Puts a whole file in the place of an earlier one, as installers do: under a dot name first.
    pub fn install(&self, name: &str, contents: &[u8]) {
        let hidden = format!(".{name}.new");
        self.write(&hidden, contents);
        self.rename(&hidden, name);
    }

    pub fn rename(&self, from: &str, to: &str) {
        let renamed = fs::rename(self.path.join(from), self.path.join(to));
        renamed.unwrap_or_else(|error| panic!("rename {from} to {to}: {error}"));
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.path.join(name)).unwrap_or_else(|error| panic!("remove {name}: {error}"));
    }

    /// Makes `name` a link to `target`, in the place of an earlier one.
    pub fn symlink(&self, target: impl AsRef<Path>, name: &str) {
        let hidden = format!(".{name}.link");
        let made = std::os::unix::fs::symlink(target, self.path.join(&hidden));
        made.unwrap_or_else(|error| panic!("link {name}: {error}"));
        self.rename(&hidden, name);
    }

    /// A folder inside this one.
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.path.join(name);
        fs::create_dir_all(&path).expect("create a folder in a temporary folder");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that is left behind is no reason to fail a test.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// The file of a plugin: the sample "rot13", or one of tests/fixtures.
pub fn fixture(name: &str) -> PathBuf {
    let host = Path::new(env!("CARGO_MANIFEST_DIR"));
    match name {
        "rot13" => host.join("../plugins/rot13/rot13.wat"),
        _ => host.join(format!("../tests/fixtures/{name}.wat")),
    }
}

/// All files of a folder under tests/fixtures, by name.
pub fn fixtures(folder: &str) -> Vec<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
    let entries = fs::read_dir(path.join(folder)).expect("read the fixtures");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("read the fixtures").path()).collect();
    files.sort();
    files
}
