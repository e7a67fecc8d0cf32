//! Traces as they come in, and what can be seen to be missing from them.

use super::learned::{Call, Learned};
use super::{Collected, Plan, Whose};
use crate::span::{Name, Origin, Span, SpanKind};
use aefm_workloads::ids::{self, SpanId, TraceId};
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// Traces as they come in.
#[derive(Default)]
pub(super) struct Pool {
    /// The place of each distinct span of each trace.
    known: HashMap<TraceId, HashMap<Identity, usize>>,
    pub(super) collected: Collected,
}

/// What copies of a span have in common, as in [`crate::trace::group`].
#[derive(PartialEq, Eq, Hash)]
struct Identity {
    span: SpanId,
    kind: Option<SpanKind>,
    start_ns: i64,
    origin: Arc<Origin>,
    operation: Name,
}

impl Identity {
    fn of(span: &Span) -> Self {
        Self {
            span: span.span_id,
            kind: span.kind,
            start_ns: span.start_ns,
            origin: Arc::clone(&span.origin),
            operation: Arc::clone(&span.operation),
        }
    }
}

impl Pool {
    /// Takes a trace in, if it is wanted; says which spans are new by their ends (ns since the epoch).
    pub(super) fn take(&mut self, trace: Vec<Span>, whose: Whose) -> Vec<i64> {
        let mut ends = Vec::new();
        for span in trace {
            if !whose.takes(span.trace_id) {
                self.collected.strangers.insert(span.trace_id);
                continue;
            }
            let spans = &mut self.collected.spans;
            let known = self.known.entry(span.trace_id).or_default();
            match known.entry(Identity::of(&span)) {
                Entry::Vacant(entry) => {
                    entry.insert(spans.len());
                    ends.push(span.start_ns.saturating_add(span.duration_ns));
                    spans.push(span);
                }
                // Of copies the fullest is kept.
                Entry::Occupied(entry) if span.weight() > spans[*entry.get()].weight() => {
                    spans[*entry.get()] = span;
                }
                Entry::Occupied(_) => {}
            }
        }
        ends
    }

    /// How many distinct traces there are.
    pub(super) fn traces(&self) -> usize {
        self.known.len()
    }

    /// Expected traces of which there is no span yet.
    pub(super) fn absent(&self, plan: &Plan) -> Vec<TraceId> {
        let absent = plan
            .expected
            .iter()
            .filter(|id| !self.known.contains_key(id));
        absent.copied().collect()
    }

    /// Traces with a span whose parent is missing; the client's own span, known by the load's seed, is not missed.
    pub(super) fn incomplete(&self, whose: Whose) -> Vec<TraceId> {
        let is_missing = |span: &&Span| {
            let client = match whose {
                Whose::Load { trace_seed } => ids::request_of(trace_seed, span.trace_id)
                    .map(|request| ids::span_id(trace_seed, request)),
                Whose::Anybody => None,
            };
            let known = self.known.get(&span.trace_id);
            let has = |id| known.is_some_and(|spans| spans.keys().any(|known| known.span == id));
            span.parent
                .is_some_and(|parent| Some(parent) != client && !has(parent))
        };
        let traces = self
            .collected
            .spans
            .iter()
            .filter(is_missing)
            .map(|span| span.trace_id);
        traces.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Traces that call without being answered by a span, where calls of the kind have been answered by one in this run.
    /// What such a call is, `learned` is told first. A call that failed may have reached nobody.
    pub(super) fn unanswered(&self, learned: &Learned) -> (usize, Vec<TraceId>) {
        let spans = &self.collected.spans;
        let mut answered: HashSet<(TraceId, SpanId)> = HashSet::new();
        for span in spans {
            if matches!(span.kind, Some(SpanKind::Server | SpanKind::Consumer)) {
                // Zipkin's way is one id for both sides.
                let sides = [span.parent, Some(span.span_id)].into_iter().flatten();
                answered.extend(sides.map(|side| (span.trace_id, side)));
            }
        }
        let mut open = Vec::new();
        let calls = spans
            .iter()
            .filter(|span| span.kind == Some(SpanKind::Client) && !span.error);
        for span in calls {
            if answered.contains(&(span.trace_id, span.span_id)) {
                learned.is_traced(Call::of(span));
            } else {
                open.push((span.trace_id, Call::of(span)));
            }
        }
        let missing: Vec<TraceId> = open
            .into_iter()
            .filter(|(_, call)| learned.knows(call))
            .map(|(trace, _)| trace)
            .collect();
        let traces = missing.iter().copied().collect::<BTreeSet<_>>();
        (missing.len(), traces.into_iter().collect())
    }
}
