//! What `done` is told of a run.

use crate::record::Hist;
use crate::summary::Summary;
use aefm_workloads::load::Outcome;

/// A run, by wrk's names.
pub(crate) struct Totals {
    /// Length, microseconds.
    pub(super) duration_us: u64,
    /// Requests answered.
    pub(super) requests: u64,
    /// Bytes of answers.
    pub(super) bytes: u64,
    /// Requests that failed.
    pub(super) errors: [(&'static str, u64); 5],
    /// Response times, ns.
    pub(super) response: Hist,
    /// Requests answered per second and worker.
    pub(super) pace: Hist,
}

impl Totals {
    /// The measured phase; `pace` has the answers of each of its seconds.
    pub(crate) fn new(summary: &Summary, pace: impl Iterator<Item = f64>) -> Self {
        let sum = |outcomes: &[Outcome]| {
            outcomes
                .iter()
                .map(|outcome| summary.outcomes[outcome.name()])
                .sum()
        };
        let mut rates = crate::record::hist();
        let threads = summary.threads.max(1) as f64;
        pace.for_each(|answers| rates.saturating_record((answers / threads).round() as u64));
        Self {
            duration_us: (summary.duration_s * 1e6) as u64,
            requests: sum(&[Outcome::Ok, Outcome::Http4xx, Outcome::Http5xx]),
            bytes: summary.bytes_received,
            errors: [
                ("connect", sum(&[Outcome::Connect])),
                ("read", sum(&[Outcome::Reset, Outcome::Protocol])),
                ("write", 0),
                ("status", sum(&[Outcome::Http4xx, Outcome::Http5xx])),
                ("timeout", sum(&[Outcome::Timeout])),
            ],
            response: summary.histograms.response.clone(),
            pace: rates,
        }
    }
}
