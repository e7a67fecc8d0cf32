//! Saved traces into tables: what Jaeger, OpenTelemetry's collector and SDKs, Tempo, Zipkin and Elasticsearch write, of any
//! size, packed or not.
//!
//! Files are read in pieces, and spans beyond a budget of memory wait on disk ([`spill`]), so that what is imported is
//! bounded by the disk alone. What cannot be read is left out by itself, counted, and named with its place.

mod aefm_csv;
mod console;
mod documents;
mod head;
mod outcome;
mod pieces;
mod record;
mod source;
mod spill;
mod zipkin;

pub use aefm_csv::{ImportedCsv, import_aefm_csv};
pub use outcome::{ImportError, Imported, Kind, LeftOut};
pub use spill::SpillError;

use crate::schema::TABLES;
use crate::sink::part_path;
use crate::span::{Names, Span};
use crate::trace::{Analysis, TraceReport, TraceTables, group};
use aefm_workloads::labels::CaseLabels;
use documents::Reading;
use head::Head;
use pieces::{Batch, Pieces};
use record::{Book, Writer};
use spill::Spill;
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};

/// Memory for spans before they go to disk.
pub const BUDGET_BYTES: usize = 160 << 20;

/// Threads that decode: it is most of what reading Jaeger's JSON costs.
const DECODERS: usize = 2;
/// Batches that may wait before and behind each.
const QUEUE: usize = 2;

/// Some of a file on its way to a decoder.
type Sent<'a> = (&'a Path, Batch);

/// Fails if the dataset at `dir` is a run's, or has any table of this case and nobody asked to write over it.
fn refuse_case(dir: &Path, case: &str, replaces: bool) -> Result<(), ImportError> {
    // What was measured is nothing that an import may stand in for, whatever the case is called.
    let is_run = ["run.json", "journal.jsonl"]
        .iter()
        .any(|file| dir.join(file).exists());
    if is_run {
        return Err(ImportError::Run(dir.to_owned()));
    }
    if replaces {
        return Ok(());
    }
    let is_there = TABLES
        .iter()
        .any(|table| part_path(dir, &table.name, case).exists());
    if is_there {
        return Err(ImportError::There {
            dir: dir.to_owned(),
            case: case.to_owned(),
        });
    }
    Ok(())
}

/// Imports `files` as the case that `labels` name, into the dataset at `dir`, within about `budget_bytes` of spans in
/// memory ([`BUDGET_BYTES`]). Tables that are there already are only written over where `replaces` says so.
///
/// What cannot be read is left out and told; [`Imported::doubts`] has the words.
///
/// # Errors
/// A file cannot be opened, there is no span in any, the case is there already, or a table could not be written. There are
/// no tables then.
pub fn import(
    kind: Kind,
    files: &[PathBuf],
    (dir, replaces): (&Path, bool),
    labels: &CaseLabels,
    budget_bytes: usize,
) -> Result<Imported, ImportError> {
    refuse_case(dir, &labels.case_id, replaces)?;
    // What is not there is said before anything is read.
    for path in files {
        source::check(path).map_err(|cause| ImportError::Read {
            path: path.clone(),
            cause,
        })?;
    }
    let book = Book::default();
    let mut spill = Spill::new(dir, budget_bytes, &book);
    let mut imported = Imported::default();
    let mut count = 0;
    std::thread::scope(|scope| {
        // Reading and cutting here, decoding there: on two cores both are busy.
        let (mut to_decoders, mut from_decoders) = (Vec::new(), Vec::new());
        for _ in 0..DECODERS {
            let (to_decoder, batches) = sync_channel::<Sent>(QUEUE);
            let (to_spill, decoded) = sync_channel::<Decoded>(QUEUE);
            let book = &book;
            scope.spawn(move || decode_all(kind, batches, book, &to_spill));
            to_decoders.push(to_decoder);
            from_decoders.push(decoded);
        }
        // It ends with the files, or with a decoder; and the decoders end with it.
        let reader = scope.spawn(move || read(files, &to_decoders));
        // In the order of the file, so that the same files always become the same tables.
        for decoded in from_decoders
            .iter()
            .cycle()
            .map_while(|decoder| decoder.recv().ok())
        {
            imported.invalid += decoded.invalid;
            imported.other_signals += decoded.other_signals;
            imported.add(decoded.left_out);
            count += decoded.spans;
            spill.push(decoded.records)?;
        }
        reader.join().unwrap_or_else(|_| {
            Err(ImportError::Read {
                path: PathBuf::new(),
                cause: std::io::Error::other("the reading thread panicked"),
            })
        })
    })?;
    if count == 0 {
        return Err(ImportError::Nothing(nothing(&imported, files)));
    }
    imported.spilled_bytes = spill.spilled_bytes();
    let times;
    (imported.report, times) = write(spill, dir, labels)?;
    let names: Vec<_> = files
        .iter()
        .filter_map(|path| Some(path.file_name()?.to_string_lossy()))
        .collect();
    let head = Head {
        name: &names.join(" "),
        times,
        received: imported.report.spans,
        missing: imported.invalid + imported.left_out,
        doubts: imported.doubts(),
    };
    head::write(dir, labels, &head)?;
    Ok(imported)
}

