//! Spans as bytes: how they wait for the others of their trace, in memory or on disk.
//!
//! A record is its length (of what follows it; all numbers are little-endian), trace, span and parent id, start,
//! duration, origin and operation (numbers in the [`Book`]), kind, flags, HTTP status and attributes, and then what few
//! spans have: texts of which each comes after its length.

use crate::span::{ByAddress, Extra, NAMES, Name, Names, Origin, Span, SpanKind};
use aefm_workloads::ids::{SpanId, TraceId};
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes before a record's trace id.
pub(super) const LENGTH_BYTES: usize = 4;
/// In place of a number: the text is in the record itself.
const INLINE: u32 = u32::MAX;

const ERROR: u8 = 1;
const NEGATIVE: u8 = 2;
const UNFINISHED: u8 = 64;
const PARENT: u8 = 4;
const STATUS: u8 = 8;
const ATTRIBUTES: u8 = 16;
const EXTRA: u8 = 32;

/// The names that records refer to, one book for all threads that write them.
#[derive(Debug, Default)]
pub(super) struct Book(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    origins: Numbered<Arc<Origin>>,
    operations: Numbered<Name>,
}

#[derive(Debug)]
struct Numbered<T> {
    values: Vec<T>,
    numbers: HashMap<T, u32, RandomState>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            numbers: HashMap::default(),
        }
    }
}

impl<T: Clone + Eq + Hash> Numbered<T> {
    /// The number of this value; [`INLINE`] once there are too many, since names may be without end.
    fn number(&mut self, value: &T) -> u32 {
        if let Some(number) = self.numbers.get(value) {
            return *number;
        }
        let next = self.values.len();
        if next >= NAMES {
            return INLINE;
        }
        self.values.push(value.clone());
        self.numbers.insert(value.clone(), next as u32);
        next as u32
    }
}

impl Book {
    fn open(&self) -> MutexGuard<'_, Entries> {
        // An entry is added whole or not at all.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads records back.
    pub(super) fn reader(&self) -> Reader {
        let entries = self.open();
        Reader {
            origins: entries.origins.values.clone(),
            operations: entries.operations.values.clone(),
            names: Names::default(),
        }
    }
}

/// Makes records; each thread has one of its own.
pub(super) struct Writer<'a> {
    book: &'a Book,
    // What the book said, so that its lock is seldom asked for.
    origins: ByAddress<Origin, u32>,
    operations: ByAddress<str, u32>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(book: &'a Book) -> Self {
        Self {
            book,
            origins: ByAddress::default(),
            operations: ByAddress::default(),
        }
    }

    /// Appends the record of `span`.
    pub(super) fn write(&mut self, span: &Span, out: &mut Vec<u8>) {
        let origin = *self.origins.of(&span.origin, || {
            self.book.open().origins.number(&span.origin)
        });
        let operation = *self.operations.of(&span.operation, || {
            self.book.open().operations.number(&span.operation)
        });
        let extra = span.extra.as_deref();
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        let flags = flag(span.error, ERROR)
            | flag(span.negative, NEGATIVE)
            | flag(span.unfinished, UNFINISHED)
            | flag(span.parent.is_some(), PARENT)
            | flag(span.http_status.is_some(), STATUS)
            | flag(span.attributes.is_some(), ATTRIBUTES)
            | flag(extra.is_some(), EXTRA);
        let begin = out.len();
        out.extend_from_slice(&[0; LENGTH_BYTES]);
        out.extend_from_slice(&span.trace_id.0);
        out.extend_from_slice(&span.span_id.0);
        out.extend_from_slice(&span.parent.map_or([0; 8], |id| id.0));
        out.extend_from_slice(&span.start_ns.to_le_bytes());
        out.extend_from_slice(&span.duration_ns.to_le_bytes());
        out.extend_from_slice(&origin.to_le_bytes());
        out.extend_from_slice(&operation.to_le_bytes());
        out.extend_from_slice(&[span.kind.map_or(0, |kind| kind as u8), flags]);
        out.extend_from_slice(&span.http_status.unwrap_or_default().to_le_bytes());
        if origin == INLINE {
            put(out, Some(&span.origin.service));
            let Origin {
                pod,
                node,
                host,
                ip,
                ..
            } = &*span.origin;
            [pod, node, host, ip]
                .into_iter()
                .for_each(|text| put(out, text.as_deref()));
        }
        if operation == INLINE {
            put(out, Some(&span.operation));
        }
        if let Some(attributes) = span.attributes.as_deref() {
            put(out, Some(attributes));
        }
        if let Some(Extra {
            events,
            links,
            status_message,
        }) = extra
        {
            [events, links, status_message]
                .into_iter()
                .for_each(|text| put(out, text.as_deref()));
        }
        let length = u32::try_from(out.len() - begin - LENGTH_BYTES).unwrap_or(u32::MAX);
        out[begin..begin + LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
    }
}

