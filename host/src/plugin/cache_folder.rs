//! A folder of files that only this user can see, held open, so that it stays the one that was
//! checked whatever happens to its path.
//!
//! What makes it private: it is a folder and no symbolic link, this user owns it, and nobody else
//! may list, read or write in it. The same is asked of each file at each read.

use std::fs::{DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, linkat,
    openat, renameat, statat, unlinkat, utimensat,
};
use rustix::io::Errno;
use rustix::process::geteuid;
use rustix::rand::{GetRandomFlags, getrandom};
use tracing::{debug, warn};

/// The file with the key.
const KEY: &str = "key";

/// How often a key is looked for before giving up: once, again after making it, and some more in
/// case that another process removes it at that moment.
const KEY_ATTEMPTS: usize = 8;

/// The ending of files that are being written.
const TEMPORARY: &str = ".tmp";

/// Permission bits that must not be set: any of group and others.
const OTHERS: u32 = 0o077;

/// A private folder.
pub(super) struct Folder {
    fd: OwnedFd,
    path: PathBuf,
}

/// What reading a file gave.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Found {
    Absent,
    /// All of it.
    Bytes(Vec<u8>),
    /// It is not one of ours as it is; the reason.
    Bad(String),
    /// It cannot be told what it is; the reason.
    Unknown(String),
}

impl Folder {
    /// Opens the folder, which is made if it is missing.
    ///
    /// # Errors
    ///
    /// When it cannot be made or opened, or is not private; the text says what to do.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        // Without a slash at the end, which would follow a symbolic link.
        let path: PathBuf = path.components().collect();
        let say = |what: String| format!("{}: {what}", path.display());
        let fd = match open_folder(&path) {
            Err(Errno::NOENT) => {
                let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
                made.map_err(|error| say(format!("cannot be made: {error}")))?;
                open_folder(&path)
            }
            outcome => outcome,
        };
        let fd = fd.map_err(|error| say(not_opened(&path, error)))?;
        let metadata = File::from(fd.try_clone().map_err(|error| say(error.to_string()))?).metadata();
        let metadata = metadata.map_err(|error| say(error.to_string()))?;
        let (owner, user) = (metadata.uid(), geteuid().as_raw());
        if owner != user {
            return Err(say(format!(
                "it belongs to user {owner}, and this process runs as user {user}: choose another folder"
            )));
        }
        if metadata.mode() & OTHERS != 0 {
            return Err(say(format!(
                "its permissions ({:03o}) let others in, who could then choose what code runs here: chmod \
                 700 it (with systemd: CacheDirectoryMode=0700) or choose another folder",
                metadata.mode() & 0o777
            )));
        }
        Ok(Self { fd, path })
    }

    /// Its path, for texts.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The key in this folder; a new one if there is none, or none that can be trusted: one that
    /// others could read is no secret. What was signed with the old one is then worth nothing any
    /// more. Of processes that start together all get the same key, for it appears complete and
    /// once; only if they find one that cannot be trusted, one of them may end with a key that is
    /// not the one that stays, and the cache is then of no use to that process.
    ///
    /// # Errors
    ///
    /// When it can be neither read nor made.
    pub(super) fn key<const SIZE: usize>(&self) -> Result<[u8; SIZE], String> {
        for _ in 0..KEY_ATTEMPTS {
            let bad = match self.read(KEY, SIZE) {
                Found::Absent => {
                    let made = self.make_key::<SIZE>();
                    made.map_err(|error| format!("{}: cannot make a key: {error}", self.path.display()))?;
                    continue;
                }
                Found::Bytes(bytes) => match bytes.try_into() {
                    Ok(key) => return Ok(key),
                    Err(_) => "it is too short".to_owned(),
                },
                Found::Bad(reason) => reason,
                Found::Unknown(reason) => return Err(format!("{}/{KEY}: {reason}", self.path.display())),
            };
            warn!(folder = %self.path.display(), reason = bad, "cache key replaced");
            self.remove(KEY);
        }
        Err(format!("{}/{KEY}: it cannot be replaced by a good one: remove it", self.path.display()))
    }

    /// Makes the key unless there is one by now. The name appears with the file complete (`link`
    /// does not replace), so nobody ever reads half a key.
    fn make_key<const SIZE: usize>(&self) -> io::Result<()> {
        let temporary = self.write_temporary(KEY, &random::<SIZE>()?)?;
        let linked = linkat(&self.fd, &temporary, &self.fd, KEY, AtFlags::empty());
        self.remove(&temporary);
        match linked {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads a file of at most `limit` bytes.
    pub(super) fn read(&self, name: &str, limit: usize) -> Found {
        // Not waiting for anything: a named pipe would make it wait.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => read_open(File::from(fd), limit),
            Err(Errno::NOENT) => Found::Absent,
            Err(Errno::LOOP) => Found::Bad("it is a symbolic link".to_owned()),
            Err(error) => Found::Unknown(error.to_string()),
        }
    }

    /// Writes a file, which appears complete or not at all, in place of one of that name. It need
    /// not be on the disk when this returns: what a crash leaves behind has no valid signature.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let temporary = self.write_temporary(name, bytes)?;
        renameat(&self.fd, &temporary, &self.fd, name).map_err(|error| {
            self.remove(&temporary);
            error.into()
        })
    }

    /// Writes a new file beside `name` and says what it is called.
    fn write_temporary(&self, name: &str, bytes: &[u8]) -> io::Result<String> {
        let temporary = format!("{name}.{:016x}{TEMPORARY}", u64::from_le_bytes(random()?));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(&self.fd, &temporary, flags, Mode::RUSR | Mode::WUSR)?;
        File::from(fd).write_all(bytes).inspect_err(|_| self.remove(&temporary))?;
        Ok(temporary)
    }

    /// Marks a file as used now.
    pub(super) fn touch(&self, name: &str) {
        let when = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
        let times = Timestamps { last_access: when(UTIME_OMIT), last_modification: when(UTIME_NOW) };
        // If it cannot be marked, it goes the earlier.
        let _ = utimensat(&self.fd, name, &times, AtFlags::SYMLINK_NOFOLLOW);
    }

    /// Removes a file, or the link of that name.
    pub(super) fn remove(&self, name: &str) {
        match unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => debug!(folder = %self.path.display(), name, %error, "not removed"),
        }
    }

    /// Names and facts of the regular files.
    pub(super) fn files(&self) -> io::Result<Vec<(String, Stat)>> {
        let mut files = Vec::new();
        for entry in Dir::read_from(&self.fd)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            // It may be gone by now.
            let Ok(stat) = statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) else {
                continue;
            };
            if FileType::from_raw_mode(stat.st_mode).is_file() {
                files.push((name.to_owned(), stat));
            }
        }
        Ok(files)
    }
}

