//! What is in the plugin folder, and what changed in it. Looking is separate from deciding: the
//! decisions are pure functions.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::{is_name, manifest, routes};

/// The largest plugin file, in bytes. Python components have about 18 MB.
const MAX_FILE: u64 = 256 * 1024 * 1024;

/// The most entries of the folder that are looked at. What has more is not a plugin folder.
const MAX_ENTRIES: usize = 10_000;

/// A file that is not served, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bad {
    pub file: PathBuf,
    pub reason: String,
    /// It is the source of a file that is served, most likely: nothing is wrong.
    pub is_source: bool,
}

/// What tells whether a file is still the same, without reading it. The time of change cannot be
/// set back, unlike that of modification.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// The stamp of what `path` leads to; of the link itself, if it leads nowhere.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).or_else(|_| fs::symlink_metadata(path)).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    /// The size in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Whether both are the same file or folder, whatever is in it.
    #[must_use]
    pub const fn is_same_file(&self, other: &Self) -> bool {
        self.device == other.device && self.inode == other.inode
    }
}

/// The files of one name, as they stand in the folder.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Found {
    pub file: PathBuf,
    pub module: Option<Stamp>,
    pub manifest: Option<Stamp>,
}

/// One look at the folder.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Snapshot {
    pub plugins: BTreeMap<String, Found>,
    /// `routes.json`, there or not.
    pub routes: Found,
    pub bad: Vec<Bad>,
}

/// What is to be done for a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// Read it again.
    Load(Found),
    /// It is gone.
    Remove,
}

/// Looks at the folder.
///
/// # Errors
///
/// When the folder cannot be read.
pub fn look(folder: &Path) -> anyhow::Result<Snapshot> {
    let (chosen, bad) = choose(&list(folder)?);
    let found = |file: PathBuf| {
        let manifest = manifest::path_of(&file).as_deref().and_then(Stamp::of);
        Found { module: Stamp::of(&file), manifest, file }
    };
    let plugins = chosen.into_iter().map(|(name, file)| (name, found(file)));
    // One that went away between the two looks is gone, and not broken.
    let plugins = plugins.filter(|(_, found)| found.module.is_some()).collect();
    let file = folder.join(routes::FILE);
    let routes = Found { module: Stamp::of(&file), manifest: None, file };
    Ok(Snapshot { plugins, routes, bad })
}

/// Whether there is anything of this name, a link that leads nowhere included.
#[must_use]
pub fn is_there(file: &Path) -> bool {
    fs::symlink_metadata(file).is_ok()
}

/// What changed from `old` to `new`; if it is forced, all that is there. Pure. Names for which `is_busy`
/// says so are left for later: they are neither changed nor gone.
#[must_use]
pub fn diff(
    old: &BTreeMap<String, Found>,
    new: &BTreeMap<String, Found>,
    is_forced: bool,
    is_busy: impl Fn(&Found) -> bool,
) -> BTreeMap<String, Change> {
    let mut changes = BTreeMap::new();
    for (name, found) in new {
        if (is_forced || old.get(name) != Some(found)) && !is_busy(found) {
            changes.insert(name.clone(), Change::Load(found.clone()));
        }
    }
    for name in old.keys().filter(|name| !new.contains_key(*name)) {
        changes.insert(name.clone(), Change::Remove);
    }
    changes
}

/// Reads a plugin file, if its size is bearable.
///
/// # Errors
///
/// When it cannot be read or is too large.
pub fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let opened = open(file).context("cannot be read")?;
    read_bounded(opened, MAX_FILE)
}

/// Opens a file for reading, and does not wait for anybody: what stands there may be a pipe.
///
/// # Errors
///
/// When it cannot be opened.
pub fn open(file: &Path) -> std::io::Result<fs::File> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits();
    fs::OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(file)
}

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
///
/// When it is no such file, or cannot be read.
pub fn read_bounded(file: fs::File, limit: u64) -> anyhow::Result<Vec<u8>> {
    let metadata = file.metadata().context("cannot be read")?;
    anyhow::ensure!(metadata.is_file(), "it is not a regular file");
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).context("cannot be read")?;
    anyhow::ensure!(bytes.len() as u64 <= limit, "it has more than {limit} bytes");
    Ok(bytes)
}

fn list(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let cannot = || format!("cannot read the plugin folder {}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(cannot)? {
        files.push(entry.with_context(cannot)?.path());
        let is_bearable = files.len() <= MAX_ENTRIES;
        anyhow::ensure!(is_bearable, "{} has more than {MAX_ENTRIES} entries", folder.display());
    }
    files.sort();
    Ok(files)
}

