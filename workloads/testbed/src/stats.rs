//! What a service has done: the counts behind `GET /_aefm/stats`.

use aefm_workloads::ids::TraceId;
use aefm_workloads::testbed::{PREFIXES_KEPT, TestbedStats};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters of one service. They only grow.
#[derive(Default)]
pub(crate) struct Stats {
    pub(crate) requests: AtomicU64,
    pub(crate) errors: AtomicU64,
    spans_ended: AtomicU64,
    pub(crate) spans_exported: AtomicU64,
    pub(crate) spans_dropped: AtomicU64,
    pub(crate) exports_failed: AtomicU64,
    prefixes: Mutex<Prefixes>,
}

/// Counts by trace-id prefix, the one last counted in front.
#[derive(Default)]
struct Prefixes(Vec<(u64, u64)>);

impl Stats {
    /// Adds one.
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }

    /// Adds many.
    pub(crate) fn add(counter: &AtomicU64, many: usize) {
        counter.fetch_add(many as u64, Relaxed);
    }

    /// A span of this trace has ended.
    pub(crate) fn span_ended(&self, trace: TraceId) {
        Self::count(&self.spans_ended);
        // A poisoned lock would mean that a plain vector operation panicked; the counts are still good.
        self.prefixes
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .count(trace.prefix());
    }

    /// The counts as they are told.
    pub(crate) fn tell(&self, service: &str) -> TestbedStats {
        let prefixes = self
            .prefixes
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        TestbedStats {
            service: service.to_owned(),
            requests: self.requests.load(Relaxed),
            errors: self.errors.load(Relaxed),
            spans_ended: self.spans_ended.load(Relaxed),
            spans_exported: self.spans_exported.load(Relaxed),
            spans_dropped: self.spans_dropped.load(Relaxed),
            exports_failed: self.exports_failed.load(Relaxed),
            by_prefix: prefixes
                .0
                .iter()
                .map(|(prefix, count)| (format!("{prefix:016x}"), *count))
                .collect(),
        }
    }
}

impl Prefixes {
    fn count(&mut self, prefix: u64) {
        let at = self
            .0
            .iter()
            .position(|(known, _)| *known == prefix)
            .unwrap_or_else(|| {
                self.0.truncate(PREFIXES_KEPT - 1);
                self.0.push((prefix, 0));
                self.0.len() - 1
            });
        self.0[at].1 += 1;
        self.0[..=at].rotate_right(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aefm_workloads::ids::{trace_id, trace_prefix};

    #[test]
    fn spans_are_counted_by_the_prefix_of_their_case() {
        let stats = Stats::default();
        for (case, spans) in [(1, 5), (2, 3), (1, 2)] {
            (0..spans).for_each(|request| stats.span_ended(trace_id(case, request)));
        }
        let told = stats.tell("geo");
        assert_eq!(told.spans_ended, 10);
        let of = |case| told.by_prefix[&format!("{:016x}", trace_prefix(case))];
        assert_eq!((of(1), of(2)), (7, 3));
    }

    #[test]
    fn only_the_last_prefixes_are_kept() {
        let stats = Stats::default();
        for case in 0..PREFIXES_KEPT as u64 + 10 {
            stats.span_ended(trace_id(0, 0));
            stats.span_ended(trace_id(case, 0));
        }
        let told = stats.tell("geo");
        assert_eq!(told.by_prefix.len(), PREFIXES_KEPT);
        let key = |case| format!("{:016x}", trace_prefix(case));
        assert_eq!(
            told.by_prefix[&key(0)],
            PREFIXES_KEPT as u64 + 11,
            "the one in use stays"
        );
        assert!(!told.by_prefix.contains_key(&key(1)), "the oldest goes");
        assert!(told.by_prefix.contains_key(&key(PREFIXES_KEPT as u64)));
    }
}
