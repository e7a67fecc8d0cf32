//! Rows into Arrow columns.

use super::SinkCause;
use crate::schema::{ColumnType, Table};
use aefm_workloads::ids::{SpanId, TraceId};
use aefm_workloads::labels::{CaseLabels, FactorValue};
use arrow_array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray,
    builder::{BinaryBuilder, BooleanBuilder, Float64Builder, Int64Builder, StringBuilder},
};
use arrow_schema::SchemaRef;
use std::sync::Arc;

/// One value of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// Nothing known.
    Null,
    /// For an int64 column.
    Int(i64),
    /// For a double column; not-a-number is written as it is.
    Float(f64),
    /// For a string column.
    Text(&'a str),
    /// For a boolean column.
    Flag(bool),
    /// For a binary column.
    Bytes(&'a [u8]),
    /// For a string column: 32 hex digits.
    Trace(TraceId),
    /// For a string column: 16 hex digits.
    Span(SpanId),
}

/// A row that does not fit its table.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RowError {
    /// Too few or too many values.
    #[error("a row has {given} values where the table has {expected} columns")]
    Length {
        /// Values in the row.
        given: usize,
        /// Columns of the table.
        expected: usize,
    },
    /// A value of another type than its column's, or null where it is required.
    #[error("the value {value} does not fit column {column}")]
    Kind {
        /// The column.
        column: String,
        /// The value, as Rust shows it.
        value: String,
    },
}

impl<'a> From<Option<&'a str>> for Cell<'a> {
    fn from(value: Option<&'a str>) -> Self {
        value.map_or(Self::Null, Self::Text)
    }
}

impl From<Option<i64>> for Cell<'_> {
    fn from(value: Option<i64>) -> Self {
        value.map_or(Self::Null, Self::Int)
    }
}

impl From<Option<f64>> for Cell<'_> {
    fn from(value: Option<f64>) -> Self {
        value.map_or(Self::Null, Self::Float)
    }
}

impl From<u64> for Cell<'_> {
    /// Counts beyond 2^63 do not occur; they would be written as the largest int64.
    fn from(value: u64) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

enum Builder {
    Int(Int64Builder),
    Float(Float64Builder),
    Text(StringBuilder),
    Flag(BooleanBuilder),
    Bytes(BinaryBuilder),
}

struct ColumnBuilder {
    name: String,
    required: bool,
    builder: Builder,
}

/// Rows of one table on their way to the encoder.
pub(super) struct Batch {
    schema: SchemaRef,
    labels: CaseLabels,
    // The labels' columns, as long as the longest batch so far: others are a part of them.
    repeated: Vec<ArrayRef>,
    columns: Vec<ColumnBuilder>,
    rows: usize,
    bytes: usize,
}

impl Batch {
    pub(super) fn new(schema: SchemaRef, labels: &CaseLabels, table: &Table) -> Self {
        let columns = table.columns.iter().map(|column| ColumnBuilder {
            name: column.name.to_string(),
            required: column.required,
            builder: Builder::new(column.kind),
        });
        Self {
            schema,
            labels: labels.clone(),
            repeated: Vec::new(),
            columns: columns.collect(),
            rows: 0,
            bytes: 0,
        }
    }

