//! What a plugin costs: the real server beside the same server with the transform compiled in.
//!
//! `make bench` runs it, or `cargo bench --bench duplex -- [FILTER] [--quick] [--rounds N]
//! [--json] [--also FILE]`.
//!
//! Both servers are processes of their own and get the same load in turn (A B A B …), so that what
//! else the machine does hits both. What stays comparable between machines is the CPU time of the
//! server process, all of its threads, per unit of work; the wall figure stands beside it. Every
//! byte that comes back is compared with what it must be.
//!
//! - [`contender`]: a server under test: how it is started, what it has used
//! - [`native`]: the ceiling, which this program runs as a child of its own
//! - [`connection`], [`pattern`]: the client's side, and what it sends
//! - [`load`]: the measurements
//! - [`attack`]: something else: what honest clients suffer from attackers (`--attack`)
//! - [`report`]: a JSON line per run, a table of medians at the end

mod attack;
mod connection;
mod contender;
mod load;
mod native;
mod pattern;
mod report;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Parser;

use contender::{Contender, Plugins, Server};
use load::{Measurement, Sample};
use report::{Report, Run};

/// Measure wasmplex against the same server with native code in place of the plugin.
#[derive(Debug, Parser)]
struct Args {
    /// Only the measurements (with --attack: the attackers) with this text in their name
    filter: Option<String>,
    /// A few seconds in all: shows that it works, and little more
    #[arg(long)]
    quick: bool,
    /// How often every measurement is repeated, the servers in turn [default: 15; 2 with --quick]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: Option<u32>,
    /// Another build of wasmplex to measure with the rest, before and after a change; may be repeated
    #[arg(long, value_name = "FILE")]
    also: Vec<PathBuf>,
    /// Measure how long honest clients wait in quiet and with attackers beside them
    #[arg(long)]
    attack: bool,
    /// How long each phase lasts with --attack, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=600))]
    time: u64,
    /// A JSON line per run on standard output in place of the table
    #[arg(long)]
    json: bool,
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
    contender::raise_descriptor_limit()?;
    let rounds = args.rounds.unwrap_or(if args.quick { 2 } else { 15 });
    let time = if args.quick { QUICK_RUN } else { RUN };
    if args.attack {
        let plan = attack::Plan {
            kinds: args.filter.unwrap_or_default(),
            rounds: args.rounds.unwrap_or(if args.quick { 1 } else { 7 }),
            time: Duration::from_secs(if args.quick { 1 } else { args.time }),
            program: args.also.into_iter().next(),
        };
        return attack::run(&plan);
    }
    let filter = args.filter.unwrap_or_default();
    let mut measurements = load::all();
    measurements.retain(|measurement| measurement.name().contains(&filter));
    ensure!(!measurements.is_empty(), "no measurement has {filter:?} in its name");
    let plugins = Plugins::new()?;
    // The first one is what the others' ratios refer to.
    let mut contenders = vec![Contender::native()?, Contender::wasmplex(&plugins)];
    contenders.extend(args.also.into_iter().map(|program| Contender::build(program, &plugins)));
    let servers = contenders.iter().map(Contender::start).collect::<anyhow::Result<Vec<_>>>()?;
    let mut report =
        Report::new(contenders.iter().map(|contender| contender.name().to_owned()).collect(), args.json);
    for measurement in &measurements {
        let wants_fresh = measurement.wants_fresh_server();
        if !wants_fresh {
            // What is done once (page faults, the first compiled path) is no part of any figure.
            for server in &servers {
                run(measurement, server, QUICK_RUN)?;
            }
        }
        for round in 0..measurement.rounds(rounds) {
            for (contender, server) in contenders.iter().zip(&servers) {
                let sample = match wants_fresh {
                    true => run(measurement, &contender.start()?, time)?,
                    false => run(measurement, server, time)?,
                };
                report.add(Run {
                    measurement: measurement.name(),
                    contender: contender.name(),
                    round,
                    sample,
                });
            }
        }
        report.progress(measurement.name());
    }
    report.finish();
    Ok(())
}

fn run(measurement: &Measurement, server: &Server, time: Duration) -> anyhow::Result<Sample> {
    measurement.run(server, time).with_context(|| format!("{}, {}", measurement.name(), server.name()))
}
