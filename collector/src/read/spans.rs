//! The `spans` table of a case back into spans, a trace at a time.
//!
//! A trace's rows follow each other in the file, so that one trace is all that has to be held.

use super::{Rows, TableCause, TableError, read_table};
use crate::span::{Extra, Names, Span, SpanKind};
use aefm_workloads::ids::{SpanId, TraceId};
use arrow_array::types::Int64Type;
use arrow_array::{Array, BooleanArray, Int64Array, RecordBatch, StringArray, cast::AsArray};
use std::path::Path;

/// A trace as the table has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// Its spans, in the order of the table.
    pub spans: Vec<Span>,
    /// It was one of the warm-up's requests.
    pub is_warm_up: bool,
}

/// The traces of one case.
pub struct Traces {
    rows: Rows,
    names: Names,
    batch: Option<(RecordBatch, usize)>,
    // A trace may go on in the next batch.
    open: Trace,
}

/// Opens the `spans` table at `path`.
///
/// # Errors
/// It is not there, or not Parquet.
pub fn read_traces(path: &Path) -> Result<Traces, TableError> {
    Ok(Traces {
        rows: read_table(path)?,
        names: Names::default(),
        batch: None,
        open: Trace::default(),
    })
}

impl Iterator for Traces {
    type Item = Result<Trace, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((batch, from)) = self.batch.take() {
                match self.rest_of(&batch, from) {
                    Ok((to, is_over)) => {
                        if to < batch.num_rows() {
                            self.batch = Some((batch, to));
                        }
                        if is_over {
                            return Some(Ok(std::mem::take(&mut self.open)));
                        }
                    }
                    Err(cause) => return Some(Err(self.rows.error(cause))),
                }
                continue;
            }
            match self.rows.next() {
                Some(Ok(batch)) => self.batch = Some((batch, 0)),
                Some(Err(error)) => return Some(Err(error)),
                None if self.open.spans.is_empty() => return None,
                None => return Some(Ok(std::mem::take(&mut self.open))),
            }
        }
    }
}

impl Traces {
    /// Adds the rows from `from` that belong to the open trace; says where they end, and whether another trace follows.
    fn rest_of(&mut self, batch: &RecordBatch, from: usize) -> Result<(usize, bool), TableCause> {
        let columns = Columns::of(batch)?;
        for row in from..batch.num_rows() {
            let span = columns.span(row, &mut self.names)?;
            if self
                .open
                .spans
                .last()
                .is_some_and(|last| last.trace_id != span.trace_id)
            {
                return Ok((row, true));
            }
            self.open.is_warm_up =
                columns.phase.is_valid(row) && columns.phase.value(row) == "warm-up";
            self.open.spans.push(span);
        }
        Ok((batch.num_rows(), false))
    }
}

/// The columns of a batch that make a span.
struct Columns<'a> {
    ids: [&'a StringArray; 3],
    phase: &'a StringArray,
    origin: [&'a StringArray; 3],
    operation: &'a StringArray,
    kind: &'a StringArray,
    start_ns: &'a Int64Array,
    duration_ns: &'a Int64Array,
    error: &'a BooleanArray,
    http_status: &'a Int64Array,
    flags: &'a StringArray,
    attributes: &'a StringArray,
    extra: [&'a StringArray; 3],
}

impl<'a> Columns<'a> {
    fn of(batch: &'a RecordBatch) -> Result<Self, TableCause> {
        let column = |name| batch.column_by_name(name).ok_or(TableCause::Column(name));
        let text = |name| {
            column(name)?
                .as_string_opt::<i32>()
                .ok_or(TableCause::Column(name))
        };
        let int = |name| {
            column(name)?
                .as_primitive_opt::<Int64Type>()
                .ok_or(TableCause::Column(name))
        };
        Ok(Self {
            ids: [text("trace_id")?, text("span_id")?, text("parent_span_id")?],
            phase: text("phase")?,
            origin: [text("service")?, text("pod")?, text("node")?],
            operation: text("operation")?,
            kind: text("kind")?,
            start_ns: int("start_ns")?,
            duration_ns: int("duration_ns")?,
            error: column("error")?
                .as_boolean_opt()
                .ok_or(TableCause::Column("error"))?,
            http_status: int("http_status")?,
            flags: text("flags")?,
            attributes: text("attributes")?,
            extra: [text("events")?, text("links")?, text("status_message")?],
        })
    }

    fn span(&self, row: usize, names: &mut Names) -> Result<Span, TableCause> {
        let [service, pod, node] = self.origin.map(|column| value(column, row));
        let [events, links, status_message] =
            self.extra.map(|column| value(column, row).map(Into::into));
        let extra = Extra {
            events,
            links,
            status_message,
        };
        let parent = value(self.ids[2], row)
            .map(|hex| id(hex).map(SpanId))
            .transpose()?;
        let status = self
            .http_status
            .is_valid(row)
            .then(|| self.http_status.value(row));
        Ok(Span {
            trace_id: TraceId(id(self.ids[0].value(row))?),
            span_id: SpanId(id(self.ids[1].value(row))?),
            parent,
            origin: names.origin(service.unwrap_or_default(), pod, node),
            operation: names.name(self.operation.value(row)),
            kind: value(self.kind, row).and_then(SpanKind::from_name),
            start_ns: self.start_ns.value(row),
            duration_ns: self.duration_ns.value(row),
            negative: value(self.flags, row)
                .is_some_and(|flags| flags.contains("negative-duration")),
            unfinished: value(self.flags, row).is_some_and(|flags| flags.contains("unfinished")),
            error: self.error.value(row),
            http_status: status.and_then(|status| u16::try_from(status).ok()),
            attributes: value(self.attributes, row).map(Into::into),
            extra: (extra != Extra::default()).then(|| Box::new(extra)),
        })
    }
}

fn value(column: &StringArray, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.value(row))
}

fn id<const N: usize>(hex: &str) -> Result<[u8; N], TableCause> {
    crate::span::id_of(hex).ok_or_else(|| TableCause::Word("id", hex.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::testing::any_trace;
    use crate::trace::{group, write_trace_tables};
    use aefm_workloads::labels::CaseLabels;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        /// The spans that were written come back, each trace whole.
        #[test]
        fn spans_come_back(spans in any_trace(), traces in 1..4_u8, text: String) {
            let labels = CaseLabels { run_id: "r".into(), case_id: "c1".into(), factors: Vec::new() };
            let mut spans = spans;
            for (place, span) in spans.iter_mut().enumerate() {
                span.trace_id = TraceId([place as u8 % traces + 1; 16]);
                span.attributes = place.is_multiple_of(2).then(|| "{\"a\":1}".into());
                span.http_status = place.is_multiple_of(3).then_some(404);
                span.negative = place.is_multiple_of(5);
                span.unfinished = place % 5 == 1;
                span.extra = place.is_multiple_of(7).then(|| {
                    Box::new(Extra { status_message: Some(text.clone().into()), ..Extra::default() })
                });
            }
            let dir = tempfile::tempdir().unwrap();
            write_trace_tables(dir.path(), &labels, spans.clone(), None).unwrap();
            let path = crate::sink::part_path(dir.path(), "spans", "c1");
            let back: Vec<_> = read_traces(&path).unwrap().map(|trace| trace.unwrap().spans).collect();
            prop_assert_eq!(back, group(spans).0);
        }
    }
}