/// The name that `temporary` was to get, if it is the name of a file that is being written.
pub(super) fn intended(temporary: &str) -> Option<&str> {
    let (name, random) = temporary.strip_suffix(TEMPORARY)?.rsplit_once('.')?;
    (random.len() == 16 && is_hex(random)).then_some(name)
}

/// Whether `name` is the key's.
pub(super) fn is_key(name: &str) -> bool {
    name == KEY
}

/// Whether all of it are hexadecimal digits as we write them.
pub(super) fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn open_folder(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(CWD, path, flags, Mode::empty())
}

fn not_opened(path: &Path, error: Errno) -> String {
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_symlink() => {
            "it is a symbolic link: name the folder that it leads to".to_owned()
        }
        Ok(metadata) if !metadata.is_dir() => "it is not a folder".to_owned(),
        _ => format!("cannot be opened: {error}"),
    }
}

/// Reads a file that was opened, if it is private.
fn read_open(file: File, limit: usize) -> Found {
    let metadata = match file.metadata() {
        Ok(metadata) => metadata,
        Err(error) => return Found::Unknown(error.to_string()),
    };
    if !metadata.is_file() {
        return Found::Bad("it is not a regular file".to_owned());
    }
    if metadata.uid() != geteuid().as_raw() {
        return Found::Bad(format!("it belongs to user {}", metadata.uid()));
    }
    if metadata.mode() & OTHERS != 0 {
        return Found::Bad(format!("its permissions ({:03o}) let others in", metadata.mode() & 0o777));
    }
    if metadata.len() > limit as u64 {
        return Found::Bad(format!("it has more than {limit} bytes"));
    }
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    match file.take(limit as u64).read_to_end(&mut bytes) {
        Ok(_) => Found::Bytes(bytes),
        Err(error) => Found::Unknown(error.to_string()),
    }
}

