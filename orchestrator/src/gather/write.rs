//! Writes all tables of a case. One table that fails takes its own rows away, not those of the others.

use super::settle::Settled;
use super::sources::{Evidence, Sources};
use crate::plan::Case;
use crate::report::{CaseReport, Note, Status, reasons, worst};
use crate::run::CurrentCase;
use aefm_collector::proc::{Observed, write_metrics};
use aefm_collector::records::{self, CaseRow, NodeSample, QualityRow};
use aefm_collector::requests::RequestLog;
use aefm_collector::sink::{SinkError, part_path};
use aefm_collector::trace::{Join, TraceReport, write_trace_tables};
use aefm_workloads::interference::Kind;
use aefm_workloads::load::{LoadSecond, LoadSummary, Outcome, Phase};
use std::collections::BTreeMap;
use std::path::Path;

/// Share of the measured phase's answered requests that must have a complete trace.
const COVERAGE: f64 = 0.999;

/// A case in the writing.
struct Writing<'a> {
    sources: &'a Sources,
    case: &'a Case,
    notes: Vec<Note>,
    quality: Vec<QualityRow>,
}

/// Writes the tables of a case and reports on it.
pub(super) fn write(sources: &Sources, evidence: Evidence, settled: Settled) -> CaseReport {
    if evidence.current.load_window.is_none() {
        let begun_ns = evidence.current.begun_ns;
        return without_data(sources, &evidence.current, Some(begun_ns));
    }
    let Evidence { mut current, ended_ns, interference, load, .. } = evidence;
    let metrics = std::mem::replace(&mut current.metrics, Err(String::new()));
    let mut writing = Writing { sources, case: &current.case, notes: current.notes.clone(), quality: Vec::new() };
    let mut report = CaseReport::empty(current.case.clone(), Status::Ok, None);
    if sources.folder.has_room() {
        writing.load(&current.load.seconds, current.load.summary.as_ref());
        writing.traces(&current, settled, &mut report);
        writing.interference(interference, &mut report);
        writing.metrics(metrics);
    } else {
        writing.note("dataset", Status::Failed, "the disk is full: only `cases` and `quality` are written");
    }
    count(&current.load.seconds, &mut report);
    if let Some(summary) = &current.load.summary {
        report.verdict = Some(summary.verdict);
        report.doubts.clone_from(&summary.reasons);
    }
    let warmup_ns = i64::try_from(load.warmup.as_nanos()).unwrap_or(i64::MAX);
    let start_ns = current.load.start_ns;
    let row = CaseRow {
        name: current.case.name.clone(),
        start_ns: Some(current.begun_ns),
        load_start_ns: start_ns,
        measure_start_ns: start_ns.map(|start| start.saturating_add(warmup_ns)),
        end_ns: Some(ended_ns),
        status: Status::Ok,
        reason: None,
        attempt: 1,
        seed: current.case.seed,
        verdict: report.verdict,
    };
    writing.finish(row, &mut report);
    report
}

/// Writes the rows of a case that has no data but a reason.
pub(super) fn without_data(sources: &Sources, current: &CurrentCase, begun_ns: Option<i64>) -> CaseReport {
    let mut report = CaseReport::empty(current.case.clone(), Status::Ok, None);
    let writing = Writing { sources, case: &current.case, notes: current.notes.clone(), quality: Vec::new() };
    let row = CaseRow {
        name: current.case.name.clone(),
        start_ns: begun_ns,
        load_start_ns: current.load.start_ns,
        measure_start_ns: None,
        end_ns: None,
        status: Status::Ok,
        reason: None,
        attempt: 1,
        seed: current.case.seed,
        verdict: None,
    };
    writing.finish(row, &mut report);
    report
}

