//! Waits until a case's spans are all there, or it is known that they will not come.

use super::remote::{Answer, Traces};
use super::sources::{Evidence, Sources};
use super::window::Window;
use crate::platform::Census;
use aefm_collector::clock::now_ns;
use aefm_collector::otlp::{Loss, Reason};
use aefm_collector::requests::RequestLog;
use aefm_collector::span::Span;
use aefm_workloads::ids::trace_prefix;
use aefm_workloads::load::Outcome;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Why a source was given up before it had answered.
pub(super) const HURRIED: &str = "wait for it: the run ended before; `aefm collect` asks again";

/// Time between two looks at what the services say.
const LOOK: Duration = Duration::from_millis(150);
/// How far apart losses of the receiver must be to be told apart.
const STEP_NS: i64 = 100_000_000;

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
    /// What else the receiver refused or dropped in the case's time.
    pub(super) losses: Vec<Loss>,
    /// The user has said where the receiver listens: spans are to come there.
    pub(super) is_awaited: bool,
    /// What a Jaeger said, where there is one; its spans are among those above.
    pub(super) jaeger: Option<Answer<Traces>>,
    /// Spans were not awaited to the end, and why.
    pub(super) cut_short: Option<String>,
    /// What to do where there are no spans of the load.
    pub(super) advice: Option<String>,
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
    // One that does not say how many it ended may have ended any number.
    let all_say = census.iter().all(|one| one.ended.is_ok());
    let asking = sources.remotes.traces(
        window,
        requests,
        &evidence.endpoints,
        counted.filter(|_| all_say),
    );
    let mut jaeger = tokio::select! {
        answer = asking => answer,
        () = sources.hurried() => sources.remotes.has_jaeger().then(|| Err(HURRIED.to_owned())),
    };
    let taken = sources.receiver.take(prefix);
    let mut spans = taken.spans;
    // Where the application takes up no trace context, its spans go by their time.
    spans.append(&mut sources.receiver.take_between(window.from_ns, window.to_ns));
    // What was refused is told by when it came; spans of no case by when they began: those that the application had before
    // the load, as its data were put in, are nobody's loss. Losses are known to a tenth of a
    // second.
    let mut losses = sources.receiver.losses(window.from_ns, now_ns());
    losses.retain(|loss| loss.reason != Reason::Foreign);
    if let Some((from_ns, to_ns)) = evidence.current.load_window {
        let mut foreign = sources.receiver.losses(from_ns + STEP_NS, to_ns);
        foreign.retain(|loss| loss.reason == Reason::Foreign);
        losses.extend(foreign);
    }
    if let Some(Ok(traces)) = &mut jaeger {
        // Copies are told apart when the tables are written.
        spans.append(&mut traces.spans);
    }
    let spans_are_there = !spans.is_empty();
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
        cut_short: (sources.is_hurried() && jaeger.is_none() && counted.is_none())
            .then(|| "spans were not awaited to their end, since the run ended before; `aefm collect` asks again".to_owned()),
        advice: advice(sources, spans_are_there),
        losses,
        is_awaited: sources.listens,
        jaeger,
        waited: begun.elapsed(),
    }
}

/// What to do where an application that is not ours has left no spans; nothing where it has.
fn advice(sources: &Sources, spans_are_there: bool) -> Option<String> {
    if spans_are_there || sources.remotes.has_jaeger() || sources.is_ours {
        return None;
    }
    let strangers = sources.receiver.totals().foreign;
    if strangers > 0 {
        return Some(format!(
            "the {strangers} spans that came to the receiver are of traces that this load did not begin: \
             `application.trace_header` says by which header the application takes them up (traceparent, b3, \
             uber-trace-id, none)"
        ));
    }
    Some(if sources.listens {
        format!(
            "no span has come to the receiver at {}: does the application send them there (OTLP over gRPC or HTTP)?",
            sources.receiver.address()
        )
    } else {
        "nobody is asked for spans: name its Jaeger in `collect.jaeger`, or have it send them to `collect.listen`"
            .to_owned()
    })
}

/// The last census: spans are awaited until as many have come as ended, and, where requests were cut off and their
/// services still work on them, until two looks agree. Where nobody counts, all the time there is is taken.
async fn wait(sources: &Sources, evidence: &Evidence, prefix: u64, begun: Instant) -> Vec<Census> {
    let cut_off = cut_off(evidence);
    let mut before = None;
    loop {
        let census = (evidence.census)(prefix).await;
        if census.is_empty() {
            // Nobody knows where to send a span that is not ours, unless the receiver's address was chosen.
            if sources.is_ours || sources.listens {
                let left = sources.settle.saturating_sub(begun.elapsed());
                tokio::select! {
                    () = tokio::time::sleep(left) => {}
                    () = sources.hurried() => {}
                }
            }
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
        let is_over = begun.elapsed() >= sources.settle || sources.is_hurried();
        if all_there || (lost && !silent) || is_over {
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
        let is_over = begun.elapsed() >= sources.settle || sources.is_hurried();
        if (pending == 0 && before == now) || census.is_empty() || is_over {
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
