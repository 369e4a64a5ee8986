//! All measurements, the contenders in turn.

use std::time::Duration;

use crate::contender::Contender;
use crate::load::{Measurement, Sample};
use crate::report::{Column, Report, Run};
use crate::server::Server;

/// What is measured, and how long.
pub(crate) struct Series {
    contenders: Vec<Contender>,
    /// One of each, for all but those measurements that want a fresh one.
    servers: Vec<Server>,
    rounds: u32,
    time: Duration,
}

/// How long a run lasts that only warms up.
const WARM_UP: Duration = Duration::from_millis(80);

impl Series {
    /// Starts the contenders' servers.
    pub(crate) fn start(contenders: Vec<Contender>, rounds: u32, time: Duration) -> anyhow::Result<Self> {
        let servers = contenders.iter().map(Contender::start).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self { contenders, servers, rounds, time })
    }

    pub(crate) fn columns(&self) -> Vec<Column> {
        let column = |contender: &Contender| Column {
            name: contender.name().to_owned(),
            is_ours: contender.folder().is_ok(),
        };
        self.contenders.iter().map(column).collect()
    }

    /// Takes a measurement, as often as is wanted. A contender that fails is out of it, and that is told.
    pub(crate) fn take(&mut self, measurement: &Measurement, report: &mut Report) -> anyhow::Result<()> {
        let able = |index: &usize| self.contenders[*index].gives(measurement.need());
        let mut places: Vec<usize> = (0..self.contenders.len()).filter(able).collect();
        if !measurement.wants_fresh_server() {
            // What is done once (page faults, the first compiled path) is no part of any figure.
            self.in_turn(measurement, &mut places, report, 0, WARM_UP, |_, _, _| ())?;
        }
        for round in 0..measurement.rounds(self.rounds) {
            self.in_turn(measurement, &mut places, report, round, self.time, Report::add)?;
        }
        report.complete(measurement);
        Ok(())
    }

    /// One round. Takes those out of `places` that fail.
    fn in_turn(
        &mut self,
        measurement: &Measurement,
        places: &mut Vec<usize>,
        report: &mut Report,
        round: u32,
        time: Duration,
        keep: fn(&mut Report, &Run<'_>, Sample),
    ) -> anyhow::Result<()> {
        for column in places.clone() {
            let run = Run { measurement: measurement.name(), column, round };
            match self.run(measurement, column, time) {
                Ok(sample) => keep(report, &run, sample),
                Err(error) => {
                    report.fail(&run, &error);
                    places.retain(|place| *place != column);
                    // Whatever state it is in now.
                    self.servers[column] = self.contenders[column].start()?;
                }
            }
        }
        Ok(())
    }

    fn run(&self, measurement: &Measurement, column: usize, time: Duration) -> anyhow::Result<Sample> {
        match measurement.wants_fresh_server() {
            true => measurement.run(&self.contenders[column].start()?, time),
            false => measurement.run(&self.servers[column], time),
        }
    }
}