impl Writing<'_> {
    fn dir(&self) -> &Path {
        self.sources.folder.path()
    }

    fn note(&mut self, source: &str, status: Status, reason: impl Into<String>) {
        let reason = reason.into();
        tracing::warn!("{source} is {}: {reason}", status.name());
        self.notes.push(Note { status, source: source.to_owned(), reason });
    }

    fn load(&mut self, seconds: &[LoadSecond], summary: Option<&LoadSummary>) {
        if let Err(error) = records::write_load(self.dir(), &self.case.labels, seconds) {
            self.note("load", Status::Failed, format!("failed to {error}"));
        }
        let intended: u64 = seconds.iter().map(|second| second.intended).sum();
        let logged = summary.map_or(0, |summary| intended.saturating_sub(summary.requests_not_logged));
        if let Some(error) = summary.and_then(|summary| summary.requests_error.as_deref()) {
            self.note("requests", Status::Failed, format!("failed to {error}"));
        } else if summary.is_some() {
            self.count("requests", intended, logged, |missing| format!("{missing} requests are not in the table"));
        }
    }

    fn traces(&mut self, current: &CurrentCase, settled: Settled, report: &mut CaseReport) {
        let received = settled.spans.len() as u64;
        tracing::debug!("{received} spans after {:?}, {} expected", settled.waited, settled.expected);
        if !settled.silent.is_empty() {
            self.note(
                "traces",
                Status::Degraded,
                format!("services do not say how many spans they ended: {}", settled.silent.join("; ")),
            );
        }
        let join = self.join(current);
        let written = write_trace_tables(self.dir(), &self.case.labels, settled.spans, join.as_ref());
        let cause = match (settled.refused, settled.dropped) {
            (0, 0) => "they did not come in time".to_owned(),
            (refused, dropped) => {
                format!("the receiver refused {refused} for want of room, services gave up {dropped}")
            }
        };
        self.count("traces", settled.expected, received, |missing| format!("{missing} spans are missing: {cause}"));
        match written {
            Ok(traces) => self.coverage(traces, report),
            Err(error) => self.note("traces", Status::Failed, format!("failed to {error}")),
        }
    }

    /// The requests of the case as the load process wrote them, for joining; without them spans stay unjoined.
    fn join(&mut self, current: &CurrentCase) -> Option<Join> {
        current.load.start_ns?;
        let path = part_path(self.dir(), "requests", &self.case.id);
        let requests = match RequestLog::read(&path) {
            Ok(requests) => requests,
            Err(error) => {
                self.note("requests", Status::Failed, format!("failed to {error}"));
                return None;
            }
        };
        let first_measured =
            requests.iter().filter(|(_, facts)| facts.phase == Phase::Measure).map(|(request, _)| request).min();
        Some(Join { trace_seed: self.case.trace_seed, first_measured: first_measured.unwrap_or(u64::MAX), requests })
    }

    fn coverage(&mut self, traces: TraceReport, report: &mut CaseReport) {
        let (done, complete) = (traces.coverage.done, traces.coverage.complete);
        #[expect(clippy::cast_precision_loss, reason = "counts of requests")]
        let enough = complete as f64 >= done as f64 * COVERAGE;
        let reason = format!("{} of {done} answered requests have no complete trace", done.saturating_sub(complete));
        self.quality.push(QualityRow {
            source: "coverage".to_owned(),
            expected: Some(done),
            received: Some(complete),
            missing: Some(done.saturating_sub(complete)),
            status: if enough { Status::Ok } else { Status::Degraded },
            reason: (done > complete).then(|| reason.clone()),
        });
        if !enough {
            self.note("coverage", Status::Degraded, reason);
        }
        report.self_times = traces.self_times;
    }

    fn interference(
        &mut self,
        samples: Vec<(String, aefm_workloads::interference::InterferenceSample)>,
        report: &mut CaseReport,
    ) {
        let samples: Vec<_> = samples.into_iter().map(|(node, sample)| NodeSample { node, sample }).collect();
        let mut sums: BTreeMap<Kind, (f64, u32)> = BTreeMap::new();
        for NodeSample { sample, .. } in &samples {
            let sum = sums.entry(sample.kind).or_default();
            *sum = (sum.0 + sample.achieved, sum.1 + 1);
        }
        report.achieved = sums.into_iter().map(|(kind, (sum, count))| (kind, sum / f64::from(count))).collect();
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

    fn metrics(&mut self, metrics: Result<Observed, String>) {
        let observed = match metrics {
            Ok(observed) => observed,
            Err(reason) => return self.note("metrics", Status::Degraded, reason),
        };
        if let Err(error) = write_metrics(self.dir(), &self.case.labels, &observed.rows) {
            self.note("metrics", Status::Failed, format!("failed to {error}"));
        }
        let gone: Vec<_> = observed.gone.iter().map(|gone| gone.subject.as_str()).collect();
        if !gone.is_empty() {
            self.note("metrics", Status::Degraded, format!("rows end early, since these ended: {}", gone.join(", ")));
        }
        let rows = observed.rows.len() as u64;
        let missing = observed.dropped;
        self.count("metrics", rows + missing, rows, |missing| {
            format!("{missing} rows were beyond what is kept of a case")
        });
    }

    /// A source that is counted: a row of quality, and a note when something is missing.
    fn count(&mut self, source: &str, expected: u64, received: u64, reason: impl FnOnce(u64) -> String) {
        let row = QualityRow::counted(source, expected, received, reason);
        if row.status != Status::Ok {
            // Missing parts degrade a case; it fails when it could not be run.
            self.notes.push(Note {
                status: Status::Degraded,
                source: source.to_owned(),
                reason: row.reason.clone().unwrap_or_default(),
            });
        }
        self.quality.push(row);
    }

    /// Writes `quality` and `cases`, with the kept room when there is no other.
    fn finish(mut self, mut row: CaseRow, report: &mut CaseReport) {
        for note in &self.notes {
            if !self.quality.iter().any(|row| row.source == note.source && row.reason.as_deref() == Some(&note.reason))
            {
                self.quality.push(QualityRow {
                    source: note.source.clone(),
                    expected: None,
                    received: None,
                    missing: None,
                    status: note.status,
                    reason: Some(note.reason.clone()),
                });
            }
        }
        row.status = worst(&self.notes);
        row.reason = reasons(&self.notes);
        let (dir, labels) = (self.dir().to_owned(), &self.case.labels);
        let written = self
            .insist(|| records::write_quality(&dir, labels, &self.quality).map(drop))
            .and_then(|()| self.insist(|| records::write_cases(&dir, labels, &row).map(drop)));
        if let Err(error) = written {
            tracing::error!("failed to {error}");
            row.status = Status::Failed;
            row.reason = Some(format!("failed to {error}"));
        }
        report.status = row.status;
        report.reason = row.reason;
    }

    fn insist(&self, write: impl Fn() -> Result<(), SinkError>) -> Result<(), SinkError> {
        write().or_else(|error| if self.sources.folder.release_reserve() { write() } else { Err(error) })
    }
}

/// Counts and response times of the measured phase.
fn count(seconds: &[LoadSecond], report: &mut CaseReport) {
    let measured = || seconds.iter().filter(|second| second.phase == Phase::Measure);
    report.intended = measured().map(|second| second.intended).sum();
    report.ok = measured().filter_map(|second| second.outcomes.get(&Outcome::Ok)).sum();
    match records::merge(measured()) {
        Ok(response) => _ = report.response.add(response),
        Err(error) => tracing::warn!("response times of the table of results are incomplete: {error}"),
    }
}
