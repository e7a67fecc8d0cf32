//! Critical paths: segments partition the root, whatever the order of spans.

use super::super::testing::{any_trace, span};
use super::*;
use proptest::prelude::*;

fn times(spans: &[Span]) -> Vec<i64> {
    let tree = Tree::new(spans, None);
    Steps::new(spans, &tree, tree.root().unwrap()).critical_times()
}

#[test]
fn of_parallel_children_the_last_finisher_is_on_the_path() {
    assert_eq!(
        times(&[
            span(1, None, 0, 100),
            span(2, Some(1), 10, 60),
            span(3, Some(1), 10, 80)
        ]),
        [30, 0, 70]
    );
}

#[test]
fn children_in_sequence_are_all_on_it() {
    let spans = [
        span(1, None, 0, 100),
        span(2, Some(1), 10, 40),
        span(3, Some(1), 50, 90),
        span(4, Some(3), 60, 70),
    ];
    assert_eq!(times(&spans), [30, 30, 30, 10]);
}

#[test]
fn a_small_overlap_is_forgiven_unless_something_else_is_there() {
    let two = [
        span(1, None, 0, 1_000),
        span(2, Some(1), 0, 505),
        span(3, Some(1), 500, 1_000),
    ];
    assert_eq!(times(&two), [0, 500, 500]);
    let three = [
        span(1, None, 0, 1_000),
        span(2, Some(1), 0, 505),
        span(4, Some(1), 100, 505),
        span(3, Some(1), 500, 1_000),
    ];
    assert_eq!(times(&three), [500, 0, 0, 500]);
    let large = [
        span(1, None, 0, 1_000),
        span(2, Some(1), 0, 510),
        span(3, Some(1), 500, 1_000),
    ];
    assert_eq!(times(&large), [500, 0, 500]);
}

#[test]
fn a_server_with_another_clock_is_moved_under_its_client() {
    let kinds = |mut span: Span, kind| {
        span.kind = Some(kind);
        span
    };
    let spans = [
        kinds(span(1, None, 0, 100), SpanKind::Client),
        kinds(span(2, Some(1), 500, 560), SpanKind::Server),
        span(3, Some(2), 510, 520),
    ];
    assert_eq!(times(&spans), [40, 50, 10]);
}

#[test]
fn what_lies_outside_of_its_parent_is_off_the_path() {
    assert_eq!(
        times(&[
            span(1, None, 0, 100),
            span(2, Some(1), 200, 300),
            span(3, Some(2), 210, 220)
        ]),
        [100, 0, 0]
    );
}

#[test]
fn a_very_deep_chain_needs_no_stack() {
    let spans: Vec<_> = (0..100_000)
        .map(|id| {
            span(
                id + 1,
                id.checked_sub(1).map(|p| p + 1),
                0,
                200_000 - id as i64,
            )
        })
        .collect();
    let (traces, _) = super::super::group(spans);
    assert_eq!(times(&traces[0]).iter().sum::<i64>(), 200_000);
}

proptest! {
    /// Segments partition the root's time: no gap, no overlap.
    #[test]
    fn segments_partition_the_root(spans in any_trace()) {
        let tree = Tree::new(&spans, None);
        let root = tree.root().unwrap();
        let mut segments = Steps::new(&spans, &tree, root).segments();
        segments.sort_by_key(|segment| segment.start_ns);
        let root = &spans[root as usize];
        let mut reached = root.start_ns;
        for segment in segments {
            prop_assert_eq!(segment.start_ns, reached);
            prop_assert!(segment.end_ns > segment.start_ns);
            reached = segment.end_ns;
        }
        prop_assert_eq!(reached, root.end_ns());
    }

    /// The order in which spans arrived changes nothing.
    #[test]
    fn order_does_not_matter(mut spans in any_trace(), seed: u64) {
        let expected = (times(&spans), super::super::self_time::self_times(&spans, &Tree::new(&spans, None)));
        // A seeded shuffle: sort by a hash of place and seed.
        spans.sort_by_key(|span| aefm_workloads::draw::mix(u64::from_be_bytes(span.span_id.0) ^ seed));
        let shuffled = super::super::group(spans).0.remove(0);
        prop_assert_eq!((times(&shuffled), super::super::self_time::self_times(&shuffled, &Tree::new(&shuffled, None))), expected);
    }
}
