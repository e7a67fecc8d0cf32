//! A case's traces out of a Jaeger: searched, checked against what was sent, and asked for by id where a search fell
//! short.

use super::api::{Jaeger, JaegerError};
use super::search::{Answer, Bounds, Failure, Gap, Next, Search};
use crate::span::{Span, SpanKind};
use aefm_workloads::ids::{self, SpanId, TraceId};
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

/// How long to wait for spans that are still on their way: until nothing new came for `polls` looks in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settle {
    /// Looks in a row without news.
    pub polls: u32,
    /// Time between looks.
    pub every: Duration,
    /// At most so long in all.
    pub patience: Duration,
}

impl Default for Settle {
    fn default() -> Self {
        Self {
            polls: 3,
            every: Duration::from_secs(2),
            patience: Duration::from_secs(30),
        }
    }
}

/// What to collect.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The services whose spans are searched; every trace of the load has one of the entrance.
    pub services: Vec<String>,
    /// The window, ns since the epoch.
    pub from_ns: i64,
    /// Its end.
    pub to_ns: i64,
    /// The traces that should be there, if that is known; what no search finds of them is asked for by id.
    pub expected: Vec<TraceId>,
    /// The load's trace seed, by which the client's own spans are told from missing ones.
    pub trace_seed: Option<u64>,
    /// At most so many are asked for by id.
    pub by_id_max: usize,
    /// Bounds of the searches.
    pub bounds: Bounds,
    /// How to wait for late spans.
    pub settle: Settle,
}

/// What came of it. Nothing that arrived is left out, whatever else went wrong.
#[derive(Debug, Default)]
pub struct Collected {
    /// The spans; copies may be among them ([`crate::trace::group`] drops them).
    pub spans: Vec<Span>,
    /// Distinct traces.
    pub traces: usize,
    /// Expected traces that are nowhere.
    pub missing: Vec<TraceId>,
    /// What could not be searched.
    pub gaps: Vec<Gap>,
    /// Other failures, in words.
    pub failures: Vec<String>,
    /// Traces that only asking by id brought, or completed.
    pub by_id: usize,
    /// Spans without valid ids, left out.
    pub invalid: u64,
    /// Questions asked.
    pub questions: usize,
    /// The server's own cap on answers, if one showed.
    pub cap: Option<usize>,
}

/// Traces as they come in.
#[derive(Default)]
struct Pool {
    // The place of each distinct span of each trace.
    known: HashMap<TraceId, HashMap<(SpanId, Option<SpanKind>), usize>>,
    collected: Collected,
}

impl Pool {
    /// Takes a trace in; says how many new spans it brought.
    fn take(&mut self, trace: Vec<Span>) -> usize {
        let mut brought = 0;
        let spans = &mut self.collected.spans;
        for span in trace {
            let known = self.known.entry(span.trace_id).or_default();
            match known.entry((span.span_id, span.kind)) {
                Entry::Vacant(entry) => {
                    entry.insert(spans.len());
                    spans.push(span);
                    brought += 1;
                }
                // Of copies the fullest is kept.
                Entry::Occupied(entry) if span.weight() > spans[*entry.get()].weight() => {
                    spans[*entry.get()] = span
                }
                Entry::Occupied(_) => {}
            }
        }
        brought
    }

    /// Traces with a span whose parent is missing; the client's own span, known by the load's seed, is not missed.
    fn incomplete(&self, trace_seed: Option<u64>) -> Vec<TraceId> {
        let is_missing = |span: &&Span| {
            let client = trace_seed
                .and_then(|seed| Some(ids::span_id(seed, ids::request_of(seed, span.trace_id)?)));
            let known = self.known.get(&span.trace_id);
            let has = |id| known.is_some_and(|spans| spans.keys().any(|(span, _)| *span == id));
            span.parent
                .is_some_and(|parent| Some(parent) != client && !has(parent))
        };
        let traces = self
            .collected
            .spans
            .iter()
            .filter(is_missing)
            .map(|span| span.trace_id);
        traces.collect::<BTreeSet<_>>().into_iter().collect()
    }
}

