//! The folder of capsules: who may see it, and how much is in it.
//!
//! Beside the capsules is `modules`, with the file of every plugin that one of them is of: so the
//! folder can be taken elsewhere and replayed there, whatever became of the plugin.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, ensure};
use rustix::fs::Access;

use crate::plugin::Code;

/// The most capsules of a folder: more than anybody looks at.
const MAX_CAPSULES: usize = 200;

/// The most bytes of capsules and modules together. Room for the largest plugin file, twice.
const MAX_BYTES: u64 = 512 * 1024 * 1024;

/// What the name of a capsule ends with.
const ENDING: &str = ".capsule.json";

/// The folder of modules, in that of the capsules.
const MODULES: &str = "modules";

/// What the name of a file ends with that is being written.
const TEMPORARY: &str = ".tmp";

/// The age at which a file that is being written has no writer any more.
const ABANDONED: Duration = Duration::from_secs(3_600);

/// A folder of capsules.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
    max_capsules: usize,
    max_bytes: u64,
}

/// A file of the folder.
struct Kept {
    path: PathBuf,
    /// The version of the plugin that it is of.
    version: String,
    size: u64,
    written: SystemTime,
}

/// The name of a capsule.
pub(super) fn name(plugin: &str, version: &str, exchange: &str) -> String {
    format!("{plugin}-{version}-{exchange}{ENDING}")
}

/// The version in the name of a capsule.
fn version_of(name: &str) -> Option<&str> {
    name.strip_suffix(ENDING)?.rsplit('-').nth(1)
}

/// The first digits of the digest that is a module's name.
fn module_digits(name: &str, digits: usize) -> Option<String> {
    let (stem, ending) = name.split_once('.')?;
    let is_ours = stem.len() == 64 && ["wasm", "wat"].contains(&ending);
    name.get(..digits).filter(|_| is_ours).map(str::to_owned)
}

impl Store {
    /// Opens the folder, which is made if it is missing.
    ///
    /// # Errors
    ///
    /// When it cannot be written to, or others can write to it.
    pub(super) fn open(folder: &Path) -> anyhow::Result<Self> {
        let named = || format!("capsule folder {}", folder.display());
        for folder in [folder, &folder.join(MODULES)] {
            DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(named)?;
            let metadata = fs::metadata(folder).with_context(named)?;
            let is_ours = metadata.uid() == rustix::process::geteuid().as_raw();
            ensure!(
                is_ours && metadata.mode() & 0o022 == 0,
                "capsule folder {}: it belongs to somebody else, or others may write in it: chmod 700 it \
                 or choose another",
                folder.display()
            );
            rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK).with_context(named)?;
            sweep(folder);
        }
        Ok(Self { folder: folder.to_owned(), max_capsules: MAX_CAPSULES, max_bytes: MAX_BYTES })
    }

    /// Writes a capsule, which appears complete or not at all.
    pub(super) fn write(
        &self,
        name: &str,
        content: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> io::Result<()> {
        write(&self.folder, name, content)
    }

    /// Sees to it that the file of this code is there. Returns where, from the folder on; `None` if
    /// its bytes are not at hand.
    pub(super) fn keep_module(&self, code: &Code) -> io::Result<Option<String>> {
        let Some(source) = code.source() else {
            return Ok(None);
        };
        let ending = if source.starts_with(b"\0asm") { "wasm" } else { "wat" };
        let name = format!("{}.{ending}", code.digest());
        let folder = self.folder.join(MODULES);
        let is_there =
            fs::metadata(folder.join(&name)).is_ok_and(|metadata| metadata.len() == source.len() as u64);
        if !is_there {
            write(&folder, &name, |out| out.write_all(source))?;
        }
        Ok(Some(format!("{MODULES}/{name}")))
    }

    /// Removes the oldest capsules until the rest is within its bounds, but never the newest one, and
    /// the modules that no capsule is of any more.
    pub(super) fn evict(&self) -> io::Result<()> {
        let mut capsules = list(&self.folder, |name| version_of(name).map(str::to_owned))?;
        capsules.sort_by(|a, b| (a.written, &a.path).cmp(&(b.written, &b.path)));
        // A version is the first digits of the digest, which is the name of the module.
        let digits = capsules.first().map_or(0, |capsule| capsule.version.len());
        let mut modules = list(&self.folder.join(MODULES), |name| module_digits(name, digits))?;
        let mut uses: HashMap<&str, usize> = HashMap::new();
        for capsule in &capsules {
            *uses.entry(&capsule.version).or_default() += 1;
        }
        let is_used = |uses: &HashMap<&str, usize>, module: &Kept| {
            uses.get(module.version.as_str()).is_some_and(|uses| *uses > 0)
        };
        let mut total: u64 = capsules.iter().map(|capsule| capsule.size).sum();
        total +=
            modules.iter().filter(|module| is_used(&uses, module)).map(|module| module.size).sum::<u64>();
        for (index, capsule) in capsules.iter().enumerate() {
            let left = capsules.len() - index;
            if left <= 1 || (left <= self.max_capsules && total <= self.max_bytes) {
                break;
            }
            fs::remove_file(&capsule.path)?;
            total -= capsule.size;
            let uses = uses.entry(&capsule.version).or_default();
            *uses -= 1;
            if *uses == 0 {
                let freed = modules.iter().filter(|module| module.version == capsule.version);
                total -= freed.map(|module| module.size).sum::<u64>();
            }
        }
        modules.retain(|module| !is_used(&uses, module));
        modules.iter().try_for_each(|module| fs::remove_file(&module.path))
    }
}