    pub(super) const fn rows(&self) -> usize {
        self.rows
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a row, or leaves everything as it was.
    pub(super) fn push(&mut self, row: &[Cell<'_>]) -> Result<(), RowError> {
        if row.len() != self.columns.len() {
            return Err(RowError::Length {
                given: row.len(),
                expected: self.columns.len(),
            });
        }
        // A misfit is found before the first value is added: columns stay of one length.
        if let Some((column, cell)) = self
            .columns
            .iter()
            .zip(row)
            .find(|(column, cell)| !column.fits(**cell))
        {
            return Err(RowError::Kind {
                column: column.name.clone(),
                value: format!("{cell:.80?}"),
            });
        }
        for (column, cell) in self.columns.iter_mut().zip(row) {
            self.bytes += column.builder.append(*cell);
        }
        self.rows += 1;
        Ok(())
    }

    /// The rows so far as a record batch, and none are left.
    pub(super) fn take(&mut self) -> Result<RecordBatch, SinkCause> {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        if self.repeated.first().is_none_or(|array| array.len() < rows) {
            let ids = [&self.labels.run_id, &self.labels.case_id].map(|id| repeated_text(id, rows));
            let factors = self
                .labels
                .factors
                .iter()
                .map(|(_, value)| repeated(value, rows));
            self.repeated = ids.into_iter().chain(factors).collect();
        }
        let labels = self.repeated.iter().map(|array| array.slice(0, rows));
        let own = self
            .columns
            .iter_mut()
            .map(|column| column.builder.finish());
        let arrays = labels.chain(own).collect();
        RecordBatch::try_new(self.schema.clone(), arrays)
            .map_err(|error| SinkCause::Parquet(error.into()))
    }
}

fn repeated_text(value: &str, rows: usize) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(std::iter::repeat_n(
        value, rows,
    )))
}

fn repeated(value: &FactorValue, rows: usize) -> ArrayRef {
    match value {
        FactorValue::Text(value) => repeated_text(value, rows),
        FactorValue::Int(value) => Arc::new(Int64Array::from_value(*value, rows)),
        FactorValue::Float(value) => Arc::new(Float64Array::from_value(*value, rows)),
    }
}

impl ColumnBuilder {
    const fn fits(&self, cell: Cell<'_>) -> bool {
        match (&self.builder, cell) {
            (_, Cell::Null) => !self.required,
            (Builder::Int(_), Cell::Int(_))
            | (Builder::Float(_), Cell::Float(_))
            | (Builder::Text(_), Cell::Text(_) | Cell::Trace(_) | Cell::Span(_))
            | (Builder::Flag(_), Cell::Flag(_))
            | (Builder::Bytes(_), Cell::Bytes(_)) => true,
            _ => false,
        }
    }
}

impl Builder {
    fn new(kind: ColumnType) -> Self {
        match kind {
            ColumnType::Int => Self::Int(Int64Builder::new()),
            ColumnType::Float => Self::Float(Float64Builder::new()),
            ColumnType::Text => Self::Text(StringBuilder::new()),
            ColumnType::Flag => Self::Flag(BooleanBuilder::new()),
            ColumnType::Bytes => Self::Bytes(BinaryBuilder::new()),
        }
    }

    /// Adds a cell that fits and says how many bytes of variable length it has.
    fn append(&mut self, cell: Cell<'_>) -> usize {
        match (self, cell) {
            (Self::Int(builder), Cell::Int(value)) => builder.append_value(value),
            (Self::Float(builder), Cell::Float(value)) => builder.append_value(value),
            (Self::Flag(builder), Cell::Flag(value)) => builder.append_value(value),
            (Self::Text(builder), Cell::Text(value)) => {
                builder.append_value(value);
                return value.len();
            }
            (Self::Text(builder), Cell::Trace(id)) => {
                builder.append_value(Hex::<32>::of(&id.0).as_str());
            }
            (Self::Text(builder), Cell::Span(id)) => {
                builder.append_value(Hex::<16>::of(&id.0).as_str());
            }
            (Self::Bytes(builder), Cell::Bytes(value)) => {
                builder.append_value(value);
                return value.len();
            }
            (builder, _) => builder.append_null(),
        }
        0
    }

    fn append_null(&mut self) {
        match self {
            Self::Int(builder) => builder.append_null(),
            Self::Float(builder) => builder.append_null(),
            Self::Text(builder) => builder.append_null(),
            Self::Flag(builder) => builder.append_null(),
            Self::Bytes(builder) => builder.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Int(builder) => Arc::new(builder.finish()),
            Self::Float(builder) => Arc::new(builder.finish()),
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Flag(builder) => Arc::new(builder.finish()),
            Self::Bytes(builder) => Arc::new(builder.finish()),
        }
    }
}

/// Hex digits without an allocation: ids are most of a span's text.
pub(crate) struct Hex<const N: usize>([u8; N]);

impl<const N: usize> Hex<N> {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'0'; N];
        for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        Self(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}
