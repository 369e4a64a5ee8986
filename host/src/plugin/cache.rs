//! Compiled code on disk, so that a start does not compile again what it has compiled before.
//!
//! An entry is found by what it was made of and with: the digest of the plugin file, and all that
//! decides what the compiler makes of it. It is a hint: one that is missing, damaged or not to be
//! trusted is compiled again, and nothing that goes wrong here keeps a plugin from loading.
//!
//! What is trusted is not a file for lying there. Three things must come together: the folder and
//! the file are private to this user, who is who runs this process ([`super::cache_folder`]); the
//! file carries a signature under the key of this folder, over its name and all of its bytes; and
//! it is the checked bytes in memory that are used, not the file once more
//! ([`super::precompiled`]). So nobody but this user (and root) chooses what runs, and a file that
//! was copied from elsewhere, renamed, cut or worn is worth nothing.

use std::fmt;
use std::hash::{Hash as _, Hasher};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::Stat;
use sha2::{Digest as _, Sha256};
use tracing::{debug, warn};
use wasmtime::Engine;

use super::cache_folder::{Folder, Found, intended, is_hex, is_key};
use super::compiled::Compiled;
use super::precompiled::Key;

/// Counts what changes the meaning of an entry and is not otherwise part of its name.
const FORMAT: u8 = 1;

/// The ending of entries, after 64 hexadecimal digits.
const ENDING: &str = ".code";

/// The largest entry in bytes; it is read into memory as a whole. Go's and JavaScript's largest
/// plugins compile to some 100 MiB.
const MAX_ENTRY: usize = 256 * 1024 * 1024;

/// The bytes of all entries together: some hundred plugins in several versions, and a size that a
/// home folder can bear.
const MAX_TOTAL: u64 = 1024 * 1024 * 1024;

/// The age at which a file that is being written has no writer any more.
const ABANDONED: Duration = Duration::from_secs(3_600);

/// A folder with compiled code.
pub struct CodeCache {
    folder: Folder,
    key: Key,
    max_total: u64,
}

impl CodeCache {
    /// Opens the cache in `folder`, which is made if it is missing.
    ///
    /// # Errors
    ///
    /// When the folder or its key cannot be used or not be trusted; the text says what to do.
    pub fn open(folder: &Path) -> Result<Self, String> {
        let folder = Folder::open(folder).map_err(|reason| format!("cache folder {reason}"))?;
        let key = folder.key().map_err(|reason| format!("cache folder {reason}"))?;
        let cache = Self { folder, key: Key::new(key), max_total: MAX_TOTAL };
        cache.sweep();
        Ok(cache)
    }

    /// The compiled form of the file with this SHA-256, if it is there and good. A bad one is
    /// removed.
    pub(super) fn get(&self, engine: &Engine, digest: &[u8; 32]) -> Option<Compiled> {
        let name = entry_name(engine, digest);
        let reason = match self.folder.read(&name, MAX_ENTRY) {
            Found::Absent => return None,
            Found::Bytes(bytes) => match self.key.unseal(engine, &name, &bytes) {
                Ok(compiled) => {
                    self.folder.touch(&name);
                    return Some(compiled);
                }
                Err(reason) => reason,
            },
            Found::Bad(reason) => reason,
            Found::Unknown(reason) => {
                debug!(folder = %self.folder.path().display(), name, reason, "cache entry not read");
                return None;
            }
        };
        warn!(folder = %self.folder.path().display(), name, reason, "bad cache entry removed");
        self.folder.remove(&name);
        None
    }

    /// Keeps the compiled form of the file with this SHA-256.
    pub(super) fn put(&self, engine: &Engine, digest: &[u8; 32], compiled: &Compiled) {
        let name = entry_name(engine, digest);
        let folder = self.folder.path().display();
        let sealed = match self.key.seal(&name, compiled) {
            Ok(sealed) if sealed.len() <= MAX_ENTRY => sealed,
            Ok(sealed) => {
                debug!(%folder, bytes = sealed.len(), "code too large for the cache");
                return;
            }
            Err(error) => {
                warn!(%folder, %error, "code cannot be cached");
                return;
            }
        };
        if let Err(error) = self.folder.write(&name, &sealed) {
            warn!(%folder, %error, "cache entry not written");
            return;
        }
        self.evict();
    }

