//! Spans that go by time, since the application takes up no trace context: held by trace until a case comes for those
//! that began in its time.

use crate::span::Span;
use aefm_workloads::ids::TraceId;
use std::collections::HashMap;

/// Traces that began so long before a case that comes for its own are nobody's any more.
pub(super) const FORGOTTEN_NS: i64 = 600_000_000_000;

/// Spans by trace.
#[derive(Debug, Default)]
pub(super) struct Strays {
    traces: HashMap<TraceId, Vec<Span>>,
    /// The times of cases that have come for theirs: one a case.
    taken: Vec<(i64, i64)>,
}

/// What a case gets.
#[derive(Debug, Default)]
pub(super) struct Timely {
    /// Spans of traces that began in its time.
    pub(super) spans: Vec<Span>,
    /// Bytes of memory that all that was removed has held.
    pub(super) weight: usize,
    /// Spans that no case will come for.
    pub(super) forgotten: u64,
}

impl Strays {
    pub(super) fn push(&mut self, span: Span) {
        self.traces.entry(span.trace_id).or_default().push(span);
    }

    /// How many spans of traces that began in this time there are.
    pub(super) fn count(&self, from_ns: i64, to_ns: i64) -> u64 {
        let began = self
            .traces
            .values()
            .filter(|spans| began(spans, from_ns, to_ns));
        began.map(|spans| spans.len() as u64).sum()
    }

    /// How many have come since for the case that has taken what began from `from_ns` on.
    pub(super) fn late(&self, from_ns: i64) -> u64 {
        let own = self.taken.iter().find(|(begin, _)| *begin == from_ns);
        own.map_or(0, |(from_ns, to_ns)| self.count(*from_ns, *to_ns))
    }

    /// Removes what began in this time, and what is forgotten.
    pub(super) fn take(&mut self, from_ns: i64, to_ns: i64) -> Timely {
        self.taken.push((from_ns, to_ns));
        let mut timely = Timely::default();
        let forgotten_ns = from_ns.saturating_sub(FORGOTTEN_NS);
        for (_, spans) in self.traces.extract_if(|_, spans| {
            began(spans, from_ns, to_ns) || began(spans, i64::MIN, forgotten_ns)
        }) {
            timely.weight += spans.iter().map(Span::weight).sum::<usize>();
            if began(&spans, from_ns, to_ns) {
                timely.spans.extend(spans);
            } else {
                timely.forgotten += spans.len() as u64;
            }
        }
        timely
    }
}

fn began(spans: &[Span], from_ns: i64, to_ns: i64) -> bool {
    let begin = spans.iter().map(|span| span.start_ns).min();
    begin.is_some_and(|begin| (from_ns..to_ns).contains(&begin))
}
