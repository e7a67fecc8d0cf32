//! Spans that wait for the others of their trace, as records: in memory up to a budget, then on disk, by trace, so that
//! each part is whole traces.

use super::record::{Book, LENGTH_BYTES, Reader, split_first};
use crate::span::Span;
use aefm_workloads::ids::TraceId;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Why spans could not wait on disk.
#[derive(Debug, thiserror::Error)]
#[error("keep spans in {}: {cause}", path.display())]
pub struct SpillError {
    /// The file or folder.
    pub path: PathBuf,
    /// What went wrong.
    #[source]
    pub cause: io::Error,
}

/// Parts: each becomes spans as a whole, so that about this many times the budget can be imported within it.
const PARTS: usize = 64;
/// So many bytes are not parted yet: fewer keep the order in which they came.
const FRESH_BYTES: usize = 8 << 20;

/// Records, in memory up to a budget, then on disk.
pub(super) struct Spill<'a> {
    book: &'a Book,
    folder: PathBuf,
    budget_bytes: usize,
    fresh: Vec<Vec<u8>>,
    fresh_bytes: usize,
    parts: Vec<Part>,
    held_bytes: usize,
    spilled_bytes: u64,
}

#[derive(Default)]
struct Part {
    held: Vec<u8>,
    // What came before: it was written in larger steps than a buffer's.
    file: Option<File>,
}

impl<'a> Spill<'a> {
    /// None yet; a hidden folder in `dir` is made when it is needed, and removed at the end. Names are in `book`.
    pub(super) fn new(dir: &Path, budget_bytes: usize, book: &'a Book) -> Self {
        let folder = dir.join(format!(".spill-{}", std::process::id()));
        Self {
            book,
            folder,
            budget_bytes,
            fresh: Vec::new(),
            fresh_bytes: 0,
            parts: Vec::new(),
            held_bytes: 0,
            spilled_bytes: 0,
        }
    }

    /// Bytes that went to disk.
    pub(super) const fn spilled_bytes(&self) -> u64 {
        self.spilled_bytes
    }

    /// Adds records.
    ///
    /// # Errors
    /// The disk refused.
    pub(super) fn push(&mut self, records: Vec<u8>) -> Result<(), SpillError> {
        self.fresh_bytes += records.len();
        self.held_bytes += records.len();
        self.fresh.push(records);
        if self.fresh_bytes > FRESH_BYTES.min(self.budget_bytes) {
            self.part();
            // Part by part as they grow: those who decode need not wait until all is written.
            while self.held_bytes > self.budget_bytes {
                self.flush_largest().map_err(|cause| SpillError {
                    path: self.folder.clone(),
                    cause,
                })?;
            }
        }
        Ok(())
    }

    /// Puts fresh records where they belong.
    fn part(&mut self) {
        if self.parts.is_empty() {
            self.parts.resize_with(PARTS, Part::default);
        }
        for records in self.fresh.drain(..) {
            let mut rest = &records[..];
            while let Some((trace, record, after)) = split_first(rest) {
                self.parts[place_of(trace)].held.extend_from_slice(record);
                rest = after;
            }
        }
        self.fresh_bytes = 0;
    }

    fn flush_largest(&mut self) -> io::Result<()> {
        let Some((place, part)) = self
            .parts
            .iter_mut()
            .enumerate()
            .max_by_key(|(_, part)| part.held.len())
        else {
            return Ok(());
        };
        if part.file.is_none() {
            fs::create_dir_all(&self.folder)?;
            part.file = Some(File::create(self.folder.join(place.to_string()))?);
        }
        if let Some(file) = &mut part.file {
            file.write_all(&part.held)?;
        }
        self.spilled_bytes += part.held.len() as u64;
        self.held_bytes -= part.held.len();
        part.held.clear();
        Ok(())
    }

    /// Hands over all spans, whole traces at a time, until `take` breaks off.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn drain(
        mut self,
        mut take: impl FnMut(Vec<Span>) -> ControlFlow<()>,
    ) -> Result<(), SpillError> {
        let mut reader = self.book.reader();
        let wrong = |path: &Path, cause| SpillError {
            path: path.to_owned(),
            cause,
        };
        if self.parts.is_empty() {
            let mut spans = Vec::new();
            for records in &self.fresh {
                read_all(&records[..], &mut reader, &mut spans)
                    .map_err(|cause| wrong(&self.folder, cause))?;
            }
            let _ = take(spans);
            return Ok(());
        }
        self.part();
        for (place, part) in std::mem::take(&mut self.parts).into_iter().enumerate() {
            let mut spans = Vec::new();
            if part.file.is_some() {
                let path = self.folder.join(place.to_string());
                let file = File::open(&path).map(|file| BufReader::with_capacity(1 << 18, file));
                file.and_then(|file| read_all(file, &mut reader, &mut spans))
                    .map_err(|cause| wrong(&path, cause))?;
                // The disk is needed for the tables.
                let _ = fs::remove_file(&path);
            }
            read_all(&part.held[..], &mut reader, &mut spans)
                .map_err(|cause| wrong(&self.folder, cause))?;
            drop(part);
            if take(spans).is_break() {
                break;
            }
        }
        Ok(())
    }
}

