//! Inputs for one property, and what to say when one fails.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc;
use std::{env, fs, thread};

use super::mutation::{self, dictionary};
use crate::harness::*;

/// A way to change an input; the second one may lend parts.
type Mutate = fn(&mut Random, &[u8], &[u8], &[Vec<u8>]) -> Vec<u8>;

/// A property's inputs.
pub struct Campaign {
    name: &'static str,
    rounds: usize,
    corpus: Vec<Vec<u8>>,
}

impl Campaign {
    /// The corpus of a target, and how many changes of it are tried where nothing else is asked for.
    pub fn of(name: &'static str, rounds: usize) -> Campaign {
        let asked = env::var("WASMPLEX_FUZZ_ROUNDS").ok();
        let rounds = asked.map_or(rounds, |rounds| rounds.parse().expect("WASMPLEX_FUZZ_ROUNDS is a number"));
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus").join(name);
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut files: Vec<_> = entries.map(|entry| entry.expect("a corpus").path()).collect();
        files.sort();
        let corpus: Vec<_> = files.iter().map(|file| fs::read(file).expect("a file of the corpus")).collect();
        assert!(!corpus.is_empty(), "{} is empty", folder.display());
        Campaign { name, rounds, corpus }
    }

    /// One more input to begin with.
    pub fn add(&mut self, input: Vec<u8>) {
        self.corpus.push(input);
    }

    /// Tries the corpus, then changes of it.
    pub fn run(self, property: impl Fn(&[u8]) + Send + 'static) {
        self.run_with(mutation::of_bytes, property);
    }

    pub fn run_with(self, mutate: Mutate, property: impl Fn(&[u8]) + Send + 'static) {
        let worker = Worker::start(property);
        for input in &self.corpus {
            worker.check(self.name, input);
        }
        let mut random = Random::new(seed());
        let tokens = dictionary(self.name);
        for _ in 0..self.rounds {
            let (input, other) = (random.pick(&self.corpus), random.pick(&self.corpus));
            let input = mutate(&mut random, input, other, &tokens);
            worker.check(self.name, &input);
        }
    }
}

/// A thread that runs the property, so that one which does not come to an end is noticed.
struct Worker {
    inputs: mpsc::Sender<Vec<u8>>,
    /// Whether the property held.
    outcomes: mpsc::Receiver<bool>,
}

impl Worker {
    fn start(property: impl Fn(&[u8]) + Send + 'static) -> Worker {
        let (inputs, taken) = mpsc::channel::<Vec<u8>>();
        let (said, outcomes) = mpsc::channel();
        thread::spawn(move || {
            for input in taken {
                // What failed is printed by the panic itself; nothing of it is used again.
                let held = catch_unwind(AssertUnwindSafe(|| property(&input))).is_ok();
                if said.send(held).is_err() {
                    break;
                }
            }
        });
        Worker { inputs, outcomes }
    }

    fn check(&self, name: &str, input: &[u8]) {
        let shown = || format!("{name}: b\"{}\"", input.escape_ascii());
        self.inputs.send(input.to_vec()).expect("the worker lives as long as this");
        match self.outcomes.recv_timeout(DEADLINE) {
            Ok(true) => {}
            Ok(false) => panic!("the property does not hold for {}", shown()),
            Err(_) => panic!("no end within {DEADLINE:?} for {}", shown()),
        }
    }
}
