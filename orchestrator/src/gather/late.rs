//! What came when a case's tables were written already: it is in none of them, which the case says after all.

use super::Collection;
use super::sources::Sources;
use super::write::Writing;
use crate::report::{CaseReport, Note, Status};
use crate::shortfall;
use aefm_collector::records::{QualityRow, read_cases, read_quality};
use aefm_collector::sink::part_path;
use aefm_workloads::ids::trace_prefix;

impl Collection {
    /// At the end of a run: cases whose spans came too late say so in `cases` and `quality`, and are degraded.
    pub(crate) fn amend(&mut self, sources: &Sources) {
        for report in &mut self.reports {
            if let Err(reason) = amend(sources, report) {
                tracing::error!(case = report.case.id, "failed to {reason}");
            }
        }
    }
}

fn amend(sources: &Sources, report: &mut CaseReport) -> Result<(), String> {
    let prefix = trace_prefix(report.case.trace_seed);
    let path = |table: &str| part_path(sources.folder.path(), table, &report.case.id);
    if !path("cases").exists() {
        return Ok(());
    }
    let row = read_cases(&path("cases")).map_err(|error| error.to_string())?;
    let Some(row) = row else {
        return Ok(());
    };
    let by_time = row
        .load_start_ns
        .map_or(0, |from_ns| sources.receiver.late_since(from_ns));
    let late = sources.receiver.arrived(prefix).late + by_time;
    if late == 0 {
        return Ok(());
    }
    let quality = read_quality(&path("quality")).map_err(|error| error.to_string())?;
    // Where the application counts and nothing is missing, what came again is no loss.
    let is_whole = |row: &QualityRow| {
        row.source == "traces" && row.expected.is_some() && row.missing == Some(0)
    };
    if quality.iter().any(is_whole) {
        return Ok(());
    }
    let reason = format!(
        "{late} spans came when its tables were written already: wait longer for them (`collect.settle`)"
    );
    let before = row.reason.clone().map(|reason| Note {
        status: row.status,
        source: "case".to_owned(),
        reason,
    });
    let case = report.case.clone();
    let mut writing = Writing::new(&sources.folder, &case, Vec::new());
    writing.quality = quality;
    writing.quality.push(QualityRow {
        missing: Some(late),
        ..shortfall::Finding::told("receiver", Status::Degraded, reason.clone()).row
    });
    writing.amend(row, before, reason, report);
    Ok(())
}
