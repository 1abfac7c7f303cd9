//! The Prometheus text format, version 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::fmt::{Display, Write};

use super::Histogram;
use crate::time::Seconds;

/// A metric without labels: its name, its help and its value.
pub(super) type Row<V> = (&'static str, &'static str, V);

/// A page of metrics, written family by family. Names and labels are ours, so that nothing needs to
/// be escaped.
#[derive(Debug, Default)]
pub(super) struct Exposition(String);

impl Exposition {
    pub(super) fn into_text(self) -> String {
        self.0
    }

    /// A number that only grows, with one label value for each sample.
    pub(super) fn counters<L: Display>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        samples: impl IntoIterator<Item = (L, u64)>,
    ) {
        self.head(name, help, "counter");
        for (value, count) in samples {
            self.sample(format_args!("{name}{{{label}=\"{value}\"}}"), count);
        }
    }

    /// A number that only grows.
    pub(super) fn counter(&mut self, name: &str, help: &str, count: impl Display) {
        self.head(name, help, "counter");
        self.sample(name, count);
    }

    /// A number that goes up and down.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, help, "gauge");
        self.sample(name, value);
    }

    /// Several counters: name, help and count of each.
    pub(super) fn each_counter(&mut self, rows: impl IntoIterator<Item = Row<u64>>) {
        for (name, help, count) in rows {
            self.counter(name, help, count);
        }
    }

    /// Several gauges: name, help and value of each.
    pub(super) fn each_gauge(&mut self, rows: impl IntoIterator<Item = Row<usize>>) {
        for (name, help, value) in rows {
            self.gauge(name, help, value);
        }
    }

    /// The constant 1, with labels that say something.
    pub(super) fn info(&mut self, name: &str, help: &str, labels: &str) {
        self.head(name, help, "gauge");
        self.sample(format_args!("{name}{{{labels}}}"), 1);
    }

    /// Durations, in seconds as all of Prometheus' base units.
    pub(super) fn histogram<const BUCKETS: usize>(
        &mut self,
        name: &str,
        help: &str,
        histogram: &Histogram<BUCKETS>,
    ) {
        self.head(name, help, "histogram");
        for (ms, count) in histogram.cumulative() {
            let bound = Seconds { ms };
            self.sample(format_args!("{name}_bucket{{le=\"{bound}\"}}"), count);
        }
        let count = histogram.count();
        self.sample(format_args!("{name}_bucket{{le=\"+Inf\"}}"), count);
        let sum = Seconds {
            ms: histogram.sum_ms(),
        };
        self.sample(format_args!("{name}_sum"), sum);
        self.sample(format_args!("{name}_count"), count);
    }

    fn head(&mut self, name: &str, help: &str, kind: &str) {
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    fn sample(&mut self, name: impl Display, value: impl Display) {
        self.line(format_args!("{name} {value}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.0, "{line}").expect("a String takes everything");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_written_as_prometheus_reads_them() {
        let mut page = Exposition::default();
        page.counters("a_total", "Some a.", "kind", [("x", 1), ("y", 0)]);
        page.gauge("b", "A b.", Seconds { ms: 1500 });
        let mut histogram = Histogram::new([1, 2_500]);
        histogram.observe(1);
        histogram.observe(3_000);
        page.histogram("c_seconds", "Some c.", &histogram);
        assert_eq!(
            page.into_text(),
            "# HELP a_total Some a.\n# TYPE a_total counter\na_total{kind=\"x\"} 1\na_total{kind=\"y\"} 0\n\
             # HELP b A b.\n# TYPE b gauge\nb 1.5\n\
             # HELP c_seconds Some c.\n# TYPE c_seconds histogram\n\
             c_seconds_bucket{le=\"0.001\"} 1\nc_seconds_bucket{le=\"2.5\"} 1\n\
             c_seconds_bucket{le=\"+Inf\"} 2\nc_seconds_sum 3.001\nc_seconds_count 2\n"
        );
    }
}
