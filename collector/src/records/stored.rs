//! The tables `cases` and `quality` of a case, read back.

use super::{CaseRow, QualityRow, Status};
use crate::read::{TableError, int, read_table, text};
use aefm_workloads::load::Verdict;
use std::path::Path;

/// Reads a `cases` file; none if it has no row.
///
/// # Errors
/// It is not there, or not whole.
pub fn read_cases(path: &Path) -> Result<Option<CaseRow>, TableError> {
    let mut last = None;
    for batch in read_table(path)? {
        let batch = batch?;
        for row in 0..batch.num_rows() {
            let verdict = match text(&batch, "verdict", row) {
                Some("valid") => Some(Verdict::Valid),
                Some("suspect") => Some(Verdict::Suspect),
                _ => None,
            };
            last = Some(CaseRow {
                name: text(&batch, "name", row).unwrap_or_default().to_owned(),
                start_ns: int(&batch, "start_ns", row),
                load_start_ns: int(&batch, "load_start_ns", row),
                measure_start_ns: int(&batch, "measure_start_ns", row),
                end_ns: int(&batch, "end_ns", row),
                status: status(text(&batch, "status", row)),
                reason: text(&batch, "reason", row).map(str::to_owned),
                attempt: int(&batch, "attempt", row)
                    .and_then(|attempt| u32::try_from(attempt).ok())
                    .unwrap_or(1),
                seed: int(&batch, "seed", row).unwrap_or(0).cast_unsigned(),
                verdict,
            });
        }
    }
    Ok(last)
}

/// Reads a `quality` file.
///
/// # Errors
/// It is not there, or not whole.
pub fn read_quality(path: &Path) -> Result<Vec<QualityRow>, TableError> {
    let mut rows = Vec::new();
    for batch in read_table(path)? {
        let batch = batch?;
        let count = |name: &str, row: usize| {
            int(&batch, name, row).and_then(|count| u64::try_from(count).ok())
        };
        rows.extend((0..batch.num_rows()).map(|row| QualityRow {
            source: text(&batch, "source", row).unwrap_or_default().to_owned(),
            expected: count("expected", row),
            received: count("received", row),
            missing: count("missing", row),
            status: status(text(&batch, "status", row)),
            reason: text(&batch, "reason", row).map(str::to_owned),
        }));
    }
    Ok(rows)
}

/// A word that is none of ours is nothing to rely on.
fn status(name: Option<&str>) -> Status {
    let known = [
        Status::Ok,
        Status::Degraded,
        Status::Failed,
        Status::Skipped,
    ];
    known
        .into_iter()
        .find(|status| Some(status.name()) == name)
        .unwrap_or(Status::Failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{write_cases, write_quality};
    use crate::sink::part_path;
    use aefm_workloads::labels::CaseLabels;

    #[test]
    fn what_was_written_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let labels = CaseLabels {
            run_id: "r".into(),
            case_id: "c001".into(),
            factors: Vec::new(),
        };
        let case = CaseRow {
            name: "rate=1".into(),
            start_ns: Some(1),
            load_start_ns: Some(2),
            measure_start_ns: None,
            end_ns: Some(4),
            status: Status::Degraded,
            reason: Some("why".into()),
            attempt: 2,
            seed: u64::MAX - 3,
            verdict: Some(Verdict::Suspect),
        };
        write_cases(dir.path(), &labels, &case).unwrap();
        assert_eq!(
            read_cases(&part_path(dir.path(), "cases", "c001")).unwrap(),
            Some(case)
        );
        let rows = [
            QualityRow::counted("traces", 5, 3, |n| format!("{n} lost")),
            QualityRow::failed("jaeger", "down"),
        ];
        write_quality(dir.path(), &labels, &rows).unwrap();
        assert_eq!(
            read_quality(&part_path(dir.path(), "quality", "c001")).unwrap(),
            rows
        );
        assert!(read_quality(&dir.path().join("none")).is_err());
    }
}
