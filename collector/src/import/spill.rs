//! Spans that wait on disk when there is no room for all of them: by trace, so that each part is whole traces.

use super::ImportError;
use crate::span::{Extra, Names, Span, SpanKind};
use aefm_workloads::ids::{SpanId, TraceId};
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
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

/// Parts: each is then read whole, so that this many times the budget can be imported within it.
const PARTS: usize = 64;

/// Spans, in memory up to a budget, then on disk.
pub struct Spill {
    folder: PathBuf,
    budget_bytes: usize,
    held: Vec<Span>,
    held_bytes: usize,
    parts: Vec<BufWriter<File>>,
    spilled_bytes: u64,
}

impl Spill {
    /// None yet; a hidden folder in `dir` is made when it is needed, and removed at the end.
    #[must_use]
    pub fn new(dir: &Path, budget_bytes: usize) -> Self {
        let folder = dir.join(format!(".spill-{}", std::process::id()));
        Self { folder, budget_bytes, held: Vec::new(), held_bytes: 0, parts: Vec::new(), spilled_bytes: 0 }
    }

    /// Bytes that went to disk.
    #[must_use]
    pub const fn spilled_bytes(&self) -> u64 {
        self.spilled_bytes
    }

    /// Adds a span.
    ///
    /// # Errors
    /// The disk refused.
    pub fn push(&mut self, span: Span) -> Result<(), SpillError> {
        self.held_bytes += span.weight();
        self.held.push(span);
        if self.held_bytes > self.budget_bytes {
            self.flush().map_err(|cause| SpillError { path: self.folder.clone(), cause })?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.parts.is_empty() {
            fs::create_dir_all(&self.folder)?;
            for part in 0..PARTS {
                self.parts.push(BufWriter::new(File::create(self.folder.join(part.to_string()))?));
            }
        }
        let mut record = Vec::new();
        for span in self.held.drain(..) {
            record.clear();
            encode(&span, &mut record);
            // A hash: ids need not be random.
            let part = aefm_workloads::draw::mix(
                span.trace_id.prefix() ^ u64::from_be_bytes(suffix(span.trace_id)).rotate_left(17),
            );
            let file = &mut self.parts[(part % PARTS as u64) as usize];
            file.write_all(&u32::try_from(record.len()).unwrap_or(u32::MAX).to_le_bytes())?;
            file.write_all(&record)?;
            self.spilled_bytes += record.len() as u64 + 4;
        }
        self.held_bytes = 0;
        Ok(())
    }

    /// Hands over all spans, whole traces at a time.
    ///
    /// # Errors
    /// The disk's, or those of `take`.
    pub fn drain(mut self, mut take: impl FnMut(Vec<Span>) -> Result<(), ImportError>) -> Result<(), ImportError> {
        if self.parts.is_empty() {
            return take(std::mem::take(&mut self.held));
        }
        let flushed = self.flush().and_then(|()| self.parts.iter_mut().try_for_each(BufWriter::flush));
        flushed.map_err(|cause| SpillError { path: self.folder.clone(), cause })?;
        for part in 0..PARTS {
            let path = self.folder.join(part.to_string());
            let spans = read_part(&path).map_err(|cause| SpillError { path: path.clone(), cause })?;
            // The disk is needed for the tables.
            let _ = fs::remove_file(&path);
            take(spans)?;
        }
        Ok(())
    }
}

impl Drop for Spill {
    fn drop(&mut self) {
        // It was made by this one; where it was not, there is nothing to remove.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn suffix(id: TraceId) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&id.0[8..]);
    bytes
}

fn read_part(path: &Path) -> io::Result<Vec<Span>> {
    let mut reader = BufReader::with_capacity(1 << 18, File::open(path)?);
    let (mut names, mut spans, mut record) = (Names::default(), Vec::new(), Vec::new());
    let mut length = [0; 4];
    loop {
        match reader.read_exact(&mut length) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(spans),
            read => read?,
        }
        record.resize(u32::from_le_bytes(length) as usize, 0);
        reader.read_exact(&mut record)?;
        let broken = || io::Error::new(io::ErrorKind::InvalidData, "a span came back other than it was written");
        spans.push(decode(&record, &mut names).ok_or_else(broken)?);
    }
}

fn put_text(out: &mut Vec<u8>, text: Option<&str>) {
    // 0: none; else one more than the length.
    let length = text.map_or(0, |text| u32::try_from(text.len()).unwrap_or(u32::MAX - 1) + 1);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(text.unwrap_or_default().as_bytes());
}

fn encode(span: &Span, out: &mut Vec<u8>) {
    out.extend_from_slice(&span.trace_id.0);
    out.extend_from_slice(&span.span_id.0);
    out.extend_from_slice(&span.parent.map_or([0; 8], |id| id.0));
    out.extend_from_slice(&span.start_ns.to_le_bytes());
    out.extend_from_slice(&span.duration_ns.to_le_bytes());
    let kind = span.kind.map_or(0, |kind| kind as u8);
    let flags = u8::from(span.error) | u8::from(span.negative) << 1 | u8::from(span.parent.is_some()) << 2;
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&span.http_status.map_or(0, |status| u32::from(status) + 1).to_le_bytes());
    let extra = span.extra.as_deref();
    let texts = [
        Some(&*span.origin.service),
        span.origin.pod.as_deref(),
        span.origin.node.as_deref(),
        Some(&*span.operation),
        span.attributes.as_deref(),
        extra.and_then(|extra| extra.events.as_deref()),
        extra.and_then(|extra| extra.links.as_deref()),
        extra.and_then(|extra| extra.status_message.as_deref()),
    ];
    texts.into_iter().for_each(|text| put_text(out, text));
}

