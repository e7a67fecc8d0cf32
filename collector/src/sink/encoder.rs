//! Batches into Parquet: on the caller's thread, or with the columns shared out between threads.
//!
//! Encoding and compressing is most of what a large table costs, and columns know nothing of each other.

use super::SinkCause;
use super::file::PartFile;
use arrow_array::RecordBatch;
use arrow_schema::{DataType, SchemaRef};
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, ArrowWriter, compute_leaves,
};
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedFileWriter;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// A row group is closed at so many rows...
const GROUP_ROWS: usize = 1 << 17;
/// ...when its encoders hold so many bytes...
const GROUP_BYTES: usize = 32 << 20;
/// ...or, with threads, whose encoders cannot be asked, when it was given so many bytes of text.
const GROUP_TEXT_BYTES: usize = 96 << 20;

/// Threads that share the columns.
const LANES: usize = 2;
/// Batches that may wait for a thread.
const QUEUE: usize = 2;

/// Writes batches.
pub(super) enum Encoder {
    Alone(Box<ArrowWriter<PartFile>>),
    Shared(Box<Shared>),
}

/// Columns shared out between threads.
pub(super) struct Shared {
    file: SerializedFileWriter<PartFile>,
    factory: ArrowRowGroupWriterFactory,
    lanes: Vec<Lane>,
    // Of each column: its lane.
    places: Vec<usize>,
    rows: usize,
    text_bytes: usize,
    // A row group that was ended and whose columns may still be in the making, so that the next can begin meanwhile.
    is_ending: bool,
}

type Chunks = Result<Vec<(usize, ArrowColumnChunk)>, ParquetError>;

struct Lane {
    // Dropped, it ends the thread.
    work: SyncSender<Work>,
    done: Receiver<Chunks>,
}

enum Work {
    /// A row group begins: its columns, by number.
    Begin(Vec<(usize, ArrowColumnWriter)>),
    Batch(RecordBatch),
    End,
}

impl Encoder {
    /// The same file, written by threads.
    pub(super) fn shared(
        writer: ArrowWriter<PartFile>,
        schema: &SchemaRef,
    ) -> Result<Self, SinkCause> {
        let (file, factory) = writer.into_serialized_writer()?;
        let lanes = (0..LANES)
            .map(|_| Lane::start(schema.clone()))
            .collect::<io::Result<Vec<_>>>()?;
        Ok(Self::Shared(Box::new(Shared {
            file,
            factory,
            lanes,
            places: places(schema),
            rows: 0,
            text_bytes: 0,
            is_ending: false,
        })))
    }

    /// Adds a batch whose texts have about so many bytes.
    pub(super) fn write(
        &mut self,
        batch: &RecordBatch,
        text_bytes: usize,
    ) -> Result<(), SinkCause> {
        match self {
            Self::Alone(writer) => {
                writer.write(batch)?;
                if writer.in_progress_rows() >= GROUP_ROWS || writer.memory_size() >= GROUP_BYTES {
                    writer.flush()?;
                }
                Ok(())
            }
            Self::Shared(shared) => shared.write(batch, text_bytes),
        }
    }

    /// Completes the file.
    pub(super) fn finish(self) -> Result<PartFile, SinkCause> {
        match self {
            Self::Alone(writer) => Ok(writer.into_inner()?),
            Self::Shared(mut shared) => {
                shared.end_group()?;
                shared.append_ended()?;
                Ok(shared.file.into_inner()?)
            }
        }
    }
}

