//! The critical path after CRISP (Zhang et al., USENIX ATC '22): the chain of spans that made a trace as long as it was.
//!
//! Children are first fitted to their parents; then, from a span's end backwards, its last finisher is on the path,
//! and so is each child that happened before the last one taken, with a small overlap forgiven as clock skew.
//! [`Steps::segments`] then gives every instant of the root to exactly one span.

use super::tree::Tree;
use crate::span::{Span, SpanKind};
use std::cell::OnceCell;

/// An overlap below this part of the parent's duration (in percent) may be clock skew.
const OVERLAP_PERCENT: i64 = 1;

/// A span fitted to its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fit {
    start: i64,
    end: i64,
}

/// The path within one tree.
#[derive(Clone, Debug)]
pub struct Steps {
    root: u32,
    // None: lies outside of its parent, and so off every path.
    fits: Vec<Option<Fit>>,
    // Each node's children on the path, the last one first.
    on_path: Vec<Vec<u32>>,
}

/// A piece of the root's time, and the node that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The node.
    pub node: u32,
    /// From, ns.
    pub start_ns: i64,
    /// To, ns.
    pub end_ns: i64,
}

impl Steps {
    /// The critical path below `root`.
    #[must_use]
    pub fn new(spans: &[Span], tree: &Tree, root: u32) -> Self {
        let mut steps = Self {
            root,
            fits: vec![None; spans.len()],
            on_path: vec![Vec::new(); spans.len()],
        };
        steps.fit(spans, tree);
        let mut open = vec![root];
        while let Some(node) = open.pop() {
            let path = steps.last_finishers(node, tree);
            open.extend(&path);
            steps.on_path[node as usize] = path;
        }
        steps
    }

    /// Fits every span below the root to its parent, from the root down.
    fn fit(&mut self, spans: &[Span], tree: &Tree) {
        let (start, end) = tree.interval(spans, self.root);
        self.fits[self.root as usize] = Some(Fit { start, end });
        // How far a subtree is moved, to undo what its host's clock still is off by.
        let mut open = vec![(self.root, 0_i64)];
        while let Some((node, moved)) = open.pop() {
            let Some(parent) = self.fits[node as usize] else {
                continue;
            };
            for child in tree.children(node) {
                let span = &spans[*child as usize];
                let start = tree.starts[*child as usize].saturating_add(moved);
                let own = Fit {
                    start,
                    end: start.saturating_add(span.duration_ns),
                };
                let (fit, shift) = if is_remote_call(spans, tree, node, *child) {
                    own.moved_into(parent)
                } else {
                    (own.clipped_to(parent), 0)
                };
                self.fits[*child as usize] = fit;
                open.push((*child, moved.saturating_add(shift)));
            }
        }
    }

    /// The children of `node` on the path, the last one first.
    fn last_finishers(&self, node: u32, tree: &Tree) -> Vec<u32> {
        let Some(parent) = self.fits[node as usize] else {
            return Vec::new();
        };
        let mut children: Vec<(Fit, u32)> = tree
            .children(node)
            .iter()
            .filter_map(|child| Some((self.fits[*child as usize]?, *child)))
            .collect();
        // Stable: of those that end together the one that started last comes first.
        children.sort_by_key(|(fit, _)| fit.end);
        // Few overlap by so little that it is needed.
        let window = OnceCell::new();
        let events = |from, to| {
            window
                .get_or_init(|| Window::new(&children))
                .events(from, to)
        };
        let mut path = Vec::new();
        let mut last: Option<Fit> = None;
        for (fit, child) in children.iter().rev() {
            if last.is_none_or(|last| happens_before(*fit, last, parent, events)) {
                path.push(*child);
                last = Some(*fit);
            }
        }
        path
    }

    /// The nodes on the path, each before its children.
    #[must_use]
    pub fn nodes(&self) -> Vec<u32> {
        let mut nodes = vec![self.root];
        let mut at = 0;
        while let Some(node) = nodes.get(at) {
            nodes.extend(&self.on_path[*node as usize]);
            at += 1;
        }
        nodes
    }

    /// A node's children on the path, the last one first.
    #[must_use]
    pub fn children(&self, node: u32) -> &[u32] {
        &self.on_path[node as usize]
    }

    /// A node's duration after it was fitted to its parent, ns.
    #[must_use]
    pub fn duration_ns(&self, node: u32) -> i64 {
        self.fits[node as usize].map_or(0, |fit| fit.end - fit.start)
    }

