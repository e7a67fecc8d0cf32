//! Tables of what AEFM itself did and measured: load, interference, metrics.

use super::Writing;
use crate::report::{CaseReport, Status};
use crate::shortfall::{self, Pressed, Question};
use aefm_collector::proc::{MetricRow, Observed, write_metrics};
use aefm_collector::records::{self, NodeSample};
use aefm_workloads::interference::InterferenceSample;
use aefm_workloads::load::{LoadSecond, Outcome, Phase};

/// Who measured a row of `metrics`.
pub(in crate::gather) const SAMPLER: &str = "sampler";
/// Who measured a row of `metrics`.
pub(in crate::gather) const PROMETHEUS: &str = "prometheus";

impl Writing<'_> {
    pub(super) fn load(&mut self, seconds: &[LoadSecond]) {
        if let Err(error) = records::write_load(self.dir(), &self.case.labels, seconds) {
            self.note("load", Status::Failed, format!("failed to {error}"));
        }
    }

    /// Writes all samples; those of the measured phase are judged, and are what the case achieved.
    pub(super) fn interference(
        &mut self,
        samples: Vec<(String, InterferenceSample)>,
        question: &Question<'_>,
        report: &mut CaseReport,
    ) {
        let samples: Vec<_> = samples
            .into_iter()
            .map(|(node, sample)| NodeSample { node, sample })
            .collect();
        if let Err(error) = records::write_interference(self.dir(), &self.case.labels, &samples) {
            self.note("interference", Status::Failed, format!("failed to {error}"));
        }
        let Pressed { achieved, found } = shortfall::interference(question, &samples);
        report.achieved = achieved;
        self.found(found);
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
        self.found(shortfall::samples(&observed));
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
