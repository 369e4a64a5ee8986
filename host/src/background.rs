//! Threads whose work matters less than serving.

use rustix::io;
use rustix::process::{getpid, getpriority_process, setpriority_process};
use rustix::thread::gettid;

/// How far they stand back where processors are short: such a thread gets a tenth of what one that serves
/// gets. With 5, a third, streams wait half as long again for plugins that compute beside them; with 19, a
/// hundredth, those would meet `time_per_call` on a busy machine.
const NICENESS: i32 = 10;

/// Beyond this the system does not go (`setpriority(2)`).
const MAX_NICENESS: i32 = 19;

/// Puts the calling thread behind those that serve, whatever the process as a whole was started with, and
/// once however often it is called. Where that is refused, `otherwise` is logged.
pub(crate) fn stand_back(otherwise: &'static str) {
    if let Err(error) = lower() {
        tracing::debug!(%error, "{otherwise}");
    }
}

fn lower() -> io::Result<()> {
    // On Linux, priorities are those of threads: here of the first one, which nothing lowers, and of this
    // one, which may have inherited its own from one that was lowered.
    let first = getpriority_process(Some(getpid()))?;
    setpriority_process(Some(gettid()), (first + NICENESS).min(MAX_NICENESS))
}
