//! The two text formats that Prometheus reads: its own, 0.0.4, and OpenMetrics 1.0. They differ in the name of a
//! counter's family and in their end.

use std::fmt::{Display, Write as _};

use crate::observe::Histogram;

/// Buckets that are shown: from 128 µs to 67 s, each twice the one before.
const SHOWN: std::ops::RangeInclusive<usize> = 7..=26;

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// `lbd_pool_requests_total`.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What it is measured of.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It grows, until the process ends or what is counted goes away.
    Counter,
    /// It goes up and down.
    Gauge,
    /// How values are spread, over buckets.
    Histogram,
}

impl Kind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// How a page is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' own, 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// What a client that sends this `Accept` reads best.
    pub fn accepted(accept: Option<&str>) -> Self {
        let weight = |wanted: &str| {
            let ranges = accept.unwrap_or_default().split(',').filter_map(|range| {
                let mut parts = range.split(';').map(str::trim);
                let named = parts.next()?.eq_ignore_ascii_case(wanted);
                let mut quality = 1.0_f32;
                for part in parts {
                    let (name, value) = part.split_once('=')?;
                    match name.trim().to_ascii_lowercase().as_str() {
                        "q" => quality = value.trim().parse().ok()?,
                        // Of OpenMetrics there is 0.0.1 as well.
                        "version" if named && wanted.contains("openmetrics") && value.trim() != "1.0.0" => {
                            return None;
                        }
                        _ => {}
                    }
                }
                named.then_some(quality)
            });
            ranges
                .fold(None, |most: Option<f32>, quality| Some(most.map_or(quality, |most| most.max(quality))))
        };
        match weight("application/openmetrics-text").filter(|quality| *quality > 0.0) {
            Some(open) if weight("text/plain").is_none_or(|plain| open >= plain) => Self::OpenMetrics,
            _ => Self::Prometheus,
        }
    }

    /// Its content type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => lbctl::protocol::METRICS_CONTENT_TYPE,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// A page that is being written.
pub(super) struct Page {
    text: String,
    format: Format,
    families: Vec<Family>,
}

impl Page {
    pub(super) fn new(format: Format) -> Self {
        Self { text: String::with_capacity(32 * 1024), format, families: Vec::new() }
    }

    /// The whole page, and what stands on it.
    pub(super) fn finish(mut self) -> (String, Vec<Family>) {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        (self.text, self.families)
    }

    /// Begins a metric that grows; its samples follow.
    pub(super) fn counter(
        &mut self,
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> &mut Self {
        self.family(Family { name, kind: Kind::Counter, labels, help })
    }

    /// Begins a metric that goes up and down; its samples follow.
    pub(super) fn gauge(
        &mut self,
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> &mut Self {
        self.family(Family { name, kind: Kind::Gauge, labels, help })
    }

    /// Begins a histogram; its samples follow.
    pub(super) fn histogram(
        &mut self,
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> &mut Self {
        self.family(Family { name, kind: Kind::Histogram, labels, help })
    }

    fn family(&mut self, family: Family) -> &mut Self {
        let Family { name, kind, help, .. } = family;
        let shown = match (self.format, kind) {
            (Format::OpenMetrics, Kind::Counter) => name.strip_suffix("_total").unwrap_or(name),
            _ => name,
        };
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "# HELP {shown} {help}\n# TYPE {shown} {}", kind.as_str());
        self.families.push(family);
        self
    }

    /// A value of the metric that was begun last, with its labels in their order.
    pub(super) fn sample(&mut self, labels: &[&str], value: impl Display) {
        self.line("", labels, None, value);
    }

    /// A histogram of the metric that was begun last.
    pub(super) fn spread(&mut self, labels: &[&str], histogram: &Histogram) {
        let mut below: u64 = histogram.buckets[..*SHOWN.start()].iter().sum();
        for bucket in SHOWN {
            below += histogram.buckets[bucket];
            // What was cut to whole microseconds and counted up to 2^n - 1 took less than 2^n.
            let bound = (1_u64 << bucket) as f64 / 1e6;
            self.line("_bucket", labels, Some(&bound.to_string()), below);
        }
        let count = histogram.count();
        self.line("_bucket", labels, Some("+Inf"), count);
        self.line("_sum", labels, None, histogram.sum_micros as f64 / 1e6);
        self.line("_count", labels, None, count);
    }

    fn line(&mut self, suffix: &str, labels: &[&str], bound: Option<&str>, value: impl Display) {
        let Some(family) = self.families.last() else { return };
        debug_assert_eq!(family.labels.len(), labels.len(), "{}", family.name);
        self.text.push_str(family.name);
        self.text.push_str(suffix);
        let bound = bound.map(|bound| ("le", bound));
        let pairs = family.labels.iter().copied().zip(labels.iter().copied()).chain(bound);
        let mut open = '{';
        for (label, text) in pairs {
            self.text.push(open);
            self.text.push_str(label);
            self.text.push_str("=\"");
            for c in text.chars() {
                match c {
                    '\\' => self.text.push_str("\\\\"),
                    '"' => self.text.push_str("\\\""),
                    '\n' => self.text.push_str("\\n"),
                    c => self.text.push(c),
                }
            }
            self.text.push('"');
            open = ',';
        }
        let _ = writeln!(self.text, "{} {value}", if open == ',' { "}" } else { "" });
    }
}
