//! A case's traces out of a Jaeger: searched, checked against what was sent, awaited while spans may be on their way, and
//! asked for by id where a search fell short.

mod by_id;
mod learned;
mod pool;

pub use learned::Learned;

use super::api::{Jaeger, JaegerError};
use super::search::{Answer, Bounds, Failure, Gap, Next, Search};
use crate::clock::now_ns;
use crate::span::Span;
use aefm_workloads::ids::{TraceId, trace_prefix};
use pool::Pool;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long to wait for spans that are still on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settle {
    /// Services send what they have at least so often: nothing new for so long means that nothing is held back. Where
    /// spans have come later than this after their end ([`Learned`]), that takes its place.
    pub flush: Duration,
    /// Time to the second look; it grows while nothing comes, since each look costs the server a search.
    pub every: Duration,
    /// All questions are over within this time...
    pub patience: Duration,
    /// ...and so long after the window's end what is known to be missing is awaited.
    pub awaited: Duration,
}

/// Whose traces are collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Everybody's: the application takes up no trace header.
    Anybody,
    /// Those whose ids this load made; of others only the ids are kept.
    Load {
        /// The load's seed, by which the client's own spans are told from missing ones, too.
        trace_seed: u64,
    },
}

impl Whose {
    fn takes(self, id: TraceId) -> bool {
        match self {
            Self::Anybody => true,
            Self::Load { trace_seed } => id.prefix() == trace_prefix(trace_seed),
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
    /// How many spans there should be, where the application counts them: with so many nothing is awaited any more.
    pub counted: Option<u64>,
    /// Whose they are.
    pub whose: Whose,
    /// Bounds of the searches.
    pub bounds: Bounds,
    /// How to wait for late spans.
    pub settle: Settle,
    /// What the run's collections have learned.
    pub learned: Arc<Learned>,
}

/// What came of it. Nothing that arrived is left out, whatever else went wrong.
#[derive(Debug, Default)]
pub struct Collected {
    /// The spans; copies may be among them ([`crate::trace::group`] drops them).
    pub spans: Vec<Span>,
    /// Distinct traces.
    pub traces: usize,
    /// Traces that were found and are not the load's.
    pub strangers: HashSet<TraceId>,
    /// Expected traces that are nowhere.
    pub missing: Vec<TraceId>,
    /// Spans of clients whose server side is not there, though such calls have one.
    pub unanswered: usize,
    /// What could not be searched.
    pub gaps: Vec<Gap>,
    /// Other failures, in words.
    pub failures: Vec<String>,
    /// Searched services that the Jaeger does not know, and those that it knows.
    pub unknown: Option<(Vec<String>, Vec<String>)>,
    /// Traces that only asking by id brought, or completed.
    pub by_id: usize,
    /// Spans without valid ids or times, left out: the most that one look at all services has shown, since each look
    /// shows the same ones again.
    pub invalid: u64,
    /// Questions asked.
    pub questions: usize,
    /// The server's own cap on answers, if one showed.
    pub cap: Option<usize>,
    /// The longest time after its end at which a span was first seen, of those that came while they were awaited.
    pub latest: Option<Duration>,
    /// Spans still came when the time for them was over, so that others may be missing.
    pub unsettled: bool,
}

impl Jaeger {
    /// Collects what `plan` says. Never fails as a whole: what could not be had is in the result.
    pub async fn collect(&self, plan: &Plan) -> Collected {
        let mut pool = Pool::default();
        let begun = Instant::now();
        let end = begun + plan.settle.patience;
        // The rest is for questions by id.
        let searching = begun + plan.settle.patience * 4 / 5;
        self.await_all(plan, &mut pool, searching).await;
        self.ask_by_id(plan, &mut pool, end).await;
        pool.collected.missing = pool.absent(plan);
        pool.collected.unanswered = pool.unanswered(&plan.learned).0;
        pool.collected.traces = pool.traces();
        pool.collected
    }

    /// Looks until everything is there, or nothing can be on its way any more, or `end`.
    async fn await_all(&self, plan: &Plan, pool: &mut Pool, end: Instant) {
        let since = |instant_ns: i64| {
            Duration::from_nanos(u64::try_from(now_ns() - instant_ns).unwrap_or(0))
        };
        let mut news_ns = plan.to_ns;
        let mut pause = plan.settle.every;
        for look in 0_u64.. {
            let ends = self.search_all(plan, pool, end).await;
            if !ends.is_empty() {
                news_ns = now_ns();
                pause = plan.settle.every;
                if look > 0 {
                    pool.came(plan, &ends, news_ns);
                }
            }
            // All there is, and what may be held back for as long as it was before.
            let learned = plan.learned.latest().min(plan.settle.awaited);
            let flush = plan.settle.flush.max(learned);
            let is_quiet = since(news_ns) >= flush;
            let is_missing = pool.is_missing(plan);
            let (now, left) = (Instant::now(), flush.saturating_sub(since(news_ns)));
            let awaited = since(plan.to_ns) < plan.settle.awaited;
            let is_settled = match plan.counted {
                Some(counted) => pool.collected.spans.len() as u64 >= counted || !awaited,
                None => is_quiet && (!is_missing || !awaited),
            };
            if is_settled || now + pause >= end {
                let is_coming = since(news_ns) < plan.settle.flush;
                pool.collected.unsettled =
                    !is_settled && is_coming && pool.collected.latest.is_some();
                return;
            }
            // The look that finds it quiet comes as soon as it can be.
            let wait = if left.is_zero() {
                pause
            } else {
                pause.min(left)
            };
            tokio::time::sleep(wait.max(plan.settle.every)).await;
            pause = (pause * 2).min(plan.settle.flush.max(plan.settle.every));
        }
    }

    /// Searches all services once, until `end`; says when the new spans ended.
    async fn search_all(&self, plan: &Plan, pool: &mut Pool, end: Instant) -> Vec<i64> {
        // Only the last round's gaps and failures stand: what an earlier one lacked, this one may have.
        pool.collected.gaps.clear();
        pool.collected.failures.clear();
        pool.collected.unknown = None;
        let before = std::mem::take(&mut pool.collected.invalid);
        let (mut ends, mut empty) = (Vec::new(), Vec::new());
        for service in &plan.services {
            let window = (
                plan.from_ns.div_euclid(1_000),
                plan.to_ns.div_euclid(1_000) + 1,
            );
            let mut search = Search::new(window.0, window.1, plan.bounds);
            let mut seen = HashSet::new();
            let run = self.run(
                (service, plan.whose),
                &mut search,
                pool,
                &mut seen,
                &mut ends,
            );
            if timeout_at(end, run).await.is_err() {
                pool.collected.failures.push(format!(
                    "the search of `{service}` was not over when `settle` ({:?}) was, after {} questions",
                    plan.settle.patience,
                    search.asked()
                ));
            } else if seen.is_empty() {
                empty.push(service.clone());
            }
            pool.collected.gaps.extend(search.gaps().iter().cloned());
            pool.collected.questions += search.asked();
            pool.collected.cap = search.cap().or(pool.collected.cap);
        }
        pool.collected.invalid = pool.collected.invalid.max(before);
        if !empty.is_empty() {
            self.name_unknown(empty, pool, end).await;
        }
        ends
    }

    /// Of services without any trace, says which the Jaeger does not know at all.
    async fn name_unknown(&self, empty: Vec<String>, pool: &mut Pool, end: Instant) {
        if let Ok(Ok(known)) = timeout_at(end, self.services()).await {
            let unknown: Vec<_> = empty
                .into_iter()
                .filter(|service| !known.contains(service))
                .collect();
            pool.collected.unknown = (!unknown.is_empty()).then_some((unknown, known));
        }
    }

    /// Does one search. `seen` are the traces that it found: what earlier ones found says nothing about the server's cap.
    async fn run(
        &self,
        (service, whose): (&str, Whose),
        search: &mut Search,
        pool: &mut Pool,
        seen: &mut HashSet<TraceId>,
        ends: &mut Vec<i64>,
    ) {
        loop {
            match search.step() {
                Next::Done => return,
                Next::Operations => {
                    let operations = self.operations(service).await.unwrap_or_else(|error| {
                        pool.fail(error.to_string());
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
                        pool.hear(&found.said);
                        for trace in found.traces {
                            ends.extend(pool.take(trace, whose));
                        }
                        search.answered(&query, answer);
                    }
                    Err(error) => search.failed(&query, failure(&error), &error.to_string()),
                },
            }
        }
    }
}

impl Pool {
    /// Notes what went wrong, each sentence once: answer after answer may say the same.
    fn fail(&mut self, reason: String) {
        if !self.collected.failures.contains(&reason) {
            self.collected.failures.push(reason);
        }
    }

    /// What a server says of what is missing.
    fn hear(&mut self, said: &[String]) {
        for said in said {
            self.fail(format!("the server says: {said}"));
        }
    }

    /// Whether something is known to be missing.
    fn is_missing(&self, plan: &Plan) -> bool {
        !self.absent(plan).is_empty()
            || !self.incomplete(plan.whose).is_empty()
            || self.unanswered(&plan.learned).0 > 0
    }

    /// Notes how late these spans came, by their ends.
    fn came(&mut self, plan: &Plan, ends: &[i64], now_ns: i64) {
        // A clock that is far behind says nothing of how late its spans come.
        let earliest = ends.iter().copied().min().unwrap_or(now_ns);
        let earliest = earliest.max(plan.from_ns);
        let late = Duration::from_nanos(u64::try_from(now_ns - earliest).unwrap_or(0));
        plan.learned.came_late(late);
        self.collected.latest = self.collected.latest.max(Some(late));
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
