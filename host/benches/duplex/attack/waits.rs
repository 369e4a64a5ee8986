//! How long honest clients waited, by phase.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use crate::figures::{at, median};
use crate::server::coarse_cpu;

/// Parts of the processors in a phase: 1 is one processor.
pub(super) struct Usage {
    pub(super) server: f64,
    pub(super) clients: f64,
}

/// A phase that was measured.
pub(super) struct Phase {
    pub(super) is_attacked: bool,
    pub(super) usage: Usage,
}

/// Waits of one client: the number of the phase, and how long.
pub(super) struct Diary {
    pub(super) kind: &'static str,
    pub(super) waits: Vec<(usize, Duration)>,
}

/// Waits in microseconds by kind of client and phase.
#[derive(Default)]
pub(super) struct Waits(BTreeMap<&'static str, BTreeMap<usize, Vec<f64>>>);

/// The figures of a phase, each with the share of waits that are no longer.
const FIGURES: [(&str, f64); 4] = [("p50", 0.50), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];

impl Waits {
    pub(super) fn add(&mut self, diary: Diary) {
        let kind = self.0.entry(diary.kind).or_default();
        for (phase, wait) in diary.waits {
            kind.entry(phase).or_default().push(wait.as_secs_f64() * 1e6);
        }
    }

    /// Prints the table.
    pub(super) fn print(mut self, phases: &[Phase]) {
        println!("\n{:<30}{:<8}{:>10}{:>10}  ratio", "waits in microseconds", "", "quiet", "attacked");
        for (kind, by_phase) in &mut self.0 {
            by_phase.values_mut().for_each(|waits| waits.sort_by(f64::total_cmp));
            let count: usize = by_phase.values().map(Vec::len).sum();
            for (figure, share) in FIGURES {
                let value = |phase| by_phase.get(&phase).map_or(f64::NAN, |waits| at(waits, share));
                let values: Vec<f64> = (0..phases.len()).map(value).collect();
                let (quiet, attacked) = split(phases, &values);
                let mut ratios: Vec<f64> =
                    quiet.iter().zip(&attacked).map(|(quiet, attacked)| attacked / quiet).collect();
                ratios.sort_by(f64::total_cmp);
                let spread = match ratios[..] {
                    [lowest, .., highest] => format!("({lowest:.2} to {highest:.2})"),
                    _ => String::new(),
                };
                let label = if figure == "p50" { format!("{kind} ({count})") } else { String::new() };
                println!(
                    "{label:<30}{figure:<8}{:>10.0}{:>10.0}  {:>5.2} {spread}",
                    median(quiet),
                    median(attacked),
                    median(ratios)
                );
            }
        }
        for (what, of) in [
            ("processors, server", (|usage| usage.server) as fn(&Usage) -> f64),
            ("processors, clients", |usage| usage.clients),
        ] {
            let values: Vec<f64> = phases.iter().map(|phase| of(&phase.usage)).collect();
            let (quiet, attacked) = split(phases, &values);
            println!("{what:<38}{:>10.2}{:>10.2}", median(quiet), median(attacked));
        }
    }
}

/// The values of quiet and of attacked phases.
fn split(phases: &[Phase], values: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let of = |is_attacked| {
        let chosen = phases.iter().zip(values).filter(move |(phase, _)| phase.is_attacked == is_attacked);
        chosen.map(|(_, value)| *value).collect()
    };
    (of(false), of(true))
}

/// Processor time of this process so far, in nanoseconds.
pub(super) fn own_cpu() -> anyhow::Result<f64> {
    Ok(coarse_cpu(&fs::read_to_string("/proc/self/stat")?)? as f64)
}
