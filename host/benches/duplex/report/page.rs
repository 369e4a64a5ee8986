//! The same for docs/performance.md, between two marks.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Context as _;

use super::results::{Column, Results, Row};
use crate::goals::Found;
use crate::load::Measurement;

const BEGIN: &str = "<!-- bench:begin -->\n";
const END: &str = "<!-- bench:end -->";

/// All that the section is made of.
pub(crate) struct Page<'a> {
    pub(crate) results: &'a Results,
    pub(crate) measurements: &'a [Measurement],
    /// Where, when and how it was measured.
    pub(crate) circumstances: String,
}

/// Puts the section into `file`, in place of the one that is there.
pub(crate) fn write(file: &Path, page: &Page<'_>) -> anyhow::Result<()> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let parts = text.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = parts.with_context(|| format!("{} lacks {BEGIN:?} or {END:?}", file.display()))?;
    let section = page.text();
    fs::write(file, format!("{before}{BEGIN}{section}{END}{after}"))
        .with_context(|| file.display().to_string())
}

impl Page<'_> {
    fn text(&self) -> String {
        let columns = self.results.columns();
        let mut text = format!("{}\n\n", self.circumstances);
        let heads: Vec<String> = columns[1..].iter().map(head).collect();
        text += &table_line(&["measurement", "figure", &columns[0].name], &heads);
        text += &format!("{}|\n", "| --- ".repeat(columns.len() + 2 + ours(columns)));
        for row in self.results.rows() {
            text += &line(row, columns);
        }
        let _ = write!(
            text,
            "\nMedians of all rounds. In brackets, and as ratio: to {} in the same round, the median of the \
             rounds (lowest to highest).\n",
            columns[0].name
        );
        text += &self.goals();
        for failure in self.results.failures() {
            let _ = writeln!(text, "\nNot measured: {failure}");
        }
        text
    }

    fn goals(&self) -> String {
        let mut text = "\n### What it must reach\n\n".to_owned();
        let builds = self.results.columns().iter().filter(|column| column.is_ours);
        let builds: Vec<String> = builds.map(|build| format!("{} | reached", build.name)).collect();
        text += &table_line(&["measurement", "figure", "against", "at most"], &builds);
        text += &format!("{}|\n", "| --- ".repeat(4 + 2 * builds.len()));
        for measurement in self.measurements {
            for goal in measurement.goals() {
                let verdict = goal.judge(measurement.name(), self.results);
                let found: Vec<String> = verdict.found.iter().map(found).collect();
                let cells = [measurement.name(), verdict.figure, verdict.against, &verdict.most];
                text += &table_line(&cells, &found);
            }
        }
        text
    }
}

fn found(found: &Found) -> String {
    let is_reached = found.is_reached.map_or("-", |is_reached| if is_reached { "yes" } else { "**no**" });
    format!("{} | {is_reached}", found.text)
}

fn head(column: &Column) -> String {
    match column.is_ours {
        true => format!("{} | ratio", column.name),
        false => column.name.clone(),
    }
}

fn ours(columns: &[Column]) -> usize {
    columns.iter().filter(|column| column.is_ours).count()
}

fn line(row: &Row, columns: &[Column]) -> String {
    let cell = |(index, column): (usize, &Column)| {
        let median = row.shown(index);
        match (row.ratios(index, 0), column.is_ours) {
            (Some(ratios), true) => format!("{median} | {:.2} {}", ratios.median, ratios.range()),
            (None, true) => format!("{median} | -"),
            (Some(ratios), false) => format!("{median} ({:.2})", ratios.median),
            (None, false) => median,
        }
    };
    let cells: Vec<String> = columns.iter().enumerate().skip(1).map(cell).collect();
    table_line(&[&row.measurement, row.figure, &row.shown(0)], &cells)
}

fn table_line(first: &[&str], rest: &[String]) -> String {
    let cells = first.iter().copied().chain(rest.iter().map(String::as_str));
    cells.map(|cell| format!("| {cell} ")).collect::<String>() + "|\n"
}