impl Shared {
    fn write(&mut self, batch: &RecordBatch, text_bytes: usize) -> Result<(), SinkCause> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        if self.rows == 0 {
            self.begin_group()?;
        }
        self.rows += batch.num_rows();
        self.text_bytes += text_bytes;
        for lane in &self.lanes {
            // Columns are shared, not copied.
            lane.give(Work::Batch(batch.clone()))?;
        }
        if self.rows >= GROUP_ROWS || self.text_bytes >= GROUP_TEXT_BYTES {
            return self.end_group();
        }
        Ok(())
    }

    fn begin_group(&mut self) -> Result<(), SinkCause> {
        let mut columns: Vec<Vec<_>> = self.lanes.iter().map(|_| Vec::new()).collect();
        let number = self.file.flushed_row_groups().len() + usize::from(self.is_ending);
        let writers = self.factory.create_column_writers(number)?;
        for (number, writer) in writers.into_iter().enumerate() {
            columns[self.places[number]].push((number, writer));
        }
        for (lane, columns) in self.lanes.iter().zip(columns) {
            lane.give(Work::Begin(columns))?;
        }
        Ok(())
    }

    fn end_group(&mut self) -> Result<(), SinkCause> {
        if self.rows == 0 {
            return Ok(());
        }
        (self.rows, self.text_bytes) = (0, 0);
        for lane in &self.lanes {
            lane.give(Work::End)?;
        }
        self.append_ended()?;
        self.is_ending = true;
        Ok(())
    }

    /// Puts the row group that was ended into the file, once its columns are there.
    fn append_ended(&mut self) -> Result<(), SinkCause> {
        if !std::mem::take(&mut self.is_ending) {
            return Ok(());
        }
        let mut chunks = Vec::new();
        for lane in &self.lanes {
            chunks.extend(lane.done.recv().map_err(|_| gone())??);
        }
        chunks.sort_by_key(|(number, _)| *number);
        let mut group = self.file.next_row_group()?;
        for (_, chunk) in chunks {
            chunk.append_to_row_group(&mut group)?;
        }
        group.close()?;
        Ok(())
    }
}

impl Lane {
    fn start(schema: SchemaRef) -> io::Result<Self> {
        let (work, given) = sync_channel(QUEUE);
        let (give_back, done) = sync_channel(1);
        std::thread::Builder::new()
            .name("aefm-encoder".to_owned())
            .spawn(move || encode(&schema, &given, &give_back))?;
        Ok(Self { work, done })
    }

    fn give(&self, work: Work) -> Result<(), SinkCause> {
        self.work.send(work).map_err(|_| gone().into())
    }
}

/// A thread that ended can only have panicked; the file is given up then.
fn gone() -> io::Error {
    io::Error::other("a thread that encodes columns ended before its time")
}

fn encode(schema: &SchemaRef, given: &Receiver<Work>, give_back: &SyncSender<Chunks>) {
    let mut columns: Vec<(usize, ArrowColumnWriter)> = Vec::new();
    let mut outcome = Ok(());
    for work in given {
        match work {
            Work::Begin(begun) => columns = begun,
            // What follows an error would only hide it.
            Work::Batch(_) if outcome.is_err() => {}
            Work::Batch(batch) => outcome = write_columns(schema, &mut columns, &batch),
            Work::End => {
                let closed = std::mem::replace(&mut outcome, Ok(())).and_then(|()| {
                    columns
                        .drain(..)
                        .map(|(number, writer)| Ok((number, writer.close()?)))
                        .collect()
                });
                if give_back.send(closed).is_err() {
                    return;
                }
            }
        }
    }
}

fn write_columns(
    schema: &SchemaRef,
    columns: &mut [(usize, ArrowColumnWriter)],
    batch: &RecordBatch,
) -> Result<(), ParquetError> {
    for (number, writer) in columns {
        for leaf in compute_leaves(schema.field(*number), batch.column(*number))? {
            writer.write(&leaf)?;
        }
    }
    Ok(())
}

/// Which lane each column goes to, so that all have about as much to do: texts cost more than numbers, and long ones
/// most.
fn places(schema: &SchemaRef) -> Vec<usize> {
    let cost = |number: usize| match (
        schema.field(number).data_type(),
        schema.field(number).name().as_str(),
    ) {
        (_, "attributes") => 12,
        (DataType::Utf8, "trace_id" | "span_id" | "parent_span_id") => 6,
        (DataType::Utf8 | DataType::Binary, _) => 2,
        _ => 1,
    };
    let mut numbers: Vec<usize> = (0..schema.fields().len()).collect();
    numbers.sort_by_key(|number| std::cmp::Reverse(cost(*number)));
    let mut loads = [0; LANES];
    let mut places = vec![0; numbers.len()];
    for number in numbers {
        let lane = (0..LANES)
            .min_by_key(|lane| loads[*lane])
            .unwrap_or_default();
        loads[lane] += cost(number);
        places[number] = lane;
    }
    places
}
