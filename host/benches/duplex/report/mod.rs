//! What came out: a JSON line per run, a table of medians at the end, and the same for the documentation.

mod page;
mod results;
mod table;

use serde_json::{Map, Value, json};

use crate::load::{Measurement, Sample};

pub(crate) use page::{Page, write};
pub(crate) use results::{Column, Results, number};

/// One contender under one load, once.
pub(crate) struct Run<'a> {
    pub(crate) measurement: &'a str,
    pub(crate) column: usize,
    pub(crate) round: u32,
}

/// Gathers runs.
pub(crate) struct Report {
    results: Results,
    json: bool,
}

impl Report {
    /// The first of `columns` is what ratios refer to.
    pub(crate) const fn new(columns: Vec<Column>, json: bool) -> Self {
        Self { results: Results::new(columns), json }
    }

    pub(crate) fn add(&mut self, run: &Run<'_>, sample: Sample) {
        if self.json {
            let value = |(figure, value): &(&'static str, f64)| ((*figure).to_owned(), json!(value));
            let figures: Map<String, Value> = sample.0.iter().map(value).collect();
            self.print(run, "figures", &figures.into());
        }
        self.results.add(run, sample);
    }

    /// Something that could not be measured; it is told at once, and again at the end.
    pub(crate) fn fail(&mut self, run: &Run<'_>, error: &anyhow::Error) {
        let reason = format!("{error:#}");
        let contender = &self.results.columns()[run.column].name;
        eprintln!("{}, {contender}: {reason}", run.measurement);
        if self.json {
            self.print(run, "error", &reason.as_str().into());
        }
        self.results.fail(run, &reason);
    }

    fn print(&self, run: &Run<'_>, what: &str, value: &Value) {
        let contender = &self.results.columns()[run.column].name;
        let line = json!({
            "measurement": run.measurement,
            "contender": contender,
            "round": run.round,
            what: value,
        });
        println!("{line}");
    }

    /// A measurement is through: adds what comes of its medians, and shows its rows to whoever waits.
    pub(crate) fn complete(&mut self, measurement: &Measurement) {
        if let Some(figure) = measurement.quotient() {
            self.results.add_quotient(measurement.name(), figure);
        }
        for row in self.results.rows().iter().filter(|row| row.measurement == measurement.name()) {
            eprintln!("{}", table::line(row, self.results.columns()));
        }
    }

    /// Prints the table, and gives what it was made of.
    pub(crate) fn finish(self, measurements: &[Measurement]) -> Results {
        if !self.json {
            table::print(&self.results, measurements);
        }
        self.results
    }
}
