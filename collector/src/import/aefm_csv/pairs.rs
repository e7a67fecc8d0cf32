//! Spans from the original's pairs of parent and child.

use crate::span::{Names, Span, UNKNOWN_SERVICE};
use aefm_workloads::ids::{SpanId, TraceId};
use std::collections::BTreeMap;

/// What pairs say.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    pub(super) spans: Vec<Span>,
    /// Spans whose start was taken from their first child.
    pub(super) estimated: u64,
    /// Rows that name no span.
    pub(super) invalid: u64,
}

/// One span in the making; times in ns.
struct Draft {
    span: Span,
    /// Seen as a child: all is known.
    is_whole: bool,
    /// Start of the first child.
    first_child_ns: i64,
    /// Start of the trace, which is its root's.
    trace_ns: i64,
}

/// The spans of a case. A parent that is nobody's child and is the only one in its trace is the root, which began when
/// the trace did; of other such parents (the original dropped rows) the start is not known.
pub(super) fn spans<'a>(rows: impl Iterator<Item = &'a Vec<String>>) -> Pairs {
    let mut names = Names::default();
    let mut pairs = Pairs::default();
    let mut drafts: BTreeMap<(TraceId, SpanId), Draft> = BTreeMap::new();
    for row in rows {
        match pair(row, &mut names) {
            Some((parent, child)) => {
                keep(&mut drafts, parent);
                keep(&mut drafts, child);
            }
            None => pairs.invalid += 1,
        }
    }
    let mut heads: BTreeMap<TraceId, usize> = BTreeMap::new();
    for ((trace, _), draft) in &drafts {
        *heads.entry(*trace).or_default() += usize::from(!draft.is_whole);
    }
    for ((trace, _), mut draft) in drafts {
        if !draft.is_whole {
            let is_root = heads.get(&trace) == Some(&1);
            draft.span.start_ns = if is_root {
                draft.trace_ns
            } else {
                draft.first_child_ns
            };
            pairs.estimated += u64::from(!is_root);
        }
        pairs.spans.push(draft.span);
    }
    pairs
}

fn keep(drafts: &mut BTreeMap<(TraceId, SpanId), Draft>, draft: Draft) {
    let key = (draft.span.trace_id, draft.span.span_id);
    match drafts.get_mut(&key) {
        None => _ = drafts.insert(key, draft),
        Some(known) => {
            known.first_child_ns = known.first_child_ns.min(draft.first_child_ns);
            if draft.is_whole && !known.is_whole {
                *known = Draft {
                    first_child_ns: known.first_child_ns,
                    ..draft
                };
            }
        }
    }
}

/// The parent and the child of a row, whose columns are those of the file `raw_data`.
fn pair(row: &[String], names: &mut Names) -> Option<(Draft, Draft)> {
    let [
        trace,
        parent,
        trace_us,
        start_us,
        _,
        child,
        child_op,
        parent_op,
        child_ms,
        child_pod,
        parent_ms,
        parent_pod,
        ..,
    ] = row
    else {
        return None;
    };
    let (parent_us, child_us) = (row.get(12)?, row.get(13)?);
    let trace_id = TraceId(u128::from_str_radix(trace, 16).ok()?.to_be_bytes());
    let id = |hex: &str| {
        u64::from_str_radix(hex, 16)
            .ok()
            .filter(|id| *id != 0)
            .map(|id| SpanId(id.to_be_bytes()))
    };
    let (parent_id, child_id) = (id(parent)?, id(child)?);
    let (start_ns, trace_ns) = (ns(start_us)?, ns(trace_us)?);
    let mut span =
        |span_id, parent, service: &str, pod: &str, operation: &str, duration_us: &str| {
            let service = if service.is_empty() {
                UNKNOWN_SERVICE
            } else {
                service
            };
            Some(Span {
                trace_id,
                span_id,
                parent,
                origin: names.origin(service, (!pod.is_empty()).then_some(pod), None),
                operation: names.name(operation),
                kind: None,
                start_ns,
                duration_ns: ns(duration_us)?.max(0),
                negative: false,
                unfinished: false,
                error: false,
                http_status: None,
                attributes: None,
                extra: None,
            })
        };
    let parent = span(parent_id, None, parent_ms, parent_pod, parent_op, parent_us)?;
    let child = span(
        child_id,
        Some(parent_id),
        child_ms,
        child_pod,
        child_op,
        child_us,
    )?;
    let draft = |span, is_whole, first_child_ns| Draft {
        span,
        is_whole,
        first_child_ns,
        trace_ns,
    };
    Some((draft(parent, false, start_ns), draft(child, true, i64::MAX)))
}

/// Microseconds as pandas writes them, whole or with a fraction.
fn ns(us: &str) -> Option<i64> {
    if let Ok(us) = us.parse::<i64>() {
        return us.checked_mul(1_000);
    }
    us.parse::<f64>()
        .ok()
        .filter(|us| us.is_finite())
        .map(|us| (us * 1e3) as i64)
}
