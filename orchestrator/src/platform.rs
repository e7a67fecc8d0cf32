//! The port to wherever an experiment runs: `local` is processes on this machine, `kubernetes` pods of a cluster.

pub(crate) mod census;
pub mod kubernetes;
mod load_run;
pub mod local;
mod reach;

pub use load_run::{LoadRun, ProcessEnd, ShardRun};

use crate::experiment::environment::Renewal;
use crate::lifecycle::Scope;
use aefm_collector::proc::{Observed, Sampler};
use aefm_collector::prometheus::Series;
use aefm_workloads::interference::{InterferenceSample, Kind};
use aefm_workloads::load::LoadSpec;
use async_trait::async_trait;
use futures_core::future::BoxFuture;
use kubernetes::kubelet::Kubelets;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// A failure of the platform, and how far it reaches.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct PlatformError {
    /// How far it reaches.
    pub scope: Scope,
    /// What failed and why, for people.
    pub reason: String,
}

impl PlatformError {
    /// A failure of that reach.
    pub fn new(scope: Scope, reason: impl Into<String>) -> Self {
        Self {
            scope,
            reason: reason.into(),
        }
    }
}

/// Watches what the application uses until it is stopped.
pub enum Observer {
    /// Processes of this machine.
    Machine(Sampler),
    /// Containers, through the kubelets of their nodes.
    Kubelets(Kubelets),
}

impl Observer {
    /// What was seen.
    ///
    /// # Errors
    /// When it could not be seen: why.
    pub async fn stop(self) -> Result<Seen, String> {
        match self {
            Self::Machine(sampler) => Ok(Seen {
                observed: sampler.stop(),
                ..Seen::default()
            }),
            Self::Kubelets(kubelets) => kubelets.stop().await,
        }
    }
}

/// What was seen of a case.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Rows of `metrics`.
    pub observed: Observed,
    /// What kubelets said, where they were asked: rows are of them then, and `usage`, too.
    pub series: Option<Vec<Series>>,
    /// What cannot be seen here whatever happens, and why; in one sentence.
    pub lacking: Option<String>,
}

impl Seen {
    /// Only what ends within the time of a load: a kubelet's last sample may be of before.
    #[must_use]
    pub fn within(mut self, from_ns: i64, to_ns: i64) -> Self {
        if self.series.is_some() {
            self.observed
                .rows
                .retain(|row| (from_ns..=to_ns).contains(&row.t_ns));
        }
        self
    }
}

/// Where the platform's own sources are, should the experiment not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// The URL of a Jaeger's query side.
    pub jaeger: Option<String>,
    /// The URL of a Prometheus.
    pub prometheus: Option<String>,
    /// What the application's series match there, between PromQL's braces.
    pub pods: Option<String>,
}

/// How much of a requested intensity is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// The last measured intensity.
    pub achieved: f64,
    /// It is at the request; else it was not within the time that it has for that.
    pub reached: bool,
}

/// What one service says of the spans of one case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Census {
    /// The service.
    pub service: String,
    /// Spans ended under the case's trace-id prefix; or why it does not say.
    pub ended: Result<u64, String>,
    /// Spans, of all cases, still on their way out.
    pub pending: u64,
    /// Spans, of all cases, given up.
    pub dropped: u64,
}

/// Asks all services for the spans of one trace-id prefix; outlives the call that gave it, since a case is gathered
/// while the next one runs.
pub type CensusTaker = Arc<dyn Fn(u64) -> BoxFuture<'static, Vec<Census>> + Send + Sync>;

/// Where an experiment runs.
#[async_trait]
pub trait Platform: Send {
    /// Brings the application up as `renewal` says, with its initial data; returns the entrance's URL when every service
    /// answers.
    async fn bring_up(&mut self, renewal: Renewal) -> Result<String, PlatformError>;

    /// Begins to watch what the application uses, about every `interval`; on `core`, where that is one of this machine.
    fn observe(&self, interval: Duration, core: Option<usize>) -> Result<Observer, String>;

    /// Where this platform's Jaeger and Prometheus are, once the application is up. None by default: this machine has
    /// none of its own.
    fn endpoints(&self) -> Endpoints {
        Endpoints::default()
    }

    /// The way to ask the services that are up now for their spans.
    fn census(&self) -> CensusTaker;

    /// Sets one kind of interference on every testbed node and waits until it is held (zero: until it is gone), or until it
    /// is plain that it will not be: what is reached under load is judged afterwards.
    async fn set_interference(&mut self, kind: Kind, intensity: f64)
    -> Result<Held, PlatformError>;

    /// The stressors that press, by kind and node, so that one that says nothing is missed.
    fn stressors(&self) -> Vec<(Kind, String)>;

    /// Runs a load to its end, watching application and stressors; `done` is told the seconds of the schedule that are done.
    async fn run_load(&mut self, spec: &LoadSpec, done: &(dyn Fn(u32) + Send + Sync)) -> LoadRun;

    /// Samples of all stressors that lie in a window of wall-clock time (ns since the epoch), with their node.
    fn interference_between(&self, from_ns: i64, to_ns: i64) -> Vec<(String, InterferenceSample)>;

    /// Removes all interference.
    async fn clear_interference(&mut self);

    /// Takes the application and all else down.
    async fn tear_down(&mut self);

    /// The machine or cluster, for `run.json`.
    fn describe(&self) -> serde_json::Value;

    /// Whatever makes this place a doubtful one to measure on.
    fn warnings(&self) -> Vec<String>;
}
