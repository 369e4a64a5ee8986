//! All counters as text for monitoring systems.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use crate::metrics::{Histogram, Outcome, Sums, Totals};
use crate::plugin::TIME_BUCKETS;
use crate::server::Parts;

/// What stands before all names.
const PREFIX: &str = "wasmplex";

/// The counters at this moment, as text.
///
/// # Errors
///
/// When the library cannot write them.
pub(super) fn render(parts: &Parts) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix(PREFIX);
    let series = parts.metrics.collect();
    registry.register_collector(Box::new(Moment { parts: parts.clone(), series }));
    let mut body = String::new();
    text::encode(&mut body, &registry)?;
    Ok(body)
}

/// One scrape.
#[derive(Debug)]
struct Moment {
    parts: Parts,
    series: Vec<(Arc<Totals>, Sums)>,
}

type Labels<'a> = [(&'static str, &'a str); 2];

impl Collector for Moment {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.exchanges(&mut encoder)?;
        self.bytes(&mut encoder)?;
        self.times(&mut encoder)?;
        self.registry(&mut encoder)?;
        self.host(&mut encoder)
    }
}

impl Moment {
    /// A family with one value per plugin and version.
    fn each(
        &self,
        mut family: MetricEncoder<'_>,
        mut encode: impl FnMut(MetricEncoder<'_>, &Totals, &Sums) -> fmt::Result,
    ) -> fmt::Result {
        for (totals, sums) in &self.series {
            encode(family.encode_family(&labels(totals))?, totals, sums)?;
        }
        Ok(())
    }

    fn exchanges(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut family =
            encoder.encode_descriptor("exchanges", "Exchanges that ended", None, MetricType::Counter)?;
        for (totals, sums) in &self.series {
            for (outcome, count) in Outcome::ALL.iter().zip(&sums.outcomes) {
                let labels = with(totals, ("outcome", outcome.as_str()));
                counter(family.encode_family(&labels)?, *count)?;
            }
        }
        let family =
            encoder.encode_descriptor("exchanges_open", "Exchanges that run", None, MetricType::Gauge)?;
        self.each(family, |mut metric, totals, _| metric.encode_gauge(&(totals.open() as i64)))?;
        let help = "Plugins that failed, by trap or limit";
        let mut family = encoder.encode_descriptor("failures", help, None, MetricType::Counter)?;
        for (totals, sums) in &self.series {
            for (reason, count) in &sums.failures {
                counter(family.encode_family(&with(totals, ("reason", reason)))?, *count)?;
            }
        }
        Ok(())
    }

    fn bytes(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Body bytes handed to plugins";
        let family = encoder.encode_descriptor("received", help, Some(&Unit::Bytes), MetricType::Counter)?;
        self.each(family, |metric, _, sums| counter(metric, sums.received))?;
        let help = "Payload bytes of responses";
        let family = encoder.encode_descriptor("sent", help, Some(&Unit::Bytes), MetricType::Counter)?;
        self.each(family, |metric, _, sums| counter(metric, sums.sent))?;
        let help = "Linear memory and tables of open exchanges";
        let family =
            encoder.encode_descriptor("instance_memory", help, Some(&Unit::Bytes), MetricType::Gauge)?;
        self.each(family, |mut metric, _, sums| metric.encode_gauge(&(sums.memory as i64)))
    }

    fn times(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        type Part = fn(&Sums) -> &Histogram;
        let families: [(&str, &str, Part); 3] = [
            ("call", "Calls into plugins, waiting for clients left out", |sums| &sums.calls),
            ("first_byte", "From the request head to the first response byte", |sums| &sums.first_byte),
            ("instance_start", "From nothing to a ready instance", |sums| &sums.instance_start),
        ];
        for (name, help, part) in families {
            let family =
                encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
            self.each(family, |metric, _, sums| histogram(metric, part(sums)))?;
        }
        Ok(())
    }

    fn registry(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let host = &self.parts.metrics.host;
        let help = "Plugin files that were loaded (good) or refused (bad)";
        let mut family = encoder.encode_descriptor("reloads", help, None, MetricType::Counter)?;
        counter(family.encode_family(&[("result", "good")])?, host.good_reloads.get())?;
        counter(family.encode_family(&[("result", "bad")])?, host.bad_reloads.get())?;
        let generation = self.parts.registry.current();
        gauge(encoder, "generation", "The table of plugins, counted", generation.number())?;
        let help = "Plugins by what is served: the present file, the one before it, nothing";
        let mut family = encoder.encode_descriptor("plugins", help, None, MetricType::Gauge)?;
        for state in super::view::STATES {
            let count = generation.entries().values().filter(|entry| super::view::state(entry) == state);
            family.encode_family(&[("state", state)])?.encode_gauge(&(count.count() as i64))?;
        }
        Ok(())
    }

    fn host(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let host = &self.parts.metrics.host;
        let help = "Connections that were accepted";
        let family = encoder.encode_descriptor("connections", help, None, MetricType::Counter)?;
        counter(family, host.connections.get())?;
        gauge(encoder, "connections_open", "Connections that are open", host.open_connections.get())?;
        let help = "Connections closed at once, since their client had too many";
        let family = encoder.encode_descriptor("connections_crowded", help, None, MetricType::Counter)?;
        counter(family, host.crowded.get())?;
        let help = "Connections whose TLS handshake failed or took too long";
        let family = encoder.encode_descriptor("handshakes_failed", help, None, MetricType::Counter)?;
        counter(family, host.unshaken.get())?;
        let help = "Requests answered without any plugin";
        let mut family = encoder.encode_descriptor("refused", help, None, MetricType::Counter)?;
        for (status, count) in host.refused() {
            counter(family.encode_family(&[("status", status.to_string())])?, count)?;
        }
        let waiting = self.parts.waterline.bytes() as i64;
        let help = "Bytes that wait for clients that do not read";
        let mut family =
            encoder.encode_descriptor("buffered", help, Some(&Unit::Bytes), MetricType::Gauge)?;
        family.encode_gauge(&waiting)?;
        self.spools(encoder)?;
        if let Some(capsules) = &self.parts.capsules {
            let help = "Capsules of failed exchanges: written, skipped to spare the disk, lost on the way";
            let mut family = encoder.encode_descriptor("capsules", help, None, MetricType::Counter)?;
            for (result, count) in capsules.counts() {
                counter(family.encode_family(&[("result", result)])?, count)?;
            }
            let help = "Bytes recorded of exchanges that may yet fail";
            let mut family =
                encoder.encode_descriptor("recorded", help, Some(&Unit::Bytes), MetricType::Gauge)?;
            family.encode_gauge(&(capsules.held() as i64))?;
        }
        let mut family = encoder.encode_descriptor("build", "This program", None, MetricType::Info)?;
        family.encode_info(&[("version", env!("CARGO_PKG_VERSION"))])
    }
}

impl Moment {
    /// What clients sent before they read; all 0 where there are no spools.
    fn spools(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let spools = self.parts.spools.as_ref();
        let help = "Bytes that were sent by clients that do not read, in memory and temporary files";
        let mut family = encoder.encode_descriptor("spooled", help, Some(&Unit::Bytes), MetricType::Gauge)?;
        family.encode_gauge(&(spools.map_or(0, |spools| spools.bytes()) as i64))?;
        let help = "Exchanges whose client sent so much before it read that some of it was spooled";
        let family = encoder.encode_descriptor("spooled_exchanges", help, None, MetricType::Counter)?;
        counter(family, spools.map_or(0, |spools| spools.exchanges()))?;
        let help = "Exchanges that were cut since nothing more could be spooled";
        let family = encoder.encode_descriptor("spool_cuts", help, None, MetricType::Counter)?;
        counter(family, spools.map_or(0, |spools| spools.cut()))
    }
}

fn labels(totals: &Totals) -> Labels<'_> {
    [("plugin", totals.plugin()), ("version", totals.version())]
}

fn with<'a>(totals: &'a Totals, label: (&'static str, &'a str)) -> [(&'static str, &'a str); 3] {
    let [plugin, version] = labels(totals);
    [plugin, version, label]
}

fn counter(mut metric: MetricEncoder<'_>, value: u64) -> fmt::Result {
    metric.encode_counter::<NoLabelSet, _, f64>(&value, None)
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&(value as i64))
}

fn histogram(mut metric: MetricEncoder<'_>, times: &Histogram) -> fmt::Result {
    // The library adds the counts up.
    let ends = TIME_BUCKETS.iter().copied().chain([f64::INFINITY]);
    let buckets: Vec<(f64, u64)> = ends.zip(times.counts).collect();
    let count = times.counts.iter().sum();
    metric.encode_histogram::<NoLabelSet>(times.sum.as_secs_f64(), count, &buckets, None)
}
