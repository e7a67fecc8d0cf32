//! The rows of `cases` and `quality` of what was imported, by which it is a dataset like a run's.

use crate::schema::{CASES, QUALITY};
use crate::sink::{Cell, SinkError, TableWriter};
use aefm_workloads::labels::CaseLabels;
use std::path::Path;

/// What is said of an imported case.
pub(super) struct Head<'a> {
    /// The case's name.
    pub(super) name: &'a str,
    /// From the first start to the last end, ns since the epoch.
    pub(super) times: Option<(i64, i64)>,
    /// Spans in the tables.
    pub(super) received: u64,
    /// What the files had and the tables do not.
    pub(super) missing: u64,
    /// Why the data are not all there, or not all as they were measured; none if they are.
    pub(super) doubts: Vec<String>,
}

/// Writes the two tables, `cases` last: a case with this file is whole.
pub(super) fn write(dir: &Path, labels: &CaseLabels, head: &Head<'_>) -> Result<(), SinkError> {
    let status = if head.doubts.is_empty() {
        "ok"
    } else {
        "degraded"
    };
    let reason = (!head.doubts.is_empty()).then(|| head.doubts.join("; "));
    let mut quality = TableWriter::create(dir, &QUALITY, labels)?;
    quality.push(&[
        Cell::Text("traces"),
        Cell::from(head.received + head.missing),
        Cell::from(head.received),
        Cell::from(head.missing),
        Cell::Text(status),
        reason.as_deref().into(),
    ])?;
    quality.finish()?;
    let mut case = vec![Cell::Null; CASES.columns.len()];
    let mut set = |column: &str, cell| {
        if let Some(place) = CASES.columns.iter().position(|own| own.name == column) {
            case[place] = cell;
        }
    };
    set("name", Cell::Text(head.name));
    set("start_ns", head.times.map(|(from, _)| from).into());
    set("end_ns", head.times.map(|(_, to)| to).into());
    set("status", Cell::Text(status));
    set("reason", reason.as_deref().into());
    let mut writer = TableWriter::create(dir, &CASES, labels)?;
    writer.push(&case)?;
    writer.finish().map(drop)
}
