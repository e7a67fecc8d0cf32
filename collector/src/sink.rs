//! Parquet files of a case's tables: streamed with bounded memory, complete under their name or not there at all.
//!
//! A file is written under a hidden name beside its own (`.part-0.parquet.tmp`), synced, and renamed. Readers that glob
//! `*.parquet` never see half of one, and a writer that is dropped or fails leaves nothing.

mod cells;
mod encoder;
mod file;

use crate::schema::Table;
use aefm_workloads::labels::CaseLabels;
use cells::Batch;
use encoder::Encoder;
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use std::path::{Path, PathBuf};

pub(crate) use cells::Hex;
pub use cells::{Cell, RowError};
pub(crate) use file::PartFile;

/// A batch is handed to the encoder at so many rows...
const BATCH_ROWS: usize = 8192;
/// ...or so many bytes of text, whichever comes first.
const BATCH_BYTES: usize = 4 << 20;

/// Why a table could not be written. Names the table, the case, the file and the cause.
#[derive(Debug, thiserror::Error)]
#[error("write table {table} of case {case} ({}): {cause}", path.display())]
pub struct SinkError {
    /// The table.
    pub table: String,
    /// The case.
    pub case: String,
    /// The file it was to be.
    pub path: PathBuf,
    /// What went wrong.
    #[source]
    pub cause: SinkCause,
}

/// What went wrong in writing a table.
#[derive(Debug, thiserror::Error)]
pub enum SinkCause {
    /// The operating system refused; a full disk is among these.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The encoder refused (the file's own errors come through it, too).
    #[error(transparent)]
    Parquet(#[from] ParquetError),
    /// A row did not fit the table.
    #[error(transparent)]
    Row(#[from] RowError),
    /// A factor has the name of one of the table's columns.
    #[error("factor {0} has the name of a column of this table; give the axis another name")]
    Collision(String),
    /// The case's id would lead out of its folder.
    #[error(
        "a case id or table name is letters, digits, `-`, `_` and `.`, and begins with none of these: {0:?}"
    )]
    Name(String),
}

/// A table file that is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Where it is.
    pub path: PathBuf,
    /// Its rows.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
}

/// Writes one table of one case.
pub struct TableWriter {
    place: Place,
    batch: Batch,
    // None after a failure: what follows it would only hide the first cause.
    writer: Option<Encoder>,
    rows: u64,
}

struct Place {
    table: String,
    case: String,
    path: PathBuf,
}

impl Place {
    fn of(dir: &Path, table: &Table, labels: &CaseLabels) -> Self {
        let path = part_path(dir, &table.name, &labels.case_id);
        Self {
            table: table.name.to_string(),
            case: labels.case_id.clone(),
            path,
        }
    }

    fn error(&self, cause: impl Into<SinkCause>) -> SinkError {
        SinkError {
            table: self.table.clone(),
            case: self.case.clone(),
            path: self.path.clone(),
            cause: cause.into(),
        }
    }
}

/// The file of a table of a case: `<dir>/<table>/case=<case>/part-0.parquet`.
#[must_use]
pub fn part_path(dir: &Path, table: &str, case: &str) -> PathBuf {
    dir.join(table)
        .join(format!("case={case}"))
        .join("part-0.parquet")
}

impl TableWriter {
    /// Opens the hidden file of `table` for the case that `labels` name, in the dataset at `dir`.
    ///
    /// # Errors
    /// The folder or file cannot be made, or a factor has a column's name.
    pub fn create(dir: &Path, table: &Table, labels: &CaseLabels) -> Result<Self, SinkError> {
        Self::open(Place::of(dir, table, labels), table, labels, false)
    }

    /// Like [`TableWriter::create`], for a table of very many rows: threads share the work of encoding it.
    ///
    /// # Errors
    /// Likewise, or no thread can be had.
    pub fn create_shared(
        dir: &Path,
        table: &Table,
        labels: &CaseLabels,
    ) -> Result<Self, SinkError> {
        Self::open(Place::of(dir, table, labels), table, labels, true)
    }

    fn open(
        place: Place,
        table: &Table,
        labels: &CaseLabels,
        is_shared: bool,
    ) -> Result<Self, SinkError> {
        match Self::encoder(&place, table, labels, is_shared) {
            Ok((writer, batch)) => Ok(Self {
                place,
                batch,
                writer: Some(writer),
                rows: 0,
            }),
            Err(cause) => Err(place.error(cause)),
        }
    }

