//! Where something was measured: what of the machine weighs on the figures.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::SystemTime;

/// In a few words: the date, the commit if there is one, processors, kernel.
pub(crate) fn describe() -> String {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let commit = commit().map(|commit| format!(" at commit {commit}")).unwrap_or_default();
    format!("{}{commit}: {}, {processors} processors, Linux {}", today(), processor(), kernel())
}

/// Like 23 Nov 2026.
fn today() -> String {
    let date = httpdate::fmt_http_date(SystemTime::now());
    date.split(' ').skip(1).take(3).collect::<Vec<_>>().join(" ")
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or(std::env::consts::ARCH, |(_, model)| model).to_owned()
}

/// The numbers of the kernel's version; what distributions append says nothing here.
fn kernel() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let numbers: String = release.chars().take_while(|char| char.is_ascii_digit() || *char == '.').collect();
    numbers.trim_end_matches('.').to_owned()
}

fn commit() -> Option<String> {
    let output = Command::new("git")
        .args(["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty", "--exclude=*"])
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
