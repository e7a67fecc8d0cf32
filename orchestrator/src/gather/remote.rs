//! Sources that are asked once a case is over: Jaeger, Prometheus, tables of the user's own.
//!
//! Each is asked in a task of its own about one window, and its answer carries nothing of another one; that it panics
//! is its own failure and no other source's.

mod greet;
mod jaeger;
mod late;
mod prometheus;
mod table;

use super::settle::HURRIED;
use super::window::Window;
use crate::experiment::access::SecretError;
use crate::experiment::collect::{Collect, JaegerSource, PrometheusSource};
use crate::experiment::tables::{Origin, UserTable};
use crate::plan::Plan;
use crate::platform::Endpoints;
use aefm_collector::http::HttpOptions;
use aefm_collector::jaeger::Learned;
use aefm_collector::requests::RequestLog;
use aefm_workloads::ids::trace_prefix;
use aefm_workloads::load::TraceContext;
use futures_util::future::join_all;
use late::Late;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

pub(super) use jaeger::Traces;
pub(super) use prometheus::Samples;
pub(super) use table::Rows;

/// A source of a run that is over has so long to answer about a case: nothing else waits for it.
const PAST: Duration = Duration::from_secs(600);

/// All that the experiment names, with their secrets read.
#[derive(Clone, Debug)]
pub(crate) struct Remotes {
    jaeger: Option<(JaegerSource, HttpOptions)>,
    prometheus: Option<(PrometheusSource, HttpOptions)>,
    tables: Vec<(UserTable, HttpOptions)>,
    /// The header by which the application takes up the load's traces.
    trace: TraceContext,
    settle: Duration,
    flush: Duration,
    answers: Duration,
    /// Beginnings of the trace ids of the run's cases: one's traces are no strangers to another.
    cases: Arc<HashSet<u64>>,
    /// What the run's collections have learned of the application.
    learned: Arc<Learned>,
    late: Arc<Late>,
    /// The run is over: what is not there will not come, and nobody else waits for the answers.
    is_past: bool,
}

/// What a source said, or why it said nothing.
pub(super) type Answer<T> = Result<T, String>;

/// What all but Jaeger said; absent where the experiment names no such source.
#[derive(Default)]
pub(super) struct Answers {
    pub(super) prometheus: Option<Answer<Samples>>,
    /// By name of the table.
    pub(super) tables: Vec<(UserTable, Answer<Rows>)>,
}

impl Remotes {
    /// Takes the sources of an experiment. `entry` is the service by which a Jaeger is searched where none is named.
    ///
    /// # Errors
    /// A secret cannot be had.
    pub(crate) fn open(
        collect: &Collect,
        trace: TraceContext,
        entry: Option<String>,
        plan: &Plan,
    ) -> Result<Self, SecretError> {
        let mut jaeger = collect.jaeger.clone();
        if let Some(source) = jaeger.as_mut().filter(|source| source.services.is_empty()) {
            source.services = entry.into_iter().collect();
        }
        let with_secrets = |table: &UserTable| {
            let http = match &table.origin {
                Origin::Url { access, .. } => access.http()?,
                Origin::Command(_) => HttpOptions::default(),
            };
            Ok((
                table.clone(),
                HttpOptions {
                    timeout: table.timeout,
                    ..http
                },
            ))
        };
        Ok(Self {
            jaeger: jaeger
                .map(|source| source.access.http().map(|http| (source, http)))
                .transpose()?,
            prometheus: collect
                .prometheus
                .clone()
                .map(|source| source.access.http().map(|http| (source, http)))
                .transpose()?,
            tables: collect
                .tables
                .iter()
                .map(with_secrets)
                .collect::<Result<_, _>>()?,
            trace,
            settle: collect.settle,
            flush: collect.flush,
            answers: collect.answers(),
            cases: Arc::new(
                plan.cases
                    .iter()
                    .map(|case| trace_prefix(case.trace_seed))
                    .collect(),
            ),
            learned: Arc::default(),
            late: Arc::default(),
            is_past: false,
        })
    }