    fn encoder(
        place: &Place,
        table: &Table,
        labels: &CaseLabels,
        is_shared: bool,
    ) -> Result<(Encoder, Batch), SinkCause> {
        for name in [&*labels.case_id, &*table.name] {
            if !is_plain(name) {
                return Err(SinkCause::Name(name.to_owned()));
            }
        }
        if let Some((name, _)) = labels
            .factors
            .iter()
            .find(|(name, _)| table.has_column(name))
        {
            return Err(SinkCause::Collision(name.clone()));
        }
        let file = PartFile::create(&place.path)?;
        let schema = table.schema(labels);
        let options = ArrowWriterOptions::new()
            .with_properties(properties(table))
            .with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(file, schema.clone(), options)?;
        let writer = if is_shared {
            Encoder::shared(writer, &schema)?
        } else {
            Encoder::Alone(Box::new(writer))
        };
        Ok((writer, Batch::new(schema, labels, table)))
    }

    /// Adds a row: the table's own columns in their order, labels left out.
    ///
    /// # Errors
    /// The row does not fit the table, or the file cannot be written. After a failed write every further one fails.
    pub fn push(&mut self, row: &[Cell<'_>]) -> Result<(), SinkError> {
        self.batch
            .push(row)
            .map_err(|error| self.place.error(error))?;
        self.rows += 1;
        if self.batch.rows() >= BATCH_ROWS || self.batch.bytes() >= BATCH_BYTES {
            return self.encode();
        }
        Ok(())
    }

    /// Rows pushed so far.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    fn encode(&mut self) -> Result<(), SinkError> {
        let Some(writer) = &mut self.writer else {
            return Err(self.place.error(std::io::Error::other(
                "an earlier write to this file failed",
            )));
        };
        let text_bytes = self.batch.bytes();
        let written = self
            .batch
            .take()
            .and_then(|batch| writer.write(&batch, text_bytes));
        written.map_err(|error| {
            self.writer = None;
            self.place.error(error)
        })
    }

    /// Completes the file and gives it its name.
    ///
    /// # Errors
    /// It could not be written, synced or renamed; nothing is left of it then.
    pub fn finish(mut self) -> Result<Written, SinkError> {
        self.encode()?;
        let close = |writer: Option<Encoder>| -> Result<u64, SinkCause> {
            let writer = writer
                .ok_or_else(|| std::io::Error::other("an earlier write to this file failed"))?;
            Ok(writer.finish()?.publish()?)
        };
        match close(self.writer.take()) {
            Ok(bytes) => Ok(Written {
                path: self.place.path,
                rows: self.rows,
                bytes,
            }),
            Err(cause) => Err(self.place.error(cause)),
        }
    }
}

/// A case's id as somebody typed it.
///
/// # Errors
/// It cannot be a part of a file's name; the text says what can.
pub fn case_id(text: &str) -> Result<String, String> {
    if is_plain(text) {
        return Ok(text.to_owned());
    }
    Err(
        "an id is letters, digits, `-`, `_` and `.`, the first of them a letter or a digit"
            .to_owned(),
    )
}

/// Names become folders: nothing in them may lead elsewhere, be hidden or end a `key=value` pair.
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.len() <= 200
        && name.chars().all(plain)
}

fn properties(table: &Table) -> WriterProperties {
    // Page statistics cost a sixth of the writer's time; a chunk's are enough to skip row groups by.
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        // Readers take it apart by this grammar, and some refuse statistics of a writer that they cannot name.
        .set_created_by(
            concat!(
                "aefm version ",
                env!("CARGO_PKG_VERSION"),
                " (build parquet-rs)"
            )
            .to_owned(),
        );
    for column in table.columns.iter().filter(|column| column.unique) {
        let path = ColumnPath::from(&*column.name);
        builder = builder.set_column_dictionary_enabled(path.clone(), false);
        if column.kind == crate::schema::ColumnType::Int {
            // Instants of neighbouring rows are close to each other.
            builder = builder.set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
        }
    }
    builder.build()
}

#[cfg(test)]
mod tests;
