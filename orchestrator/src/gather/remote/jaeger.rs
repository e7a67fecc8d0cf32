//! A case's traces out of a Jaeger: this load's and no others, as complete as they get in time.

use super::super::window::Window;
use super::Answer;
use super::greet;
use super::late::Late;
use crate::experiment::collect::JaegerSource;
use aefm_collector::http::HttpOptions;
use aefm_collector::jaeger::search::Bounds;
use aefm_collector::jaeger::{Collected, Jaeger, JaegerOptions, Learned, Plan, Settle, Whose};
use aefm_collector::requests::RequestLog;
use aefm_collector::span::Span;
use aefm_workloads::ids::{TraceId, trace_id};
use aefm_workloads::load::TraceContext;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// Time to the second look for late spans.
const LOOK: Duration = Duration::from_millis(500);
/// Clocks may be so far apart: traces are told by their ids, so a wider search brings no strangers.
const SLACK_NS: i64 = 1_000_000_000;
/// So many reasons are told.
const REASONS: usize = 3;

/// What is wanted.
pub(super) struct Wanted {
    pub(super) window: Window,
    /// The load's requests, by which it is known which traces there should be.
    pub(super) requests: Option<Arc<RequestLog>>,
    /// How many spans there should be, where the application counts.
    pub(super) counted: Option<u64>,
    pub(super) trace: TraceContext,
    /// Beginnings of the trace ids of the run's cases.
    pub(super) cases: Arc<HashSet<u64>>,
    pub(super) learned: Arc<Learned>,
    /// Earlier cases, where they are to be asked about once more.
    pub(super) late: Option<Arc<Late>>,
    /// Services send their spans at least so often.
    pub(super) flush: Duration,
    /// So long after the load's end what is missing is awaited.
    pub(super) awaited: Duration,
    /// All questions are over within this time.
    pub(super) patience: Duration,
}

/// What there was.
#[derive(Debug, Default)]
pub(in crate::gather) struct Traces {
    pub(in crate::gather) spans: Vec<Span>,
    /// Traces that answered requests should have left; 0 where that cannot be known.
    pub(in crate::gather) expected: u64,
    /// Of these, how many are nowhere.
    pub(in crate::gather) missing: u64,
    /// Traces of the window that no load of this run began, left out.
    pub(in crate::gather) foreign: u64,
    /// What could not be had, and why.
    pub(in crate::gather) troubles: Vec<String>,
    /// What is worth knowing otherwise.
    pub(in crate::gather) remarks: Vec<String>,
}

/// Asks until everything is there, nothing can be on its way any more, or patience ends.
///
/// # Errors
/// There is no Jaeger that answers.
pub(super) async fn traces(
    source: JaegerSource,
    http: HttpOptions,
    wanted: Wanted,
) -> Answer<Traces> {
    let url = source
        .url
        .ok_or("ask Jaeger: neither `collect.jaeger.url` nor the platform says where it is")?;
    let options = |http| JaegerOptions {
        url: url.clone(),
        grpc: source.grpc.clone(),
        http,
    };
    let connect = Jaeger::connect(options(http.clone()));
    let jaeger = match tokio::time::timeout(wanted.patience, connect).await {
        Ok(connected) => connected.map_err(|error| error.to_string())?,
        Err(_) => {
            // The tries that the time has cut off may all have failed for a reason that is worth knowing.
            let again = Jaeger::connect(options(greet::once(&http)));
            greet::in_time(&url, again).await?;
            return Err(format!(
                "ask {url}: no answer within {:?} (`settle`)",
                wanted.patience
            ));
        }
    };
    let collected = jaeger.collect(&wanted.plan(source.services)).await;
    let mut late = Vec::new();
    if let Some(earlier) = &wanted.late {
        // They are asked about in a time of their own, which is short where the Jaeger is well.
        late = tokio::time::timeout(wanted.patience, earlier.ask(&jaeger))
            .await
            .unwrap_or_default();
        earlier.remember(&wanted.window.labels.case_id, &collected);
    }
    let mut traces = wanted.own(collected);
    traces.troubles.extend(late);
    Ok(traces)
}

impl Wanted {
    /// Traces that answered requests should have left, where the application takes the load's context up.
    fn expected(&self) -> Vec<TraceId> {
        let is_known = self.trace != TraceContext::None;
        let answered = self.answered().filter(|_| is_known);
        answered
            .map(|request| trace_id(self.window.trace_seed, request))
            .collect()
    }

    /// Numbers of the requests that were answered.
    fn answered(&self) -> impl Iterator<Item = u64> {
        let requests = self.requests.iter().flat_map(|log| log.iter());
        requests
            .filter(|(_, facts)| facts.response_ns.is_some())
            .map(|(request, _)| request)
    }

