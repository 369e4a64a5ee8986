//! What a plugin costs: the real server beside the same server with the transform compiled in.
//!
//! `make bench` runs it, or `cargo bench --bench duplex -- [FILTER] [--quick] [--rounds N]
//! [--alone] [--also FILE] [--json] [--write FILE]`. docs/performance.md says what the figures mean.
//!
//! All servers are processes of their own and get the same load in turn (A B C A B C …), so that what
//! else the machine does hits all of them. What stays comparable between machines is the CPU time of the
//! server process, all of its threads, per unit of work; the wall figure stands beside it. Every
//! byte that comes back is compared with what it must be.
//!
//! - [`contender`], [`folder`], [`server`]: a server under test: how it is started, its plugins, what it
//!   has used
//! - [`native`]: the ceiling, which this program runs as a child of its own
//! - [`peers`]: servers of other makers, where they can be had
//! - [`connection`], [`pattern`], [`steps`]: the client's side, what it sends, and when
//! - [`load`], [`goals`], [`series`]: the measurements, what they must reach, and all of them in turn
//! - [`attack`]: something else: what honest clients suffer from attackers (`--attack`)
//! - [`report`], [`figures`], [`machine`]: a JSON line per run, a table of medians at the end

mod attack;
mod connection;
mod contender;
mod figures;
mod folder;
mod goals;
mod load;
mod machine;
mod native;
mod pattern;
mod peers;
mod report;
mod series;
mod server;
mod steps;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Parser;
use wasmplex::cli::descriptors;

use contender::Contender;
use peers::Peers;
use report::{Page, Report};
use series::Series;

/// Measure wasmplex against the same server with native code in place of the plugin.
#[derive(Debug, Parser)]
struct Args {
    /// Only the measurements (with --attack: the attackers) with this text in their name
    filter: Option<String>,
    /// About a minute in all: shows that it works, and little more
    #[arg(long)]
    quick: bool,
    /// How often every measurement is repeated, the servers in turn; what takes seconds is repeated less
    /// often [default: 11; 2 with --quick]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: Option<u32>,
    /// Another build of wasmplex to measure with the rest, before and after a change; may be repeated
    #[arg(long, value_name = "FILE")]
    also: Vec<PathBuf>,
    /// Without the servers of other makers
    #[arg(long)]
    alone: bool,
    /// Measure how long honest clients wait in quiet and with attackers beside them
    #[arg(long)]
    attack: bool,
    /// How long each phase lasts with --attack, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=600))]
    time: u64,
    /// A JSON line per run on standard output in place of the table
    #[arg(long)]
    json: bool,
    /// Put the tables into this file too, if everything is measured
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// What cargo passes when it measures; without it, nothing is measured
    #[arg(long, hide = true)]
    bench: bool,
    /// What cargo passes when it tests
    #[arg(long, hide = true)]
    test: bool,
    /// Be the ceiling instead
    #[arg(long, hide = true)]
    serve_native: bool,
}

/// How long a run lasts. Where the scheduler puts threads stays the same for most of a run and
/// weighs a lot, so many short runs say more than few long ones.
const RUN: Duration = Duration::from_millis(250);
const QUICK_RUN: Duration = Duration::from_millis(80);

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if args.serve_native {
        return native::serve();
    }
    if args.test || !args.bench {
        eprintln!("nothing is measured in tests: use `cargo bench --bench duplex`");
        return Ok(());
    }
    // Every connection is a descriptor, on both sides; children inherit the limit.
    descriptors::raise_limit().context("cannot raise the limit on open files")?;
    match args.attack {
        true => attack::run(&args.plan()),
        false => args.measure(),
    }
}

impl Args {
    fn plan(self) -> attack::Plan {
        attack::Plan {
            kinds: self.filter.unwrap_or_default(),
            rounds: self.rounds.unwrap_or(if self.quick { 1 } else { 7 }),
            time: Duration::from_secs(if self.quick { 1 } else { self.time }),
            program: self.also.into_iter().next(),
        }
    }

    fn measure(&self) -> anyhow::Result<()> {
        let filter = self.filter.as_deref().unwrap_or_default();
        let mut measurements = load::all();
        measurements.retain(|measurement| measurement.name().contains(filter));
        ensure!(!measurements.is_empty(), "no measurement has {filter:?} in its name");
        let mut peers = if self.alone { Peers::none()? } else { Peers::find()? };
        let circumstances = self.circumstances(&peers.versions);
        let contenders = self.contenders(&mut peers.contenders)?;
        let mut series = Series::start(contenders, self.rounds(), self.time())?;
        let mut report = Report::new(series.columns(), self.json);
        for measurement in &measurements {
            series.take(measurement, &mut report)?;
        }
        let results = report.finish(&measurements);
        if let Some(file) = &self.write {
            self.write(file, &Page { results: &results, measurements: &measurements, circumstances })?;
        }
        ensure!(results.failures().next().is_none(), "not everything could be measured");
        Ok(())
    }

    /// The columns. The first one is what the others' ratios refer to.
    fn contenders(&self, peers: &mut Vec<Contender>) -> anyhow::Result<Vec<Contender>> {
        let mut contenders = vec![Contender::native()?, Contender::wasmplex()?];
        for program in &self.also {
            let stem = stem(program);
            let is_taken = |name: &String| contenders.iter().any(|contender| contender.name() == name);
            let numbered = (2..).map(|number| format!("{stem}-{number}"));
            let name = [stem.clone()].into_iter().chain(numbered).find(|name| !is_taken(name));
            contenders.push(Contender::build(&name.unwrap_or(stem), program.clone())?);
        }
        contenders.append(peers);
        Ok(contenders)
    }

    fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(if self.quick { 2 } else { 11 })
    }

    const fn time(&self) -> Duration {
        if self.quick { QUICK_RUN } else { RUN }
    }

    fn circumstances(&self, peers: &[String]) -> String {
        let versions: String = peers.iter().map(|version| format!(", {version}")).collect();
        let (rounds, time) = (self.rounds(), self.time().as_millis());
        format!("{}{versions}; {rounds} rounds, {time} ms for each run.", machine::describe())
    }

    /// A part of the measurements, or short ones, would leave a table that looks like more.
    fn write(&self, file: &Path, page: &Page<'_>) -> anyhow::Result<()> {
        if self.filter.is_some() || self.quick || self.alone {
            eprintln!("{} stays as it is: only a whole run goes there", file.display());
            return Ok(());
        }
        report::write(file, page)
    }
}

/// What to call a build: by its file's name, or where that says nothing, by its folder's: `dist`.
fn stem(program: &Path) -> String {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match (name(program), program.parent().map(name)) {
        (file, Some(folder)) if file == "wasmplex" && !folder.is_empty() => folder,
        (file, _) => file,
    }
}
