//! Tables of the user's own: CSV, JSON lines or Parquet becomes `user_<name>`, with the case's ids and factors.
//!
//! Rows that cannot be read are counted and the others kept: a table may be incomplete, and says so.

mod csv;
mod fit;
mod json;
mod number;
mod parquet;
mod united;

use crate::read::TableError;
use crate::schema::ColumnType;
use crate::sink::{SinkError, part_path};
use aefm_workloads::labels::CaseLabels;
use serde::Serialize;
use std::fmt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use united::{AsWritten, CaseTable, Memory, printed};

/// What a user's table comes as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Comma-separated, the first line names the columns; an empty field is null.
    Csv,
    /// JSON objects, one a line, over many lines or in arrays; a key that is absent is null, what is nested becomes JSON
    /// text.
    JsonLines,
    /// A Parquet file of flat columns.
    Parquet,
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Csv => "CSV",
            Self::JsonLines => "JSON lines",
            Self::Parquet => "Parquet",
        })
    }
}

/// Why there is no table at all.
#[derive(Debug, thiserror::Error)]
pub enum UserTableError {
    /// It is not what it should be.
    #[error("read it as {format}: {reason}")]
    Format {
        /// What it should be.
        format: Format,
        /// What is wrong.
        reason: String,
    },
    /// A column has a name that the dataset needs for itself.
    #[error("take column `{0}`: every table has one of that name already; rename yours")]
    Name(String),
    /// A column comes twice.
    #[error("take column `{0}`: it comes twice")]
    Twice(String),
    /// A column that was declared is not there.
    #[error("find column `{column}`, which `columns` declares; there are: {there}")]
    Missing {
        /// The column.
        column: String,
        /// Those that came.
        there: String,
    },
    /// The table of another case, whose columns it shares, could not be read.
    #[error(transparent)]
    Other(#[from] TableError),
    /// It could not be written.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

/// What became of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserReport {
    /// Rows that came.
    pub came: u64,
    /// Rows in the table.
    pub written: u64,
    /// What is wrong with the first row that is not.
    pub fault: Option<String>,
    /// Columns that could not be taken, and why.
    pub without: Vec<String>,
}

/// A value as it came.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Null,
    Flag(bool),
    Int(i64),
    Float(f64),
    Text(String),
    /// What may be of any type: a field of CSV.
    Cell(String),
    /// A number as it is written.
    Number(String),
    Bytes(Vec<u8>),
}

/// Rows as they came: each as long as the names.
#[derive(Debug, Default)]
struct Grid {
    names: Vec<String>,
    /// Types that the format itself knows; the others follow from the values.
    kinds: Vec<Option<ColumnType>>,
    rows: Vec<Vec<Value>>,
    /// Rows that could not be read, and the first one's fault.
    unread: u64,
    fault: Option<String>,
    /// Columns that could not be taken, and why.
    without: Vec<String>,
}

impl Grid {
    fn unread(&mut self, fault: impl FnOnce() -> String) {
        self.unread += 1;
        self.fault.get_or_insert_with(fault);
    }
}

/// One table is written at a time: cases that end together look at each other's columns.
static WRITING: Mutex<Memory> = Mutex::new(Memory::new());

/// Writes what a source of the user's gave as the table `user_<name>` of a case. Columns in `declared` have that type;
/// that of the others is the narrowest in which all their values fit. In all cases of a run a column has one type: where this
/// case needs a wider one, or has columns of its own, the files of the others are written anew with them.
///
/// # Errors
/// There is no such table to be had from it, or it could not be written. Rows that do not fit are no error: the report
/// counts them.
pub fn write_user_table(
    dir: &Path,
    labels: &CaseLabels,
    name: &str,
    (format, bytes): (Format, &[u8]),
    declared: &[(String, ColumnType)],
) -> Result<UserReport, UserTableError> {
    if format != Format::Parquet {
        check_page(bytes).map_err(|reason| UserTableError::Format { format, reason })?;
    }
    let read = match format {
        Format::Csv => csv::read(bytes),
        Format::JsonLines => Ok(json::read(bytes)),
        Format::Parquet => parquet::read(bytes),
    };
    let mut grid = read.map_err(|reason| UserTableError::Format { format, reason })?;
    check_names(&grid.names, labels)?;
    let own = fitted(&mut grid, labels, declared)?;
    let mut memory = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let path = part_path(dir, &format!("user_{name}"), &labels.case_id);
    memory.insert(path, own.written.clone());
    let others = united::others(dir, name, labels, &memory)?;
    let columns = united::columns(&others.iter().chain([&own]));
    for other in others {
        if !other.has(&columns) {
            other.write(dir, name, &columns)?;
        }
    }
    let written = own.write(dir, name, &columns)?;
    Ok(UserReport {
        came: written + grid.unread,
        written,
        fault: grid.fault,
        without: grid.without,
    })
}

/// The rows that fit the types that their columns have in this case.
fn fitted(
    grid: &mut Grid,
    labels: &CaseLabels,
    declared: &[(String, ColumnType)],
) -> Result<CaseTable, UserTableError> {
    let columns = fit::columns(grid, declared)?;
    let mut rows = Vec::new();
    let mut written = AsWritten::new();
    for (number, row) in std::mem::take(&mut grid.rows).into_iter().enumerate() {
        let texts: Vec<Option<String>> = row.iter().map(as_written).collect();
        let fitted: Result<Vec<_>, _> = row
            .into_iter()
            .zip(&columns)
            .map(|(value, (name, kind))| fit::value(value, kind.unwrap_or(ColumnType::Text), name))
            .collect();
        match fitted {
            Ok(row) => {
                for ((text, value), (name, _)) in texts.into_iter().zip(&row).zip(&columns) {
                    if let Some(text) = text.filter(|text| *text != printed(value.clone())) {
                        let own = written.entry(name.clone()).or_default();
                        own.insert(rows.len(), text);
                    }
                }
                rows.push(row);
            }
            Err(reason) => grid.unread(|| format!("row {}: {reason}", number + 1)),
        }
    }
    Ok(CaseTable {
        labels: labels.clone(),
        columns,
        rows,
        written,
    })
}

fn as_written(value: &Value) -> Option<String> {
    match value {
        Value::Cell(text) | Value::Number(text) => Some(text.clone()),
        _ => None,
    }
}

/// What a browser is shown, such as a login page with status 200, is no table.
fn check_page(bytes: &[u8]) -> Result<(), String> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = text.trim_ascii_start();
    if !text.starts_with(b"<") {
        return Ok(());
    }
    let first = String::from_utf8_lossy(&text[..text.len().min(60)]);
    let first = first.lines().next().unwrap_or_default();
    Err(format!("this is a page, not a table: `{first}`"))
}

fn check_names(names: &[String], labels: &CaseLabels) -> Result<(), UserTableError> {
    for (at, name) in names.iter().enumerate() {
        let is_factor = labels.factors.iter().any(|(factor, _)| factor == name);
        if is_factor || ["run_id", "case_id", "case", ""].contains(&name.as_str()) {
            return Err(UserTableError::Name(name.clone()));
        }
        if names[..at].contains(name) {
            return Err(UserTableError::Twice(name.clone()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
