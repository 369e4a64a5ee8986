//! Room for descriptors: as many as the system allows, and the kernel's table of them made early.

use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Resource, getrlimit, setrlimit};

/// Descriptors beside those of connections: plugins' folders, spools, the cache, listeners.
const SPARE: usize = 1024;

/// Every connection is a descriptor, and the usual soft limit is 1,024. Going up to the hard limit
/// is what it is there for.
///
/// # Errors
///
/// The system's, where it refuses; the limit stays.
pub fn raise_limit() -> std::io::Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}

/// Has the kernel make its table of descriptors large enough for so many connections, by taking a high
/// one for a moment. To be called while the process has one thread.
///
/// In a process with threads the kernel waits for an RCU grace period whenever it has to make the table
/// larger (`expand_fdtable`), and on busy processors, which is when connections come in numbers, that was up
/// to a second for the thread that accepts them.
pub fn reserve(connections: usize) {
    let most = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let wanted = i32::try_from(connections.saturating_add(SPARE)).unwrap_or(i32::MAX);
    let highest = i32::try_from(most).unwrap_or(i32::MAX).saturating_sub(1).min(wanted);
    // Where it cannot be had now, it is made when it is needed.
    drop(fcntl_dupfd_cloexec(std::io::stderr(), highest));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_stays_open() {
        let open = || {
            std::fs::read_dir("/proc/self/fd").unwrap().filter_map(Result::ok).map(|entry| entry.file_name())
        };
        reserve(2000);
        assert!(!open().any(|name| name == (2000 + SPARE).to_string().as_str()));
    }
}
