//! Self time: how long a span worked itself.

use super::tree::Tree;
use crate::span::Span;

/// Each span's duration without the union of its children's intervals, each clipped to the span. Parallel children
/// count once for the time that they share; a child that outlives its parent keeps its own duration whole.
#[must_use]
pub(super) fn self_times(spans: &[Span], tree: &Tree) -> Vec<i64> {
    (0..)
        .zip(spans)
        .map(|(node, span)| span.duration_ns - covered(spans, tree.children(node), span))
        .collect()
}

/// How much of `span` its children (by start) cover.
fn covered(spans: &[Span], children: &[u32], span: &Span) -> i64 {
    let mut covered = 0;
    let mut reached = span.start_ns;
    for child in children {
        let child = &spans[*child as usize];
        let (from, to) = (
            child.start_ns.max(reached),
            child.end_ns().min(span.end_ns()),
        );
        if to > from {
            covered += to - from;
            reached = to;
        }
    }
    covered
}

#[cfg(test)]
mod tests {
    use super::super::testing::{any_trace, span};
    use super::*;
    use proptest::prelude::*;

    fn of(spans: &[Span]) -> Vec<i64> {
        self_times(spans, &Tree::new(spans, None))
    }

    #[test]
    fn two_parallel_children_are_subtracted_once() {
        // The original subtracted their union once a child: 100 - 2 x 60 = -20.
        assert_eq!(
            of(&[
                span(1, None, 0, 100),
                span(2, Some(1), 10, 70),
                span(3, Some(1), 10, 70)
            ]),
            [40, 60, 60]
        );
    }

    #[test]
    fn children_are_clipped_to_their_parent_and_keep_their_own() {
        let spans = [
            span(2, Some(1), -10, 5),
            span(1, None, 0, 100),
            span(3, Some(1), 90, 150),
            span(4, Some(1), 200, 300),
        ];
        assert_eq!(of(&spans), [15, 85, 60, 100]);
    }

    proptest! {
        /// Never negative, never above the duration, and the same as counting instants one by one.
        #[test]
        fn it_is_what_no_child_covers(spans in any_trace()) {
            let tree = Tree::new(&spans, None);
            for (node, time) in (0..).zip(self_times(&spans, &tree)) {
                let span = &spans[node as usize];
                let busy = |instant: &i64| !tree.children(node).iter().any(|child| {
                    let child = &spans[*child as usize];
                    child.start_ns <= *instant && *instant < child.end_ns()
                });
                prop_assert_eq!(time, (span.start_ns..span.end_ns()).filter(busy).count() as i64);
            }
        }
    }
}
