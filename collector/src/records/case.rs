//! The tables `cases` and `quality`.

use crate::schema::{CASES, QUALITY};
use crate::sink::{Cell, SinkError, TableWriter, Written};
use aefm_workloads::labels::CaseLabels;
use aefm_workloads::load::Verdict;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Whether the data of a case, or of a source for a case, are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// All of them.
    Ok,
    /// Some are missing; the reason says which.
    Degraded,
    /// The case, or the source, failed.
    Failed,
    /// The case was not run. Sources are never skipped.
    Skipped,
}

impl Status {
    /// The name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// One row of `cases`. Instants are ns since the epoch, UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseRow {
    /// Its name, such as `round=1|rate=20|cpu=60`.
    pub name: String,
    /// When the case began to be set up.
    pub start_ns: Option<i64>,
    /// Time zero of the load's schedule.
    pub load_start_ns: Option<i64>,
    /// When the measured phase began.
    pub measure_start_ns: Option<i64>,
    /// When it was over.
    pub end_ns: Option<i64>,
    /// Whether the data are there.
    pub status: Status,
    /// Why not, or why the load is suspect.
    pub reason: Option<String>,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// Seed of the schedule.
    pub seed: u64,
    /// Whether the load may be believed.
    pub verdict: Option<Verdict>,
}

/// One row of `quality`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QualityRow {
    /// The source.
    pub source: String,
    /// How many it should have delivered, where that is known.
    pub expected: Option<u64>,
    /// How many it delivered.
    pub received: Option<u64>,
    /// How many are missing; where it is none, the difference of the two above is written.
    pub missing: Option<u64>,
    /// Whether that is all.
    pub status: Status,
    /// Why not.
    pub reason: Option<String>,
}

impl QualityRow {
    /// A source that should have delivered `expected` and delivered `received`: ok if nothing is missing, else degraded
    /// (failed if nothing came at all) for `reason`.
    #[must_use]
    pub fn counted(
        source: &str,
        expected: u64,
        received: u64,
        reason: impl FnOnce(u64) -> String,
    ) -> Self {
        let missing = expected.saturating_sub(received);
        let status = match (missing, received) {
            (0, _) => Status::Ok,
            (_, 0) => Status::Failed,
            _ => Status::Degraded,
        };
        Self {
            source: source.to_owned(),
            expected: Some(expected),
            received: Some(received),
            missing: Some(missing),
            status,
            reason: (missing > 0).then(|| reason(missing)),
        }
    }

    /// A source that could not deliver.
    #[must_use]
    pub fn failed(source: &str, reason: impl Into<String>) -> Self {
        Self {
            source: source.to_owned(),
            expected: None,
            received: None,
            missing: None,
            status: Status::Failed,
            reason: Some(reason.into()),
        }
    }
}

fn count(value: Option<u64>) -> Cell<'static> {
    value.map_or(Cell::Null, Cell::from)
}

/// Writes the `cases` row of the case that `labels` name. Call it last: a case with this file is over.
///
/// # Errors
/// The table could not be written.
pub fn write_cases(dir: &Path, labels: &CaseLabels, row: &CaseRow) -> Result<Written, SinkError> {
    let mut writer = TableWriter::create(dir, &CASES, labels)?;
    let verdict = row.verdict.map(|verdict| match verdict {
        Verdict::Valid => "valid",
        Verdict::Suspect => "suspect",
    });
    writer.push(&[
        Cell::Text(&row.name),
        row.start_ns.into(),
        row.load_start_ns.into(),
        row.measure_start_ns.into(),
        row.end_ns.into(),
        Cell::Text(row.status.name()),
        row.reason.as_deref().into(),
        Cell::Int(row.attempt.into()),
        Cell::Int(row.seed.cast_signed()),
        verdict.into(),
    ])?;
    writer.finish()
}

/// Writes the `quality` rows of a case.
///
/// # Errors
/// The table could not be written.
pub fn write_quality(
    dir: &Path,
    labels: &CaseLabels,
    rows: &[QualityRow],
) -> Result<Written, SinkError> {
    let mut writer = TableWriter::create(dir, &QUALITY, labels)?;
    for row in rows {
        let difference = row
            .expected
            .zip(row.received)
            .map(|(expected, received)| expected.saturating_sub(received));
        writer.push(&[
            Cell::Text(&row.source),
            count(row.expected),
            count(row.received),
            count(row.missing.or(difference)),
            Cell::Text(row.status.name()),
            row.reason.as_deref().into(),
        ])?;
    }
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_decide_the_status() {
        let row = |expected, received| {
            QualityRow::counted("traces", expected, received, |n| format!("{n} lost"))
        };
        assert_eq!((row(5, 5).status, row(5, 5).reason), (Status::Ok, None));
        assert_eq!(
            (row(5, 3).status, row(5, 3).reason.as_deref()),
            (Status::Degraded, Some("2 lost"))
        );
        assert_eq!(row(5, 0).status, Status::Failed);
        assert_eq!(row(0, 0).status, Status::Ok);
        assert_eq!(row(5, 6).missing, Some(0));
    }
}