    /// Removes the entries that were not used for longest, until the rest is within its bound.
    fn evict(&self) {
        let mut entries = self.files(is_entry);
        let mut total = entries.iter().map(|(_, stat)| size(stat)).sum::<u64>();
        entries.sort_by_key(|(_, stat)| (stat.st_mtime, stat.st_mtime_nsec));
        for (name, stat) in entries {
            if total <= self.max_total {
                break;
            }
            debug!(folder = %self.folder.path().display(), name, "cache entry evicted");
            self.folder.remove(&name);
            total = total.saturating_sub(size(&stat));
        }
    }

    /// Removes what writers that died have left behind.
    fn sweep(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        for (name, stat) in self.files(is_temporary) {
            let written = Duration::from_secs(u64::try_from(stat.st_mtime).unwrap_or_default());
            if now.saturating_sub(written) > ABANDONED {
                self.folder.remove(&name);
            }
        }
    }

    fn files(&self, ours: fn(&str) -> bool) -> Vec<(String, Stat)> {
        let mut files = self.folder.files().unwrap_or_else(|error| {
            debug!(folder = %self.folder.path().display(), %error, "cache folder not listed");
            Vec::new()
        });
        files.retain(|(name, _)| ours(name));
        files
    }
}

impl fmt::Debug for CodeCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeCache").field("folder", &self.folder.path()).finish_non_exhaustive()
    }
}

/// The name of an entry: everything that decides what compiled code is right. wasmtime's own part
/// covers the target, its processor features, all settings, and wasmtime's full version; a module's
/// bytes themselves only name the major one, and a fixed compiler must compile anew.
fn entry_name(engine: &Engine, digest: &[u8; 32]) -> String {
    let version = env!("CARGO_PKG_VERSION").as_bytes();
    let mut hash = Sha256::new();
    hash.update([FORMAT]);
    hash.update(digest);
    hash.update((version.len() as u64).to_le_bytes());
    hash.update(version);
    let mut engine_hash = Absorb(hash);
    engine.precompile_compatibility_hash().hash(&mut engine_hash);
    let digits = engine_hash.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    digits + ENDING
}

/// Feeds what is hashed to SHA-256: unlike the standard library's hashers it gives the same in each
/// process and each build.
struct Absorb(Sha256);

impl Hasher for Absorb {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Nobody asks for 64 bits of it.
    fn finish(&self) -> u64 {
        0
    }
}

fn is_entry(name: &str) -> bool {
    name.strip_suffix(ENDING).is_some_and(|digits| digits.len() == 64 && is_hex(digits))
}

fn is_temporary(name: &str) -> bool {
    intended(name).is_some_and(|name| is_entry(name) || is_key(name))
}

fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::PathBuf;

    use wasmtime::Config;

    use super::super::testing::Place;
    use super::*;

    const WAT: &str = "(module (func (export \"answer\") (result i32) (i32.const 42)))";
    const DIGEST: [u8; 32] = [7; 32];

    fn engine() -> Engine {
        Engine::new(Config::new().epoch_interruption(true)).unwrap()
    }

    fn module(engine: &Engine) -> Compiled {
        Compiled::Module(wasmtime::Module::new(engine, WAT).unwrap())
    }

    /// A cache with one entry, and the path of that entry.
    fn filled(place: &Place) -> (Engine, CodeCache, PathBuf) {
        let (engine, cache) = (engine(), CodeCache::open(&place.0).unwrap());
        cache.put(&engine, &DIGEST, &module(&engine));
        let file = place.0.join(entry_name(&engine, &DIGEST));
        assert!(file.exists());
        (engine, cache, file)
    }

    /// The entry is as if it were not there, and then it is not.
    fn assert_refused(engine: &Engine, cache: &CodeCache, file: &Path, what: &str) {
        assert!(cache.get(engine, &DIGEST).is_none(), "{what}");
        assert!(!file.exists(), "{what}: it is still there");
    }

    fn age(file: &Path, seconds: u64) {
        let file = fs::File::options().write(true).open(file).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
    }

    #[test]
    fn what_is_put_comes_back() {
        let place = Place::new();
        let (engine, cache, file) = filled(&place);
        let Some(Compiled::Module(module)) = cache.get(&engine, &DIGEST) else {
            panic!("it is there, and a module");
        };
        assert!(module.get_export("answer").is_some());
        assert!(cache.get(&engine, &[8; 32]).is_none());
        // The next process: another engine of the same settings, the same key.
        let (engine, cache) = (self::engine(), CodeCache::open(&place.0).unwrap());
        assert!(cache.get(&engine, &DIGEST).is_some());
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&place.0).unwrap().count(), 2, "the key and the entry");
    }

    #[test]
    fn other_settings_are_another_entry() {
        let other = Engine::new(Config::new().epoch_interruption(false)).unwrap();
        assert_ne!(entry_name(&engine(), &DIGEST), entry_name(&other, &DIGEST));
        assert_eq!(entry_name(&engine(), &DIGEST), entry_name(&engine(), &DIGEST));
    }

    #[test]
    fn a_cut_entry_is_refused() {
        let place = Place::new();
        let (engine, cache, file) = filled(&place);
        let whole = fs::read(&file).unwrap();
        let lengths = (0..64).chain((64..whole.len()).step_by(whole.len() / 64)).chain([whole.len() - 1]);
        for length in lengths {
            cache.folder.write(file.file_name().unwrap().to_str().unwrap(), &whole[..length]).unwrap();
            assert_refused(&engine, &cache, &file, &format!("cut at {length}"));
        }
        let longer = [&whole[..], b"x"].concat();
        cache.folder.write(file.file_name().unwrap().to_str().unwrap(), &longer).unwrap();
        assert_refused(&engine, &cache, &file, "one byte more");
    }

    #[test]
    fn a_changed_entry_is_refused() {
        let place = Place::new();
        let (engine, cache, file) = filled(&place);
        let whole = fs::read(&file).unwrap();
        let places = (0..48).chain((48..whole.len()).step_by(whole.len() / 64)).chain([whole.len() - 1]);
        for (index, place) in places.enumerate() {
            let mut changed = whole.clone();
            changed[place] ^= 1 << (index % 8);
            cache.folder.write(file.file_name().unwrap().to_str().unwrap(), &changed).unwrap();
            assert_refused(&engine, &cache, &file, &format!("changed at {place}"));
        }
    }

    #[test]
    fn an_entry_under_another_name_is_refused() {
        let place = Place::new();
        let (engine, cache, file) = filled(&place);
        cache.put(&engine, &[8; 32], &module(&engine));
        let other = place.0.join(entry_name(&engine, &[8; 32]));
        fs::rename(&other, &file).unwrap();
        assert_refused(&engine, &cache, &file, "another's name");
    }

    #[test]
    fn an_entry_of_another_folder_is_refused() {
        let (place, elsewhere) = (Place::new(), Place::new());
        let (engine, cache, file) = filled(&place);
        let (_, _, foreign) = filled(&elsewhere);
        fs::rename(&foreign, &file).unwrap();
        assert_refused(&engine, &cache, &file, "another key");
    }

    #[test]
    fn only_private_regular_files_are_read() {
        let place = Place::new();
        let (engine, cache, file) = filled(&place);
        let elsewhere = place.0.join("elsewhere");
        fs::rename(&file, &elsewhere).unwrap();
        symlink(&elsewhere, &file).unwrap();
        assert_refused(&engine, &cache, &file, "a symbolic link");
        for mode in [0o620, 0o602, 0o604, 0o640] {
            fs::copy(&elsewhere, &file).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            assert_refused(&engine, &cache, &file, &format!("mode {mode:o}"));
        }
        rustix::fs::mknodat(rustix::fs::CWD, &file, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
            .unwrap();
        assert_refused(&engine, &cache, &file, "a named pipe");
        fs::rename(&elsewhere, &file).unwrap();
        assert!(cache.get(&engine, &DIGEST).is_some(), "as it was it is good");
    }

    #[test]
    fn a_key_that_others_could_read_is_replaced() {
        for (bytes, mode) in [(&[1; 32][..], 0o644), (&[1; 31], 0o600), (&[1; 33], 0o600), (&[], 0o600)] {
            let place = Place::new();
            let (engine, _, file) = filled(&place);
            let key = place.0.join("key");
            fs::write(&key, bytes).unwrap();
            fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
            let cache = CodeCache::open(&place.0).unwrap();
            let replaced = fs::read(&key).unwrap();
            assert!(replaced.len() == 32 && replaced != bytes);
            assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
            assert_refused(&engine, &cache, &file, "what the old key has signed");
            cache.put(&engine, &DIGEST, &module(&engine));
            assert!(cache.get(&engine, &DIGEST).is_some());
        }
    }

    #[test]
    fn the_longest_unused_go_first() {
        let place = Place::new();
        let (engine, mut cache, file) = filled(&place);
        let one = fs::metadata(&file).unwrap().len();
        let name = |number: u8| place.0.join(entry_name(&engine, &[number; 32]));
        for number in 1..=3 {
            cache.put(&engine, &[number; 32], &module(&engine));
            age(&name(number), 1_000 - u64::from(number));
        }
        age(&file, 2_000);
        // Used now, so the next oldest go instead.
        assert!(cache.get(&engine, &DIGEST).is_some());
        for other in ["notes.txt", "deadbeef.code", "key.tmp"] {
            fs::write(place.0.join(other), vec![0; 4 * one as usize]).unwrap();
            age(&place.0.join(other), 9_000);
        }
        cache.max_total = one * 3;
        cache.put(&engine, &[4; 32], &module(&engine));
        let left = [1, 2, 3, 4].map(|number| name(number).exists());
        assert_eq!(left, [false, false, true, true]);
        assert!(file.exists());
        for other in ["notes.txt", "deadbeef.code", "key.tmp", "key"] {
            assert!(place.0.join(other).exists(), "{other} is not the cache's to remove");
        }
    }

    #[test]
    fn what_dead_writers_left_is_removed_at_open() {
        let place = Place::new();
        let (_, _, file) = filled(&place);
        let entry = file.file_name().unwrap().to_str().unwrap();
        let random = "0123456789abcdef";
        let files = [
            (format!("{entry}.{random}.tmp"), 4_000, false),
            (format!("key.{random}.tmp"), 4_000, false),
            (format!("{entry}.{random}.tmp1"), 4_000, true),
            (format!("notes.{random}.tmp"), 4_000, true),
            (format!("{entry}.fedcba9876543210.tmp"), 60, true),
        ];
        for (name, seconds, _) in &files {
            fs::write(place.0.join(name), b"half").unwrap();
            age(&place.0.join(name), *seconds);
        }
        drop(CodeCache::open(&place.0).unwrap());
        for (name, _, stays) in files {
            assert_eq!(place.0.join(&name).exists(), stays, "{name}");
        }
    }

    #[test]
    fn a_folder_that_has_gone_fails_nothing() {
        let place = Place::new();
        let (engine, cache, _) = filled(&place);
        fs::remove_dir_all(&place.0).unwrap();
        assert!(cache.get(&engine, &DIGEST).is_none());
        cache.put(&engine, &DIGEST, &module(&engine));
        assert!(cache.get(&engine, &DIGEST).is_none());
    }
}
