//! Trees of traces that are whole, torn, or strange.

use super::super::testing::{any_trace, span};
use super::*;
use proptest::prelude::*;

#[test]
fn a_client_span_is_no_missing_parent() {
    let spans = [span(1, Some(99), 0, 10), span(2, Some(1), 1, 5)];
    let tree = Tree::new(&spans, Some(SpanId(99_u64.to_be_bytes())));
    assert!(tree.complete());
    assert_eq!((tree.root(), tree.children(0)), (Some(0), &[1][..]));
    // Under a load whose client is another span, the parent is missing.
    let tree = Tree::new(&spans, Some(SpanId([7; 8])));
    assert!(!tree.complete() && tree.flags[0].orphan);
    assert_eq!(tree.root(), Some(0));
}

#[test]
fn the_one_span_whose_parent_is_nowhere_was_called_from_elsewhere() {
    let called = [span(1, Some(99), 0, 10), span(2, Some(1), 1, 5)];
    let tree = Tree::new(&called, None);
    assert!(tree.complete() && !tree.flags[0].orphan);
    // Of two it cannot be: their common parent is missing. Nor beside a root.
    for other in [Some(99), None] {
        let torn = [span(1, Some(99), 0, 10), span(2, other, 1, 5)];
        let tree = Tree::new(&torn, None);
        assert!(!tree.complete() && tree.flags[0].orphan);
    }
}

#[test]
fn zipkins_shared_id_is_a_client_above_its_server() {
    let kind = |kind, mut span: Span| {
        span.kind = Some(kind);
        span
    };
    let spans = [
        span(1, None, 0, 100),
        kind(SpanKind::Client, span(2, Some(1), 10, 90)),
        kind(SpanKind::Server, span(2, Some(1), 20, 80)),
        span(3, Some(2), 30, 40),
    ];
    let tree = Tree::new(&spans, None);
    assert_eq!(tree.parents, [None, Some(0), Some(1), Some(2)]);
    assert!(tree.flags[1].shared_id && tree.flags[2].shared_id && tree.complete());
}

#[test]
fn circles_are_cut_at_their_first_span() {
    let spans = [
        span(1, Some(3), 0, 9),
        span(2, Some(1), 1, 8),
        span(3, Some(2), 2, 7),
        span(4, Some(4), 3, 4),
    ];
    let tree = Tree::new(&spans, None);
    assert_eq!(tree.parents, [None, Some(0), Some(1), None]);
    assert!(tree.flags[0].cycle && tree.flags[3].cycle && !tree.complete());
}

#[test]
fn odd_children_are_flagged_and_kept() {
    let spans = [
        span(1, None, 0, 10),
        span(2, Some(1), 5, 20),
        span(3, Some(1), 30, 40),
        span(5, Some(77), 31, 32),
    ];
    let tree = Tree::new(&spans, None);
    assert_eq!(tree.flags[1].words().as_deref(), Some("outlives-parent"));
    assert_eq!(
        tree.flags[2].words().as_deref(),
        Some("outlives-parent outside-parent")
    );
    assert!(tree.flags[3].orphan && tree.flags[3].words().is_none());
    assert_eq!(tree.roots, [0, 3]);
}

proptest! {
    /// Every span is in the tree exactly once, below a root, whatever parents were named.
    #[test]
    fn every_span_is_reached_once(spans in any_trace()) {
        let tree = Tree::new(&spans, None);
        let mut order = tree.order.clone();
        order.sort_unstable();
        prop_assert_eq!(order, (0..spans.len() as u32).collect::<Vec<_>>());
        for (place, node) in tree.order.iter().enumerate() {
            if let Some(parent) = tree.parents[*node as usize] {
                prop_assert!(tree.order[..place].contains(&parent));
            }
        }
    }
}
