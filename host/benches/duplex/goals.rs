//! What the figures of a measurement must reach, and whether they do.

use crate::report::{Results, number};

/// A bound on a figure of wasmplex, for each build of it that takes part.
#[derive(Clone, Copy)]
pub(crate) struct Goal {
    figure: &'static str,
    bound: Bound,
}

#[derive(Clone, Copy)]
enum Bound {
    /// At most so many times what another contender has in the same round.
    Ratio { to: &'static str, most: f64 },
    /// At most this.
    AtMost(f64),
    /// It could be measured at all.
    Held,
}

/// A goal in words for a table, and what became of it.
pub(crate) struct Verdict {
    pub(crate) figure: &'static str,
    pub(crate) against: &'static str,
    pub(crate) most: String,
    /// For each build of wasmplex, in the order of the columns.
    pub(crate) found: Vec<Found>,
}

/// What one build reaches.
pub(crate) struct Found {
    pub(crate) text: String,
    /// Unknown if what it takes was not measured.
    pub(crate) is_reached: Option<bool>,
}

impl Goal {
    pub(crate) const fn ratio(figure: &'static str, to: &'static str, most: f64) -> Self {
        Self { figure, bound: Bound::Ratio { to, most } }
    }

    pub(crate) const fn at_most(figure: &'static str, most: f64) -> Self {
        Self { figure, bound: Bound::AtMost(most) }
    }

    /// `figure` is one that there is only if it was held.
    pub(crate) const fn held(figure: &'static str) -> Self {
        Self { figure, bound: Bound::Held }
    }

    /// Judges by medians; all rounds' values show in the spread.
    pub(crate) fn judge(&self, measurement: &str, results: &Results) -> Verdict {
        let columns = results.columns().iter().enumerate();
        let found = columns.filter(|(_, column)| column.is_ours);
        let found = found.map(|(column, _)| self.found(measurement, results, column)).collect();
        let (figure, against, most) = match self.bound {
            Bound::Ratio { to, most } => (self.figure, to, format!("{most:.2} x")),
            Bound::AtMost(most) => (self.figure, "", number(most)),
            Bound::Held => ("open at once", "", "held".to_owned()),
        };
        Verdict { figure, against, most, found }
    }

    fn found(&self, measurement: &str, results: &Results, column: usize) -> Found {
        let row = results.row(measurement, self.figure);
        let median = row.and_then(|row| row.median(column));
        let (text, is_reached) = match self.bound {
            Bound::Ratio { to, most } => {
                let base = results.column(to);
                let spread = row.zip(base).and_then(|(row, base)| row.ratios(column, base));
                let text = spread.as_ref().map(|spread| format!("{:.3} {}", spread.median, spread.range()));
                (text, spread.map(|spread| spread.median <= most))
            }
            Bound::AtMost(most) => (median.map(number), median.map(|median| median <= most)),
            Bound::Held => {
                let failed = results.failed(measurement, column);
                let is_held = if failed { Some(false) } else { median.map(|_| true) };
                (is_held.map(|is_held| if is_held { "held" } else { "not held" }.to_owned()), is_held)
            }
        };
        Found { text: text.unwrap_or_else(|| "-".to_owned()), is_reached }
    }
}