    fn plan(&self, services: Vec<String>) -> Plan {
        let by_id = self.trace != TraceContext::None;
        let slack = if by_id { SLACK_NS } else { 0 };
        let trace_seed = self.window.trace_seed;
        Plan {
            services,
            from_ns: self.window.from_ns - slack,
            to_ns: self.window.to_ns + slack,
            expected: self.expected(),
            counted: self.counted,
            whose: if by_id {
                Whose::Load { trace_seed }
            } else {
                Whose::Anybody
            },
            bounds: Bounds::default(),
            settle: Settle {
                flush: self.flush,
                every: LOOK,
                patience: self.patience,
                awaited: self.awaited,
            },
            learned: Arc::clone(&self.learned),
        }
    }

    /// What of it is this case's: by trace id, or, where the application takes no context up, by the time at which a
    /// trace begins.
    fn own(&self, mut collected: Collected) -> Traces {
        let expected = self.expected().len() as u64;
        let missing = collected.missing.len() as u64;
        let mut traces = Traces {
            expected,
            missing,
            troubles: troubles(&collected),
            remarks: remarks(&collected),
            ..Traces::default()
        };
        let mut foreign = collected.strangers.len();
        foreign -= collected
            .strangers
            .iter()
            .filter(|id| self.cases.contains(&id.prefix()))
            .count();
        let found = std::mem::take(&mut collected.spans);
        if self.trace == TraceContext::None {
            let (own, others) = self.by_time(&found);
            foreign = others;
            traces.spans = found
                .into_iter()
                .filter(|span| own.contains(&span.trace_id))
                .collect();
            let sent = self.answered().count();
            if own.len() > sent && self.requests.is_some() {
                traces.troubles.push(format!(
                    "{} traces began in the time of {sent} answered requests: somebody else uses the application, and \
                     without a trace header theirs cannot be told from the load's",
                    own.len()
                ));
            }
        } else {
            traces.spans = found;
        }
        traces.foreign = foreign as u64;
        traces.troubles.extend(self.nothing(&traces, &collected));
        traces
    }

    /// Traces that began in the case's time, and how many others there are.
    fn by_time(&self, spans: &[Span]) -> (HashSet<TraceId>, usize) {
        let mut begins: HashMap<TraceId, i64> = HashMap::new();
        for span in spans {
            let begin = begins.entry(span.trace_id).or_insert(i64::MAX);
            *begin = (*begin).min(span.start_ns);
        }
        let window = self.window.from_ns..self.window.to_ns;
        let own: HashSet<TraceId> = begins
            .iter()
            .filter(|(_, begin)| window.contains(begin))
            .map(|(id, _)| *id)
            .collect();
        let others = begins.len() - own.len();
        (own, others)
    }

    /// What to do where nothing of the load is there, though the Jaeger answers.
    fn nothing(&self, traces: &Traces, collected: &Collected) -> Option<String> {
        let answered = self.answered().next().is_some();
        if !traces.spans.is_empty() || !answered || collected.unknown.is_some() {
            return None;
        }
        if traces.foreign > 0 && self.trace != TraceContext::None {
            return Some(format!(
                "none of the {} traces of the time was begun by this load: the application does not take up the header \
                 that the load sends; `application.trace_header` says which it is (traceparent, b3, uber-trace-id, none)",
                traces.foreign
            ));
        }
        let is_failed = !collected.failures.is_empty() || !collected.gaps.is_empty();
        (!is_failed).then(|| {
            "there is no trace of the time: does the application send its spans to this Jaeger?"
                .to_owned()
        })
    }
}

fn troubles(collected: &Collected) -> Vec<String> {
    let mut troubles = Vec::new();
    if let Some((unknown, known)) = &collected.unknown {
        let known = if known.is_empty() {
            "it knows none: nobody has sent it a span yet".to_owned()
        } else {
            format!(
                "it knows {}; say in `collect.jaeger.services` which the load enters",
                known.join(", ")
            )
        };
        troubles.push(format!(
            "Jaeger does not know the service {}: {known}",
            unknown.join(", ")
        ));
    }
    if let [gap, ..] = collected.gaps.as_slice() {
        troubles.push(format!(
            "{} windows could not be searched whole, the first since {}",
            collected.gaps.len(),
            gap.reason
        ));
    }
    troubles.extend(collected.failures.iter().take(REASONS).cloned());
    if collected.failures.len() > REASONS {
        troubles.push(format!(
            "{} more failures",
            collected.failures.len() - REASONS
        ));
    }
    if collected.invalid > 0 {
        troubles.push(format!(
            "{} spans without valid ids were left out",
            collected.invalid
        ));
    }
    if collected.unanswered > 0 {
        troubles.push(format!(
            "{} calls have no span of the service that was called, as others of their kind have: such spans were lost, or \
             come later than was waited for (`collect.settle`); `aefm collect` asks again",
            collected.unanswered
        ));
    }
    if collected.unsettled {
        troubles.push(
            "spans still came when `settle` was over: others may be missing; `aefm collect` asks again".to_owned(),
        );
    }
    troubles
}

fn remarks(collected: &Collected) -> Vec<String> {
    let late = collected.latest.map(|latest| {
        format!(
            "spans came up to {:.1} s after their end",
            latest.as_secs_f64()
        )
    });
    late.into_iter().collect()
}

#[cfg(test)]
mod tests;
