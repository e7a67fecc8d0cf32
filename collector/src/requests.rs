//! The `requests` table of one case, read back: what joins a trace to the client's own view of it.

use crate::read::{TableCause, TableError, read_columns};
use aefm_workloads::load::{Outcome, Phase};
use arrow_array::types::Int64Type;
use arrow_array::{Array, RecordBatch, cast::AsArray};
use std::collections::BTreeMap;
use std::path::Path;

/// What the client knows of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestFacts {
    /// Response time (done - intended); none if it was not done.
    pub response_ns: Option<i64>,
    /// Its one end.
    pub outcome: Outcome,
    /// Its phase.
    pub phase: Phase,
}

/// The requests of one case by number.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RequestLog {
    // Numbers are dense and in order but for a cap: a tree costs little and takes any.
    requests: BTreeMap<u64, RequestFacts>,
    redirects: u64,
}

impl RequestLog {
    /// Reads the table at `path`.
    ///
    /// # Errors
    /// The file is not there, not Parquet, or not of this schema.
    pub fn read(path: &Path) -> Result<Self, TableError> {
        let mut log = Self::default();
        log.read_file(path)?;
        Ok(log)
    }

    /// Reads all parts of the table in the folder of one case: a part for each shard of its load.
    ///
    /// # Errors
    /// The folder is not there, or a part is not Parquet or not of this schema.
    pub fn read_parts(dir: &Path) -> Result<Self, TableError> {
        let error = |cause: std::io::Error| TableError {
            path: dir.to_owned(),
            cause: cause.into(),
        };
        let mut log = Self::default();
        for entry in std::fs::read_dir(dir).map_err(error)? {
            let path = entry.map_err(error)?.path();
            let shown = path
                .file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| !name.starts_with('.'));
            if shown && path.extension().is_some_and(|kind| kind == "parquet") {
                log.read_file(&path)?;
            }
        }
        Ok(log)
    }

    fn read_file(&mut self, path: &Path) -> Result<(), TableError> {
        let mut rows = read_columns(
            path,
            &[
                "request",
                "phase",
                "intended_ns",
                "done_ns",
                "outcome",
                "status",
            ],
        )?;
        while let Some(batch) = rows.next().transpose()? {
            self.read_batch(&batch).map_err(|cause| rows.error(cause))?;
        }
        Ok(())
    }

    fn read_batch(&mut self, batch: &RecordBatch) -> Result<(), TableCause> {
        let ints = |name| {
            let column = batch
                .column_by_name(name)
                .and_then(|column| column.as_primitive_opt::<Int64Type>());
            column.ok_or(TableCause::Column(name))
        };
        let texts = |name| {
            let column = batch
                .column_by_name(name)
                .and_then(|column| column.as_string_opt::<i32>());
            column.ok_or(TableCause::Column(name))
        };
        let (request, intended, done) = (ints("request")?, ints("intended_ns")?, ints("done_ns")?);
        let (phase, outcome) = (texts("phase")?, texts("outcome")?);
        let status = ints("status")?;
        for row in 0..batch.num_rows() {
            let facts = RequestFacts {
                response_ns: done
                    .is_valid(row)
                    .then(|| done.value(row).saturating_sub(intended.value(row))),
                outcome: outcome_of(outcome.value(row))?,
                phase: phase_of(phase.value(row))?,
            };
            // 304 is an answer: what was asked for is still what it was.
            let redirects = status.is_valid(row)
                && (300..400).contains(&status.value(row))
                && status.value(row) != 304;
            if redirects && facts.phase == Phase::Measure && facts.outcome == Outcome::Ok {
                self.redirects += 1;
            }
            self.requests
                .insert(request.value(row).cast_unsigned(), facts);
        }
        Ok(())
    }

    /// Adds or replaces a request.
    pub fn insert(&mut self, request: u64, facts: RequestFacts) {
        self.requests.insert(request, facts);
    }

    /// What is known of this request.
    #[must_use]
    pub fn get(&self, request: u64) -> Option<RequestFacts> {
        self.requests.get(&request).copied()
    }

    /// All requests by number.
    pub fn iter(&self) -> impl Iterator<Item = (u64, RequestFacts)> {
        self.requests
            .iter()
            .map(|(request, facts)| (*request, *facts))
    }

    /// How many of those of the measured phase that were answered ok were answered by a redirect.
    #[must_use]
    pub const fn redirects(&self) -> u64 {
        self.redirects
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// There are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }
}

