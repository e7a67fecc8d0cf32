//! The five CSV files of AEFM 0.2.0 into our tables.
//!
//! Those files hold parent and child pairs, not spans: a span is put together from the pairs that it is the child, or
//! the parent, of. What cannot be known from them is null, or is counted in `quality`. The original's own figures
//! (throughput, quantiles, end-to-end times, utilization) become the tables `user_<file>`, unchanged.

mod files;
mod pairs;

use super::head::{self, Head};
use super::{ImportError, refuse_case};
use crate::aefm_csv::FILES;
use crate::schema::{ColumnType, user_table};
use crate::sink::{Cell, SinkError, TableWriter};
use crate::trace::{TraceReport, write_trace_tables};
use aefm_workloads::labels::CaseLabels;
use files::{Case, File, cases_of, read};
use std::path::{Path, PathBuf};

/// Where the pairs are among [`FILES`].
const PAIRS: usize = 1;

/// What was imported.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImportedCsv {
    /// Test cases.
    pub cases: usize,
    /// Spans in all of them.
    pub spans: u64,
    /// Spans whose start is not in the files, and was taken from their first child.
    pub estimated: u64,
    /// Rows without an id or a time, left out.
    pub invalid: u64,
    /// Files that were not there, in words.
    pub absent: Vec<String>,
}

/// Imports the files in `folder` as the run `run_id` into the dataset at `dir`. Rows with the same values in the
/// columns that the original appended (round, throughput, interference...) are one test case; these become its factors.
/// Tables that are there already are only written over where `replaces` says so.
///
/// # Errors
/// There is no `raw_data.csv`, a file cannot be read or lacks a column, a factor has the name of a column of ours, or a
/// table cannot be written.
pub fn import_aefm_csv(
    folder: &Path,
    dir: &Path,
    run_id: &str,
    replaces: bool,
) -> Result<ImportedCsv, ImportError> {
    let mut imported = ImportedCsv::default();
    let mut files = Vec::new();
    for (place, (name, columns)) in FILES.iter().enumerate() {
        let path = folder.join(format!("{name}.csv"));
        if place != PAIRS && !path.exists() {
            imported.absent.push(path.display().to_string());
            files.push(File::default());
            continue;
        }
        files.push(read(&path, columns)?);
    }
    let cases = cases_of(&files, run_id).map_err(|reason| ImportError::Format {
        path: folder.to_owned(),
        at: 0,
        reason,
    })?;
    cases
        .iter()
        .try_for_each(|case| refuse_case(dir, &case.labels.case_id, replaces))?;
    for case in &cases {
        write_case(case, &files, dir, &mut imported)?;
    }
    imported.cases = cases.len();
    Ok(imported)
}

fn write_case(
    case: &Case,
    files: &[File],
    dir: &Path,
    imported: &mut ImportedCsv,
) -> Result<(), ImportError> {
    let pairs = pairs::spans(case.rows[PAIRS].iter().map(|row| &files[PAIRS].rows[*row]));
    let (spans, estimated, invalid) = (pairs.spans, pairs.estimated, pairs.invalid);
    let times = spans
        .iter()
        .map(|span| span.start_ns)
        .min()
        .zip(spans.iter().map(|span| span.end_ns()).max());
    let report = write_trace_tables(dir, &case.labels, spans, None)?;
    for (place, (name, columns)) in FILES.iter().enumerate() {
        if place != PAIRS && !files[place].columns.is_empty() {
            write_figures(
                &user_name(name),
                columns,
                &files[place],
                &case.rows[place],
                (dir, &case.labels),
            )?;
        }
    }
    write_head(dir, &case.labels, times, (&report, estimated, invalid))?;
    imported.spans += report.spans;
    imported.estimated += estimated;
    imported.invalid += invalid;
    Ok(())
}

/// The original's file name without the `_data` that all have.
fn user_name(file: &str) -> String {
    file.trim_end_matches("_data").to_owned()
}

/// The original's own figures as a table of the user's.
fn write_figures(
    name: &str,
    columns: &[&str],
    file: &File,
    rows: &[usize],
    (dir, labels): (&Path, &CaseLabels),
) -> Result<(), SinkError> {
    let is_text = |name: &str| matches!(name, "microservice" | "pod" | "trace_id");
    let kind = |name: &&str| {
        if is_text(name) {
            ColumnType::Text
        } else {
            ColumnType::Float
        }
    };
    let own: Vec<_> = columns
        .iter()
        .map(|name| ((*name).to_owned(), kind(name)))
        .collect();
    let mut writer = TableWriter::create(dir, &user_table(name, &own), labels)?;
    for row in rows {
        let cells: Vec<_> = columns
            .iter()
            .zip(&file.rows[*row])
            .map(|(name, value)| match value.as_str() {
                "" => Cell::Null,
                text if is_text(name) => Cell::Text(text),
                text => text.parse().map_or(Cell::Null, Cell::Float),
            })
            .collect();
        writer.push(&cells)?;
    }
    writer.finish().map(drop)
}

/// The rows of `cases` and `quality`.
fn write_head(
    dir: &Path,
    labels: &CaseLabels,
    times: Option<(i64, i64)>,
    (report, estimated, invalid): (&TraceReport, u64, u64),
) -> Result<(), SinkError> {
    let mut doubts = Vec::new();
    if report.spans == 0 {
        doubts.push("the files have no traces of this case".to_owned());
    }
    if estimated > 0 {
        doubts.push(format!("the start of {estimated} spans is not in the files: that of their first child was taken"));
    }
    if invalid > 0 {
        doubts.push(format!("{invalid} rows have no ids or times"));
    }
    let name: Vec<_> = labels
        .factors
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let head = Head {
        name: &name.join("|"),
        times,
        received: report.spans,
        missing: invalid,
        doubts,
    };
    head::write(dir, labels, &head)
}

/// A file of the original's cannot be read as what it should be.
fn wrong(path: &Path, at: u64, reason: String) -> ImportError {
    ImportError::Format {
        path: PathBuf::from(path),
        at,
        reason,
    }
}

#[cfg(test)]
mod tests;
