//! The lines that a child writes to stderr, collected while it runs.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

use super::DEADLINE;

#[derive(Clone)]
pub struct Log(Arc<Shared>);

struct Shared {
    lines: Mutex<Lines>,
    grown: Condvar,
}

struct Lines {
    lines: Vec<String>,
    /// The child has closed its stderr.
    ended: bool,
}

impl Log {
    pub fn collect(source: impl Read + Send + 'static) -> Log {
        let lines = Lines { lines: Vec::new(), ended: false };
        let log = Log(Arc::new(Shared { lines: Mutex::new(lines), grown: Condvar::new() }));
        let collector = log.clone();
        thread::spawn(move || collector.follow(source));
        log
    }

    fn follow(&self, source: impl Read) {
        let mut source = BufReader::new(source);
        let mut line = Vec::new();
        while source.read_until(b'\n', &mut line).unwrap_or(0) > 0 {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            self.lock().lines.push(text);
            self.0.grown.notify_all();
            line.clear();
        }
        self.lock().ended = true;
        self.0.grown.notify_all();
    }

    /// Where the log ends now; `wait` then looks only at what comes later.
    pub fn mark(&self) -> usize {
        self.lock().lines.len()
    }

    /// Waits for a line behind the mark that contains all needles, in any case.
    #[track_caller]
    pub fn wait(&self, mark: usize, needles: &[&str]) -> String {
        let found = |lines: &Lines| {
            let hit = lines.lines[mark..].iter().find(|line| contains_all(line, needles));
            hit.cloned()
        };
        let waiting = |lines: &mut Lines| found(lines).is_none() && !lines.ended;
        let (lines, _) = self
            .0
            .grown
            .wait_timeout_while(self.lock(), DEADLINE, waiting)
            .expect("no test panics with the log locked");
        let hit = found(&lines);
        let seen = lines.lines[mark..].join("\n");
        drop(lines);
        hit.unwrap_or_else(|| panic!("no line with {needles:?} in:\n{seen}"))
    }

    /// How many lines behind the mark contain all needles by now.
    pub fn count(&self, mark: usize, needles: &[&str]) -> usize {
        self.lock().lines[mark..].iter().filter(|line| contains_all(line, needles)).count()
    }

    /// All that came after the mark.
    pub fn since(&self, mark: usize) -> String {
        self.lock().lines[mark..].join("\n")
    }

    /// The whole text, once the child has closed its stderr.
    pub fn all(&self) -> String {
        let lines = self.lock();
        let (lines, _) = self
            .0
            .grown
            .wait_timeout_while(lines, DEADLINE, |lines| !lines.ended)
            .expect("no test panics with the log locked");
        assert!(lines.ended, "stderr is still open");
        lines.lines.join("\n")
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.0.lines.lock().expect("no test panics with the log locked")
    }
}

fn contains_all(line: &str, needles: &[&str]) -> bool {
    let line = line.to_lowercase();
    needles.iter().all(|needle| line.contains(&needle.to_lowercase()))
}
