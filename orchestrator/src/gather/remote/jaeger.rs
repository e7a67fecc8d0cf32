//! A case's traces out of a Jaeger: this load's and no others, as complete as they get in time.

use super::super::window::Window;
use super::Answer;
use crate::experiment::collect::JaegerSource;
use aefm_collector::http::HttpOptions;
use aefm_collector::jaeger::search::Bounds;
use aefm_collector::jaeger::{Collected, Jaeger, JaegerOptions, Plan, Settle};
use aefm_collector::requests::RequestLog;
use aefm_collector::span::Span;
use aefm_workloads::ids::{TraceId, trace_id};
use aefm_workloads::load::TraceContext;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Time between looks for late spans.
const LOOK: Duration = Duration::from_millis(500);
/// Looks in a row without anything new.
const LOOKS: u32 = 2;
/// At most so many traces that no search finds are asked for by id.
const BY_ID_MAX: usize = 1_000;
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
    /// Traces of the window that this load did not begin, left out.
    pub(in crate::gather) foreign: u64,
    /// What could not be had, and why.
    pub(in crate::gather) troubles: Vec<String>,
}

/// Asks until everything is there, nothing new comes, or patience ends.
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
    let options = JaegerOptions {
        url,
        grpc: source.grpc,
        http,
    };
    let jaeger = Jaeger::connect(options)
        .await
        .map_err(|error| error.to_string())?;
    let deadline = Instant::now() + wanted.patience;
    loop {
        let patience = deadline.saturating_duration_since(Instant::now());
        let collected = jaeger
            .collect(&wanted.plan(source.services.clone(), patience))
            .await;
        let traces = wanted.own(collected);
        let enough = wanted
            .counted
            .is_none_or(|counted| traces.spans.len() as u64 >= counted);
        if enough || deadline.saturating_duration_since(Instant::now()) < LOOK {
            return Ok(traces);
        }
        tokio::time::sleep(LOOK).await;
    }
}

impl Wanted {
    /// Traces that answered requests should have left, where the application takes the load's context up.
    fn expected(&self) -> Vec<TraceId> {
        let requests = self
            .requests
            .as_ref()
            .filter(|_| self.trace != TraceContext::None);
        let answered = requests
            .iter()
            .flat_map(|log| log.iter())
            .filter(|(_, facts)| facts.response_ns.is_some());
        answered
            .map(|(request, _)| trace_id(self.window.trace_seed, request))
            .collect()
    }

    fn plan(&self, services: Vec<String>, patience: Duration) -> Plan {
        let by_id = self.trace != TraceContext::None;
        let slack = if by_id { SLACK_NS } else { 0 };
        Plan {
            services,
            from_ns: self.window.from_ns - slack,
            to_ns: self.window.to_ns + slack,
            expected: self.expected(),
            trace_seed: by_id.then_some(self.window.trace_seed),
            by_id_max: BY_ID_MAX,
            bounds: Bounds::default(),
            settle: Settle {
                polls: LOOKS,
                every: LOOK,
                patience,
            },
        }
    }

    /// What of it is this case's: by trace id, or, where the application takes no context up, by the time at which a
    /// trace begins.
    fn own(&self, collected: Collected) -> Traces {
        let expected = self.expected().len() as u64;
        let missing = collected.missing.len() as u64;
        let troubles = troubles(&collected);
        let mut begins: HashMap<TraceId, i64> = HashMap::new();
        for span in &collected.spans {
            let begin = begins.entry(span.trace_id).or_insert(i64::MAX);
            *begin = (*begin).min(span.start_ns);
        }
        let is_own = |id: &TraceId, begin: i64| match self.trace {
            TraceContext::None => (self.window.from_ns..self.window.to_ns).contains(&begin),
            _ => self.window.owns(*id),
        };
        let own: HashSet<TraceId> = begins
            .iter()
            .filter(|(id, begin)| is_own(id, **begin))
            .map(|(id, _)| *id)
            .collect();
        let foreign = (begins.len() - own.len()) as u64;
        let spans = collected
            .spans
            .into_iter()
            .filter(|span| own.contains(&span.trace_id))
            .collect();
        Traces {
            spans,
            expected,
            missing,
            foreign,
            troubles,
        }
    }
}

fn troubles(collected: &Collected) -> Vec<String> {
    let mut troubles = Vec::new();
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
    troubles
}

#[cfg(test)]
mod tests {
    use super::*;
    use aefm_collector::span::Names;
    use aefm_workloads::ids::{SpanId, trace_id};
    use aefm_workloads::labels::CaseLabels;
    use aefm_workloads::load::{Outcome, Phase};

    fn wanted(trace: TraceContext) -> Wanted {
        let labels = CaseLabels {
            run_id: "r".into(),
            case_id: "c001".into(),
            factors: Vec::new(),
        };
        let window = Window {
            labels,
            name: String::new(),
            trace_seed: 7,
            from_ns: 100,
            to_ns: 200,
        };
        let mut log = RequestLog::default();
        for (request, response_ns) in [(0, Some(5)), (1, None)] {
            log.insert(
                request,
                aefm_collector::requests::RequestFacts {
                    response_ns,
                    outcome: Outcome::Ok,
                    phase: Phase::Measure,
                },
            );
        }
        Wanted {
            window,
            requests: Some(Arc::new(log)),
            counted: None,
            trace,
            patience: Duration::ZERO,
        }
    }

    fn span(id: TraceId, start_ns: i64) -> Span {
        let mut names = Names::default();
        Span {
            trace_id: id,
            span_id: SpanId([1; 8]),
            parent: None,
            origin: names.origin("frontend", None, None),
            operation: names.name("get"),
            kind: None,
            start_ns,
            duration_ns: 1,
            negative: false,
            error: false,
            http_status: None,
            attributes: None,
            extra: None,
        }
    }

    #[test]
    fn only_the_cases_own_traces_are_taken() {
        // Ours, another case's, and one that began before the load.
        let spans = vec![
            span(trace_id(7, 0), 500),
            span(trace_id(8, 0), 150),
            span(TraceId([9; 16]), 99),
        ];
        let own = |trace| {
            let traces = wanted(trace).own(Collected {
                spans: spans.clone(),
                ..Collected::default()
            });
            (
                traces
                    .spans
                    .iter()
                    .map(|span| span.start_ns)
                    .collect::<Vec<_>>(),
                traces.foreign,
                traces.expected,
            )
        };
        assert_eq!(own(TraceContext::W3c), (vec![500], 2, 1));
        assert_eq!(own(TraceContext::None), (vec![150], 2, 0));
    }
}
