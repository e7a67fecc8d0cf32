//! Collection: what happened in a case becomes its tables, while the next case begins.

mod again;
mod late;
mod remote;
mod settle;
mod sources;
mod window;
mod write;

pub(crate) use again::{AgainError, Past};
pub(crate) use sources::{Evidence, Sources, in_background};

use crate::plan::Case;
use crate::report::CaseReport;
use crate::ui::Ui;
use aefm_collector::requests::RequestLog;
use aefm_collector::sink::part_path;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::{Id, JoinError, JoinSet};
use tracing::Instrument;

/// To write the tables of cases whose sources are given up takes no longer.
const WRITING: Duration = Duration::from_secs(30);

/// Collections under way and the reports of those that are over.
pub(crate) struct Collection {
    tasks: JoinSet<CaseReport>,
    /// Whose task is whose: a result can reach no other case.
    cases: HashMap<Id, (Case, Arc<Sources>)>,
    reports: Vec<CaseReport>,
    written: Arc<Notify>,
    ui: Ui,
    planned: usize,
}

impl Collection {
    pub(crate) fn new(ui: Ui, planned: usize) -> Self {
        let (tasks, cases, reports) = Default::default();
        Self {
            tasks,
            cases,
            reports,
            written: Arc::default(),
            ui,
            planned,
        }
    }

    /// Is told when a case's tables are written.
    pub(crate) fn written(&self) -> Arc<Notify> {
        Arc::clone(&self.written)
    }

    /// Waits until fewer than `most` collections are under way.
    pub(crate) async fn make_room(&mut self, most: usize) {
        while self.tasks.len() >= most {
            self.join_one().await;
        }
    }

    /// Begins to collect a case.
    pub(crate) fn begin(&mut self, sources: Arc<Sources>, evidence: Evidence) {
        let case = evidence.current.case.clone();
        let span = tracing::info_span!(parent: None, "", case = case.id, event = "collection");
        let (collecting, written) = (
            collect(Arc::clone(&sources), evidence).instrument(span),
            self.written(),
        );
        let handle = self.tasks.spawn(async move {
            let report = collecting.await;
            written.notify_one();
            report
        });
        self.cases.insert(handle.id(), (case, sources));
    }

    /// Waits for all collections, for as long as `patience`.
    pub(crate) async fn finish(&mut self, patience: Duration) {
        let all = async {
            while !self.tasks.is_empty() {
                self.join_one().await;
            }
        };
        if tokio::time::timeout(patience, all).await.is_err() {
            tracing::warn!(
                "{} collections are not over after {patience:?}",
                self.tasks.len()
            );
        }
    }

    /// Gives up what is still under way: what its sources have not said yet they do not say, and all tables are written.
    /// A case whose tables do not come even so is failed, and says so.
    pub(crate) async fn abandon(&mut self) {
        for (_, sources) in self.cases.values() {
            sources.hurry();
        }
        self.finish(WRITING).await;
        self.tasks.abort_all();
        for (case, sources) in std::mem::take(&mut self.cases).into_values() {
            self.lost(
                case,
                &sources,
                "collection was not over in time and was given up",
            );
        }
    }

    /// Adds the report of a case that was never collected.
    pub(crate) fn record(&mut self, report: CaseReport) {
        self.reports.push(report);
    }

    /// The reports, in the order in which collections ended.
    pub(crate) fn reports(&self) -> &[CaseReport] {
        &self.reports
    }

    async fn join_one(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(Ok((id, report))) => {
                self.cases.remove(&id);
                self.ended(report);
            }
            Some(Err(error)) => self.panicked(&error),
            None => {}
        }
    }

    fn panicked(&mut self, error: &JoinError) {
        if let Some((case, sources)) = self.cases.remove(&error.id()) {
            self.lost(
                case,
                &sources,
                &format!("collection ended without a result: {error}"),
            );
        }
    }

    fn lost(&mut self, case: Case, sources: &Sources, reason: &str) {
        tracing::error!(case = case.id, "{reason}");
        let report = sources.write_lost(case, reason);
        self.ended(report);
    }

    fn ended(&mut self, report: CaseReport) {
        let reason = report
            .reason
            .as_ref()
            .map(|reason| format!(": {reason}"))
            .unwrap_or_default();
        let number = self.reports.len() + 1;
        let line = format!(
            "[{number}/{}] {} {}{reason}",
            self.planned,
            report.case.name,
            report.status.name()
        );
        self.ui.case_ended(&line, number == self.planned);
        self.reports.push(report);
    }
}

/// Collects one case, away from the threads that run the experiment.
async fn collect(sources: Arc<Sources>, evidence: Evidence) -> CaseReport {
    let work = gather(sources, evidence).in_current_span();
    match sources::in_background(work).await {
        Ok(report) => {
            tracing::info!("{}: {}", report.case.name, report.status.name());
            report
        }
        // The task ends as a panicked one, which its owner turns into a failed case.
        Err(payload) => std::panic::resume_unwind(payload),
    }
}

/// Asks all sources about a case at the same time, then writes its tables.
async fn gather(sources: Arc<Sources>, evidence: Evidence) -> CaseReport {
    let Some(window) = evidence.window() else {
        let begun_ns = evidence.current.begun_ns;
        return write::without_data(&sources.folder, &evidence.current, Some(begun_ns));
    };
    let first = part_path(sources.folder.path(), "requests", &window.labels.case_id);
    let requests = RequestLog::read_parts(first.parent().unwrap_or(&first))
        .map(Arc::new)
        .map_err(|error| error.to_string());
    let settling = settle::settle(
        &sources,
        &evidence,
        &window,
        requests.as_ref().ok().cloned(),
    );
    let (settled, answers) = tokio::join!(
        settling,
        sources
            .remotes
            .ask(&window, &evidence.endpoints, || sources.hurried())
    );
    write::write(
        &sources,
        evidence,
        Gathered {
            settled,
            requests,
            answers,
        },
    )
}

/// What came of asking.
struct Gathered {
    settled: settle::Settled,
    requests: Result<Arc<RequestLog>, String>,
    answers: remote::Answers,
}

#[cfg(test)]
mod tests;