    /// Whether traces come out of a Jaeger.
    pub(crate) const fn has_jaeger(&self) -> bool {
        self.jaeger.is_some()
    }

    /// Whether there is nothing to ask.
    pub(crate) const fn is_empty(&self) -> bool {
        self.jaeger.is_none() && self.prometheus.is_none() && self.tables.is_empty()
    }

    /// Only those of the user's tables whose sources say the same again.
    pub(crate) fn again(mut self) -> Self {
        self.tables.retain(|(table, _)| table.again);
        self.is_past = true;
        self
    }

    /// The header by which the application takes up the load's traces.
    pub(crate) const fn trace(&self) -> TraceContext {
        self.trace
    }

    /// The traces of a window; none where no Jaeger is named. `counted` is how many spans there should be, where the
    /// application counts.
    pub(super) async fn traces(
        &self,
        window: &Window,
        requests: Option<Arc<RequestLog>>,
        endpoints: &Endpoints,
        counted: Option<u64>,
    ) -> Option<Answer<Traces>> {
        let (mut source, http) = self.jaeger.clone()?;
        source.url = source.url.or_else(|| endpoints.jaeger.clone());
        let search = jaeger::Wanted {
            window: window.clone(),
            requests,
            counted,
            trace: self.trace,
            cases: Arc::clone(&self.cases),
            learned: Arc::clone(&self.learned),
            late: (!self.is_past).then(|| Arc::clone(&self.late)),
            flush: self.flush,
            awaited: self.settle,
            patience: if self.is_past {
                self.settle.max(PAST)
            } else {
                self.settle
            },
        };
        Some(guarded(jaeger::traces(source, http, search)).await)
    }

    /// What the other sources say of a window, until `given_up`.
    pub(super) async fn ask<Over: Future<Output = ()>>(
        &self,
        window: &Window,
        endpoints: &Endpoints,
        given_up: impl Fn() -> Over,
    ) -> Answers {
        let samples = async {
            let (mut source, http) = self.prometheus.clone()?;
            source.url = source.url.or_else(|| endpoints.prometheus.clone());
            source.pods = source.pods.or_else(|| endpoints.pods.clone());
            let patience = if self.is_past {
                self.answers.max(PAST)
            } else {
                self.answers
            };
            let asking = guarded(prometheus::samples(source, http, window.clone(), patience));
            Some(unless(asking, given_up()).await)
        };
        let tables = join_all(self.tables.iter().map(|(table, http)| async {
            let asking = guarded(table::rows(table.clone(), http.clone(), window.clone()));
            (table.clone(), unless(asking, given_up()).await)
        }));
        let (prometheus, tables) = tokio::join!(samples, tables);
        Answers { prometheus, tables }
    }
}

/// A source's answer, unless it is given up before.
async fn unless<T>(
    asking: impl Future<Output = Answer<T>>,
    given_up: impl Future<Output = ()>,
) -> Answer<T> {
    tokio::select! {
        answer = asking => answer,
        () = given_up => Err(HURRIED.to_owned()),
    }
}

/// A source's answer; should it panic, that is why there is none.
async fn guarded<T: Send + 'static>(
    asking: impl Future<Output = Answer<T>> + Send + 'static,
) -> Answer<T> {
    let asking = tokio::spawn(asking);
    // Given up, it ends with this collection and not whenever it pleases.
    let stop = AbortOnDrop(asking.abort_handle());
    let answer = asking
        .await
        .unwrap_or_else(|error| Err(format!("its collection ended without a result: {error}")));
    drop(stop);
    answer
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_the_sources_own_failure_in_words() {
        let answer = guarded(async {
            if std::hint::black_box(true) {
                panic!("boom")
            } else {
                Ok(())
            }
        })
        .await;
        let reason = answer.expect_err("it panicked");
        assert!(
            reason.contains("without a result") && reason.contains("boom"),
            "{reason}"
        );
    }
}