impl Drop for Spill<'_> {
    fn drop(&mut self) {
        // It was made by this one; where it was not, there is nothing to remove.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The part of a trace. A hash: ids need not be random.
fn place_of(trace: TraceId) -> usize {
    let mut suffix = [0; 8];
    suffix.copy_from_slice(&trace.0[8..]);
    let hash =
        aefm_workloads::draw::mix(trace.prefix() ^ u64::from_be_bytes(suffix).rotate_left(17));
    (hash % PARTS as u64) as usize
}

fn read_all(mut from: impl BufRead, reader: &mut Reader, spans: &mut Vec<Span>) -> io::Result<()> {
    let mut record = Vec::new();
    loop {
        let buffer = from.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        let span = if let Some((_, whole, _)) = split_first(buffer) {
            let (span, used) = (reader.read(&whole[LENGTH_BYTES..]), whole.len());
            from.consume(used);
            span
        } else {
            // It goes on beyond the buffer.
            let mut length = [0; LENGTH_BYTES];
            from.read_exact(&mut length)?;
            record.resize(u32::from_le_bytes(length) as usize, 0);
            from.read_exact(&mut record)?;
            reader.read(&record)
        };
        let broken = || {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "a span came back other than it was written",
            )
        };
        spans.push(span.ok_or_else(broken)?);
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::Writer;
    use super::*;
    use crate::span::{Extra, NAMES, Name};
    use crate::trace::testing::{any_trace, span};
    use proptest::prelude::*;

    fn through(spans: &[Span], budget: usize, at_once: usize) -> Vec<Span> {
        let dir = tempfile::tempdir().unwrap();
        let book = Book::default();
        let mut spill = Spill::new(dir.path(), budget, &book);
        let mut writer = Writer::new(&book);
        for spans in spans.chunks(at_once) {
            let mut records = Vec::new();
            spans
                .iter()
                .for_each(|span| writer.write(span, &mut records));
            spill.push(records).unwrap();
        }
        let mut back = Vec::new();
        let mut seen = std::collections::HashSet::new();
        let whole = |spans: Vec<Span>| {
            let traces: std::collections::HashSet<_> =
                spans.iter().map(|span| span.trace_id).collect();
            assert!(traces.is_disjoint(&seen), "a trace in two parts");
            seen.extend(traces);
            back.extend(spans);
            ControlFlow::Continue(())
        };
        spill.drain(whole).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        back
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        /// Whatever the budget, the same spans come back, each trace in one part.
        #[test]
        fn nothing_is_lost_on_the_way(
            spans in any_trace(), traces in 1..6_u8, budget in 0..4_000_usize, at_once in 1..5_usize, text: String,
        ) {
            let mut sent = Vec::new();
            for (place, mut span) in spans.into_iter().enumerate() {
                span.trace_id = TraceId([place as u8 % traces + 1; 16]);
                span.attributes = place.is_multiple_of(2).then(|| text.clone().into());
                span.http_status = place.is_multiple_of(3).then_some(place as u16);
                if place.is_multiple_of(5) {
                    span.extra = Some(Box::new(Extra { links: Some(text.clone().into()), ..Extra::default() }));
                }
                sent.push(span);
            }
            let mut back = through(&sent, budget, at_once);
            let key = |span: &Span| (span.trace_id, span.span_id, span.start_ns);
            sent.sort_by_key(key);
            back.sort_by_key(key);
            prop_assert_eq!(sent, back);
        }
    }

    #[test]
    fn few_spans_keep_their_order_and_names_without_end_are_kept() {
        let spans: Vec<_> = (1..NAMES as u64 + 500)
            .map(|id| {
                let mut span = span(id, None, 0, 1);
                span.trace_id = TraceId(u128::from(id).to_be_bytes());
                span.operation = Name::from(format!("/users/{id}"));
                span.origin =
                    crate::span::Names::default().origin(&format!("s{id}"), None, Some("n"));
                span
            })
            .collect();
        assert_eq!(through(&spans, FRESH_BYTES, 100), spans);
    }
}
