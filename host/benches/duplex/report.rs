//! A JSON line per run, and a table of medians.

use serde_json::{Map, Value, json};

use crate::load::Sample;

/// One server under one load, once.
pub(crate) struct Run<'a> {
    pub(crate) measurement: &'a str,
    pub(crate) contender: &'a str,
    pub(crate) round: u32,
    pub(crate) sample: Sample,
}

/// Gathers runs.
pub(crate) struct Report {
    contenders: Vec<String>,
    json: bool,
    rows: Vec<Row>,
}

/// One figure of one measurement.
struct Row {
    measurement: String,
    figure: &'static str,
    /// A list per contender, a value per round.
    values: Vec<Vec<f64>>,
}

impl Report {
    /// `contenders` are the columns. The first is what ratios refer to.
    pub(crate) const fn new(contenders: Vec<String>, json: bool) -> Self {
        Self { contenders, json, rows: Vec::new() }
    }

    pub(crate) fn add(&mut self, run: Run<'_>) {
        if self.json {
            println!("{}", line(&run));
        }
        let column = self.contenders.iter().position(|name| *name == run.contender).unwrap_or_default();
        for (figure, value) in run.sample.0 {
            self.row(run.measurement, figure).values[column].push(value);
        }
    }

    fn row(&mut self, measurement: &str, figure: &'static str) -> &mut Row {
        let known = self.rows.iter().position(|row| row.measurement == measurement && row.figure == figure);
        let index = known.unwrap_or_else(|| {
            let values = vec![Vec::new(); self.contenders.len()];
            self.rows.push(Row { measurement: measurement.to_owned(), figure, values });
            self.rows.len() - 1
        });
        &mut self.rows[index]
    }

    /// Shows the rows of a measurement that is through to whoever waits.
    pub(crate) fn progress(&self, measurement: &str) {
        for row in self.rows.iter().filter(|row| row.measurement == measurement) {
            eprintln!("{}", row.text());
        }
    }

    /// Prints the table.
    pub(crate) fn finish(&self) {
        if self.json {
            return;
        }
        let names: String = self.contenders.iter().map(|name| format!("{name:>10}")).collect();
        let ratios: String =
            self.contenders[1..].iter().map(|name| format!("  {:<21}", format!("{name} ratio"))).collect();
        println!("\n{:<28}{:<16}{names}{}", "medians", "", ratios.trim_end());
        for row in &self.rows {
            println!("{}", row.text());
        }
        println!("\nratio: to {} in the same round; median (lowest to highest)", self.contenders[0]);
    }
}

impl Row {
    fn text(&self) -> String {
        let medians: String =
            self.values.iter().map(|values| format!("{:>10}", number(median(values.clone())))).collect();
        let ratios: String = self.values[1..].iter().map(|values| self.ratios(values)).collect();
        format!("{:<28}{:<16}{medians}{}", self.measurement, self.figure, ratios.trim_end())
    }

    /// Pair by pair, since what disturbs a round disturbs all of it.
    fn ratios(&self, values: &[f64]) -> String {
        let mut ratios: Vec<f64> =
            values.iter().zip(&self.values[0]).map(|(value, base)| value / base).collect();
        ratios.sort_by(f64::total_cmp);
        match (ratios.first(), ratios.last()) {
            (Some(lowest), Some(highest)) if *highest < 100.0 => {
                let spread = format!("({lowest:.2} to {highest:.2})");
                format!("  {:>5.2} {spread:<15}", median(ratios))
            }
            // Of next to nothing there is no multiple.
            _ => format!("  {:<21}", "    -"),
        }
    }
}

fn line(run: &Run<'_>) -> Value {
    let figures: Map<String, Value> =
        run.sample.0.iter().map(|(figure, value)| ((*figure).to_owned(), json!(value))).collect();
    json!({
        "measurement": run.measurement,
        "contender": run.contender,
        "round": run.round,
        "figures": figures,
    })
}

/// Three or four digits that mean something.
fn number(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// The middle of `values`, which must not be empty; of an even number, the mean of the middle two.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}
