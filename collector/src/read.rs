//! Tables of a run, read back: batches, single values, and the spans of a case trace by trace.

mod spans;

use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, RecordBatch, cast::AsArray};
use arrow_schema::DataType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use std::fs::File;
use std::path::{Path, PathBuf};

pub use spans::{Trace, Traces, read_traces};

/// Why a table could not be read.
#[derive(Debug, thiserror::Error)]
#[error("read {}: {cause}", path.display())]
pub struct TableError {
    /// The file.
    pub path: PathBuf,
    /// What went wrong.
    #[source]
    pub cause: TableCause,
}

/// What went wrong in reading a table.
#[derive(Debug, thiserror::Error)]
pub enum TableCause {
    /// It cannot be opened.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// It is not Parquet, or broken.
    #[error(transparent)]
    Parquet(#[from] parquet::errors::ParquetError),
    /// It is broken within.
    #[error(transparent)]
    Arrow(#[from] arrow_schema::ArrowError),
    /// It lacks a column, or the column has another type than the schema says.
    #[error("it has no column {0} of the type that the schema says")]
    Column(&'static str),
    /// A value that the column cannot have.
    #[error("{1:?} is no {0}")]
    Word(&'static str, String),
}

/// The batches of one table file.
pub struct Rows {
    path: PathBuf,
    reader: ParquetRecordBatchReader,
}

/// Opens a table file ([`crate::sink::part_path`]).
///
/// # Errors
/// It is not there, or not Parquet.
pub fn read_table(path: &Path) -> Result<Rows, TableError> {
    open(path, None)
}

/// Opens a table file for these columns only.
///
/// # Errors
/// It is not there, or not Parquet.
pub fn read_columns(path: &Path, columns: &[&str]) -> Result<Rows, TableError> {
    open(path, Some(columns))
}

fn open(path: &Path, columns: Option<&[&str]>) -> Result<Rows, TableError> {
    let open = || {
        let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
        let mask = columns.map(|columns| {
            ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied())
        });
        Ok(match mask {
            Some(mask) => builder.with_projection(mask).build()?,
            None => builder.build()?,
        })
    };
    let reader = open().map_err(|cause| TableError {
        path: path.to_owned(),
        cause,
    })?;
    Ok(Rows {
        path: path.to_owned(),
        reader,
    })
}

impl Rows {
    /// The columns and their types.
    pub(crate) fn schema(&self) -> arrow_schema::SchemaRef {
        use arrow_array::RecordBatchReader as _;
        self.reader.schema()
    }

    /// Names of the columns.
    pub(crate) fn columns(&self) -> Vec<String> {
        self.schema()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect()
    }

    /// An error of this file's.
    pub(crate) fn error(&self, cause: TableCause) -> TableError {
        TableError {
            path: self.path.clone(),
            cause,
        }
    }
}

impl Iterator for Rows {
    type Item = Result<RecordBatch, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.reader.next()?;
        Some(batch.map_err(|cause| self.error(cause.into())))
    }
}

/// A value of a batch; none where it is null, or where there is no such column of that type.
pub(crate) fn int(batch: &RecordBatch, name: &str, row: usize) -> Option<i64> {
    let column = batch
        .column_by_name(name)?
        .as_primitive_opt::<Int64Type>()?;
    column.is_valid(row).then(|| column.value(row))
}

/// Likewise.
pub(crate) fn float(batch: &RecordBatch, name: &str, row: usize) -> Option<f64> {
    let column = batch
        .column_by_name(name)?
        .as_primitive_opt::<Float64Type>()?;
    column.is_valid(row).then(|| column.value(row))
}

/// Likewise.
pub(crate) fn text<'a>(batch: &'a RecordBatch, name: &str, row: usize) -> Option<&'a str> {
    let column = batch.column_by_name(name)?.as_string_opt::<i32>()?;
    column.is_valid(row).then(|| column.value(row))
}

/// Whatever it is, as text: booleans as `true` and `false`, binary as base64; empty for null.
pub(crate) fn any(batch: &RecordBatch, column: usize, row: usize) -> String {
    use base64::Engine as _;
    let array = batch.column(column);
    if array.is_null(row) {
        return String::new();
    }
    match array.data_type() {
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).to_string(),
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        DataType::Binary => {
            base64::engine::general_purpose::STANDARD.encode(array.as_binary::<i32>().value(row))
        }
        DataType::Utf8 => array.as_string::<i32>().value(row).to_owned(),
        // The dataset has no others ([`crate::schema::ColumnType`]).
        _ => String::new(),
    }
}
