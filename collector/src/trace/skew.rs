//! Starts as one clock would have told them: hosts' clocks differ, and a call cannot begin before its caller made it.
//!
//! The idea is that of Jaeger's query service: only a call that crosses hosts is moved, and its subtree with it.

use super::tree::Tree;
use crate::span::{Span, SpanKind};

/// Each span's start, moved where its host's clock contradicts its caller's; those of one host keep their distances.
///
/// A span of another node than its parent's that does not lie within it, though it is short enough to, is put in its
/// middle (request and answer are taken to travel equally long). One that is longer than its parent can only be known
/// not to begin before it. Hosts that are not named in any way cannot be told apart, and what consumes a message may well come
/// after its producer: neither is moved.
#[must_use]
pub(super) fn adjusted_starts(spans: &[Span], tree: &Tree) -> Vec<i64> {
    let mut starts: Vec<i64> = spans.iter().map(|span| span.start_ns).collect();
    for node in &tree.order {
        let Some(parent) = tree.parents[*node as usize] else {
            continue;
        };
        let (span, caller) = (&spans[*node as usize], &spans[parent as usize]);
        // The parent came before in this order: its own start is final.
        let caller_start = starts[parent as usize];
        let moved = span
            .start_ns
            .saturating_add(caller_start.saturating_sub(caller.start_ns));
        starts[*node as usize] = if is_other_host(span, caller) {
            within(
                (moved, span.duration_ns),
                (caller_start, caller.duration_ns),
            )
        } else {
            moved
        };
    }
    starts
}

fn is_other_host(span: &Span, caller: &Span) -> bool {
    span.kind != Some(SpanKind::Consumer) && span.origin.is_elsewhere(&caller.origin)
}

/// The start of a call within its caller; both are (start, duration).
fn within((start, duration): (i64, i64), (caller_start, caller_duration): (i64, i64)) -> i64 {
    let slack = caller_duration - duration;
    if slack < 0 {
        return start.max(caller_start);
    }
    let is_inside = (caller_start..=caller_start.saturating_add(slack)).contains(&start);
    if is_inside {
        start
    } else {
        caller_start.saturating_add(slack / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{any_trace, span};
    use super::*;
    use crate::span::Names;
    use proptest::prelude::*;

    fn on(node: &str, mut span: Span) -> Span {
        span.origin = Names::default().origin("s", None, Some(node));
        span
    }

    fn starts(spans: &[Span]) -> Vec<i64> {
        adjusted_starts(spans, &Tree::new(spans, None))
    }

    #[test]
    fn a_call_to_a_host_whose_clock_is_off_is_put_into_its_caller_with_all_below_it() {
        let trace = [
            on("b", span(2, Some(1), -500, -460)),
            on("b", span(3, Some(2), -490, -480)),
            on("a", span(1, None, 0, 100)),
        ];
        assert_eq!(starts(&trace), [30, 40, 0]);
    }

    #[test]
    fn what_clocks_do_not_explain_stays_where_it_was() {
        // Of the same host; inside; longer than its caller; of no known host.
        let root = on("a", span(1, None, 0, 100));
        let trace = [
            root,
            on("b", span(3, Some(1), 10, 60)),
            on("b", span(4, Some(1), 20, 320)),
            span(5, Some(1), 150, 160),
            on("a", span(2, Some(1), 200, 250)),
        ];
        assert_eq!(starts(&trace), [0, 10, 20, 150, 200]);
        let mut message = on("b", span(2, Some(1), 200, 250));
        message.kind = Some(SpanKind::Consumer);
        assert_eq!(starts(&[on("a", span(1, None, 0, 100)), message]), [0, 200]);
        // Longer, and before its caller: not before it.
        assert_eq!(
            starts(&[
                on("b", span(2, Some(1), -50, 250)),
                on("a", span(1, None, 0, 100))
            ]),
            [0, 0]
        );
    }

    proptest! {
        /// Every call that could lie within its caller does, spans of one host keep their distances, roots stay.
        #[test]
        fn calls_lie_within_their_callers(mut spans in any_trace(), nodes: Vec<bool>) {
            for (span, node) in spans.iter_mut().zip(nodes) {
                span.origin = Names::default().origin("s", None, Some(if node { "a" } else { "b" }));
            }
            let tree = Tree::new(&spans, None);
            let starts = adjusted_starts(&spans, &tree);
            for (node, span) in spans.iter().enumerate() {
                let Some(parent) = tree.parents[node].map(|parent| parent as usize) else {
                    prop_assert_eq!(starts[node], span.start_ns);
                    continue;
                };
                if !is_other_host(span, &spans[parent]) {
                    prop_assert_eq!(starts[node] - starts[parent], span.start_ns - spans[parent].start_ns);
                } else {
                    prop_assert!(starts[node] >= starts[parent]);
                    let fits = span.duration_ns <= spans[parent].duration_ns;
                    prop_assert!(!fits || starts[node] + span.duration_ns <= starts[parent] + spans[parent].duration_ns);
                }
            }
        }
    }
}
