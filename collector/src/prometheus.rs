//! Prometheus and what speaks its formats: samples as they were scraped, and what a case's subjects used.
//!
//! Raw samples come from instant queries over range selectors: no limit of 11,000 points, nothing filled in by
//! look-back. Rates are ours, from counter differences at the samples' own times.

pub mod answer;
pub mod counters;
pub mod exposition;
mod expressions;
mod of;
mod once;
mod rows;
mod source;
mod usage;

pub use expressions::write_expressions;
pub use of::{Of, metric_rows, of};
pub use source::{Prometheus, PrometheusError, PrometheusOptions, Scraped, Selector};
pub use usage::{UsageRow, write_usage};

use std::collections::BTreeMap;

/// A series: its labels and its samples by time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// Labels; `__name__` is the metric.
    pub labels: BTreeMap<String, String>,
    /// Instants (ns since the epoch) and values.
    pub samples: Vec<(i64, f64)>,
}

impl Series {
    /// The metric's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.label("__name__")
    }

    /// A label's value; empty where it has none, which is the same to Prometheus.
    #[must_use]
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}
