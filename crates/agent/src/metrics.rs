//! What Prometheus reads: counters, gauges, and how long round trips and news take.
//!
//! Nothing is counted here: the node and the runtime count for themselves, and a [`Table`] is filled from them on request. Only the
//! two [`Histograms`] are fed as things happen.

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use rumormill_core::observe::{Figure, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// What every name starts with.
pub const PREFIX: &str = "rumormill";
/// The media type of the OpenMetrics text format.
pub const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The media type of Prometheus's own text format.
pub const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How long things took.
#[derive(Clone, Debug)]
pub struct Histograms {
    round_trip: Histogram,
    propagation: Histogram,
}

impl Default for Histograms {
    fn default() -> Self {
        Histograms {
            round_trip: Histogram::new(exponential_buckets(0.000_1, 2.0, 16)), // 0.1 ms to 3.3 s
            propagation: Histogram::new(exponential_buckets(0.01, 2.0, 14)),   // 10 ms to 82 s
        }
    }
}

impl Histograms {
    /// A round trip to a member was measured.
    pub fn round_trip(&self, took: Duration) {
        self.round_trip.observe(took.as_secs_f64());
    }
    /// News arrived so long after it was written, by two clocks.
    pub fn propagation(&self, took: Duration) {
        self.propagation.observe(took.as_secs_f64());
    }
}

/// Whether a value only goes up.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Kind {
    Counter,
    Gauge,
}

