//! What the samples of a window say: rows of `metrics` and of `usage`, each value once.

use super::once::{Once, Twice};
use super::rows;
use super::usage;
use super::{Series, UsageRow};
use crate::proc::MetricRow;

/// What samples say.
#[derive(Clone, Debug, Default)]
pub struct Of {
    /// Rows of `metrics`, of the window and what lies around it.
    pub metrics: Vec<MetricRow>,
    /// What each container used in the window.
    pub usage: Vec<UsageRow>,
    /// Why they may not be all, or not right.
    pub doubts: Vec<String>,
    /// What is worth knowing of where they are from.
    pub remarks: Vec<String>,
}

/// So many values of which sources do not agree are told.
const TOLD: usize = 3;

/// What series of the metrics that matter ([`super::counters::METRICS`]) say of a window, ns since the epoch.
#[must_use]
pub fn of(series: &[Series], from_ns: i64, to_ns: i64) -> Of {
    let (once, twice) = Once::of(series);
    Of {
        metrics: rows::metric_rows(&once),
        usage: usage::usage(&once, from_ns, to_ns),
        doubts: doubts(&twice),
        remarks: remarks(&twice),
    }
}

/// Only the rows of `metrics`.
#[must_use]
pub fn metric_rows(series: &[Series]) -> Vec<MetricRow> {
    rows::metric_rows(&Once::of(series).0)
}

fn remarks(twice: &Twice) -> Vec<String> {
    if twice.count == 0 {
        return Vec::new();
    }
    let sources: Vec<_> = twice.sources.iter().map(String::as_str).collect();
    vec![format!(
        "{} metrics of subjects come from more than one source (such as {}): each counts once",
        twice.count,
        sources.join(" and ")
    )]
}

fn doubts(twice: &Twice) -> Vec<String> {
    let mut doubts: Vec<String> = twice
        .unknown
        .iter()
        .map(|(name, (count, labels))| {
            format!(
                "{count} series of {name} say neither a pod nor a container or node: their labels are {}",
                if labels.is_empty() { "none" } else { labels }
            )
        })
        .collect();
    if !twice.differ.is_empty() {
        let told: Vec<_> = twice.differ.iter().take(TOLD).map(String::as_str).collect();
        doubts.push(format!(
            "sources do not agree on {} of them: {}",
            twice.differ.len(),
            told.join("; ")
        ));
    }
    doubts
}
