//! What the spans of one trace say together.

use super::critical::Steps;
use super::self_time::self_times;
use super::tree::Tree;
use crate::span::Span;
use aefm_workloads::ids::SpanId;

/// One trace, analysed. Times are by span, as the trace has them.
pub(crate) struct Analysis {
    pub(super) tree: Tree,
    /// The span that stands for the trace.
    pub(super) root: u32,
    /// Time that no child covers, ns.
    pub(super) self_ns: Vec<i64>,
    /// Time on the critical path, ns.
    pub(super) critical_ns: Vec<i64>,
}

impl Analysis {
    /// Of a whole trace; none if it has no spans. `client` is the span of the load that caused it, which nobody reports.
    pub(crate) fn of(spans: &[Span], client: Option<SpanId>) -> Option<Self> {
        let tree = Tree::new(spans, client);
        let root = tree.root()?;
        let self_ns = self_times(spans, &tree);
        let critical_ns = Steps::new(spans, &tree, root).critical_times();
        Some(Self {
            tree,
            root,
            self_ns,
            critical_ns,
        })
    }
}
