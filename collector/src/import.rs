//! Saved traces into tables: Jaeger's JSON and OTLP (JSON lines, protobuf, length-prefixed protobuf), of any size.
//!
//! Files are read in pieces, and spans beyond a budget of memory wait on disk ([`spill`]), so that what is imported is
//! bounded by the disk alone.

mod aefm_csv;
mod pieces;
mod record;
mod spill;

pub use aefm_csv::{ImportedCsv, import_aefm_csv};
pub use spill::SpillError;

use crate::jaeger::json as jaeger_json;
use crate::otlp;
use crate::sink::SinkError;
use crate::span::{Names, Span};
use crate::trace::{Analysis, TraceReport, TraceTables, group};
use aefm_workloads::labels::CaseLabels;
use pieces::{Batch, Format, Pieces};
use record::{Book, Writer};
use spill::Spill;
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};

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
/// Batches that may wait before and behind each.
const QUEUE: usize = 2;

/// Some of a file on its way to a decoder.
type Sent<'a> = (&'a Path, Batch);

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
    let book = Book::default();
    let mut spill = Spill::new(dir, budget_bytes, &book);
    let mut imported = Imported::default();
    std::thread::scope(|scope| {
        // Reading and cutting here, decoding there: on two cores both are busy.
        let (mut to_decoders, mut from_decoders) = (Vec::new(), Vec::new());
        for _ in 0..DECODERS {
            let (to_decoder, batches) = sync_channel::<Sent>(QUEUE);
            let (to_spill, decoded) = sync_channel::<Result<Decoded, ImportError>>(QUEUE);
            let book = &book;
            scope.spawn(move || decode_all(batches, book, &to_spill));
            to_decoders.push(to_decoder);
            from_decoders.push(decoded);
        }
        // It ends with the files, or with a decoder; and the decoders end with it.
        let reader = scope.spawn(move || read(kind, files, &to_decoders));
        // In the order of the file, so that the same files always become the same tables.
        for decoded in from_decoders
            .iter()
            .cycle()
            .map_while(|decoder| decoder.recv().ok())
        {
            let decoded = decoded?;
            imported.invalid += decoded.invalid;
            spill.push(decoded.records)?;
        }
        reader.join().unwrap_or_else(|_| {
            Err(ImportError::Read {
                path: PathBuf::new(),
                cause: std::io::Error::other("the reading thread panicked"),
            })
        })
    })?;
    imported.spilled_bytes = spill.spilled_bytes();
    imported.report = write(spill, dir, labels)?;
    Ok(imported)
}

/// Cuts the files into pieces and hands them to the decoders in turn.
fn read<'a>(
    kind: Kind,
    files: &'a [PathBuf],
    to_decoders: &[SyncSender<Sent<'a>>],
) -> Result<(), ImportError> {
    let mut turns = to_decoders.iter().cycle();
    for path in files {
        for (batch, decoder) in Pieces::open(kind, path)?.zip(&mut turns) {
            // A closed channel: the decoder has ended because of an error, which it reports itself.
            if decoder.send((path, batch?)).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// What a batch of pieces held.
#[derive(Default)]
struct Decoded {
    records: Vec<u8>,
    invalid: u64,
}

/// Decodes what the reader hands over, until there is no more, or an error. Spans end here, as records: they would share
/// their names, and the counts of who shares them, with the thread that takes them.
fn decode_all(
    batches: Receiver<Sent<'_>>,
    book: &Book,
    to_spill: &SyncSender<Result<Decoded, ImportError>>,
) {
    let (mut names, mut writer) = (Names::default(), Writer::new(book));
    for (path, batch) in batches {
        let decoded = decode(path, &batch, &mut names, &mut writer);
        let is_end = decoded.is_err();
        if to_spill.send(decoded).is_err() || is_end {
            return;
        }
    }
}

fn decode(
    path: &Path,
    batch: &Batch,
    names: &mut Names,
    writer: &mut Writer<'_>,
) -> Result<Decoded, ImportError> {
    let mut decoded = Decoded::default();
    for (at, piece) in batch.iter() {
        let read = spans(piece, batch.format, names, &mut decoded.invalid);
        let spans = read.map_err(|reason| ImportError::Format {
            path: path.to_owned(),
            at,
            reason,
        })?;
        spans
            .iter()
            .for_each(|span| writer.write(span, &mut decoded.records));
    }
    Ok(decoded)
}

fn spans(
    piece: &[u8],
    format: Format,
    names: &mut Names,
    invalid: &mut u64,
) -> Result<Vec<Span>, String> {
    let decoded = match format {
        Format::JaegerTrace => {
            jaeger_json::read_trace(piece, names).map_err(|error| error.to_string())?
        }
        Format::OtlpJson => otlp::json::read(piece, names).map_err(|error| error.to_string())?,
        Format::OtlpProto => {
            otlp::decode::decode(piece, names).map_err(|error| error.to_string())?
        }
    };
    *invalid += decoded.invalid;
    Ok(decoded.spans)
}

/// Spans become traces, and are analysed, on one thread; on this one they become tables.
fn write(spill: Spill<'_>, dir: &Path, labels: &CaseLabels) -> Result<TraceReport, ImportError> {
    let mut tables = TraceTables::create(dir, labels)?;
    let mut copies = 0;
    std::thread::scope(|scope| {
        let (give, grouped) = sync_channel(1);
        // What is in the tables goes back to end where it was made: its memory and its names belong there.
        let (give_back, used) = channel();
        let grouping = scope.spawn(move || {
            spill.drain(|spans| {
                used.try_iter().for_each(drop);
                let (traces, copies) = group(spans);
                let analysed = |trace: Vec<Span>| Some((Analysis::of(&trace, None)?, trace));
                let traces: Vec<_> = traces.into_iter().filter_map(analysed).collect();
                // A closed channel: a table could not be written, which is told there.
                if give.send((traces, copies)).is_ok() {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            })
        });
        for (traces, dropped) in grouped {
            copies += dropped;
            traces
                .iter()
                .try_for_each(|(analysis, trace)| tables.add_analysed(trace, analysis))?;
            let _ = give_back.send(traces);
        }
        grouping
            .join()
            .unwrap_or_else(|panic| resume_unwind(panic))
            .map_err(ImportError::from)
    })?;
    let mut report = tables.finish(dir, labels, None)?;
    report.copies += copies;
    Ok(report)
}

#[cfg(test)]
mod tests;
