//! Who calls whom, how long it takes, and how much of it happens at once.

use super::sample::Sample;
use super::tree::Tree;
use crate::schema::EDGES;
use crate::sink::{Cell, SinkError, TableWriter, Written};
use crate::span::{ByAddress, Name, Span, SpanKind};
use aefm_workloads::labels::CaseLabels;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

#[derive(Default)]
struct Edge {
    errors: u64,
    total: Sample,
    parallelism: f64,
}

/// Gathers the `edges` table.
#[derive(Default)]
pub(super) struct Edges {
    places: BTreeMap<(Name, Name), usize>,
    edges: Vec<Edge>,
    // Names are shared between spans: most edges are found here, without their names being read.
    known: ByAddress<str, ByAddress<str, usize>>,
}

impl Edges {
    /// Adds the calls of one trace: children of another service than their parent's, and servers and consumers (a
    /// service that calls itself). Steps within a service are no calls.
    pub(super) fn add(&mut self, spans: &[Span], tree: &Tree) {
        // What is in progress below each parent: of most it is never asked.
        let mut busy: Vec<Option<Busy>> = Vec::new();
        busy.resize_with(spans.len(), || None);
        for (node, caller) in (0..).zip(spans) {
            for child in tree.children(node) {
                let callee = &spans[*child as usize];
                let (from, to) = (&caller.origin.service, &callee.origin.service);
                if from == to && !matches!(callee.kind, Some(SpanKind::Server | SpanKind::Consumer))
                {
                    continue;
                }
                let edge = self.edge(from, to);
                edge.errors += u64::from(callee.error);
                edge.total.push(callee.duration_ns);
                edge.parallelism += parallelism(spans, tree, *child, &mut busy);
            }
        }
    }

    fn edge(&mut self, from: &Name, to: &Name) -> &mut Edge {
        let place = *self.known.of(from, ByAddress::default).of(to, || {
            *self
                .places
                .entry((Arc::clone(from), Arc::clone(to)))
                .or_insert_with(|| {
                    self.edges.push(Edge::default());
                    self.edges.len() - 1
                })
        });
        &mut self.edges[place]
    }

    pub(super) fn write(mut self, dir: &Path, labels: &CaseLabels) -> Result<Written, SinkError> {
        let mut writer = TableWriter::create(dir, &EDGES, labels)?;
        for ((caller, callee), place) in self.places {
            let edge = &mut self.edges[place];
            let head = [
                Cell::Text(&caller),
                Cell::Text(&callee),
                edge.total.count().into(),
                edge.errors.into(),
            ];
            let quantiles = edge
                .total
                .quantiles([0.5, 0.9, 0.95, 0.99, 1.0])
                .map(Cell::from);
            let parallelism = edge.parallelism / edge.total.count() as f64;
            writer.push(&[&head[..], &quantiles, &[Cell::Float(parallelism)]].concat())?;
        }
        writer.finish()
    }
}

/// The mean number of calls in progress beside `call`, itself included. A call that its caller has a span of, too, is beside
/// the other calls of that caller: under its own span it is alone.
fn parallelism(spans: &[Span], tree: &Tree, call: u32, busy: &mut [Option<Busy>]) -> f64 {
    let mut call = call;
    let is_call = |node: u32| {
        matches!(
            spans[node as usize].kind,
            Some(SpanKind::Client | SpanKind::Producer)
        )
    };
    loop {
        let Some(parent) = tree.parents[call as usize] else {
            return 1.0;
        };
        let siblings = tree.children(parent);
        if siblings.len() > 1 {
            let busy = busy[parent as usize].get_or_insert_with(|| {
                Busy::new(siblings.iter().map(|child| tree.interval(spans, *child)))
            });
            let (start, end) = tree.interval(spans, call);
            return busy.mean_over(start, end);
        }
        if !is_call(parent) {
            return 1.0;
        }
        call = parent;
    }
}

/// How many of a parent's children were in progress at every instant, as its integral.
struct Busy {
    /// Instants at which the number changes, the integral up to there, and the number from there.
    steps: Vec<(i64, i128, i64)>,
}

