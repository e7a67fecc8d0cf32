//! Spans for tests: nested, overlapping, missing parents, in circles.

use crate::span::{Names, Span};
use aefm_workloads::ids::{SpanId, TraceId};
use proptest::prelude::*;
use std::sync::Arc;

pub(crate) fn span(id: u64, parent: Option<u64>, start_ns: i64, end_ns: i64) -> Span {
    let mut names = Names::default();
    Span {
        trace_id: TraceId([1; 16]),
        span_id: SpanId(id.to_be_bytes()),
        parent: parent.map(|id| SpanId(id.to_be_bytes())),
        origin: names.origin(
            &format!("s{}", id % 3),
            Some(&format!("s{}-0", id % 3)),
            None,
        ),
        operation: Arc::from("op"),
        kind: None,
        start_ns,
        duration_ns: (end_ns - start_ns).max(0),
        negative: false,
        unfinished: false,
        error: false,
        http_status: None,
        attributes: None,
        extra: None,
    }
}

prop_compose! {
    fn any_span(count: u64)(
        parent in prop::option::weighted(0.9, 0..count + 2), start in 0..100_i64, length in 0..60_i64, kind in 0..6_u64,
    ) -> (Option<u64>, i64, i64, u64) {
        (parent, start, length, kind)
    }
}

/// Any trace of up to 24 spans, in canonical order.
pub(crate) fn any_trace() -> impl Strategy<Value = Vec<Span>> {
    (1..24_u64)
        .prop_flat_map(|count| prop::collection::vec(any_span(count), count as usize))
        .prop_map(|drafts| {
            // Ids begin at 1: zero is none.
            let spans = (1..)
                .zip(drafts)
                .map(|(id, (parent, start, length, kind))| {
                    let mut span = span(id, parent.map(|id| id + 1), start, start + length);
                    span.kind = crate::span::SpanKind::from_number(kind);
                    span
                });
            super::group(spans.collect()).0.remove(0)
        })
}