/// A text after its length, one more than it is; 0: none.
fn put(out: &mut Vec<u8>, text: Option<&str>) {
    let length = text.map_or(0, |text| {
        u32::try_from(text.len()).unwrap_or(u32::MAX - 1) + 1
    });
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(text.unwrap_or_default().as_bytes());
}

/// Cuts the first record off `bytes`: the trace's id, and the record whole.
pub(super) fn split_first(bytes: &[u8]) -> Option<(TraceId, &[u8], &[u8])> {
    let length = u32::from_le_bytes(*bytes.first_chunk::<LENGTH_BYTES>()?) as usize;
    let (record, rest) = bytes.split_at_checked(LENGTH_BYTES + length)?;
    Some((
        TraceId(*record[LENGTH_BYTES..].first_chunk()?),
        record,
        rest,
    ))
}

/// Makes spans of records.
pub(super) struct Reader {
    origins: Vec<Arc<Origin>>,
    operations: Vec<Name>,
    // For those that are not in the book.
    names: Names,
}

impl Reader {
    /// The span of a record without its length; none if the bytes are no record.
    pub(super) fn read(&mut self, record: &[u8]) -> Option<Span> {
        let mut record = Rest(record);
        let (trace_id, span_id, parent) = (record.bytes()?, record.bytes()?, record.bytes()?);
        let (start, duration) = (
            i64::from_le_bytes(record.bytes()?),
            i64::from_le_bytes(record.bytes()?),
        );
        let (origin, operation) = (
            u32::from_le_bytes(record.bytes()?),
            u32::from_le_bytes(record.bytes()?),
        );
        let [kind, flags] = record.bytes()?;
        let status = u16::from_le_bytes(record.bytes()?);
        let has = |flag: u8| flags & flag != 0;
        let origin = if origin == INLINE {
            let service = self.names.name(record.text()??);
            let mut text = || Some(record.text()?.map(|text| self.names.name(text)));
            let (pod, node, host, ip) = (text()?, text()?, text()?, text()?);
            self.names.shared(Origin {
                service,
                pod,
                node,
                host,
                ip,
            })
        } else {
            Arc::clone(self.origins.get(origin as usize)?)
        };
        let operation = if operation == INLINE {
            self.names.name(record.text()??)
        } else {
            Name::clone(self.operations.get(operation as usize)?)
        };
        let attributes = if has(ATTRIBUTES) {
            record.text()?
        } else {
            None
        };
        let mut extra = None;
        if has(EXTRA) {
            let mut text = || Some(record.text()?.map(Into::into));
            extra = Some(Box::new(Extra {
                events: text()?,
                links: text()?,
                status_message: text()?,
            }));
        }
        Some(Span {
            trace_id: TraceId(trace_id),
            span_id: SpanId(span_id),
            parent: has(PARENT).then_some(SpanId(parent)),
            origin,
            operation,
            kind: SpanKind::from_number(kind.into()),
            start_ns: start,
            duration_ns: duration,
            negative: has(NEGATIVE),
            unfinished: has(UNFINISHED),
            error: has(ERROR),
            http_status: has(STATUS).then_some(status),
            attributes: attributes.map(Into::into),
            extra,
        })
    }
}

/// What is left of a record.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk::<N>()?;
        self.0 = tail;
        Some(*head)
    }

    fn text(&mut self) -> Option<Option<&'a str>> {
        let Some(length) = u32::from_le_bytes(self.bytes()?).checked_sub(1) else {
            return Some(None);
        };
        let (head, tail) = self.0.split_at_checked(length as usize)?;
        self.0 = tail;
        std::str::from_utf8(head).ok().map(Some)
    }
}
