//! A run's tables in other forms.

mod aefm_csv;
mod alibaba;
mod attributes;
mod csv;
mod file;
mod jaeger;
mod otlp;

use crate::read::{TableError, Traces, read_traces};
use crate::sink::part_path;
use file::{OutFile, Target};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

/// The forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The five CSV files of AEFM 0.2.0, with its names and columns and correct numbers.
    AefmCsv,
    /// Spans as OTLP's JSON, a trace a line, a file a case.
    Otlp,
    /// Spans as Jaeger's JSON, a file a case.
    JaegerJson,
    /// Every table as one CSV file.
    Csv,
    /// The columns of Alibaba's microservice trace of 2022.
    Alibaba,
}

/// Why a run could not be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A table could not be read.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A file could not be written.
    #[error("write {}: {cause}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        cause: io::Error,
    },
    /// A file is there already.
    #[error(
        "write {}: it is there already; name another folder, or give --force to write over it",
        .0.display()
    )]
    There(PathBuf),
    /// The run's folder could not be listed.
    #[error("list the tables in {}: {cause}", path.display())]
    List {
        /// The folder.
        path: PathBuf,
        /// What went wrong.
        #[source]
        cause: io::Error,
    },
}

/// Writes a run's `cases` into the folder `out` (made when missing) and says how many rows, or spans, there are. Files that are
/// there already are only written over where `replaces` says so.
///
/// # Errors
/// A table cannot be read, or a file is there already or cannot be written. A file appears complete or not at all.
pub fn export(
    form: Form,
    run: &Path,
    cases: &[String],
    (out, replaces): (&Path, bool),
) -> Result<u64, ExportError> {
    let out = Target {
        folder: out,
        replaces,
    };
    match form {
        Form::AefmCsv => Ok(aefm_csv::write_aefm_csv(run, cases, out)?.iter().sum()),
        Form::Otlp => otlp::write(run, cases, out),
        Form::JaegerJson => jaeger::write(run, cases, out),
        Form::Csv => csv::write(run, cases, out),
        Form::Alibaba => alibaba::write(run, cases, out),
    }
}

/// Writes `<case>.<extension>` for each case that has spans (its `quality` says why one has none), and says how many
/// spans there were.
fn a_file_a_case(
    run: &Path,
    cases: &[String],
    out: Target<'_>,
    extension: &str,
    write: impl Fn(&mut OutFile, Traces) -> Result<u64, ExportError>,
) -> Result<u64, ExportError> {
    let mut spans = 0;
    for case in cases {
        let path = part_path(run, "spans", case);
        if path.exists() {
            let mut file = out.file(format!("{case}.{extension}"))?;
            spans += write(&mut file, read_traces(&path)?)?;
            file.finish()?;
        }
    }
    Ok(spans)
}

/// Ids of the cases of a run, sorted: those that the `cases` table has.
///
/// # Errors
/// The run's folder cannot be listed, or holds no cases.
pub fn cases(run: &Path) -> Result<Vec<String>, ExportError> {
    let path = run.join("cases");
    let error = |cause| ExportError::List {
        path: path.clone(),
        cause,
    };
    let mut ids = BTreeSet::new();
    for entry in std::fs::read_dir(&path).map_err(error)? {
        let name = entry.map_err(error)?.file_name();
        ids.extend(
            name.to_str()
                .and_then(|name| name.strip_prefix("case="))
                .map(str::to_owned),
        );
    }
    Ok(ids.into_iter().collect())
}

#[cfg(test)]
mod tests;
