//! The table for a terminal.

use super::results::{Column, Results, Row};
use crate::goals::Found;
use crate::load::Measurement;

/// Prints medians, and what they must reach.
pub(super) fn print(results: &Results, measurements: &[Measurement]) {
    let columns = results.columns();
    let heads: String = columns[1..].iter().map(head).collect();
    println!("\n{:<35}{:<24}{:>10}{}", "medians", "", columns[0].name, heads.trim_end());
    for row in results.rows() {
        println!("{}", line(row, columns));
    }
    println!("\nratio: to {} in the same round; median (lowest to highest)", columns[0].name);
    let builds = columns.iter().filter(|column| column.is_ours);
    let builds: String = builds.map(|build| format!("  {:<24}reached", build.name)).collect();
    println!("\n{:<35}{:<24}{:<12}{:>8}{builds}", "what it must reach", "", "against", "at most");
    for measurement in measurements {
        for goal in measurement.goals() {
            let verdict = goal.judge(measurement.name(), results);
            let line = format!(
                "{:<35}{:<24}{:<12}{:>8}{}",
                measurement.name(),
                verdict.figure,
                verdict.against,
                verdict.most,
                verdict.found.iter().map(found).collect::<String>()
            );
            println!("{}", line.trim_end());
        }
    }
    for failure in results.failures() {
        println!("not measured: {failure}");
    }
}

fn found(found: &Found) -> String {
    let is_reached = found.is_reached.map_or("-", |is_reached| if is_reached { "yes" } else { "no" });
    format!("  {:<24}{is_reached:<7}", found.text)
}

/// A contender's median, its ratio to the first one's and, for those that this is about, its spread.
fn head(column: &Column) -> String {
    let spread = if column.is_ours { "                " } else { "" };
    format!("{:>11} ratio{spread}", column.name)
}

pub(super) fn line(row: &Row, columns: &[Column]) -> String {
    let mut line = format!("{:<35}{:<24}{:>10}", row.measurement, row.figure, row.shown(0));
    for (index, column) in columns.iter().enumerate().skip(1) {
        let ratios = row.ratios(index, 0);
        let ratio = ratios.as_ref().map_or_else(|| "-".to_owned(), |ratios| format!("{:.2}", ratios.median));
        line += &format!("{:>11} {ratio:>5}", row.shown(index));
        if column.is_ours {
            line += &format!(" {:<15}", ratios.map(|ratios| ratios.range()).unwrap_or_default());
        }
    }
    line.truncate(line.trim_end().len());
    line
}
