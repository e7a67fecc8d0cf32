//! Waits until a case's spans are all there, or it is known that they will not come.

use super::remote::{Answer, Traces};
use super::sources::{Evidence, Sources};
use super::window::Window;
use crate::platform::Census;
use aefm_collector::requests::RequestLog;
use aefm_collector::span::Span;
use aefm_workloads::ids::trace_prefix;
use aefm_workloads::load::Outcome;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Time between two looks at what the services say.
const LOOK: Duration = Duration::from_millis(150);

/// A case's spans and what is known of their number.
#[derive(Default)]
pub(super) struct Settled {
    pub(super) spans: Vec<Span>,
    /// Spans that the services say they ended; none where the application does not count.
    pub(super) expected: Option<u64>,
    /// Why some services do not say.
    pub(super) silent: Vec<String>,
    /// Spans that services gave up, over the whole run.
    pub(super) dropped: u64,
    /// Spans that the receiver refused for want of room.
    pub(super) refused: u64,
    /// What a Jaeger said, where there is one; its spans are among those above.
    pub(super) jaeger: Option<Answer<Traces>>,
    pub(super) waited: Duration,
}

/// Waits for the late spans of a case, at most as long as the experiment says, and takes them from wherever they are.
pub(super) async fn settle(
    sources: &Sources,
    evidence: &Evidence,
    window: &Window,
    requests: Option<Arc<RequestLog>>,
) -> Settled {
    let begun = Instant::now();
    let prefix = trace_prefix(window.trace_seed);
    let census = if sources.remotes.has_jaeger() {
        exported(sources, evidence, prefix, begun).await
    } else {
        wait(sources, evidence, prefix, begun).await
    };
    let counted = (!census.is_empty()).then(|| ended(&census));
    let mut jaeger = sources
        .remotes
        .traces(window, requests, &evidence.endpoints, counted)
        .await;
    let taken = sources.receiver.take(prefix);
    let mut spans = taken.spans;
    if let Some(Ok(traces)) = &mut jaeger {
        // Copies are told apart when the tables are written.
        spans.append(&mut traces.spans);
    }
    let silent = census.iter().filter_map(|one| {
        one.ended
            .as_ref()
            .err()
            .map(|why| format!("{}: {why}", one.service))
    });
    Settled {
        expected: counted,
        silent: silent.collect(),
        dropped: census.iter().map(|one| one.dropped).sum(),
        spans,
        refused: taken.arrived.refused,
        jaeger,
        waited: begun.elapsed(),
    }
}

/// The last census: spans are awaited until as many have come as ended, and, where requests were cut off and their
/// services still work on them, until two looks agree. Where nobody counts, all the time there is is taken.
async fn wait(sources: &Sources, evidence: &Evidence, prefix: u64, begun: Instant) -> Vec<Census> {
    let cut_off = cut_off(evidence);
    let mut before = None;
    loop {
        let census = (evidence.census)(prefix).await;
        if census.is_empty() {
            tokio::time::sleep(sources.settle.saturating_sub(begun.elapsed())).await;
            return census;
        }
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

/// The last census where spans go elsewhere: services are awaited until they have sent all they ended.
async fn exported(
    sources: &Sources,
    evidence: &Evidence,
    prefix: u64,
    begun: Instant,
) -> Vec<Census> {
    let mut before = None;
    loop {
        let census = (evidence.census)(prefix).await;
        let pending: u64 = census.iter().map(|one| one.pending).sum();
        let now = Some(ended(&census));
        if (pending == 0 && before == now) || census.is_empty() || begun.elapsed() >= sources.settle
        {
            return census;
        }
        before = now;
        tokio::time::sleep(LOOK).await;
    }
}

fn ended(census: &[Census]) -> u64 {
    census
        .iter()
        .filter_map(|one| one.ended.as_ref().ok())
        .sum()
}

/// Whether some request was given up while the application may have gone on with it.
fn cut_off(evidence: &Evidence) -> bool {
    let given_up = [Outcome::Timeout, Outcome::Reset, Outcome::Unfinished];
    let seconds = &evidence.current.load.seconds;
    evidence.current.load.summary.is_none()
        || seconds.iter().any(|second| {
            given_up
                .iter()
                .any(|outcome| second.outcomes.get(outcome).is_some_and(|count| *count > 0))
        })
}