/// Writes beside the name and renames. Nobody but this user may read it.
fn write(
    folder: &Path,
    name: &str,
    content: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let beside = folder.join(format!(".{name}.{}{TEMPORARY}", std::process::id()));
    let written =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).and_then(|file| {
            let mut out = BufWriter::new(file);
            content(&mut out)?;
            out.flush()?;
            fs::rename(&beside, folder.join(name))
        });
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&beside);
    }
    written
}

/// The files of a folder for which `version` knows one.
fn list(folder: &Path, version: impl Fn(&str) -> Option<String>) -> io::Result<Vec<Kept>> {
    let mut kept = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let version = name.to_str().filter(|name| !name.starts_with('.')).and_then(&version);
        // What went away meanwhile takes no room.
        if let (Some(version), Ok(metadata)) = (version, entry.metadata())
            && metadata.is_file()
        {
            let written = metadata.modified()?;
            kept.push(Kept { path: entry.path(), version, size: metadata.len(), written });
        }
    }
    Ok(kept)
}

/// Removes what writers that died have left behind.
fn sweep(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let is_temporary =
            name.to_str().is_some_and(|name| name.starts_with('.') && name.ends_with(TEMPORARY));
        let age = entry.metadata().and_then(|metadata| metadata.modified()).map(|time| time.elapsed());
        if is_temporary && matches!(age, Ok(Ok(age)) if age > ABANDONED) {
            // If it cannot be removed, it stays where it is and harms nobody.
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::{Engine, EngineOptions};
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::atomic::{AtomicU32, Ordering};

    struct Place(PathBuf);

    impl Place {
        fn new() -> Self {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("wasmplex-capsules-{}-{number}", std::process::id());
            let place = std::env::temp_dir().join(name);
            let _ = fs::remove_dir_all(&place);
            Self(place)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn files_are_private_and_whole() {
        let place = Place::new();
        let store = Store::open(&place.0.join("a/b")).unwrap();
        store.write("x.capsule.json", |out| out.write_all(b"1")).unwrap();
        assert!(store.write("y.capsule.json", |_| Err(io::Error::other("half"))).is_err());
        let folder = place.0.join("a/b");
        assert_eq!(names(&folder), ["modules", "x.capsule.json"]);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join("x.capsule.json"))), (0o700, 0o600));
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(Store::open(&folder).unwrap_err().to_string().contains("chmod 700"));
    }

    #[test]
    fn modules_are_written_once_under_their_digest() {
        let place = Place::new();
        let store = Store::open(&place.0).unwrap();
        let engine = Engine::new(&EngineOptions { max_instances: 1 }).unwrap();
        let text = r#"(module (memory (export "memory") 3)
            (func (export "chunk_buffer") (param i32) (result i32) (i32.const 65536))
            (func (export "on_chunk") (param i32 i32)))"#;
        let code = Code::load(&engine, text.as_bytes(), None).unwrap();
        assert_eq!(store.keep_module(&code).unwrap(), None);
        code.keep_source(text.as_bytes().to_vec());
        let name = store.keep_module(&code).unwrap().unwrap();
        assert_eq!(name, format!("modules/{}.wat", code.digest()));
        let path = place.0.join(&name);
        assert_eq!(fs::read(&path).unwrap(), text.as_bytes());
        let inode = fs::metadata(&path).unwrap().ino();
        store.keep_module(&code).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
    }

    /// Capsules of versions (12 letters each), oldest first, of so many bytes, and their modules.
    fn filled(place: &Place, capsules: &[(&str, usize)], module: usize) {
        for (index, (letter, size)) in capsules.iter().enumerate() {
            let name = name("a-b", &letter.repeat(12), &format!("{index:016}"));
            let path = place.0.join(name);
            fs::write(&path, vec![b'x'; *size]).unwrap();
            let written = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000 + index as u64);
            File::options().write(true).open(&path).unwrap().set_modified(written).unwrap();
            let module_name = format!("{}.wasm", letter.repeat(64));
            fs::write(place.0.join(MODULES).join(module_name), vec![0; module]).unwrap();
        }
    }

    fn left(place: &Place) -> (String, String) {
        let letters = |names: Vec<String>, at: usize| names.iter().map(|name| &name[at..=at]).collect();
        let capsules = names(&place.0).into_iter().filter(|name| name.ends_with(ENDING)).collect();
        (letters(capsules, 4), letters(names(&place.0.join(MODULES)), 0))
    }

    #[test]
    fn the_oldest_go_first_and_modules_with_their_last_capsule() {
        let capsules = [("a", 10), ("b", 10), ("a", 10), ("c", 10)];
        for (max_capsules, max_bytes, expected) in [
            (9, 1_000, ("aabc", "abc")),
            (3, 1_000, ("abc", "abc")),
            (2, 1_000, ("ac", "ac")),
            (9, 340, ("aabc", "abc")),
            (9, 339, ("abc", "abc")),
            (9, 329, ("ac", "ac")),
            (9, 219, ("c", "c")),
            // The newest one stays, whatever it takes.
            (9, 1, ("c", "c")),
            (0, 1, ("c", "c")),
        ] {
            let place = Place::new();
            let store = Store { max_capsules, max_bytes, ..Store::open(&place.0).unwrap() };
            filled(&place, &capsules, 100);
            fs::write(place.0.join("notes.txt"), "mine").unwrap();
            store.evict().unwrap();
            let (capsules, modules) = left(&place);
            assert_eq!((capsules.as_str(), modules.as_str()), expected, "{max_capsules} {max_bytes}");
            assert!(place.0.join("notes.txt").exists());
        }
    }

    #[test]
    fn only_what_nobody_writes_any_more_is_swept() {
        let place = Place::new();
        drop(Store::open(&place.0).unwrap());
        for (name, age) in [(".x.1.tmp", 3_700), (".y.1.tmp", 10), ("z.tmp", 9_999)] {
            let path = place.0.join(name);
            fs::write(&path, "").unwrap();
            let file = File::options().write(true).open(&path).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
        }
        drop(Store::open(&place.0).unwrap());
        assert_eq!(names(&place.0), [".y.1.tmp", "modules", "z.tmp"]);
    }
}
