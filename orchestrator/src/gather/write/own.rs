//! Tables of what AEFM itself did and measured: load, interference, metrics.

use super::Writing;
use crate::report::{CaseReport, Status};
use aefm_collector::proc::{MetricRow, Observed, write_metrics};
use aefm_collector::records::{self, NodeSample};
use aefm_workloads::interference::{InterferenceSample, Kind};
use aefm_workloads::load::{LoadSecond, LoadSummary, Outcome, Phase};
use std::collections::BTreeMap;

/// Who measured a row of `metrics`.
pub(in crate::gather) const SAMPLER: &str = "sampler";
/// Who measured a row of `metrics`.
pub(in crate::gather) const PROMETHEUS: &str = "prometheus";

impl Writing<'_> {
    pub(super) fn load(&mut self, seconds: &[LoadSecond], summary: Option<&LoadSummary>) {
        if let Err(error) = records::write_load(self.dir(), &self.case.labels, seconds) {
            self.note("load", Status::Failed, format!("failed to {error}"));
        }
        let intended: u64 = seconds.iter().map(|second| second.intended).sum();
        let logged = summary.map_or(0, |summary| {
            intended.saturating_sub(summary.requests_not_logged)
        });
        if let Some(error) = summary.and_then(|summary| summary.requests_error.as_deref()) {
            self.note("requests", Status::Failed, format!("failed to {error}"));
        } else if summary.is_some() {
            self.count("requests", intended, logged, |missing| {
                format!("{missing} requests are not in the table")
            });
        }
    }

    pub(super) fn interference(
        &mut self,
        samples: Vec<(String, InterferenceSample)>,
        report: &mut CaseReport,
    ) {
        let samples: Vec<_> = samples
            .into_iter()
            .map(|(node, sample)| NodeSample { node, sample })
            .collect();
        let mut sums: BTreeMap<Kind, (f64, u32)> = BTreeMap::new();
        for NodeSample { sample, .. } in &samples {
            let sum = sums.entry(sample.kind).or_default();
            *sum = (sum.0 + sample.achieved, sum.1 + 1);
        }
        report.achieved = sums
            .into_iter()
            .map(|(kind, (sum, count))| (kind, sum / f64::from(count)))
            .collect();
        if let Err(error) = records::write_interference(self.dir(), &self.case.labels, &samples) {
            self.note("interference", Status::Failed, format!("failed to {error}"));
        }
        let silent: Vec<_> = self
            .case
            .intensities
            .iter()
            .filter(|(kind, _)| !report.achieved.contains_key(kind))
            .map(|(kind, _)| kind.name())
            .collect();
        if !silent.is_empty() {
            self.note(
                "interference",
                Status::Degraded,
                format!("no sample of {} while the load was on", silent.join(", ")),
            );
        }
    }

    /// The sampler's rows, and those of a Prometheus beside them.
    pub(super) fn metrics(&mut self, metrics: Result<Observed, String>, samples: &[MetricRow]) {
        let observed = metrics.unwrap_or_else(|reason| {
            self.note("metrics", Status::Degraded, reason);
            Observed::default()
        });
        let sources = [(SAMPLER, observed.rows.as_slice()), (PROMETHEUS, samples)];
        if let Err(error) = write_metrics(self.dir(), &self.case.labels, &sources) {
            self.note("metrics", Status::Failed, format!("failed to {error}"));
        }
        let gone: Vec<_> = observed
            .gone
            .iter()
            .map(|gone| gone.subject.as_str())
            .collect();
        if !gone.is_empty() {
            self.note(
                "metrics",
                Status::Degraded,
                format!("rows end early, since these ended: {}", gone.join(", ")),
            );
        }
        let rows = observed.rows.len() as u64;
        let missing = observed.dropped;
        self.count("metrics", rows + missing, rows, |missing| {
            format!("{missing} rows were beyond what is kept of a case")
        });
    }
}

/// Counts and response times of the measured phase.
pub(super) fn count(seconds: &[LoadSecond], report: &mut CaseReport) {
    let measured = || {
        seconds
            .iter()
            .filter(|second| second.phase == Phase::Measure)
    };
    report.intended = measured().map(|second| second.intended).sum();
    report.ok = measured()
        .filter_map(|second| second.outcomes.get(&Outcome::Ok))
        .sum();
    match records::merge(measured(), records::Times::Response) {
        Ok(response) => _ = report.response.add(response),
        Err(error) => {
            tracing::warn!("response times of the table of results are incomplete: {error}")
        }
    }
}
