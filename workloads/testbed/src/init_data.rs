//! Data initialisation over HTTP: makes the calls of a plan with bounded concurrency and retries, leaves out what is
//! there already, and asks afterwards whether everything is.

mod call;
pub mod cli;

use aefm_workloads::graph::Kept;
use aefm_workloads::init_data::{Plan, Stage};
use aefm_workloads::mix::Request;
use call::{Caller, Outcome};
use serde::Serialize;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;

/// Time between two reports of progress.
const TICK: Duration = Duration::from_millis(500);
/// Calls of one stage that may fail before the rest is given up.
const MAX_FAILED: usize = 20;
/// Reasons that a report names.
const MAX_REASONS: usize = 5;

/// How calls are made.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the application's entry listens: `http://host:port`.
    pub url: String,
    /// Calls at the same time.
    pub connections: usize,
    /// Make all calls even if a sample of the data is there.
    pub force: bool,
    /// Users whose data are asked for afterwards.
    pub sample: usize,
}

/// What became of one stage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StageReport {
    /// What the stage puts there.
    pub kind: String,
    /// Calls it has.
    pub planned: usize,
    /// Calls that were answered with success.
    pub done: usize,
    /// Calls that were not needed, or answered that it is there.
    pub there: usize,
    /// Registrations that were answered with a bare server error in every attempt. Some applications answer so when it
    /// is there already; the questions at the end decide.
    pub refused: usize,
    /// Calls that failed in every attempt, or were not made any more.
    pub failed: usize,
}

/// What became of the whole plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The application.
    pub app: String,
    /// Everything was there, and no call was made.
    pub skipped: bool,
    /// Stages in order, those that were begun.
    pub stages: Vec<StageReport>,
    /// Questions asked at the end.
    pub asked: usize,
    /// Of these, answered as they should be.
    pub confirmed: usize,
    /// The first reasons of what failed.
    pub reasons: Vec<String>,
}

impl Report {
    /// Whether all data are there.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.confirmed == self.asked && self.stages.iter().all(|stage| stage.failed == 0)
    }
}

/// Why nothing could be initialised.
#[derive(Debug, thiserror::Error)]
#[error("initialise data at `{0}`: write a URL such as http://127.0.0.1:8080")]
pub struct UrlError(String);

/// Makes all calls of a plan. `progress` is told of the stage at work about twice a second, and at its end.
///
/// # Errors
/// When the URL is not one. Everything else is in the report.
pub async fn initialise(
    plan: &Plan,
    options: &Options,
    mut progress: impl FnMut(&StageReport),
) -> Result<Report, UrlError> {
    let caller = Arc::new(Caller::new(&options.url).ok_or_else(|| UrlError(options.url.clone()))?);
    let probes = plan.probes(options.sample);
    let mut report = Report {
        app: plan.app.to_owned(),
        asked: probes.len(),
        ..Report::default()
    };
    if !options.force && probes.iter().any(|probe| probe.request.method == "GET") {
        report.confirmed = caller.confirm(&probes, &mut Vec::new()).await;
        report.skipped = report.confirmed == report.asked;
    }
    if report.skipped {
        return Ok(report);
    }
    for stage in &plan.stages {
        let work = Work::new(stage.clone(), Arc::clone(&caller), options.connections).await;
        let done = work
            .run(options.connections, &mut progress, &mut report.reasons)
            .await;
        let failed = done.failed > 0;
        report.stages.push(done);
        if failed {
            // What follows builds on this.
            break;
        }
    }
    report.confirmed = caller.confirm(&probes, &mut report.reasons).await;
    report.reasons.truncate(MAX_REASONS);
    Ok(report)
}

/// One stage at work, shared by those who make its calls.
struct Work {
    stage: Stage,
    caller: Arc<Caller>,
    /// By user, how much is there already.
    present: Vec<usize>,
    next: AtomicUsize,
    done: AtomicUsize,
    there: AtomicUsize,
    refused: AtomicUsize,
    failed: AtomicUsize,
    reasons: Mutex<Vec<String>>,
}

impl Work {
    async fn new(stage: Stage, caller: Arc<Caller>, connections: usize) -> Arc<Self> {
        let present = match stage.users_to_ask() {
            Some(users) => caller.present(&stage, users, connections).await,
            None => Vec::new(),
        };
        let (next, done, there, refused, failed) = Default::default();
        Arc::new(Self {
            stage,
            caller,
            present,
            next,
            done,
            there,
            refused,
            failed,
            reasons: Mutex::default(),
        })
    }

    async fn run(
        self: Arc<Self>,
        connections: usize,
        progress: &mut impl FnMut(&StageReport),
        reasons: &mut Vec<String>,
    ) -> StageReport {
        let mut workers = JoinSet::new();
        for _ in 0..connections.clamp(1, self.stage.len().max(1)) {
            workers.spawn(Arc::clone(&self).work());
        }
        let mut ticks = tokio::time::interval(TICK);
        ticks.tick().await;
        loop {
            tokio::select! {
                end = workers.join_next() => if end.is_none() { break },
                _ = ticks.tick() => progress(&self.report()),
            }
        }
        reasons.append(&mut self.reasons.lock().unwrap_or_else(PoisonError::into_inner));
        let mut report = self.report();
        report.failed = report.planned - report.done - report.there - report.refused;
        progress(&report);
        report
    }

    fn report(&self) -> StageReport {
        StageReport {
            kind: self.stage.kept.name().to_owned(),
            planned: self.stage.len(),
            done: self.done.load(Relaxed),
            there: self.there.load(Relaxed),
            refused: self.refused.load(Relaxed),
            failed: self.failed.load(Relaxed),
        }
    }

    /// Makes one call after another until there is none left, or too many have failed.
    async fn work(self: Arc<Self>) {
        let mut request = Request::default();
        loop {
            let index = self.next.fetch_add(1, Relaxed);
            if index >= self.stage.len() || self.failed.load(Relaxed) > MAX_FAILED {
                return;
            }
            if self.is_there(index) {
                self.there.fetch_add(1, Relaxed);
                continue;
            }
            self.stage.call(index, &mut request);
            match self.caller.call(&request).await {
                Outcome::Done(_) => self.done.fetch_add(1, Relaxed),
                Outcome::There => self.there.fetch_add(1, Relaxed),
                Outcome::Refused(_) if matches!(self.stage.kept, Kept::User | Kept::Movie) => {
                    self.refused.fetch_add(1, Relaxed)
                }
                Outcome::Refused(reason) | Outcome::Failed(reason) => {
                    let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
                    if reasons.len() < MAX_REASONS {
                        reasons.push(format!("{} {index}: {reason}", self.stage.kept.name()));
                    }
                    self.failed.fetch_add(1, Relaxed)
                }
            };
        }
    }

    fn is_there(&self, index: usize) -> bool {
        let repeated = self.stage.repeats(index);
        repeated.is_some_and(|(user, before)| {
            self.present
                .get(user as usize)
                .is_some_and(|&present| (before as usize) < present)
        })
    }
}