/// Which file gives which name. Pure: a decision on paths.
fn choose(files: &[PathBuf]) -> (BTreeMap<String, PathBuf>, Vec<Bad>) {
    let mut chosen = BTreeMap::<String, PathBuf>::new();
    let mut bad = Vec::new();
    // `.wasm` sorts before `.wat`: what was built wins over its source beside it.
    for file in files {
        let is_plugin = file.extension().is_some_and(|ending| ending == "wasm" || ending == "wat");
        let Some(name) = file.file_stem().and_then(|stem| stem.to_str()).filter(|_| is_plugin) else {
            continue;
        };
        if name.starts_with('.') {
            continue;
        }
        if !is_name(name) {
            let reason = "its name is not one: letters, digits, '.', '_' and '-', at most 64, and a \
                          letter or digit first";
            bad.push(Bad { file: file.clone(), reason: reason.to_owned(), is_source: false });
        } else if let Some(other) = chosen.get(name) {
            let reason = format!("{} beside it is served", other.display());
            bad.push(Bad { file: file.clone(), reason, is_source: true });
        } else {
            chosen.insert(name.to_owned(), file.clone());
        }
    }
    (chosen, bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_chosen_by_name() {
        let files: Vec<PathBuf> = [".x.wasm", "a.json", "a.wasm", "a.wat", "b+c.wasm", "d.wat", "e", "wasm"]
            .map(PathBuf::from)
            .into();
        let (chosen, bad) = choose(&files);
        let chosen: Vec<_> =
            chosen.iter().map(|(name, file)| (name.as_str(), file.to_str().unwrap())).collect();
        assert_eq!(chosen, [("a", "a.wasm"), ("d", "d.wat")]);
        let bad: Vec<_> = bad.iter().map(|bad| bad.file.to_str().unwrap()).collect();
        assert_eq!(bad, ["a.wat", "b+c.wasm"]);
    }

    fn stamp(size: u64) -> Option<Stamp> {
        Some(Stamp { device: 1, inode: 1, size, modified: (0, 0), changed: (0, 0) })
    }

    /// A table: name, size of the module, size of the manifest or 0.
    fn table(rows: &[(&str, u64, u64)]) -> BTreeMap<String, Found> {
        let found = |&(name, module, manifest): &(&str, u64, u64)| {
            let file = PathBuf::from(format!("{name}.wasm"));
            let manifest = if manifest > 0 { stamp(manifest) } else { None };
            (name.to_owned(), Found { file, module: stamp(module), manifest })
        };
        rows.iter().map(found).collect()
    }

    #[test]
    fn differences() {
        type Rows = &'static [(&'static str, u64, u64)];
        let cases: [(Rows, Rows, &str); 9] = [
            (&[], &[], ""),
            (&[], &[("a", 1, 0)], "+a"),
            (&[("a", 1, 0)], &[], "-a"),
            (&[("a", 1, 0)], &[("a", 1, 0)], ""),
            (&[("a", 1, 0)], &[("a", 2, 0)], "+a"),
            (&[("a", 1, 0)], &[("a", 1, 1)], "+a"),
            (&[("a", 1, 1)], &[("a", 1, 0)], "+a"),
            (&[("a", 1, 0), ("b", 1, 0)], &[("b", 2, 0), ("c", 1, 0)], "-a +b +c"),
            // Busy: neither loaded nor forgotten.
            (&[("busy", 1, 0)], &[("busy", 2, 0), ("busy2", 1, 0)], ""),
        ];
        for (old, new, expected) in cases {
            let is_busy = |found: &Found| found.file.to_string_lossy().starts_with("busy");
            let changes = diff(&table(old), &table(new), false, is_busy);
            let shown = changes.iter().map(|(name, change)| match change {
                Change::Load(_) => format!("+{name}"),
                Change::Remove => format!("-{name}"),
            });
            assert_eq!(shown.collect::<Vec<_>>().join(" "), expected, "{old:?} to {new:?}");
        }
    }

    #[test]
    fn another_file_under_the_name_is_a_change() {
        let old = table(&[("a", 1, 0)]);
        let mut new = old.clone();
        new.get_mut("a").unwrap().file = "a.wat".into();
        assert_eq!(diff(&old, &new, false, |_| false).len(), 1);
        assert_eq!(diff(&old, &old, false, |_| false).len(), 0);
        assert_eq!(diff(&old, &old, true, |_| false).len(), 1);
        assert_eq!(diff(&old, &old, true, |_| true).len(), 0);
    }
}
