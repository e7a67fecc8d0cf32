//! Every table of a run as one CSV file, all cases in it: for what reads no Parquet. Binary columns are base64.

use super::ExportError;
use super::file::{OutFile, Target};
use crate::read::{any, read_table};
use crate::sink::part_path;
use std::collections::BTreeSet;
use std::path::Path;

/// One file a table, `<table>.csv`.
pub(super) fn write(run: &Path, cases: &[String], out: Target<'_>) -> Result<u64, ExportError> {
    let mut rows = 0;
    for table in tables(run)? {
        let cases: Vec<&String> = cases
            .iter()
            .filter(|case| part_path(run, &table, case).exists())
            .collect();
        let columns = columns(run, &table, &cases)?;
        if columns.is_empty() {
            continue;
        }
        let mut file = out.file(format!("{table}.csv"))?;
        file.record(columns.iter().map(String::as_str))?;
        for case in cases {
            rows += write_case(&mut file, &columns, &part_path(run, &table, case))?;
        }
        file.finish()?;
    }
    Ok(rows)
}

/// The folders that hold a case's file, the user's own tables among them.
fn tables(run: &Path) -> Result<BTreeSet<String>, ExportError> {
    let error = |cause| ExportError::List {
        path: run.to_owned(),
        cause,
    };
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(run).map_err(error)? {
        let entry = entry.map_err(error)?;
        let is_table = std::fs::read_dir(entry.path()).is_ok_and(|mut inside| {
            inside.any(|case| {
                case.is_ok_and(|case| case.file_name().to_string_lossy().starts_with("case="))
            })
        });
        names.extend(
            entry
                .file_name()
                .to_str()
                .filter(|_| is_table)
                .map(str::to_owned),
        );
    }
    Ok(names)
}

/// The columns of all cases, in the order in which they first come: a user's table may differ from case to case.
fn columns(run: &Path, table: &str, cases: &[&String]) -> Result<Vec<String>, ExportError> {
    let mut columns: Vec<String> = Vec::new();
    for case in cases {
        for name in read_table(&part_path(run, table, case))?.columns() {
            if !columns.contains(&name) {
                columns.push(name);
            }
        }
    }
    Ok(columns)
}

fn write_case(file: &mut OutFile, columns: &[String], path: &Path) -> Result<u64, ExportError> {
    let mut rows = 0;
    for batch in read_table(path)? {
        let batch = batch?;
        let places: Vec<_> = columns
            .iter()
            .map(|name| batch.schema_ref().index_of(name).ok())
            .collect();
        for row in 0..batch.num_rows() {
            let fields: Vec<String> = places
                .iter()
                .map(|place| place.map_or_else(String::new, |place| any(&batch, place, row)))
                .collect();
            file.record(fields.iter().map(String::as_str))?;
        }
        rows += batch.num_rows() as u64;
    }
    Ok(rows)
}
