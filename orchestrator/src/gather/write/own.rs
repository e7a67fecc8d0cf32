//! Tables of what AEFM itself did and measured: load, interference, metrics.

use super::Writing;
use crate::platform::Seen;
use crate::report::{CaseReport, Status};
use crate::shortfall::{self, Pressed, Question};
use aefm_collector::proc::{MetricRow, write_metrics};
use aefm_collector::prometheus::{Series, of, write_usage};
use aefm_collector::records::{self, NodeSample, QualityRow};
use aefm_workloads::interference::InterferenceSample;
use aefm_workloads::load::{LoadSecond, Outcome, Phase};

/// Who measured a row of `metrics`.
pub(in crate::gather) const SAMPLER: &str = "sampler";
/// Who measured a row of `metrics`.
pub(in crate::gather) const KUBELET: &str = "kubelet";
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

    /// What each container used, as kubelets tell it.
    pub(super) fn usage(&mut self, series: &[Series], from_ns: i64, to_ns: i64) {
        let rows = of(series, from_ns, to_ns).usage;
        if rows.is_empty() {
            return;
        }
        if let Err(error) = write_usage(self.dir(), &self.case.labels, &rows) {
            self.note("usage", Status::Failed, format!("failed to {error}"));
        }
    }

    /// The rows of the sampler or of kubelets, and those of a Prometheus beside them.
    pub(super) fn metrics(&mut self, metrics: Result<Seen, String>, samples: &[MetricRow]) {
        let seen = metrics.unwrap_or_else(|reason| {
            self.note("metrics", Status::Degraded, reason);
            Seen::default()
        });
        let who = if seen.series.is_some() {
            KUBELET
        } else {
            SAMPLER
        };
        let observed = seen.observed;
        let sources = [(who, observed.rows.as_slice()), (PROMETHEUS, samples)];
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
        if let Some(lacking) = seen.lacking {
            // The run was begun without it: nothing of what was promised is missing.
            self.quality.push(QualityRow {
                source: "metrics".to_owned(),
                expected: Some(rows),
                received: Some(rows),
                missing: Some(0),
                status: Status::Ok,
                reason: Some(lacking),
            });
            return;
        }
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
            tracing::warn!("response times of the table of results are incomplete: {error}");
        }
    }
}
