//! Spans of one trace together, each once, in an order that does not depend on their arrival.

use crate::span::Span;
use aefm_workloads::ids::TraceId;
use foldhash::fast::RandomState;
use std::collections::HashMap;

/// Spans grouped by trace, in the order in which traces first appeared, and how many copies were left out.
///
/// Within a trace spans are sorted by start, then by id. Of copies of a span (same id, kind, origin, operation and start: a
/// retried export, overlapping searches) the fullest is kept. Processes that were forked with one state of chance give
/// different spans one id: these are all kept.
#[must_use]
pub fn group(spans: Vec<Span>) -> (Vec<Vec<Span>>, u64) {
    let mut traces = by_trace(spans);
    let copies = traces.iter_mut().map(settle).sum();
    (traces, copies)
}

/// Spans by trace, in the order in which traces and spans came.
pub(crate) fn by_trace(spans: Vec<Span>) -> Vec<Vec<Span>> {
    let mut places: HashMap<TraceId, usize, RandomState> = HashMap::default();
    let mut traces: Vec<Vec<Span>> = Vec::new();
    for span in spans {
        let place = *places.entry(span.trace_id).or_insert_with(|| {
            traces.push(Vec::new());
            traces.len() - 1
        });
        traces[place].push(span);
    }
    traces
}

/// Sorts one trace and drops copies; says how many.
fn settle(trace: &mut Vec<Span>) -> u64 {
    let before = trace.len();
    if has_twins(trace) {
        trace.sort_unstable_by(|a, b| {
            identity(a)
                .cmp(&identity(b))
                .then_with(|| fullness(b).cmp(&fullness(a)))
        });
        trace.dedup_by(|later, earlier| identity(later) == identity(earlier));
    }
    let key = |span: &Span| (span.start_ns, span.span_id, span.kind);
    // Spans are large: what is in order already is not moved.
    if !trace.is_sorted_by_key(key) {
        trace.sort_by_key(key);
    }
    (before - trace.len()) as u64
}

/// Whether an id comes twice: copies have one id, and few traces have any.
fn has_twins(trace: &[Span]) -> bool {
    let mut ids: Vec<_> = trace.iter().map(|span| span.span_id).collect();
    ids.sort_unstable();
    ids.windows(2).any(|pair| pair[0] == pair[1])
}

fn identity(span: &Span) -> impl Ord {
    (
        span.span_id,
        span.kind,
        &*span.origin.service,
        span.origin.pod.as_deref(),
        span.start_ns,
        &*span.operation,
    )
}

/// The copy that says more comes first; equal ones are told apart by what they say, so that the choice is always the
/// same one.
fn fullness(span: &Span) -> impl Ord {
    (
        span.weight(),
        span.duration_ns,
        span.attributes.as_deref(),
        span.parent,
    )
}
