//! A subcommand run to its end in a folder. Compilers take their time, so it may take minutes.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::*;

/// How long a build may take on a busy machine.
const BUILD_DEADLINE: Duration = Duration::from_secs(300);

/// How it ended, and what it said.
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// A child that does not outlive its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The command in a folder. What is built there stays there.
pub fn command(folder: &Folder, arguments: &[&str]) -> Command {
    let mut command = wasmplex(arguments);
    command.current_dir(folder.path()).env_remove("CARGO_TARGET_DIR");
    command
}

/// Runs it to its end.
#[track_caller]
pub fn tool(folder: &Folder, arguments: &[&str]) -> Ran {
    finish(&mut command(folder, arguments))
}

/// The same for a command of one's own.
#[track_caller]
pub fn finish(command: &mut Command) -> Ran {
    let outputs = Folder::new();
    let file = |name: &str| fs::File::create(outputs.path().join(name)).expect("a file for its output");
    command.stdin(Stdio::null()).stdout(file("stdout")).stderr(file("stderr"));
    let mut child = Killed(command.spawn().expect("start the command"));
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.0.try_wait().expect("ask for its status") {
            break status;
        }
        assert!(begun.elapsed() < BUILD_DEADLINE, "gave up waiting for {command:?}");
        thread::sleep(Duration::from_millis(2));
    };
    let text = |name: &str| {
        let bytes = fs::read(outputs.path().join(name)).expect("read its output");
        String::from_utf8_lossy(&bytes).into_owned()
    };
    Ran { code: status.code(), stdout: text("stdout"), stderr: text("stderr") }
}

impl Ran {
    #[track_caller]
    pub fn is_good(&self) -> &Ran {
        assert_eq!(self.code, Some(0), "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// It failed, and its text says all of this.
    #[track_caller]
    pub fn fails(&self, needles: &[&str]) -> &Ran {
        assert_eq!(self.code, Some(1), "{}\n{}", self.stdout, self.stderr);
        self.says(needles)
    }

    /// It failed for want of a tool, which has an exit code of its own.
    #[track_caller]
    pub fn misses(&self, needles: &[&str]) -> &Ran {
        assert_eq!(self.code, Some(3), "{}\n{}", self.stdout, self.stderr);
        self.says(needles)
    }

    #[track_caller]
    pub fn says(&self, needles: &[&str]) -> &Ran {
        for needle in needles {
            let said = self.stdout.contains(needle) || self.stderr.contains(needle);
            assert!(said, "{needle:?} is not in:\n{}\n{}", self.stdout, self.stderr);
        }
        self
    }

    /// Whether it failed for want of a tool that may be missing here.
    #[track_caller]
    pub fn is_skipped(&self) -> bool {
        if self.code != Some(3) {
            return false;
        }
        let is_required = std::env::var_os("WASMPLEX_REQUIRE_TOOLCHAINS").is_some_and(|value| value == "1");
        assert!(!is_required, "{}", self.stderr);
        println!("skipped: {}", self.stderr.trim());
        true
    }
}
