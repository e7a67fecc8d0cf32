//! One case of a run that is over, gathered again.

use super::super::remote::{Answer, Answers, Samples, Traces};
use super::super::settle::Settled;
use super::super::window::Window;
use super::super::write::{KUBELET, PROMETHEUS, SAMPLER, Writing};
use super::{Gathered, Past};
use crate::plan::Case;
use crate::report::{CaseReport, Note, Status};
use aefm_collector::proc::{read_metrics, write_metrics};
use aefm_collector::read::{TableError, read_table};
use aefm_collector::records::{CaseRow, QualityRow, read_cases, read_quality};
use aefm_collector::requests::RequestLog;
use aefm_collector::sink::part_path;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A case in the making anew.
struct Anew<'a> {
    past: &'a Past,
    case: &'a Case,
    writing: Writing<'a>,
    /// Sources whose tables and rows are new; the rows of all others stay.
    renewed: BTreeSet<String>,
    failures: Vec<String>,
}

impl Past {
    /// Asks about the case at this place of the plan, and replaces the tables of what answers. One without load has
    /// nothing to be asked for.
    ///
    /// # Errors
    /// The case's own tables cannot be read.
    pub(crate) async fn gather(&self, at: usize) -> Result<Gathered, TableError> {
        let case = &self.plan.cases[at];
        let row = read_cases(&self.path("cases", case))?;
        let old = read_quality(&self.path("quality", case))?;
        let mut gathered = Gathered {
            id: case.id.clone(),
            name: case.name.clone(),
            status: Status::Skipped,
            failures: Vec::new(),
        };
        let Some(row) = row else { return Ok(gathered) };
        gathered.status = row.status;
        let Some(window) = window(case, &row) else {
            return Ok(gathered);
        };

        let first = self.path("requests", case);
        let requests = RequestLog::read_parts(first.parent().unwrap_or(&first))
            .map(Arc::new)
            .map_err(|error| error.to_string());
        let counted = old
            .iter()
            .find(|row| row.source == "traces")
            .and_then(|row| row.expected);
        let endpoints = self.endpoints();
        let traces = self.remotes.traces(
            &window,
            requests.as_ref().ok().cloned(),
            &endpoints,
            counted,
        );
        let others = self.remotes.ask(&window, &endpoints, std::future::pending);
        let (traces, answers) = tokio::join!(traces, others);

        let writing = Writing::new(&self.folder, case, Vec::new());
        let mut anew = Anew {
            past: self,
            case,
            writing,
            renewed: BTreeSet::new(),
            failures: Vec::new(),
        };
        anew.traces(traces, requests, counted);
        anew.others(answers);
        gathered.status = anew.finish(row, old, &mut gathered.failures);
        Ok(gathered)
    }

    fn path(&self, table: &str, case: &Case) -> PathBuf {
        part_path(self.folder.path(), table, &case.id)
    }
}

/// Rows of a table file.
fn rows(path: &Path) -> Result<usize, TableError> {
    read_table(path)?
        .map(|batch| batch.map(|batch| batch.num_rows()))
        .sum()
}

/// The time of the load; none where there was no load.
fn window(case: &Case, row: &CaseRow) -> Option<Window> {
    Some(Window {
        labels: case.labels.clone(),
        name: case.name.clone(),
        trace_seed: case.trace_seed,
        from_ns: row.load_start_ns?,
        to_ns: row.end_ns?,
    })
}

impl Anew<'_> {
    fn traces(
        &mut self,
        answer: Option<Answer<Traces>>,
        requests: Result<Arc<RequestLog>, String>,
        counted: Option<u64>,
    ) {
        let mut traces = match answer {
            None => return,
            Some(Err(reason)) => {
                return self.failures.push(format!("gather from jaeger: {reason}"));
            }
            Some(Ok(traces)) => traces,
        };
        let path = self.past.path("spans", self.case);
        let there = if path.exists() { rows(&path) } else { Ok(0) };
        match there {
            Ok(there) if there > traces.spans.len() => {
                let less = format!(
                    "gather from jaeger: it has {} spans where {there} are there",
                    traces.spans.len()
                );
                return self.failures.push(less);
            }
            Ok(_) => {}
            Err(error) => return self.failures.push(error.to_string()),
        }
        let spans = std::mem::take(&mut traces.spans);
        let settled = Settled {
            spans,
            expected: counted,
            jaeger: Some(Ok(traces)),
            ..Settled::default()
        };
        let trace = self.past.remotes.trace();
        let mut report = CaseReport::empty(self.case.clone(), Status::Ok, None);
        self.writing
            .traces(Some(requests), settled, trace, &mut report);
        self.renewed
            .extend(["jaeger", "traces", "coverage"].map(str::to_owned));
    }

    fn others(&mut self, answers: Answers) {
        match answers.prometheus {
            None => {}
            Some(Err(reason)) => self
                .failures
                .push(format!("gather from prometheus: {reason}")),
            Some(Ok(samples)) => self.samples(samples),
        }
        for (table, answer) in answers.tables {
            let source = format!("user_{}", table.name);
            let fault = match &answer {
                Ok(rows) => rows.fault.as_ref(),
                Err(reason) => Some(reason),
            };
            match fault {
                Some(reason) if self.past.path(&source, self.case).exists() => {
                    self.failures.push(format!("gather {source}: {reason}"));
                }
                _ => {
                    self.writing
                        .table(&table.name, table.format, &table.columns, answer);
                    self.renewed.insert(source);
                }
            }
        }
    }

    fn samples(&mut self, samples: Samples) {
        let path = self.past.path("metrics", self.case);
        let before = read_metrics(&path, PROMETHEUS).unwrap_or_default();
        if !samples.troubles.is_empty() && samples.metrics.len() <= before.len() {
            return self.failures.push(format!(
                "gather from prometheus: {}",
                samples.troubles.join("; ")
            ));
        }
        let there = |source: &str| {
            if path.exists() {
                read_metrics(&path, source)
            } else {
                Ok(Vec::new())
            }
        };
        let (sampled, told) = match (there(SAMPLER), there(KUBELET)) {
            (Ok(sampled), Ok(told)) => (sampled, told),
            (Err(error), _) | (_, Err(error)) => return self.failures.push(error.to_string()),
        };
        let rows = self.writing.samples(Ok(samples));
        let sources = [
            (SAMPLER, sampled.as_slice()),
            (KUBELET, told.as_slice()),
            (PROMETHEUS, rows.as_slice()),
        ];
        if let Err(error) = write_metrics(self.past.folder.path(), &self.case.labels, &sources) {
            return self.failures.push(error.to_string());
        }
        self.renewed
            .extend(["prometheus", "usage", "user_promql"].map(str::to_owned));
    }

    /// Writes `quality` and `cases` where something is new; says what the case's status is.
    fn finish(mut self, row: CaseRow, old: Vec<QualityRow>, failures: &mut Vec<String>) -> Status {
        failures.append(&mut self.failures);
        if self.renewed.is_empty() {
            return row.status;
        }
        for kept in old
            .into_iter()
            .filter(|kept| !self.renewed.contains(&kept.source))
        {
            if kept.status != Status::Ok {
                // A source that failed has degraded its case, unless the case says more.
                let (status, reason) = (
                    kept.status.min(row.status),
                    kept.reason.clone().unwrap_or_default(),
                );
                self.writing.notes.push(Note {
                    status,
                    source: kept.source.clone(),
                    reason,
                });
            }
            self.writing.quality.push(kept);
        }
        let mut report = CaseReport::empty(self.case.clone(), Status::Ok, None);
        self.writing.finish(row, &mut report);
        report.status
    }
}
