//! How a run comes into a cluster and leaves it: its namespace, its root, its way back.

use super::anchor;
use super::application::{self, ApplicationError};
use super::deploy::{DeployError, Site};
use super::entrance::EntranceError;
use super::forward::Forward;
use super::interference::Making;
use super::kubelet::{Meter, Way};
use super::leftovers;
use super::ownership::{BadRunId, PURPOSE_LABEL, RUN_LABEL, Root, RunOwner};
use super::pod::PodOptions;
use super::sources::{Findings, SourceError, Sources};
use super::trouble::silent_node;
use super::tunnel::Tunnel;
use super::watched::{Objects, Watched, pods};
use super::{Kubernetes, Survey, kubelet, neighbours, receiver, root};
use crate::experiment::Experiment;
use crate::experiment::kubernetes::Metrics;
use crate::lifecycle::Scope;
use crate::platform::local::spawn::Spawner;
use aefm_workloads::catalogue::CatalogueError;
use aefm_workloads::graph::GraphError;
use kube::api::ListParams;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use ulid::Ulid;

/// How long pods that the root owned may take to be gone.
const LEAVING: Duration = Duration::from_secs(60);
/// How long a namespace that is being deleted may take to be gone, at most.
const NAMESPACE: Duration = Duration::from_secs(120);

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
    #[error(
        "find the Service `{0}` that requests go to: it was not deployed; name it in `kubernetes.entry`"
    )]
    NoEntry(String),
    /// Nodes that the run was begun on are away.
    #[error("bring up the application: {lacking}; it was given {patience:?} (`kubernetes.ready`)")]
    NoNode {
        /// Which, and why.
        lacking: String,
        /// How long they were waited for.
        patience: Duration,
    },
    /// Somebody has removed the run.
    #[error(
        "go on: the root of this run, Job `{0}`, was removed, by `aefm clean --run` or since the cluster or its node did not answer for a minute; begin the run anew"
    )]
    Removed(String),
    /// A Prometheus or Jaeger of the cluster is not found.
    #[error(transparent)]
    Source(#[from] SourceError),
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

impl OpenError {
    /// How far it reaches.
    pub(super) const fn scope(&self) -> Scope {
        if matches!(self, Self::Removed(_)) {
            Scope::Run
        } else {
            Scope::Environment
        }
    }
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
        let planned = application::planned(experiment, &survey.testbed, &survey.infra)?;
        let findings = Findings::look(&survey.cluster, experiment).await?;
        let sources = Sources::open(&survey.cluster, findings).await?;
        let mut options = PodOptions::new(kubernetes, &namespace);
        let nonce = format!("{}{}", Ulid::generate(), Ulid::generate());
        let owner = RunOwner::new(run_id, &nonce)?;
        let watched = Arc::new(Watched::begin(
            &survey.cluster,
            &namespace,
            &owner.selector(),
            &survey.sight,
        ));
        let mut site = Site {
            cluster: Arc::clone(&survey.cluster),
            namespace,
            owner,
            watched,
            root: None,
            anchor: None,
        };
        find_room(&site, &planned, kubernetes.ready).await?;
        site.watched
            .begun(Instant::now() + kubernetes.ready)
            .await?;
        let asked = kubelet::asked_by_root(&site, kubernetes.metrics, survey.nodes()).await;
        options.kubelets = asked.clone().unwrap_or_default();
        let raised = receiver::raise(&mut site, &options, &survey.load, kubernetes.ready).await;
        let opened = match raised {
            Ok(address) => settle(&mut site, &planned).await.map(|way| (address, way)),
            Err(error) => Err(error),
        };
        let (receiver, forward) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                site.remove_roots().await;
                return Err(error);
            }
        };
        let way = forward.address();
        let meter = match (asked, kubernetes.metrics) {
            (Err(reason), _) => Meter::none(&reason),
            (Ok(_), Metrics::NodesProxy) => {
                let way = Way::ApiServer(Arc::clone(&survey.cluster));
                Meter::try_all(way, &survey.testbed).await
            }
            (Ok(_), _) => Meter::try_all(Way::Root(way.clone()), &survey.testbed).await,
        };
        let nodes: Vec<_> = survey.testbed.iter().chain(&survey.load).collect();
        let others = neighbours::warnings(&survey.cluster, &site.owner, &nodes).await;
        let making = Making {
            options: options.clone(),
            nodes: survey.testbed.clone(),
            deadline,
            limits: kubernetes.stressor_limits.clone(),
            token: Ulid::generate().to_string(),
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
            sources,
            url: String::new(),
            entry: (Value::Null, 0),
            application: Vec::new(),
            baseline: super::Baseline::default(),
            services: Vec::new(),
            meter,
            others,
            making,
            interference: BTreeMap::new(),
            spawner: Spawner::start()?,
            loads: 0,
            deployments: 0,
        })
    }

    /// Removes the run's roots and with them whatever is left.
    pub(super) async fn close(&mut self) {
        if !self.site.remove_roots().await {
            return;
        }
        // What the root owned goes in its own time; a run is over when nothing runs any more.
        let going =
            |objects: &Objects| pods(objects).any(|pod| silent_node(objects, pod).is_none());
        let empty = self
            .site
            .watched
            .until(Instant::now() + LEAVING, |objects| {
                (!going(objects)).then_some(())
            });
        if empty.await.is_none() {
            tracing::warn!("some pods of the run are on their way out after {LEAVING:?}");
        }
    }
}

/// Finds a place for what a run will make, before it makes anything: its namespace, which is made if it is missing, without
/// another run in it, and names that nobody has taken.
async fn find_room(site: &Site, planned: &[Value], ready: Duration) -> Result<(), OpenError> {
    let is_there = site.find_namespace(ready.min(NAMESPACE)).await?;
    if is_there {
        check_alone(site).await?;
    }
    leftovers::sweep(&site.cluster).await;
    site.check_free(planned).await?;
    if !is_there {
        // The application's own manifests may say more of it.
        let own = planned.iter().find(|object| {
            object["kind"] == "Namespace" && object["metadata"]["name"] == site.namespace.as_str()
        });
        let namespace = own.cloned().unwrap_or_else(|| site.namespace_object());
        site.provide(&namespace).await?;
    }
    Ok(())
}

/// Makes the anchor, where the run needs one, and the way to the receiver.
async fn settle(site: &mut Site, planned: &[Value]) -> Result<Forward, OpenError> {
    let planned = site.placed_names(planned).await?;
    if let Some(object) = anchor::object(&site.owner, &site.namespace, &planned) {
        let made = site.cluster.make_root(object, &site.owner, anchor::PURPOSE);
        site.anchor = Some(made.await?);
    }
    receiver::way(site).await
}

/// Two runs in one namespace would be in each other's way.
async fn check_alone(site: &Site) -> Result<(), OpenError> {
    let purpose = format!("{PURPOSE_LABEL}={}", root::PURPOSE);
    let roots = site
        .cluster
        .list(
            "batch/v1",
            "Job",
            Some(&site.namespace),
            &ListParams::default().labels(&purpose),
        )
        .await?;
    // A copy of a root, from a backup for instance, is no run.
    let mut runs = roots.iter().filter(|root| !Root::is_copy(root));
    match runs.find_map(|root| root["metadata"]["labels"][RUN_LABEL].as_str()) {
        Some(run) => Err(OpenError::Occupied {
            namespace: site.namespace.clone(),
            run: run.to_owned(),
        }),
        None => Ok(()),
    }
}
