//! Tables of a run, read back row by row.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use std::fs::File;
use std::path::{Path, PathBuf};

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
    Arrow(#[from] arrow::error::ArrowError),
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
    let open = || Ok(ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?.build()?);
    let reader = open().map_err(|cause| TableError { path: path.to_owned(), cause })?;
    Ok(Rows { path: path.to_owned(), reader })
}

impl Iterator for Rows {
    type Item = Result<RecordBatch, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.reader.next()?;
        Some(batch.map_err(|cause| TableError { path: self.path.clone(), cause: cause.into() }))
    }
}

/// A value of a batch; none where it is null, or where there is no such column of that type.
pub(crate) fn int(batch: &RecordBatch, name: &str, row: usize) -> Option<i64> {
    let column = batch.column_by_name(name)?.as_primitive_opt::<Int64Type>()?;
    column.is_valid(row).then(|| column.value(row))
}

/// Likewise.
pub(crate) fn float(batch: &RecordBatch, name: &str, row: usize) -> Option<f64> {
    let column = batch.column_by_name(name)?.as_primitive_opt::<Float64Type>()?;
    column.is_valid(row).then(|| column.value(row))
}

/// Likewise.
pub(crate) fn text<'a>(batch: &'a RecordBatch, name: &str, row: usize) -> Option<&'a str> {
    let column = batch.column_by_name(name)?.as_string_opt::<i32>()?;
    column.is_valid(row).then(|| column.value(row))
}

/// Whatever it is, as text; empty for null.
pub(crate) fn any(batch: &RecordBatch, column: usize, row: usize) -> String {
    let (name, kind) = (batch.schema_ref().field(column).name(), batch.schema_ref().field(column).data_type());
    match kind {
        DataType::Int64 => int(batch, name, row).map(|value| value.to_string()),
        DataType::Float64 => float(batch, name, row).map(|value| value.to_string()),
        _ => text(batch, name, row).map(str::to_owned),
    }
    .unwrap_or_default()
}
