//! The `requests` table, written while the run goes on by a thread of its own.
//!
//! Workers hand over rows in batches through a bounded queue and never wait: where the disk cannot keep up, or fails,
//! rows are left out and counted, and the load goes on undisturbed.

use crate::record::{Calendar, Flight, Parts};
use aefm_collector::schema::REQUESTS;
use aefm_collector::sink::{Cell, SinkError, TableWriter};
use aefm_workloads::ids::trace_id;
use aefm_workloads::load::{Outcome, Phase, RequestsSink};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Rows per batch.
const BATCH: usize = 256;
/// Batches that may wait for the disk: a million rows of 136 bytes at the very most.
const QUEUE: usize = 4096;

/// A request that has ended. Times are ns since time zero.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// None if it was never sent.
    pub(crate) flight: Option<Flight>,
    pub(crate) number: u64,
    pub(crate) intended_ns: u64,
    pub(crate) done_ns: Option<u64>,
    pub(crate) outcome: Outcome,
    pub(crate) status: Option<u16>,
    /// Where its time went.
    pub(crate) parts: Parts,
}

/// A worker's end of the queue.
pub(crate) struct RowQueue {
    batch: Vec<Row>,
    sender: SyncSender<Vec<Row>>,
    lost: Arc<AtomicU64>,
}

impl RowQueue {
    /// Adds a row. Never waits.
    pub(crate) fn push(&mut self, row: Row) {
        self.batch.push(row);
        if self.batch.len() == BATCH {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        if let Err(error) = self.sender.try_send(batch) {
            let (std::sync::mpsc::TrySendError::Full(batch)
            | std::sync::mpsc::TrySendError::Disconnected(batch)) = error;
            self.lost.fetch_add(batch.len() as u64, Ordering::Relaxed);
        }
    }
}

impl Drop for RowQueue {
    fn drop(&mut self) {
        // At the end of the run there is time to wait for the disk.
        let batch = std::mem::take(&mut self.batch);
        let count = batch.len() as u64;
        if count > 0 && self.sender.send(batch).is_err() {
            self.lost.fetch_add(count, Ordering::Relaxed);
        }
    }
}

/// How the table came out.
#[derive(Debug, Default)]
pub(crate) struct LogEnd {
    /// Rows that are not in it.
    pub(crate) left_out: u64,
    /// Why it is not there, or not whole.
    pub(crate) error: Option<String>,
}

/// The writer.
pub(crate) struct RequestLog {
    sender: SyncSender<Vec<Row>>,
    lost: Arc<AtomicU64>,
    writer: JoinHandle<LogEnd>,
}

/// What makes a row of numbers out of a [`Row`].
pub(crate) struct RowContext {
    pub(crate) calendar: Calendar,
    /// The trace seed, where requests carry a trace context.
    pub(crate) trace_seed: Option<u64>,
    /// Time zero, ns since the epoch; set before the first row comes.
    pub(crate) zero_wall_ns: Arc<AtomicU64>,
}

impl RequestLog {
    /// Starts the writer.
    ///
    /// # Errors
    /// The file cannot be made.
    pub(crate) fn start(sink: &RequestsSink, context: RowContext) -> Result<Self, SinkError> {
        let table = TableWriter::create(&sink.dir, &REQUESTS, &sink.labels)?;
        let (sender, receiver) = sync_channel(QUEUE);
        let limit = sink.limit.unwrap_or(u64::MAX);
        let writer = std::thread::spawn(move || write(table, &receiver, limit, &context));
        Ok(Self {
            sender,
            lost: Arc::new(AtomicU64::new(0)),
            writer,
        })
    }

    pub(crate) fn queue(&self) -> RowQueue {
        RowQueue {
            batch: Vec::with_capacity(BATCH),
            sender: self.sender.clone(),
            lost: Arc::clone(&self.lost),
        }
    }

    /// Completes the file, once all queues are gone.
    pub(crate) fn finish(self) -> LogEnd {
        drop(self.sender);
        let mut end = self.writer.join().unwrap_or_else(|_| LogEnd {
            left_out: 0,
            error: Some("write the requests table: its writer broke off".to_owned()),
        });
        let lost = self.lost.load(Ordering::Relaxed);
        if lost > 0 {
            end.left_out += lost;
            end.error.get_or_insert_with(|| {
                format!("write the requests table: the disk fell behind by {lost} rows")
            });
        }
        end
    }
}

/// Takes rows until all queues are gone, whatever happens: a failed disk must not fill the queue.
fn write(
    table: TableWriter,
    rows: &Receiver<Vec<Row>>,
    limit: u64,
    context: &RowContext,
) -> LogEnd {
    let mut end = LogEnd::default();
    let mut table = Some(table);
    for row in rows.iter().flatten() {
        let Some(open) = table.as_mut() else {
            end.left_out += 1;
            continue;
        };
        if open.rows() >= limit {
            end.left_out += 1;
        } else if let Err(error) = open.push(&cells(&row, context)) {
            end.error = Some(error.to_string());
            end.left_out += open.rows();
            table = None;
        }
    }
    if let Some(open) = table {
        let count = open.rows();
        if let Err(error) = open.finish() {
            end.error = Some(error.to_string());
            end.left_out += count;
        }
    }
    end
}

fn cells(row: &Row, context: &RowContext) -> [Cell<'static>; 12] {
    let zero_ns = context.zero_wall_ns.load(Ordering::Relaxed);
    let wall = |offset_ns: u64| Cell::from(zero_ns + offset_ns);
    let known = |offset_ns: Option<u64>| offset_ns.map_or(Cell::Null, wall);
    let phase = if row.intended_ns < context.calendar.warmup_ns {
        Phase::WarmUp
    } else {
        Phase::Measure
    };
    [
        Cell::from(row.number),
        Cell::Text(phase.name()),
        wall(row.intended_ns),
        known(row.flight.map(|flight| flight.sent_ns)),
        known(
            row.flight
                .map(|flight| flight.first_byte_ns)
                .filter(|&at_ns| at_ns > 0),
        ),
        known(row.done_ns),
        Cell::Text(row.outcome.name()),
        row.status
            .map_or(Cell::Null, |status| Cell::Int(i64::from(status))),
        context
            .trace_seed
            .map_or(Cell::Null, |seed| Cell::Trace(trace_id(seed, row.number))),
        Cell::from(row.parts.wait_ns),
        Cell::from(row.parts.server_ns),
        Cell::from(row.parts.generator_ns),
    ]
}
