//! A private temporary folder.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// How often another name is tried where one is taken.
const TRIES: usize = 16;

/// A folder that only this user can look into. It goes away with this value, and all that is in it.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// A new folder in the system's place for temporary files (`TMPDIR`).
    ///
    /// # Errors
    ///
    /// When no folder can be made there.
    pub fn new() -> io::Result<Self> {
        let place = std::env::temp_dir();
        let place = place.canonicalize().unwrap_or(place);
        let mut last = io::ErrorKind::AlreadyExists.into();
        for _ in 0..TRIES {
            let path = place.join(format!("wasmplex-{:016x}", random()?));
            // Fails if anything is there already, a link included: nobody can put a folder of theirs
            // in our way.
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self { path }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    /// Where it is: an absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // The system clears its temporary folder some day.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Eight bytes that nobody can guess.
fn random() -> io::Result<u64> {
    let mut bytes = [0; 8];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    Ok(u64::from_ne_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn it_is_private_and_goes_away() {
        let scratch = Scratch::new().unwrap();
        let path = scratch.path().to_owned();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        fs::create_dir(path.join("a")).unwrap();
        fs::write(path.join("a/file"), b"x").unwrap();
        drop(scratch);
        assert!(!path.exists());
    }
}