fn random<const SIZE: usize>() -> io::Result<[u8; SIZE]> {
    let mut bytes = [0; SIZE];
    match getrandom(&mut bytes, GetRandomFlags::empty())? {
        count if count == SIZE => Ok(bytes),
        // Only requests of more than 256 bytes are ever answered in part.
        _ => Err(io::Error::other("the system gave too few random bytes")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
    use std::sync::Barrier;
    use std::thread;

    use super::super::testing::Place;
    use super::*;

    fn refusal(path: &Path) -> String {
        Folder::open(path).err().expect("it is refused")
    }

    #[test]
    fn a_missing_folder_is_made_private() {
        let place = Place::new();
        let folder = place.0.join("a/b");
        Folder::open(&folder).unwrap();
        for made in [&place.0, &folder] {
            assert_eq!(fs::metadata(made).unwrap().permissions().mode() & 0o777, 0o700);
        }
        Folder::open(&folder).unwrap();
    }

    #[test]
    fn folders_that_are_not_private_are_refused() {
        let place = Place::new();
        Folder::open(&place.0).unwrap();
        for mode in [0o750, 0o720, 0o710, 0o705, 0o702, 0o701, 0o755, 0o1777] {
            fs::set_permissions(&place.0, Permissions::from_mode(mode)).unwrap();
            assert!(refusal(&place.0).contains("chmod 700"), "{mode:o}");
        }
        fs::set_permissions(&place.0, Permissions::from_mode(0o700)).unwrap();
        Folder::open(&place.0).unwrap();
        // Only root can give a folder away.
        if geteuid().is_root() {
            chown(&place.0, Some(1), None).unwrap();
            assert!(refusal(&place.0).contains("belongs to user 1"));
        }
    }

    #[test]
    fn links_and_files_are_no_folders() {
        let place = Place::new();
        Folder::open(&place.0).unwrap();
        Folder::open(&place.0.join("real")).unwrap();
        let link = place.0.join("link");
        symlink(place.0.join("real"), &link).unwrap();
        for path in [link, place.0.join("link/"), place.0.join("link/.")] {
            assert!(refusal(&path).contains("symbolic link"), "{}", path.display());
        }
        symlink(place.0.join("nowhere"), place.0.join("dangling")).unwrap();
        assert!(refusal(&place.0.join("dangling")).contains("symbolic link"));
        fs::write(place.0.join("file"), b"").unwrap();
        assert!(refusal(&place.0.join("file")).contains("not a folder"));
        assert!(!refusal(&place.0.join("file/sub")).is_empty());
    }

    #[test]
    fn all_who_start_together_get_the_same_key() {
        for _ in 0..50 {
            let place = Place::new();
            let barrier = Barrier::new(4);
            let start = || {
                barrier.wait();
                Folder::open(&place.0).unwrap().key::<32>().unwrap()
            };
            let keys: Vec<_> = thread::scope(|scope| {
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert!(keys.iter().all(|key| *key == keys[0] && *key != [0; 32]));
            assert_eq!(fs::read(place.0.join("key")).unwrap(), keys[0]);
            assert_eq!(fs::read_dir(&place.0).unwrap().count(), 1, "nothing but the key is left");
        }
    }

    #[test]
    fn a_key_that_is_a_link_or_a_folder() {
        let place = Place::new();
        let folder = Folder::open(&place.0).unwrap();
        fs::write(place.0.join("other"), [1; 32]).unwrap();
        fs::set_permissions(place.0.join("other"), Permissions::from_mode(0o600)).unwrap();
        symlink("other", place.0.join("key")).unwrap();
        assert_ne!(folder.key::<32>().unwrap(), [1; 32]);
        assert_eq!(fs::read(place.0.join("other")).unwrap(), [1; 32]);
        fs::remove_file(place.0.join("key")).unwrap();
        fs::create_dir(place.0.join("key")).unwrap();
        assert!(folder.key::<32>().unwrap_err().contains("remove it"));
    }

    #[test]
    fn reading_is_bounded() {
        let place = Place::new();
        let folder = Folder::open(&place.0).unwrap();
        folder.write("a", b"12345").unwrap();
        assert_eq!(folder.read("a", 5), Found::Bytes(b"12345".to_vec()));
        assert_eq!(folder.read("a", 4), Found::Bad("it has more than 4 bytes".to_owned()));
        assert_eq!(folder.read("b", 4), Found::Absent);
    }
}
