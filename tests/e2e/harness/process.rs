//! A child process: both outputs followed, killed when the test is done with it.

use std::fs;
use std::io::Write;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

use super::{Log, Piped, eventually};

pub struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    pub stdout: Piped,
    pub stderr: Log,
}

/// How a process ended, and what it said.
pub struct Finished {
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Process {
    pub fn spawn(command: &mut Command) -> Process {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("start {command:?}: {error}"));
        let stdin = child.stdin.take();
        let stdout = Piped::new(child.stdout.take().expect("stdout is a pipe"));
        let stderr = Log::collect(child.stderr.take().expect("stderr is a pipe"));
        Process { child, stdin, stdout, stderr }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.id());
        let status = Command::new("sh").args(["-c", &kill]).status();
        assert!(status.expect("run sh").success(), "{kill}");
    }

    pub fn write(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("stdin is still open");
        stdin.write_all(bytes).expect("write to the child's stdin");
    }

    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Waits for the child to end by itself.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let child = &mut self.child;
        eventually("the child's end", || child.try_wait().expect("ask for the child's status"))
    }

    /// Gives it no more input, and waits for its end and all of its output.
    #[track_caller]
    pub fn finish(mut self) -> Finished {
        self.close_stdin();
        let stdout = self.stdout.rest();
        let code = self.wait().code();
        Finished { code, stdout, stderr: self.stderr.all() }
    }

    /// The memory that it holds now (RSS).
    pub fn memory(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()));
        let status = status.expect("read the child's status");
        let line = status.lines().find(|line| line.starts_with("VmRSS"));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        let kib: usize = number.and_then(|kib| kib.parse().ok()).expect("VmRSS");
        kib * 1024
    }

    /// CPU used so far, in clock ticks of 10 ms.
    pub fn cpu_ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id()));
        let stat = stat.expect("read the child's stat");
        name_and_ticks(&stat).1
    }

    /// The same of the threads with this in their names.
    pub fn cpu_ticks_of_threads(&self, name: &str) -> u64 {
        let ticks = self.stats_of_threads().map(|stat| {
            let (start, ticks) = name_and_ticks(&stat);
            if start.contains(name) { ticks } else { 0 }
        });
        ticks.sum()
    }

    /// How far the threads with this in their names stand back: their `nice` values.
    pub fn niceness_of_threads(&self, name: &str) -> Vec<i32> {
        let niceness = self.stats_of_threads().filter_map(|stat| {
            let (start, fields) = stat.rsplit_once(") ").expect("the name is in brackets");
            let niceness = fields.split(' ').nth(16).and_then(|field| field.parse().ok());
            start.contains(name).then(|| niceness.expect("a number"))
        });
        niceness.collect()
    }

    fn stats_of_threads(&self) -> impl Iterator<Item = String> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.id())).expect("read the child's threads");
        // A thread may end meanwhile.
        tasks.filter_map(|task| fs::read_to_string(task.expect("a thread").path().join("stat")).ok())
    }
}

/// Out of a `stat` file (proc(5)): what ends with the name, and user and system time together.
fn name_and_ticks(stat: &str) -> (&str, u64) {
    let (name, fields) = stat.rsplit_once(") ").expect("the name is in brackets");
    let ticks = fields.split(' ').skip(11).take(2);
    (name, ticks.map(|ticks| ticks.parse::<u64>().expect("a number")).sum())
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when the child has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
