//! The call tree of one trace. Whatever came, there is one: oddities are flagged, and no span is dropped.
//!
//! References are not calls: a span that only follows others ([`super::follow`]) is nobody's child, so that its time is in no
//! other span's, and it is no root of the trace either.

use super::follow;
use super::skew::adjusted_starts;
use crate::span::{Span, SpanKind};
use aefm_workloads::ids::SpanId;

/// What is odd about a span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Its parent is named and not in the trace, nor is it the client.
    pub orphan: bool,
    /// Another span of the trace has the same id.
    pub shared_id: bool,
    /// Following parents leads back to it; the circle was cut here.
    pub cycle: bool,
    /// It ends after its parent does.
    pub outlives_parent: bool,
    /// It has no instant in common with its parent.
    pub outside_parent: bool,
    /// It ended before it started.
    pub negative: bool,
    /// Its end was not said.
    pub unfinished: bool,
}

impl Flags {
    /// The words of the `flags` column; none where nothing is odd (orphans have a column of their own).
    #[must_use]
    pub fn words(self) -> Option<String> {
        let words = [
            (self.shared_id, "shared-id"),
            (self.cycle, "cycle"),
            (self.outlives_parent, "outlives-parent"),
            (self.outside_parent, "outside-parent"),
            (self.negative, "negative-duration"),
            (self.unfinished, "unfinished"),
        ];
        let words: Vec<_> = words
            .into_iter()
            .filter_map(|(set, word)| set.then_some(word))
            .collect();
        (!words.is_empty()).then(|| words.join(" "))
    }
}

/// The spans of one trace as nodes; a node's number is its span's place in the trace.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// Each node's parent.
    pub parents: Vec<Option<u32>>,
    /// Each node's oddities.
    pub flags: Vec<Flags>,
    /// Nodes without a parent that follow nothing, by start.
    pub roots: Vec<u32>,
    /// All nodes from those without a parent down: a parent comes before its children.
    pub order: Vec<u32>,
    /// Starts on the root's clock, ns since the epoch.
    pub starts: Vec<i64>,
    offsets: Vec<u32>,
    children: Vec<u32>,
}

impl Tree {
    /// Builds the tree of `spans` (of one trace, as [`super::group`] orders them). A span whose parent is `client`, the
    /// load generator's own span, is a root. Where no client is known, the one span whose parent is nowhere was called from
    /// elsewhere: it is the root, and misses nothing.
    ///
    /// # Panics
    /// Never for fewer than 2^32 spans.
    #[must_use]
    pub fn new(spans: &[Span], client: Option<SpanId>) -> Self {
        let mut tree = Self {
            parents: vec![None; spans.len()],
            flags: vec![Flags::default(); spans.len()],
            ..Self::default()
        };
        tree.find_parents(spans, client);
        tree.cut_cycles(spans);
        tree.link(spans);
        if client.is_none() && tree.roots.len() == 1 {
            tree.flags[tree.roots[0] as usize].orphan = false;
        }
        tree.starts = adjusted_starts(spans, &tree);
        tree.compare(spans);
        tree
    }

    /// A node's interval on the root's clock, ns since the epoch.
    #[must_use]
    pub fn interval(&self, spans: &[Span], node: u32) -> (i64, i64) {
        let start = self.starts[node as usize];
        (
            start,
            start.saturating_add(spans[node as usize].duration_ns),
        )
    }

    /// A node's children, by start.
    #[must_use]
    pub fn children(&self, node: u32) -> &[u32] {
        let node = node as usize;
        &self.children[self.offsets[node] as usize..self.offsets[node + 1] as usize]
    }

    /// The root that stands for the trace: the earliest that misses no parent, or else the earliest.
    #[must_use]
    pub fn root(&self) -> Option<u32> {
        let whole = self
            .roots
            .iter()
            .find(|root| !self.flags[**root as usize].orphan);
        whole.or(self.roots.first()).copied()
    }

