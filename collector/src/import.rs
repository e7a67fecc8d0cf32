//! Saved traces into tables: Jaeger's JSON and OTLP (JSON lines, protobuf, length-prefixed protobuf), of any size.
//!
//! Files are read in pieces, and spans beyond a budget of memory wait on disk ([`spill`]), so that what is imported is
//! bounded by the disk alone.

mod aefm_csv;
mod pieces;
pub mod spill;

pub use aefm_csv::{ImportedCsv, import_aefm_csv};

use crate::jaeger::json::{self as jaeger_json, Traces};
use crate::otlp;
use crate::sink::SinkError;
use crate::span::{Names, Span};
use crate::trace::{TraceReport, TraceTables};
use aefm_workloads::labels::CaseLabels;
use pieces::{Format, Pieces};
use spill::{Spill, SpillError};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

/// What kind of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Answers of `/api/traces`, as Jaeger's page and API save them.
    Jaeger,
    /// OTLP: `TracesData` as JSON (one document, or one a line), as protobuf, or as the collector's file exporter
    /// writes it (each message after its length, four bytes, big-endian).
    Otlp,
}

/// Why files could not be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file cannot be read.
    #[error("read {}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        cause: std::io::Error,
    },
    /// A file has no traces of this kind in it.
    #[error("read traces from {} at byte {at}: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Where in it.
        at: u64,
        /// What is wrong there.
        reason: String,
    },
    /// Spans could not wait on disk.
    #[error(transparent)]
    Spill(#[from] SpillError),
    /// A table could not be written.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

/// What was imported.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Imported {
    /// The traces.
    pub report: TraceReport,
    /// Spans without valid ids, left out.
    pub invalid: u64,
    /// Bytes of spans that had to wait on disk.
    pub spilled_bytes: u64,
}

/// Memory for spans before they go to disk.
pub const BUDGET_BYTES: usize = 160 << 20;

/// Threads that decode: it is most of what reading Jaeger's JSON costs.
const DECODERS: usize = 2;

/// About so many bytes are handed from thread to thread at a time.
const HANDED_BYTES: usize = 1 << 20;

/// A piece of a file on its way to a decoder.
struct Piece {
    path: PathBuf,
    at: u64,
    bytes: Vec<u8>,
    format: Format,
}

/// Imports `files` as the case that `labels` name, into the dataset at `dir`, within about `budget_bytes` of spans in
/// memory ([`BUDGET_BYTES`]).
///
/// # Errors
/// A file cannot be read or is of another kind, or a table could not be written. There are no tables then.
pub fn import(
    kind: Kind,
    files: &[PathBuf],
    dir: &Path,
    labels: &CaseLabels,
    budget_bytes: usize,
) -> Result<Imported, ImportError> {
    let mut spill = Spill::new(dir, budget_bytes);
    let mut imported = Imported::default();
    // Reading and cutting here, decoding there: on two cores both are busy.
    let (to_decoder, batches) = sync_channel::<Vec<Piece>>(4);
    let batches = Arc::new(Mutex::new(batches));
    let (to_spill, decoded) = sync_channel::<Result<Traces, ImportError>>(4);
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || read(kind, files, &to_decoder));
        for _ in 0..DECODERS {
            let (batches, to_spill) = (Arc::clone(&batches), to_spill.clone());
            scope.spawn(move || decode_all(&batches, &to_spill));
        }
        // With the last decoder these end, and with them the reader.
        drop((batches, to_spill));
        for traces in decoded {
            let traces = traces?;
            imported.invalid += traces.invalid;
            for span in traces.traces.into_iter().flatten() {
                spill.push(span)?;
            }
        }
        reader.join().unwrap_or_else(|_| {
            Err(ImportError::Read { path: PathBuf::new(), cause: std::io::Error::other("the reading thread panicked") })
        })
    })?;
    imported.spilled_bytes = spill.spilled_bytes();
    imported.report = write(spill, dir, labels)?;
    Ok(imported)
}

/// Cuts the files into pieces and hands them over, many at a time: a thread that is woken for each costs more than it
/// does.
fn read(kind: Kind, files: &[PathBuf], to_decoder: &SyncSender<Vec<Piece>>) -> Result<(), ImportError> {
    for path in files {
        let (mut batch, mut batch_bytes) = (Vec::new(), 0);
        for piece in Pieces::open(kind, path)? {
            let (at, bytes, format) = piece?;
            batch_bytes += bytes.len();
            batch.push(Piece { path: path.clone(), at, bytes, format });
            // A closed channel: the decoder has ended because of an error, which it reports itself.
            if batch_bytes >= HANDED_BYTES && to_decoder.send(std::mem::take(&mut batch)).is_err() {
                return Ok(());
            }
            if batch.is_empty() {
                batch_bytes = 0;
            }
        }
        if to_decoder.send(batch).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Decodes what the reader hands over, until there is no more, or an error.
fn decode_all(batches: &Mutex<Receiver<Vec<Piece>>>, to_spill: &SyncSender<Result<Traces, ImportError>>) {
    let mut names = Names::default();
    loop {
        // Held while it waits: whoever is next in line gets the next batch.
        let next = batches.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(pieces) = next else { return };
        let mut traces = Traces::default();
        let read = pieces.iter().try_for_each(|piece| decode(piece, &mut names, &mut traces));
        let is_end = read.is_err();
        if to_spill.send(read.map(|()| traces)).is_err() || is_end {
            return;
        }
    }
}

fn decode(piece: &Piece, names: &mut Names, traces: &mut Traces) -> Result<(), ImportError> {
    let wrong = |reason: String| ImportError::Format { path: piece.path.clone(), at: piece.at, reason };
    let decoded = match piece.format {
        Format::JaegerTrace => {
            return jaeger_json::read_trace(&piece.bytes, names, traces).map_err(|error| wrong(error.to_string()));
        }
        Format::OtlpJson => otlp::json::read(&piece.bytes, names).map_err(|error| wrong(error.to_string()))?,
        Format::OtlpProto => otlp::decode::decode(&piece.bytes, names).map_err(|error| wrong(error.to_string()))?,
    };
    traces.invalid += decoded.invalid;
    traces.traces.push(decoded.spans);
    Ok(())
}

fn write(spill: Spill, dir: &Path, labels: &CaseLabels) -> Result<TraceReport, ImportError> {
    let mut tables = TraceTables::create(dir, labels)?;
    let mut copies = 0;
    spill.drain(|spans: Vec<Span>| {
        let (traces, dropped) = crate::trace::group(spans);
        copies += dropped;
        traces.iter().try_for_each(|trace| tables.add(trace, None)).map_err(ImportError::from)
    })?;
    let mut report = tables.finish(dir, labels, None)?;
    report.copies += copies;
    Ok(report)
}

#[cfg(test)]
mod tests;