/// Why there are no spans.
fn nothing(imported: &Imported, files: &[PathBuf]) -> String {
    let mut reasons = imported.doubts();
    if imported.other_signals > 0 {
        reasons.push(format!(
            "{} documents are metrics, logs or profiles",
            imported.other_signals
        ));
    }
    if reasons.is_empty() {
        let names: Vec<_> = files
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        reasons.push(format!(
            "{} from byte 0 to the end: there are none",
            names.join(", ")
        ));
    }
    reasons.join("; ")
}

/// Cuts the files into pieces and hands them to the decoders in turn.
fn read<'a>(files: &'a [PathBuf], to_decoders: &[SyncSender<Sent<'a>>]) -> Result<(), ImportError> {
    let mut turns = to_decoders.iter().cycle();
    for path in files {
        for (batch, decoder) in Pieces::open(path)?.zip(&mut turns) {
            // A closed channel: whoever takes what is decoded has ended because of an error, which is told there.
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
    spans: u64,
    invalid: u64,
    other_signals: u64,
    left_out: Vec<LeftOut>,
}

/// Decodes what the reader hands over, until there is no more. Spans end here, as records: they would share their names, and
/// the counts of who shares them, with the thread that takes them.
fn decode_all(
    kind: Kind,
    batches: Receiver<Sent<'_>>,
    book: &Book,
    to_spill: &SyncSender<Decoded>,
) {
    let (mut names, mut writer) = (Names::default(), Writer::new(book));
    for (path, batch) in batches {
        let decoded = decode(kind, path, batch, &mut names, &mut writer);
        if to_spill.send(decoded).is_err() {
            return;
        }
    }
}

fn decode(
    kind: Kind,
    path: &Path,
    mut batch: Batch,
    names: &mut Names,
    writer: &mut Writer<'_>,
) -> Decoded {
    let mut decoded = Decoded {
        left_out: std::mem::take(&mut batch.left_out),
        ..Decoded::default()
    };
    for (at, piece, format) in batch.iter() {
        match documents::read(kind, format, piece, names) {
            Ok(Reading::Spans(read)) => {
                decoded.invalid += read.invalid;
                decoded.spans += read.spans.len() as u64;
                for span in &read.spans {
                    writer.write(span, &mut decoded.records);
                }
            }
            Ok(Reading::OtherSignal) => decoded.other_signals += 1,
            Err(reason) => decoded.left_out.push(LeftOut {
                path: path.to_owned(),
                at,
                reason,
            }),
        }
    }
    // What was broken lies between the pieces.
    decoded.left_out.sort_by_key(|part| part.at);
    decoded
}

/// Spans become traces, and are analysed, on one thread; on this one they become tables.
/// What was found in them, and from when to when they are.
fn write(
    spill: Spill<'_>,
    dir: &Path,
    labels: &CaseLabels,
) -> Result<(TraceReport, Option<(i64, i64)>), ImportError> {
    let mut tables = TraceTables::create(dir, labels)?;
    let mut copies = 0;
    let mut times: Option<(i64, i64)> = None;
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
            for span in traces.iter().flat_map(|(_, trace)| trace) {
                let (from, to) = times.unwrap_or((i64::MAX, i64::MIN));
                times = Some((from.min(span.start_ns), to.max(span.end_ns())));
            }
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
    Ok((report, times))
}

#[cfg(test)]
mod tests;
