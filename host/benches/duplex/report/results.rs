//! Values by measurement, figure, contender and round.

use std::collections::BTreeMap;

use super::Run;
use crate::figures::median;
use crate::load::Sample;

/// A contender.
pub(crate) struct Column {
    pub(crate) name: String,
    /// It is what all this is about: a build of wasmplex.
    pub(crate) is_ours: bool,
}

/// Everything that was measured.
pub(crate) struct Results {
    columns: Vec<Column>,
    rows: Vec<Row>,
    failures: Vec<Failure>,
}

/// What could not be measured, and why.
struct Failure {
    measurement: String,
    column: usize,
    reason: String,
}

/// One figure of one measurement.
pub(crate) struct Row {
    pub(crate) measurement: String,
    pub(crate) figure: &'static str,
    /// By contender, a value per round.
    values: Vec<BTreeMap<u32, f64>>,
}

/// Ratios of all rounds.
pub(crate) struct Spread {
    pub(crate) median: f64,
    lowest: f64,
    highest: f64,
}

impl Results {
    pub(super) const fn new(columns: Vec<Column>) -> Self {
        Self { columns, rows: Vec::new(), failures: Vec::new() }
    }

    pub(super) fn add(&mut self, run: &Run<'_>, sample: Sample) {
        for (figure, value) in sample.0 {
            self.row_mut(run.measurement, figure).values[run.column].insert(run.round, value);
        }
    }

    pub(super) fn fail(&mut self, run: &Run<'_>, reason: &str) {
        let (measurement, reason) = (run.measurement.to_owned(), reason.to_owned());
        self.failures.push(Failure { measurement, column: run.column, reason });
    }

    /// Adds a row with the largest median of a measurement over the smallest.
    pub(super) fn add_quotient(&mut self, measurement: &str, figure: &'static str) {
        for column in 0..self.columns.len() {
            let rows = self.rows.iter().filter(|row| row.measurement == measurement && row.figure != figure);
            let medians: Vec<f64> = rows.filter_map(|row| row.median(column)).collect();
            let (best, worst) =
                (medians.iter().copied().reduce(f64::min), medians.into_iter().reduce(f64::max));
            if let (Some(best), Some(worst)) = (best, worst) {
                self.row_mut(measurement, figure).values[column].insert(0, worst / best);
            }
        }
    }

    fn row_mut(&mut self, measurement: &str, figure: &'static str) -> &mut Row {
        let known = self.rows.iter().position(|row| row.is(measurement, figure));
        let index = known.unwrap_or_else(|| {
            let values = vec![BTreeMap::new(); self.columns.len()];
            self.rows.push(Row { measurement: measurement.to_owned(), figure, values });
            self.rows.len() - 1
        });
        &mut self.rows[index]
    }

    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// What could not be measured, in words.
    pub(crate) fn failures(&self) -> impl Iterator<Item = String> {
        let name = |failure: &Failure| &self.columns[failure.column].name;
        self.failures
            .iter()
            .map(move |failure| format!("{}, {}: {}", failure.measurement, name(failure), failure.reason))
    }

    /// Whether a measurement was tried with a contender, and failed.
    pub(crate) fn failed(&self, measurement: &str, column: usize) -> bool {
        self.failures.iter().any(|failure| failure.measurement == measurement && failure.column == column)
    }

    /// The place of a contender.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    pub(crate) fn row(&self, measurement: &str, figure: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.is(measurement, figure))
    }
}

impl Row {
    fn is(&self, measurement: &str, figure: &str) -> bool {
        self.measurement == measurement && self.figure == figure
    }

    /// The median of a contender's rounds, if it took part.
    pub(crate) fn median(&self, column: usize) -> Option<f64> {
        let values: Vec<f64> = self.values[column].values().copied().collect();
        (!values.is_empty()).then(|| median(values))
    }

    /// The median as it stands in a table.
    pub(super) fn shown(&self, column: usize) -> String {
        self.median(column).map_or_else(|| "-".to_owned(), number)
    }

    /// A contender's values over those of another, round by round, since what disturbs a round disturbs all
    /// of it.
    pub(crate) fn ratios(&self, column: usize, base: usize) -> Option<Spread> {
        let of_round = |(round, value): (&u32, &f64)| {
            let base = *self.values[base].get(round)?;
            // Of next to nothing there is no multiple.
            (base > NOTHING).then(|| value / base)
        };
        let ratios: Vec<f64> = self.values[column].iter().filter_map(of_round).collect();
        let lowest = ratios.iter().copied().min_by(f64::total_cmp)?;
        let highest = ratios.iter().copied().max_by(f64::total_cmp)?;
        Some(Spread { median: median(ratios), lowest, highest })
    }
}

impl Spread {
    pub(crate) fn range(&self) -> String {
        format!("({:.2} to {:.2})", self.lowest, self.highest)
    }
}

/// A value that means nothing in any unit.
const NOTHING: f64 = 0.01;

/// Three or four digits that mean something.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
