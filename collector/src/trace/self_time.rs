//! Self time: how long a span worked itself.

use super::tree::Tree;
use crate::span::Span;

/// Each span's duration without the union of its children's intervals, each clipped to the span. Parallel children
/// count once for the time that they share; a child that outlives its parent keeps its own duration whole. Intervals are
/// those on the root's clock.
#[must_use]
pub(super) fn self_times(spans: &[Span], tree: &Tree) -> Vec<i64> {
    (0..)
        .zip(spans)
        .map(|(node, span)| span.duration_ns - covered(spans, tree, node))
        .collect()
}

/// How much of the node its children cover.
fn covered(spans: &[Span], tree: &Tree, node: u32) -> i64 {
    let children = tree.children(node);
    let own = tree.interval(spans, node);
    let by_start =
        |children: &[u32]| children.is_sorted_by_key(|child| tree.starts[*child as usize]);
    if by_start(children) {
        return union_within(
            own,
            children.iter().map(|child| tree.interval(spans, *child)),
        );
    }
    // Clocks that were set right can change who begins first.
    let mut children: Vec<_> = children
        .iter()
        .map(|child| tree.interval(spans, *child))
        .collect();
    children.sort_unstable();
    union_within(own, children.into_iter())
}

/// The length of the union of `intervals` (by start), each clipped to `own`.
fn union_within((start, end): (i64, i64), intervals: impl Iterator<Item = (i64, i64)>) -> i64 {
    let (mut covered, mut reached) = (0, start);
    for (from, to) in intervals {
        let (from, to) = (from.max(reached), to.min(end));
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