impl Busy {
    /// Of children's starts and ends.
    fn new(children: impl Iterator<Item = (i64, i64)>) -> Self {
        let mut changes: Vec<(i64, i64)> = children
            .flat_map(|(start, end)| [(start, 1), (end, -1)])
            .collect();
        changes.sort_unstable();
        let mut steps: Vec<(i64, i128, i64)> = Vec::with_capacity(changes.len());
        let (mut integral, mut count) = (0_i128, 0_i64);
        let mut reached = changes.first().map_or(0, |(instant, _)| *instant);
        for (instant, change) in changes {
            integral += i128::from(count) * (i128::from(instant) - i128::from(reached));
            (reached, count) = (instant, count + change);
            steps.push((instant, integral, count));
        }
        Self { steps }
    }

    fn integral(&self, instant: i64) -> i128 {
        let after = self.steps.partition_point(|(at, ..)| *at <= instant);
        let Some((at, integral, count)) = after.checked_sub(1).map(|place| self.steps[place])
        else {
            return 0;
        };
        integral + i128::from(count) * (i128::from(instant) - i128::from(at))
    }

    /// The mean number from `start` to `end`; 1 for no time at all.
    fn mean_over(&self, start: i64, end: i64) -> f64 {
        if end <= start {
            return 1.0;
        }
        (self.integral(end) - self.integral(start)) as f64 / (end - start) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::span;
    use super::*;

    #[test]
    fn parallelism_counts_siblings_over_the_calls_own_time() {
        // Two children that share half of their time, one alone.
        let spans = [
            span(0, None, 0, 100),
            span(1, Some(0), 10, 30),
            span(2, Some(0), 20, 40),
            span(4, Some(0), 50, 60),
        ];
        let mut edges = Edges::default();
        edges.add(&spans, &Tree::new(&spans, None));
        let edge = |callee: &str| &edges.edges[edges.places[&("s0".into(), callee.into())]];
        // s1 is called by spans 1 (1.5) and 4 (1.0), s2 by span 2 (1.5).
        assert!(
            (edge("s1").parallelism - 2.5).abs() < 1e-9
                && (edge("s2").parallelism - 1.5).abs() < 1e-9
        );
        assert_eq!(edge("s1").total.count(), 2);
    }

    #[test]
    fn parallelism_counts_under_client_spans_too() {
        // The caller makes two calls at once and one alone; each has a span of the caller's and one of the callee's.
        let client = |id, start, end| {
            let mut span = span(id, Some(3), start, end);
            span.kind = Some(SpanKind::Client);
            span
        };
        let spans = [
            span(3, None, 0, 100),
            client(6, 10, 30),
            span(1, Some(6), 11, 29),
            client(9, 20, 40),
            span(4, Some(9), 21, 39),
            client(12, 50, 60),
            span(7, Some(12), 51, 59),
        ];
        let mut edges = Edges::default();
        edges.add(&spans, &Tree::new(&spans, None));
        let edge = &edges.edges[edges.places[&("s0".into(), "s1".into())]];
        assert_eq!(edge.total.count(), 3);
        assert!((edge.parallelism - (1.5 + 1.5 + 1.0)).abs() < 1e-9);
    }

    #[test]
    fn steps_within_a_service_are_no_calls_and_its_own_servers_are() {
        let mut spans = [
            span(0, None, 0, 100),
            span(3, Some(0), 10, 30),
            span(6, Some(3), 10, 30),
        ];
        let mut edges = Edges::default();
        edges.add(&spans, &Tree::new(&spans, None));
        assert!(edges.edges.is_empty());
        spans[2].kind = Some(SpanKind::Server);
        edges.add(&spans, &Tree::new(&spans, None));
        assert_eq!(edges.edges.len(), 1);
    }

    #[test]
    fn calls_without_length_are_sequential() {
        let spans = [span(0, None, 0, 100), span(1, Some(0), 10, 10)];
        let mut edges = Edges::default();
        edges.add(&spans, &Tree::new(&spans, None));
        assert!((edges.edges[0].parallelism - 1.0).abs() < 1e-9);
    }
}
