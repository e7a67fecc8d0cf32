//! Writes all tables of a case. One table that fails takes its own rows away, not those of the others.

mod own;
mod quality;
mod remote;
mod traces;

pub(super) use own::{KUBELET, PROMETHEUS, SAMPLER};

use super::Gathered;
use super::sources::{Evidence, Sources};
use crate::folder::RunFolder;
use crate::plan::Case;
use crate::platform::Seen;
use crate::report::{CaseReport, Note, Status, reasons, worst};
use crate::run::CurrentCase;
use crate::shortfall::{self, Claim, Finding, Question};
use aefm_collector::records::{self, CaseRow, QualityRow};
use aefm_collector::requests::RequestLog;
use aefm_collector::sink::SinkError;
use std::path::Path;

/// A case in the writing.
pub(super) struct Writing<'a> {
    folder: &'a RunFolder,
    case: &'a Case,
    pub(super) notes: Vec<Note>,
    pub(super) quality: Vec<QualityRow>,
}

/// Writes the tables of a case and reports on it.
pub(super) fn write(sources: &Sources, evidence: Evidence, gathered: Gathered) -> CaseReport {
    let Evidence {
        mut current,
        ended_ns,
        interference,
        stressors,
        load,
        ..
    } = evidence;
    let measured = current.measured(&load);
    let metrics = std::mem::replace(&mut current.metrics, Err(String::new()));
    let mut writing = Writing::new(&sources.folder, &current.case, current.notes.clone());
    let mut report = CaseReport::empty(current.case.clone(), Status::Ok, None);
    if sources.folder.has_room() {
        writing.load(&current.load.seconds);
        let table = gathered.requests.as_deref().map_err(String::as_str);
        writing.found(shortfall::load(&current.load, table));
        let redirects = table.map_or(0, RequestLog::redirects);
        writing.found(shortfall::answers(&current.load, redirects, load.min_ok));
        let requests = current.load.start_ns.is_some().then_some(gathered.requests);
        writing.traces(
            requests,
            gathered.settled,
            sources.remotes.trace(),
            &mut report,
        );
        let question = Question {
            asked: &current.case.intensities,
            stressors: &stressors,
            measured,
        };
        writing.interference(interference, &question, &mut report);
        let asked = gathered.answers.prometheus;
        // Of two that know what containers used, the Prometheus that was asked for counts.
        let by_kubelets = !matches!(asked, Some(Ok(_)));
        let samples = asked
            .map(|answer| writing.samples(answer))
            .unwrap_or_default();
        if let (
            true,
            Ok(Seen {
                series: Some(series),
                ..
            }),
            Some((from_ns, to_ns)),
        ) = (by_kubelets, &metrics, current.load_window)
        {
            writing.usage(series, from_ns, to_ns);
        }
        writing.metrics(metrics, &samples);
        for (table, answer) in gathered.answers.tables {
            writing.table(&table.name, table.format, &table.columns, answer);
        }
        for table in &current.tables {
            let rows = super::remote::Rows {
                bytes: table.bytes.clone(),
                fault: None,
            };
            writing.table(&table.name, table.format, &[], Ok(rows));
        }
    } else {
        writing.note(
            "dataset",
            Status::Failed,
            "the disk is full: only `cases` and `quality` are written",
        );
    }
    own::count(&current.load.seconds, &mut report);
    if let Some(summary) = &current.load.summary {
        report.verdict = Some(summary.verdict);
        report.doubts.clone_from(&summary.reasons);
    }
    let warmup_ns = i64::try_from(load.warmup.as_nanos()).unwrap_or(i64::MAX);
    let start_ns = current.load.start_ns;
    let row = CaseRow {
        start_ns: Some(current.begun_ns),
        load_start_ns: start_ns,
        measure_start_ns: start_ns.map(|start| start.saturating_add(warmup_ns)),
        end_ns: Some(ended_ns),
        verdict: report.verdict,
        ..row(&current.case)
    };
    writing.finish(row, &mut report);
    report
}

/// Writes the rows of a case that has no data but a reason.
pub(super) fn without_data(
    folder: &RunFolder,
    current: &CurrentCase,
    begun_ns: Option<i64>,
) -> CaseReport {
    let mut report = CaseReport::empty(current.case.clone(), Status::Ok, None);
    let writing = Writing::new(folder, &current.case, current.notes.clone());
    let row = CaseRow {
        start_ns: begun_ns,
        load_start_ns: current.load.start_ns,
        ..row(&current.case)
    };
    writing.finish(row, &mut report);
    report
}

/// The row of a case of which no instant is known.
fn row(case: &Case) -> CaseRow {
    CaseRow {
        name: case.name.clone(),
        start_ns: None,
        load_start_ns: None,
        measure_start_ns: None,
        end_ns: None,
        status: Status::Ok,
        reason: None,
        attempt: 1,
        seed: case.seed,
        verdict: None,
    }
}

impl<'a> Writing<'a> {
    pub(super) const fn new(folder: &'a RunFolder, case: &'a Case, notes: Vec<Note>) -> Self {
        Self {
            folder,
            case,
            notes,
            quality: Vec::new(),
        }
    }

    fn dir(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn note(&mut self, source: &str, status: Status, reason: impl Into<String>) {
        let reason = reason.into();
        tracing::warn!("{source} is {}: {reason}", status.name());
        self.notes.push(Note {
            status,
            source: source.to_owned(),
            reason,
        });
    }

    /// A source that is counted: a row of quality, and a note when something is missing.
    fn count(
        &mut self,
        source: &str,
        expected: u64,
        received: u64,
        reason: impl FnOnce(u64) -> String,
    ) {
        let claim = Claim {
            source,
            expected,
            received,
            least: 1.0,
        };
        self.found([Finding::counted(&claim, reason)]);
    }

    /// What was found of sources: rows of quality, and notes of what makes the case less than whole.
    fn found(&mut self, found: impl IntoIterator<Item = Finding>) {
        for Finding { row, case } in found {
            if case != Status::Ok {
                let reason = row.reason.clone().unwrap_or_default();
                self.note(&row.source, case, reason);
            }
            self.quality.push(row);
        }
    }

    /// Writes `quality` and `cases`, with the kept room when there is no other.
    pub(super) fn finish(mut self, mut row: CaseRow, report: &mut CaseReport) {
        for note in &self.notes {
            if !self
                .quality
                .iter()
                .any(|row| row.source == note.source && row.reason.as_deref() == Some(&note.reason))
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
        self.insert(row, report);
    }

    /// Writes `quality` as it is and `cases` with one more reason, which comes after all that was said `before`.
    pub(super) fn amend(
        mut self,
        mut row: CaseRow,
        before: Option<Note>,
        reason: String,
        report: &mut CaseReport,
    ) {
        self.notes.extend(before);
        self.note("receiver", Status::Degraded, reason);
        row.status = worst(&self.notes).max(row.status);
        row.reason = reasons(&self.notes);
        self.insert(row, report);
    }

    /// Writes `quality`, then `cases`.
    fn insert(&self, mut row: CaseRow, report: &mut CaseReport) {
        let (dir, labels) = (self.dir().to_owned(), &self.case.labels);
        let quality = quality::united(&self.quality);
        let written = self
            .insist(|| records::write_quality(&dir, labels, &quality).map(drop))
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
        write().or_else(|error| {
            if self.folder.release_reserve() {
                write()
            } else {
                Err(error)
            }
        })
    }
}
