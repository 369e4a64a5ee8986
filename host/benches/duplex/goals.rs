//! What the figures of a measurement must reach, and whether they do.

use crate::contender::WASMPLEX;
use crate::report::{Results, Row, number};

/// A bound on a figure of wasmplex.
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

/// What became of a goal, in words for a table.
pub(crate) struct Verdict {
    pub(crate) figure: &'static str,
    pub(crate) against: &'static str,
    pub(crate) most: String,
    pub(crate) found: String,
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
        let column = results.column(WASMPLEX);
        let row = results.row(measurement, self.figure).zip(column);
        let of_row =
            |figure: fn(&Row, usize) -> Option<f64>| row.and_then(|(row, column)| figure(row, column));
        let verdict = |against, most, found: Option<String>, is_reached| Verdict {
            figure: if matches!(self.bound, Bound::Held) { "open at once" } else { self.figure },
            against,
            most,
            found: found.unwrap_or_else(|| "-".to_owned()),
            is_reached,
        };
        match self.bound {
            Bound::Ratio { to, most } => {
                let base = results.column(to);
                let spread = row.zip(base).and_then(|((row, column), base)| row.ratios(column, base));
                let is_reached = spread.as_ref().map(|spread| spread.median <= most);
                let found = spread.map(|spread| format!("{:.3} {}", spread.median, spread.range()));
                verdict(to, format!("{most:.2} x"), found, is_reached)
            }
            Bound::AtMost(most) => {
                let median = of_row(Row::median);
                verdict("", number(most), median.map(number), median.map(|median| median <= most))
            }
            Bound::Held => {
                let failed = column.is_some_and(|column| results.failed(measurement, column));
                let is_held = if failed { Some(false) } else { of_row(Row::median).map(|_| true) };
                let found = is_held.map(|is_held| if is_held { "held" } else { "not held" }.to_owned());
                verdict("", "held".to_owned(), found, is_held)
            }
        }
    }
}
