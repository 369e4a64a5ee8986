//! Other programs: clients that people really use, and our own command run to its end.

use std::process::{Command, Stdio};

use super::Process;
use super::process::Finished;

/// A command for a program that this machine may lack: then the test is skipped, but not in CI.
pub fn command(program: &str) -> Option<Command> {
    let version = Command::new(program).arg("--version").stdout(Stdio::null()).status();
    if version.is_ok_and(|status| status.success()) {
        return Some(Command::new(program));
    }
    assert!(std::env::var_os("CI").is_none(), "CI must have {program}");
    println!("skipped: there is no {program} here");
    None
}

/// Runs a command without input to its end.
#[track_caller]
pub fn ran(command: &mut Command) -> Finished {
    Process::spawn(command).finish()
}