    /// The root's time in pieces that neither overlap nor leave a gap, in no particular order.
    #[must_use]
    pub fn segments(&self) -> Vec<Segment> {
        let mut segments = Vec::new();
        let Some(root) = self.fits[self.root as usize] else {
            return segments;
        };
        let mut open = vec![(self.root, root.start, root.end)];
        while let Some((node, from, to)) = open.pop() {
            let mut own = |start_ns, end_ns| {
                if end_ns > start_ns {
                    segments.push(Segment {
                        node,
                        start_ns,
                        end_ns,
                    });
                }
            };
            let mut reached = to;
            for child in &self.on_path[node as usize] {
                let Some(fit) = self.fits[*child as usize] else {
                    continue;
                };
                // A forgiven overlap belongs to the later child.
                let (child_from, child_to) = (fit.start.max(from), fit.end.min(reached));
                if child_to > child_from {
                    own(child_to, reached);
                    open.push((*child, child_from, child_to));
                    reached = child_from;
                }
            }
            own(from, reached);
        }
        segments
    }

    /// Each node's own time on the path, ns; they add up to the root's duration.
    #[must_use]
    pub fn critical_times(&self) -> Vec<i64> {
        let mut times = vec![0; self.fits.len()];
        for segment in self.segments() {
            times[segment.node as usize] += segment.end_ns - segment.start_ns;
        }
        times
    }
}

impl Fit {
    /// The part within `parent`; none if it lies outside or sticks out at both ends (CRISP drops both).
    fn clipped_to(self, parent: Self) -> Option<Self> {
        if self.start >= parent.start && self.end <= parent.end {
            Some(self)
        } else if self.start < parent.start && self.end <= parent.end && self.end > parent.start {
            Some(Self {
                start: parent.start,
                ..self
            })
        } else if self.start >= parent.start && self.end > parent.end && self.start < parent.end {
            Some(Self {
                end: parent.end,
                ..self
            })
        } else {
            None
        }
    }

    /// Cut to the parent's length and moved, as little as possible, into it; and by how much.
    fn moved_into(self, parent: Self) -> (Option<Self>, i64) {
        let length = (self.end - self.start).min(parent.end - parent.start);
        let start = self.start.clamp(parent.start, parent.end - length);
        (
            Some(Self {
                start,
                end: start + length,
            }),
            start.saturating_sub(self.start),
        )
    }
}

/// A call over the network that the two sides' clocks may place differently: a server that is its client's one child,
/// or a client's one child's.
fn is_remote_call(spans: &[Span], tree: &Tree, parent: u32, child: u32) -> bool {
    let kind = |node: u32| spans[node as usize].kind;
    let is_server = |node: u32| kind(node) == Some(SpanKind::Server);
    let alone = tree.children(parent).len() == 1;
    let fuzzy = || !is_server(parent) && tree.parents[parent as usize].is_some_and(is_server);
    let clean = kind(parent) == Some(SpanKind::Client);
    let apart = || {
        let origin = |node: u32| &spans[node as usize].origin;
        origin(parent).is_elsewhere(origin(child))
    };
    // A server that took longer than its client waited, beyond what clocks differ by, is no such call.
    let duration = |node: u32| spans[node as usize].duration_ns;
    let fits = duration(child).saturating_mul(100) <= duration(parent).saturating_mul(101);
    alone && fits && ((is_server(child) && (clean || fuzzy())) || apart())
}

/// Starts and ends of a node's children, to count them.
struct Window {
    starts: Vec<i64>,
    ends: Vec<i64>,
}

impl Window {
    /// `children` by end.
    fn new(children: &[(Fit, u32)]) -> Self {
        let mut starts: Vec<i64> = children.iter().map(|(fit, _)| fit.start).collect();
        starts.sort_unstable();
        Self {
            starts,
            ends: children.iter().map(|(fit, _)| fit.end).collect(),
        }
    }

    /// How many children start or end from `from` to `to`, both included.
    fn events(&self, from: i64, to: i64) -> usize {
        let within = |times: &[i64]| {
            let (after, before) = (
                times.partition_point(|time| *time <= to),
                times.partition_point(|time| *time < from),
            );
            after.saturating_sub(before)
        };
        within(&self.starts) + within(&self.ends)
    }
}

/// `earlier` was over when `later` began, or overlaps it so little, and with nothing else there, that clocks may be to
/// blame. `events` counts the children that start or end from one instant to another.
fn happens_before(
    earlier: Fit,
    later: Fit,
    parent: Fit,
    events: impl Fn(i64, i64) -> usize,
) -> bool {
    if earlier.end < later.start {
        return true;
    }
    let overlap = earlier.end - later.start;
    earlier.end < later.end
        && earlier.start < later.start
        && overlap.saturating_mul(100) < (parent.end - parent.start).saturating_mul(OVERLAP_PERCENT)
        && events(later.start, earlier.end) == 2
}

#[cfg(test)]
mod tests;