    /// Exactly one root, and no missing parent.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.roots.len() == 1 && !self.flags.iter().any(|flags| flags.orphan || flags.cycle)
    }

    fn find_parents(&mut self, spans: &[Span], client: Option<SpanId>) {
        let mut ids: Vec<(SpanId, u32)> = (0..)
            .zip(spans)
            .map(|(node, span)| (span.span_id, node))
            .collect();
        ids.sort_unstable();
        for (node, span) in spans.iter().enumerate() {
            let flags = &mut self.flags[node];
            flags.negative = span.negative;
            flags.unfinished = span.unfinished;
            let twins = nodes_of(&ids, span.span_id);
            flags.shared_id = twins.len() > 1;
            // Zipkin's client and server share one id and one parent: the server is under the client.
            let sharer = (span.kind == Some(SpanKind::Server))
                .then(|| {
                    twins
                        .iter()
                        .find(|(_, twin)| spans[*twin as usize].kind == Some(SpanKind::Client))
                })
                .flatten();
            if let Some((_, twin)) = sharer {
                self.parents[node] = Some(*twin);
                continue;
            }
            let Some(parent) = span.parent.filter(|parent| Some(*parent) != client) else {
                continue;
            };
            let candidates = nodes_of(&ids, parent);
            let server = candidates
                .iter()
                .find(|(_, node)| spans[*node as usize].kind == Some(SpanKind::Server));
            match server.or(candidates.first()) {
                Some((_, parent)) => self.parents[node] = Some(*parent),
                None => flags.orphan = true,
            }
        }
    }

    /// Cuts every circle of parents at its first node.
    fn cut_cycles(&mut self, spans: &[Span]) {
        // The walk in which a node was first seen; 0: not yet.
        let mut seen = vec![0_u32; spans.len()];
        for start in 0..spans.len() {
            let walk = start as u32 + 1;
            let mut at = start;
            while seen[at] == 0 {
                seen[at] = walk;
                let Some(parent) = self.parents[at] else {
                    break;
                };
                at = parent as usize;
            }
            if seen[at] != walk || self.parents[at].is_none() {
                continue;
            }
            // The walk came back to itself at `at`: of the circle's nodes the first in canonical order is cut.
            let mut first = at;
            let mut around = self.parents[at];
            while let Some(node) = around.filter(|node| *node as usize != at) {
                first = first.min(node as usize);
                around = self.parents[node as usize];
            }
            self.parents[first] = None;
            self.flags[first].cycle = true;
        }
    }

    /// Children lists, roots, and an order from the roots down.
    fn link(&mut self, spans: &[Span]) {
        let count = self.parents.len();
        self.offsets = vec![0; count + 1];
        for parent in self.parents.iter().flatten() {
            self.offsets[*parent as usize + 1] += 1;
        }
        for node in 0..count {
            self.offsets[node + 1] += self.offsets[node];
        }
        let mut next = self.offsets.clone();
        self.children = vec![0; self.offsets[count] as usize];
        for (node, parent) in (0..).zip(&self.parents) {
            match parent {
                Some(parent) => {
                    let place = &mut next[*parent as usize];
                    self.children[*place as usize] = node;
                    *place += 1;
                }
                None => self.roots.push(node),
            }
        }
        self.order.reserve(count);
        self.order.extend(&self.roots);
        if self.roots.len() > 1 {
            self.roots = follow::roots(spans, &self.parents, &self.roots);
        }
        let mut at = 0;
        while let Some(node) = self.order.get(at).copied() {
            let range =
                self.offsets[node as usize] as usize..self.offsets[node as usize + 1] as usize;
            self.order.extend_from_slice(&self.children[range]);
            at += 1;
        }
    }

    fn compare(&mut self, spans: &[Span]) {
        for (node, parent) in self.parents.iter().enumerate() {
            let Some(parent) = parent else { continue };
            let (start, end) = self.interval(spans, node as u32);
            let (from, to) = self.interval(spans, *parent);
            self.flags[node].outlives_parent = end > to;
            self.flags[node].outside_parent = end < from || start > to;
        }
    }
}

/// The nodes of this span id.
fn nodes_of(ids: &[(SpanId, u32)], id: SpanId) -> &[(SpanId, u32)] {
    let from = ids.partition_point(|(other, _)| *other < id);
    let length = ids[from..]
        .iter()
        .take_while(|(other, _)| *other == id)
        .count();
    &ids[from..from + length]
}

#[cfg(test)]
mod tests;