impl Jaeger {
    /// Collects what `plan` says. Never fails as a whole: what could not be had is in the result.
    pub async fn collect(&self, plan: &Plan) -> Collected {
        let mut pool = Pool::default();
        let deadline = tokio::time::Instant::now() + plan.settle.patience;
        let mut quiet = 0;
        loop {
            let brought = self.search_all(plan, &mut pool).await;
            let all = !plan.expected.is_empty()
                && plan.expected.iter().all(|id| pool.known.contains_key(id));
            quiet = if brought == 0 { quiet + 1 } else { 0 };
            let settled =
                quiet >= plan.settle.polls || (all && pool.incomplete(plan.trace_seed).is_empty());
            if settled || tokio::time::Instant::now() + plan.settle.every >= deadline {
                break;
            }
            tokio::time::sleep(plan.settle.every).await;
        }
        self.ask_by_id(plan, &mut pool).await;
        pool.collected.missing = plan
            .expected
            .iter()
            .filter(|id| !pool.known.contains_key(id))
            .copied()
            .collect();
        pool.collected.traces = pool.known.len();
        pool.collected
    }

    /// Searches all services once; says how many new spans came.
    async fn search_all(&self, plan: &Plan, pool: &mut Pool) -> usize {
        // Only the last round's gaps and failures stand: what an earlier one lacked, this one may have.
        pool.collected.gaps.clear();
        pool.collected.failures.clear();
        let mut brought = 0;
        for service in &plan.services {
            let window = (
                plan.from_ns.div_euclid(1_000),
                plan.to_ns.div_euclid(1_000) + 1,
            );
            let mut search = Search::new(window.0, window.1, plan.bounds);
            brought += self.run(service, &mut search, pool).await;
            pool.collected.gaps.extend(search.gaps().iter().cloned());
            pool.collected.questions += search.asked();
            pool.collected.cap = search.cap().or(pool.collected.cap);
        }
        brought
    }

    async fn run(&self, service: &str, search: &mut Search, pool: &mut Pool) -> usize {
        let mut brought = 0;
        // What is new to this search: what earlier ones found says nothing about the server's cap.
        let mut seen: HashSet<TraceId> = HashSet::new();
        loop {
            match search.step() {
                Next::Done => return brought,
                Next::Operations => {
                    let operations = self.operations(service).await.unwrap_or_else(|error| {
                        pool.collected.failures.push(error.to_string());
                        Vec::new()
                    });
                    search.operations(operations);
                }
                Next::Ask(query) => match self.find(service, &query).await {
                    Ok(found) => {
                        // A trace that comes twice in an answer is one.
                        let distinct: HashSet<_> = found
                            .traces
                            .iter()
                            .filter_map(|trace| Some(trace.first()?.trace_id))
                            .collect();
                        let mut answer = Answer {
                            traces: distinct.len(),
                            fresh: 0,
                            bytes: found.bytes,
                        };
                        answer.fresh = distinct.into_iter().filter(|id| seen.insert(*id)).count();
                        pool.collected.invalid += found.invalid;
                        for trace in found.traces {
                            brought += pool.take(trace);
                        }
                        search.answered(&query, answer);
                    }
                    Err(error) => search.failed(&query, failure(&error), &error.to_string()),
                },
            }
        }
    }

    /// Asks by id for expected traces that no search found, and for those that miss a parent.
    async fn ask_by_id(&self, plan: &Plan, pool: &mut Pool) {
        let missing = plan
            .expected
            .iter()
            .filter(|id| !pool.known.contains_key(id))
            .copied();
        let wanted: Vec<TraceId> = missing.chain(pool.incomplete(plan.trace_seed)).collect();
        if wanted.len() > plan.by_id_max {
            let left = wanted.len() - plan.by_id_max;
            pool.collected.failures.push(format!(
                "{left} traces were not asked for by id: more than {}",
                plan.by_id_max
            ));
        }
        for id in wanted.into_iter().take(plan.by_id_max) {
            pool.collected.questions += 1;
            match self.trace(id).await {
                Ok(found) => {
                    let brought: usize =
                        found.traces.into_iter().map(|trace| pool.take(trace)).sum();
                    pool.collected.by_id += usize::from(brought > 0);
                }
                Err(error) => {
                    pool.collected.failures.push(format!("trace {id}: {error}"));
                    // Down is down: each further id would wait through all its attempts again.
                    if pool.collected.failures.len() > 20 {
                        return;
                    }
                }
            }
        }
    }
}

fn failure(error: &JaegerError) -> Failure {
    if error.is_size() {
        Failure::Size
    } else if error.is_limit() {
        Failure::Limit
    } else {
        Failure::Other
    }
}
