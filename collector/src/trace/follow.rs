//! Spans that only follow others: without a parent, and with a reference to a span of their own trace.

use crate::json;
use crate::span::{Span, id_of};
use aefm_workloads::ids::{SpanId, TraceId};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::HashMap;

#[derive(Deserialize)]
struct Link<'a> {
    #[serde(borrow, default)]
    trace_id: Cow<'a, str>,
    #[serde(borrow, default)]
    span_id: Cow<'a, str>,
}

/// Those of `tops` (nodes without a parent) that follow nothing, or nothing but themselves.
pub(super) fn roots(spans: &[Span], parents: &[Option<u32>], tops: &[u32]) -> Vec<u32> {
    let follows = |top: u32| spans[top as usize].extra.as_ref()?.links.as_deref();
    if tops.iter().all(|top| follows(*top).is_none()) {
        return tops.to_vec();
    }
    let nodes: HashMap<SpanId, u32> = spans.iter().map(|span| span.span_id).zip(0..).collect();
    let above = |mut node: u32| {
        while let Some(parent) = parents[node as usize] {
            node = parent;
        }
        node
    };
    // What each top follows, as the top of that.
    let mut followed: HashMap<u32, u32> = HashMap::new();
    for top in tops.iter().copied() {
        let span = &spans[top as usize];
        // One that names a parent is a call, whoever made it.
        let Some(links) = follows(top).filter(|_| span.parent.is_none()) else {
            continue;
        };
        let target = linked(links, span.trace_id)
            .filter_map(|id| nodes.get(&id))
            .map(|node| above(*node))
            .find(|target| !leads_to(&followed, *target, top));
        if let Some(target) = target {
            followed.insert(top, target);
        }
    }
    let is_root = |top: &u32| !followed.contains_key(top);
    tops.iter().copied().filter(is_root).collect()
}

/// Whether whatever `from` follows comes to `to`: those that follow each other in a circle would leave no root.
fn leads_to(followed: &HashMap<u32, u32>, from: u32, to: u32) -> bool {
    let mut at = Some(&from);
    while let Some(node) = at {
        if *node == to {
            return true;
        }
        at = followed.get(node);
    }
    false
}

/// The spans of this trace that `links` lead to.
fn linked(links: &str, trace: TraceId) -> impl Iterator<Item = SpanId> {
    let links: Vec<Link<'_>> = json::read(links.as_bytes()).unwrap_or_default();
    let ids: Vec<SpanId> = links
        .iter()
        .filter(|link| id_of(&link.trace_id) == Some(trace.0))
        .filter_map(|link| id_of(&link.span_id).map(SpanId))
        .collect();
    ids.into_iter()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{any_trace, span};
    use super::super::{Analysis, Tree};
    use super::*;
    use crate::sink::Hex;
    use crate::span::Extra;
    use proptest::prelude::*;

    fn following(mut span: Span, ids: &[u64]) -> Span {
        let trace = Hex::<32>::of(&span.trace_id.0);
        let link = |id: &u64| {
            format!(
                r#"{{"trace_id":"{}","span_id":"{id:016x}"}}"#,
                trace.as_str()
            )
        };
        let links: Vec<_> = ids.iter().map(link).collect();
        span.extra = Some(Box::new(Extra {
            links: Some(format!("[{}]", links.join(",")).into()),
            ..Extra::default()
        }));
        span
    }

    #[test]
    fn what_follows_is_in_nobodys_time_and_no_root() {
        let spans = [
            span(1, None, 0, 100),
            span(2, Some(1), 20, 60),
            following(span(3, None, 40, 500), &[2]),
            span(4, Some(3), 50, 450),
        ];
        let analysis = Analysis::of(&spans, None).unwrap();
        assert!(analysis.tree.complete());
        assert_eq!(analysis.tree.roots, [0]);
        assert_eq!(analysis.self_ns, [60, 40, 60, 400]);
        assert_eq!(analysis.critical_ns, [60, 40, 0, 0]);
        assert_eq!(analysis.tree.starts, [0, 20, 40, 50]);
    }

    #[test]
    fn a_circle_of_followers_has_a_root() {
        let spans = [
            following(span(1, None, 0, 10), &[2]),
            following(span(2, None, 5, 10), &[1]),
            following(span(3, None, 6, 10), &[3]),
        ];
        assert_eq!(Tree::new(&spans, None).roots, [1, 2]);
    }

    proptest! {
        /// Whatever follows whatever, there is a root, and links change the time of no other span.
        #[test]
        fn links_move_nothing(spans in any_trace(), links in prop::collection::vec(prop::collection::vec(1..26_u64, 0..3), 24)) {
            let plain = Analysis::of(&spans, None).unwrap();
            let linked: Vec<_> = spans.iter().cloned().zip(&links).map(|(span, ids)| following(span, ids)).collect();
            let analysis = Analysis::of(&linked, None).unwrap();
            prop_assert!(!analysis.tree.roots.is_empty());
            prop_assert_eq!(&analysis.self_ns, &plain.self_ns);
            prop_assert_eq!(&analysis.tree.starts, &plain.tree.starts);
        }
    }
}
