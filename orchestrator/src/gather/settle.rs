//! Waits until a case's spans are all there, or it is known that they will not come.

use super::sources::{Evidence, Sources};
use crate::platform::Census;
use aefm_collector::span::Span;
use aefm_workloads::ids::trace_prefix;
use aefm_workloads::load::Outcome;
use std::time::{Duration, Instant};

/// Time between two looks at what the services say.
const LOOK: Duration = Duration::from_millis(150);

/// A case's spans and what is known of their number.
pub(super) struct Settled {
    pub(super) spans: Vec<Span>,
    /// Spans that the services say they ended, and why some of them may not have said so.
    pub(super) expected: u64,
    pub(super) silent: Vec<String>,
    /// Spans that services gave up, over the whole run.
    pub(super) dropped: u64,
    /// Spans that the receiver refused for want of room.
    pub(super) refused: u64,
    pub(super) waited: Duration,
}

/// Waits for the late spans of a case, at most as long as the experiment says.
pub(super) async fn settle(sources: &Sources, evidence: &Evidence) -> Settled {
    let prefix = trace_prefix(evidence.current.case.trace_seed);
    let begun = Instant::now();
    let census = if evidence.current.load.start_ns.is_some() {
        wait(sources, evidence, prefix, begun).await
    } else {
        Vec::new()
    };
    let taken = sources.receiver.take(prefix);
    let silent = census.iter().filter_map(|one| one.ended.as_ref().err().map(|why| format!("{}: {why}", one.service)));
    Settled {
        expected: ended(&census),
        silent: silent.collect(),
        dropped: census.iter().map(|one| one.dropped).sum(),
        spans: taken.spans,
        refused: taken.arrived.refused,
        waited: begun.elapsed(),
    }
}

/// The last census: spans are awaited until as many have come as ended, and, where requests were cut off and their
/// services still work on them, until two looks agree.
async fn wait(sources: &Sources, evidence: &Evidence, prefix: u64, begun: Instant) -> Vec<Census> {
    let cut_off = cut_off(evidence);
    let mut before = None;
    loop {
        let census = (evidence.census)(prefix).await;
        let expected = ended(&census);
        let came = sources.receiver.wait(prefix, expected, LOOK).await;
        let pending: u64 = census.iter().map(|one| one.pending).sum();
        let final_count = !cut_off || before == Some((expected, came));
        let all_there = came >= expected && final_count;
        // Nothing is on its way any more: what is missing will not come.
        let lost = pending == 0 && before == Some((expected, came));
        let silent = census.iter().any(|one| one.ended.is_err());
        if all_there || (lost && !silent) || begun.elapsed() >= sources.settle {
            return census;
        }
        before = Some((expected, came));
        if came >= expected {
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn ended(census: &[Census]) -> u64 {
    census.iter().filter_map(|one| one.ended.as_ref().ok()).sum()
}

/// Whether some request was given up while the application may have gone on with it.
fn cut_off(evidence: &Evidence) -> bool {
    let given_up = [Outcome::Timeout, Outcome::Reset, Outcome::Unfinished];
    let seconds = &evidence.current.load.seconds;
    evidence.current.load.summary.is_none()
        || seconds
            .iter()
            .any(|second| given_up.iter().any(|outcome| second.outcomes.get(outcome).is_some_and(|count| *count > 0)))
}