fn outcome_of(name: &str) -> Result<Outcome, TableCause> {
    let known = Outcome::ALL
        .into_iter()
        .find(|outcome| outcome.name() == name);
    known.ok_or_else(|| TableCause::Word("outcome", name.to_owned()))
}

fn phase_of(name: &str) -> Result<Phase, TableCause> {
    let known = [Phase::WarmUp, Phase::Measure]
        .into_iter()
        .find(|phase| phase.name() == name);
    known.ok_or_else(|| TableCause::Word("phase", name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{QUALITY, REQUESTS};
    use crate::sink::{Cell, TableWriter};
    use aefm_workloads::labels::{CaseLabels, FactorValue};

    fn labels() -> CaseLabels {
        let factors = vec![("rate_hz".to_owned(), FactorValue::Float(5.0))];
        CaseLabels {
            run_id: "r".into(),
            case_id: "c1".into(),
            factors,
        }
    }

    #[test]
    fn requests_come_back_by_number() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = TableWriter::create(dir.path(), &REQUESTS, &labels()).unwrap();
        let rows = [
            (0, Phase::WarmUp, Some(150), Outcome::Ok),
            (1, Phase::Measure, None, Outcome::Unfinished),
        ];
        for (request, phase, done, outcome) in rows {
            let (phase, outcome) = (Cell::Text(phase.name()), Cell::Text(outcome.name()));
            let row = [
                Cell::from(request),
                phase,
                Cell::Int(100),
                Cell::Int(110),
                Cell::Null,
                done.into(),
                outcome,
            ];
            writer
                .push(
                    &[
                        &row[..],
                        &[Cell::Null, Cell::Null],
                        &[0, 50, 0].map(Cell::Int),
                    ]
                    .concat(),
                )
                .unwrap();
        }
        let log = RequestLog::read(&writer.finish().unwrap().path).unwrap();
        assert_eq!(log.len(), 2);
        let facts = RequestFacts {
            response_ns: Some(50),
            outcome: Outcome::Ok,
            phase: Phase::WarmUp,
        };
        assert_eq!(log.get(0), Some(facts));
        assert_eq!(log.get(1).unwrap().response_ns, None);
        assert_eq!(log.get(2), None);
    }

    #[test]
    fn what_is_no_requests_table_is_an_error_that_names_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let missing = RequestLog::read(&dir.path().join("none.parquet"))
            .unwrap_err()
            .to_string();
        assert!(missing.contains("none.parquet"), "{missing}");
        let writer = TableWriter::create(dir.path(), &QUALITY, &labels()).unwrap();
        let other = writer.finish().unwrap().path;
        // An empty file of another schema has no rows; with one it has no such column.
        let mut writer = TableWriter::create(dir.path(), &QUALITY, &labels()).unwrap();
        writer
            .push(&[
                Cell::Text("load"),
                Cell::Null,
                Cell::Null,
                Cell::Null,
                Cell::Text("ok"),
                Cell::Null,
            ])
            .unwrap();
        writer.finish().unwrap();
        let error = RequestLog::read(&other).unwrap_err();
        assert!(
            matches!(error.cause, TableCause::Column("request")),
            "{error}"
        );
        std::fs::write(&other, "not parquet").unwrap();
        assert!(matches!(
            RequestLog::read(&other).unwrap_err().cause,
            TableCause::Parquet(_)
        ));
    }
}