/// Names and values that tell samples of one name apart.
pub type Labels = Vec<(&'static str, String)>;

/// Values with names and labels, as they are at one moment.
#[derive(Debug, Default)]
pub struct Table {
    families: Vec<Metric>,
}

#[derive(Debug)]
struct Metric {
    name: Cow<'static, str>,
    help: &'static str,
    kind: Kind,
    samples: Vec<(Labels, f64)>,
}

impl Table {
    /// Adds a figure of the node.
    pub fn add(&mut self, figure: Figure<'_>) {
        let (kind, value) = match figure.value {
            Value::Count(count) => (Kind::Counter, count as f64),
            Value::Gauge(value) => (Kind::Gauge, value),
        };
        self.put(figure.name.to_owned().into(), figure.help, kind, figure.labels, value);
    }

    /// Adds to the counter `name`: what it counted under these labels.
    pub fn count(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        help: &'static str,
        labels: &[(&'static str, &str)],
        value: u64,
    ) {
        self.put(name.into(), help, Kind::Counter, labels, value as f64);
    }

    /// Adds to the gauge `name`: its value under these labels.
    pub fn gauge(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        help: &'static str,
        labels: &[(&'static str, &str)],
        value: f64,
    ) {
        self.put(name.into(), help, Kind::Gauge, labels, value);
    }

    fn put(
        &mut self,
        name: Cow<'static, str>,
        help: &'static str,
        kind: Kind,
        labels: &[(&'static str, &str)],
        value: f64,
    ) {
        let labels = labels.iter().map(|(label, value)| (*label, (*value).to_string())).collect();
        match self.families.iter_mut().find(|known| known.name == name) {
            Some(known) => known.samples.push((labels, value)),
            None => self.families.push(Metric { name, help, kind, samples: vec![(labels, value)] }),
        }
    }

    /// Every value: its name, its labels, whether it only goes up, and its meaning.
    pub fn values(&self) -> impl Iterator<Item = (&str, &Labels, bool, f64, &'static str)> {
        let of = |metric: &'_ Metric| (metric.kind == Kind::Counter, metric.help);
        self.families.iter().flat_map(move |metric| {
            let (is_count, help) = of(metric);
            metric.samples.iter().map(move |(labels, value)| (&*metric.name, labels, is_count, *value, help))
        })
    }

    /// The counters in one flat map, labels joined to the name by dots.
    pub fn counters(&self) -> BTreeMap<String, u64> {
        let mut counters = BTreeMap::new();
        for Metric { name, samples, .. } in self.families.iter().filter(|metric| metric.kind == Kind::Counter)
        {
            for (labels, value) in samples {
                let mut full = name.to_string();
                labels.iter().for_each(|(_, value)| full.extend([".", value]));
                *counters.entry(full).or_default() += *value as u64; // two handlers may have the same labels
            }
        }
        counters
    }

    /// All of it, with the histograms, in the OpenMetrics text format.
    pub fn openmetrics(self, histograms: &Histograms) -> String {
        let mut registry = Registry::with_prefix(PREFIX);
        for Metric { name, help, kind, samples } in self.families {
            match (kind, samples.as_slice()) {
                (Kind::Counter, [(labels, value)]) if labels.is_empty() => {
                    let counter: Counter = Counter::default();
                    counter.inc_by(*value as u64);
                    registry.register(name, help, counter);
                }
                (Kind::Gauge, [(labels, value)]) if labels.is_empty() => {
                    let gauge = Gauge::<f64, AtomicU64>::default();
                    gauge.set(*value);
                    registry.register(name, help, gauge);
                }
                (Kind::Counter, _) => {
                    let family = Family::<Labels, Counter>::default();
                    samples.iter().for_each(|(labels, value)| {
                        family.get_or_create(labels).inc_by(*value as u64);
                    });
                    registry.register(name, help, family);
                }
                (Kind::Gauge, _) => {
                    let family = Family::<Labels, Gauge<f64, AtomicU64>>::default();
                    samples.iter().for_each(|(labels, value)| {
                        family.get_or_create(labels).set(*value);
                    });
                    registry.register(name, help, family);
                }
            }
        }
        let Histograms { round_trip, propagation } = histograms.clone();
        registry.register("round_trip_seconds", "Round trips to members, by datagram", round_trip);
        let help = "How long after it was written news arrived here, by the clocks of both";
        registry.register("propagation_seconds", help, propagation);
        let mut out = String::new();
        text::encode(&mut out, &registry).expect("writing to a string cannot fail");
        out
    }
}

/// The same in the older format that every tool reads: a counter's family is called like its sample, and nothing marks the end.
pub fn plain(openmetrics: &str) -> String {
    let counters: Vec<&str> = openmetrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut out = String::with_capacity(openmetrics.len());
    for line in openmetrics.lines().filter(|line| !line.starts_with("# EOF") && !line.starts_with("# UNIT")) {
        let mut words = line.splitn(4, ' ');
        let about = (words.next(), words.next(), words.next());
        match about {
            (Some("#"), Some(what), Some(name)) if counters.contains(&name) => {
                out.extend(["# ", what, " ", name, "_total ", words.next().unwrap_or_default()]);
            }
            _ => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_carry_the_same_samples_and_names_that_belong_to_them() {
        let mut table = Table::default();
        table.count("probes", "Probes sent", &[], 7);
        table.count("lost", "What was lost", &[("cause", "quote\" and \\ and\nline")], 1);
        table.gauge("members", "Members by status", &[("status", "alive")], 3.0);
        assert_eq!(table.counters()["probes"], 7);
        let histograms = Histograms::default();
        histograms.round_trip(Duration::from_millis(3));
        let open = table.openmetrics(&histograms);
        let plain = plain(&open);
        assert!(open.contains("# TYPE rumormill_probes counter\nrumormill_probes_total 7\n"), "{open}");
        assert!(open.ends_with("# EOF\n"));
        assert!(
            plain.contains("# TYPE rumormill_probes_total counter\nrumormill_probes_total 7\n"),
            "{plain}"
        );
        assert!(plain.contains("# HELP rumormill_probes_total Probes sent.\n"), "{plain}");
        assert!(!plain.contains("EOF"));
        let samples = |text: &str| {
            text.lines().filter(|line| !line.starts_with('#')).map(String::from).collect::<Vec<_>>()
        };
        assert_eq!(samples(&open), samples(&plain));
        assert!(plain.contains("rumormill_round_trip_seconds_bucket{le=\"0.0032\"} 1\n"), "{plain}");
    }
}
