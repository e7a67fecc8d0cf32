//! How a run comes into a cluster and leaves it: its namespace, its root, its way back.

use super::application::{self, ApplicationError};
use super::deploy::{DeployError, Site};
use super::entrance::EntranceError;
use super::forward::{Finder, Forward};
use super::interference::Making;
use super::ownership::{BadRunId, Root, RunOwner};
use super::pod::{PORT, PodOptions};
use super::tunnel::Tunnel;
use super::watched::{Watched, pods};
use super::{Kubernetes, Survey, root};
use crate::experiment::Experiment;
use crate::platform::local::spawn::Spawner;
use aefm_workloads::catalogue::CatalogueError;
use aefm_workloads::graph::GraphError;
use kube::api::ListParams;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long pods that the root owned may take to be gone.
const LEAVING: Duration = Duration::from_secs(60);

/// Why a run cannot come into a cluster, or its application not up.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The run's id.
    #[error(transparent)]
    Run(#[from] BadRunId),
    /// The cluster refuses.
    #[error(transparent)]
    Cluster(#[from] super::cluster::ClusterError),
    /// Objects do not come up.
    #[error(transparent)]
    Deploy(#[from] DeployError),
    /// Another run is there.
    #[error(
        "use namespace {namespace}: run {run} is under way there, or its orchestrator died less than 30 s ago; choose another one in `kubernetes.namespace`, or remove that run with `aefm clean --run {run}`"
    )]
    Occupied {
        /// The namespace.
        namespace: String,
        /// The other run.
        run: String,
    },
    /// What is to be deployed cannot be had.
    #[error(transparent)]
    Application(#[from] ApplicationError),
    /// The emulated application has no graph.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The catalogue does not know the application.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// There is no way to the application.
    #[error(transparent)]
    Entrance(#[from] EntranceError),
    /// The Service that requests go to is not among what was deployed.
    #[error("find the Service `{0}` that requests go to: it was not deployed; name it in `kubernetes.entry`")]
    NoEntry(String),
    /// A pod has no address.
    #[error("find the address of {0}")]
    NoAddress(String),
    /// A spec cannot be written.
    #[error("write a spec: {0}")]
    Spec(#[from] serde_json::Error),
    /// The system refuses a port or a thread.
    #[error("open a way into the cluster: {0}")]
    System(#[from] std::io::Error),
}

impl Kubernetes {
    /// Brings a run's root up in the cluster. `own` is our own receiver, `host:port`, `deadline` the last bound of all
    /// stressors.
    ///
    /// # Errors
    /// When the namespace is taken, or the root does not come up; then nothing is left of it.
    pub async fn open(
        experiment: &Experiment,
        survey: Survey,
        run_id: &str,
        seed: u64,
        deadline: Duration,
        own: String,
    ) -> Result<Self, OpenError> {
        let kubernetes = &experiment.kubernetes;
        let namespace = application::namespace(&experiment.app, kubernetes);
        // Faults of the user's own manifests are told before anything is made.
        application::objects(&experiment.app, kubernetes, &survey.testbed, &survey.infra)?;
        let options = PodOptions::new(kubernetes, &namespace);
        let owner = RunOwner::new(run_id)?;
        let watched = Arc::new(Watched::begin(&survey.cluster, &namespace, &owner.selector()));
        let mut site = Site { cluster: Arc::clone(&survey.cluster), namespace, owner, watched, root: None };
        site.make_namespace().await?;
        check_alone(&site).await?;
        let job = root::job(&site.owner, &options, &survey.load)?;
        let applied = site.apply(vec![job], root::PURPOSE).await?.pop().unwrap_or_default();
        site.root = root_of(&applied, &site.namespace);
        let opened = receiver_of(&site, kubernetes.ready).await;
        let (receiver, forward) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                drop(site.remove(&[applied]).await);
                return Err(error);
            }
        };
        let way = forward.address();
        let making = Making {
            options: options.clone(),
            nodes: survey.testbed.clone(),
            deadline,
            limits: kubernetes.stressor_limits.clone(),
            token: ulid::Ulid::generate().to_string(),
        };
        Ok(Self {
            pressures: experiment.interference.clone(),
            experiment: experiment.clone(),
            survey,
            site,
            options,
            seed,
            receiver,
            _tunnel: Tunnel::dig(way.clone(), own),
            way,
            _forward: forward,
            entrance: None,
            jaeger: None,
            url: String::new(),
            entry: (Value::Null, 0),
            application: Vec::new(),
            baseline: super::Baseline::default(),
            services: Vec::new(),
            making,
            interference: BTreeMap::new(),
            spawner: Spawner::start()?,
            loads: 0,
            deployments: 0,
        })
    }

    /// Removes the root and with it whatever is left.
    pub(super) async fn close(&mut self) {
        let Some(root) = self.site.root.take() else { return };
        let object = serde_json::json!({ "apiVersion": "batch/v1", "kind": "Job",
            "metadata": { "name": root.name, "namespace": root.namespace, "uid": root.uid } });
        if let Err(error) = self.site.remove(&[object]).await {
            tracing::error!("the run's root is left to its lease: failed to {error}");
            return;
        }
        // What the root owned goes in its own time; a run is over when nothing runs any more.
        let deadline = tokio::time::Instant::now() + LEAVING;
        let empty = self.site.watched.until(deadline, |objects| pods(objects).next().is_none().then_some(()));
        if empty.await.is_none() {
            tracing::warn!("some pods of the run are on their way out after {LEAVING:?}");
        }
    }
}

/// Two runs in one namespace would take each other's objects.
async fn check_alone(site: &Site) -> Result<(), OpenError> {
    let roots = ListParams::default().labels(&format!("{}={}", super::ownership::PURPOSE_LABEL, root::PURPOSE));
    let roots = site.cluster.list("batch/v1", "Job", Some(&site.namespace), &roots).await?;
    let run = roots.iter().find_map(|root| root["metadata"]["labels"][super::ownership::RUN_LABEL].as_str());
    match run.filter(|run| *run != site.owner.id()) {
        Some(run) => Err(OpenError::Occupied { namespace: site.namespace.clone(), run: run.to_owned() }),
        None => Ok(()),
    }
}

fn root_of(applied: &Value, namespace: &str) -> Option<Root> {
    let text = |name: &str| applied["metadata"][name].as_str().map(str::to_owned);
    Some(Root { name: text("name")?, namespace: namespace.to_owned(), uid: text("uid")? })
}

/// The receiver's address within the cluster, and the way to it.
async fn receiver_of(site: &Site, patience: Duration) -> Result<(String, Forward), OpenError> {
    let ready = site.watched.until(tokio::time::Instant::now() + patience, |objects| {
        let pod = root::pod(objects)?;
        let vain = super::explain::is_final(pod);
        let ready = super::ready::waits_for(pod, &[]).is_none();
        (ready || vain).then(|| pod["status"]["podIP"].as_str().filter(|_| ready).map(str::to_owned))
    });
    let Some(address) = ready.await.flatten() else {
        let now = site.watched.now().borrow().clone();
        let reasons = match root::pod(&now) {
            Some(pod) => site.explain(pod).await,
            None => "its Job has made no pod".to_owned(),
        };
        return Err(DeployError::NotReady { what: "the run's receiver".to_owned(), reasons }.into());
    };
    let objects = site.watched.now();
    let finder: Finder = Arc::new(move || root::pod(&objects.borrow()).map(super::cluster::name_of));
    let forward = Forward::listen(site.pods(), finder, PORT).await?;
    Ok((format!("{address}:{PORT}"), forward))
}