struct Record<'a>(&'a [u8]);

impl<'a> Record<'a> {
    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk::<N>()?;
        self.0 = tail;
        Some(*head)
    }

    fn text(&mut self) -> Option<Option<&'a str>> {
        let Some(length) = u32::from_le_bytes(self.bytes()?).checked_sub(1) else { return Some(None) };
        let (head, tail) = self.0.split_at_checked(length as usize)?;
        self.0 = tail;
        std::str::from_utf8(head).ok().map(Some)
    }
}

fn decode(record: &[u8], names: &mut Names) -> Option<Span> {
    let mut record = Record(record);
    let (trace_id, span_id, parent) = (record.bytes()?, record.bytes()?, record.bytes()?);
    let (start, duration) = (i64::from_le_bytes(record.bytes()?), i64::from_le_bytes(record.bytes()?));
    let [kind, flags] = record.bytes()?;
    let status = u32::from_le_bytes(record.bytes()?).checked_sub(1);
    let (service, pod, node, operation) = (record.text()??, record.text()?, record.text()?, record.text()??);
    let attributes = record.text()?;
    let extra = Extra {
        events: record.text()?.map(Into::into),
        links: record.text()?.map(Into::into),
        status_message: record.text()?.map(Into::into),
    };
    Some(Span {
        trace_id: TraceId(trace_id),
        span_id: SpanId(span_id),
        parent: (flags & 4 != 0).then_some(SpanId(parent)),
        origin: names.origin(service, pod, node),
        operation: names.name(operation),
        kind: SpanKind::from_number(kind.into()),
        start_ns: start,
        duration_ns: duration,
        negative: flags & 2 != 0,
        error: flags & 1 != 0,
        http_status: status.and_then(|status| u16::try_from(status).ok()),
        attributes: attributes.map(Into::into),
        extra: (extra != Extra::default()).then(|| Box::new(extra)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::testing::any_trace;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        /// Whatever the budget, the same spans come back, each trace in one part.
        #[test]
        fn nothing_is_lost_on_the_way(spans in any_trace(), traces in 1..6_u8, budget in 0..4_000_usize, text: String) {
            let dir = tempfile::tempdir().unwrap();
            let mut spill = Spill::new(dir.path(), budget);
            let mut sent = Vec::new();
            for (place, mut span) in spans.into_iter().enumerate() {
                span.trace_id = TraceId([place as u8 % traces + 1; 16]);
                span.attributes = place.is_multiple_of(2).then(|| text.clone().into());
                span.http_status = place.is_multiple_of(3).then_some(place as u16);
                if place.is_multiple_of(5) {
                    span.extra = Some(Box::new(Extra { links: Some(text.clone().into()), ..Extra::default() }));
                }
                sent.push(span.clone());
                spill.push(span).unwrap();
            }
            let mut back = Vec::new();
            spill.drain(|spans| {
                back.extend(spans);
                Ok(())
            }).unwrap();
            let key = |span: &Span| (span.trace_id, span.span_id, span.start_ns);
            sent.sort_by_key(key);
            back.sort_by_key(key);
            prop_assert_eq!(sent, back);
            prop_assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        }
    }
}
