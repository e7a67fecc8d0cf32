//! What a cluster says, as far as an experiment is concerned.

mod clocks;
mod deployment;
mod watchers;

use super::super::scrape::Scraped;
use super::quota::{self, Pods};
use crate::experiment::Experiment;
use crate::platform::kubernetes::application;
use crate::platform::kubernetes::cluster::{Cluster, ClusterError};
use crate::platform::kubernetes::ownership::{PURPOSE_LABEL, RUN_LABEL};
use crate::platform::kubernetes::review::{self, Applied, Question};
use crate::platform::kubernetes::rights::{self, Need};
use crate::platform::kubernetes::snapshot::{Room, Snapshot};
use crate::platform::kubernetes::trial::Trial;
use crate::platform::kubernetes::{Survey, SurveyError, root};
use aefm_workloads::interference::Kind;
use aefm_workloads::quantity::Unit;
use futures_util::{StreamExt, stream};
use kube::api::ListParams;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// So many images are tried at a time.
const TRIALS: usize = 8;

/// Where something is and what it is like, or why that is not known.
pub type Watched<T> = Result<(String, T), String>;

/// A cluster and an experiment.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Minor version of the server.
    pub minor: u32,
    /// Clocks against ours.
    pub clocks: Clocks,
    /// What we may, of what is needed.
    pub rights: Result<Vec<(Question, bool)>, String>,
    /// Nodes.
    pub snapshot: Snapshot,
    /// Whole cores of the smallest testbed node.
    pub cores: usize,
    /// Nodes by role, as the experiment chooses them.
    pub roles: Result<Roles, String>,
    /// Where everything goes.
    pub namespace: Namespace,
    /// What pods ask for.
    pub asks: Result<Asks, String>,
    /// Bounds of the namespace's quotas.
    pub quotas: Vec<Quota>,
    /// All pods at a time, by what they are.
    pub pods: Vec<Pods>,
    /// The highest intensities.
    pub pressure: Pressure,
    /// Images that pods need.
    pub images: Vec<Image>,
    /// What came of trying them.
    pub pulled: Vec<Pulled>,
    /// The Prometheus, where the experiment asks one.
    pub prometheus: Option<Watched<Scraped>>,
    /// The Jaeger, where the experiment asks one.
    pub jaeger: Option<Watched<Jaeger>>,
    /// How often Prometheus scrapes, as the experiment says.
    pub scrape: Duration,
    /// Finished cases that may be in collection.
    pub pending: u64,
}

/// Clocks against ours, in seconds; positive is ahead.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Clocks {
    /// The API server's: at least and at most.
    pub server_ahead_s: Option<(f64, f64)>,
    /// Of each node, by its lease: so far ahead at least, or so long ago was it renewed.
    pub nodes_ahead_s: Vec<(String, f64)>,
}

/// Nodes by role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// Of components under test and stressors.
    pub testbed: Vec<String>,
    /// Of infrastructure.
    pub infra: Vec<String>,
    /// Of the load.
    pub load: Vec<String>,
}

/// The experiment's namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// Whether it is there.
    pub is_there: bool,
    /// Whether it is on its way out.
    pub is_terminating: bool,
    /// A run that is under way in it.
    pub run: Option<String>,
}

/// What each pod asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asks {
    /// Components under test, and stressors.
    pub under_test: Vec<Room>,
    /// Infrastructure.
    pub infra: Vec<Room>,
}

/// What a quota leaves of one resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Quota {
    /// Its name.
    pub name: String,
    /// The resource, `requests.cpu` say.
    pub resource: String,
    /// The bound.
    pub hard: f64,
    /// What is taken.
    pub used: f64,
    /// Whether pods that ask for nothing are given something there.
    pub has_default: bool,
}

/// The highest intensities of the plan.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pressure {
    /// Whether there is any on the network.
    pub network: bool,
    /// Memory on each node, where it is asked for in bytes.
    pub memory_bytes: Option<f64>,
}

/// An image and where it is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Its name, as pods give it.
    pub name: String,
    /// `imagePullPolicy`.
    pub policy: String,
    /// Nodes.
    pub nodes: Vec<String>,
}

/// What came of trying an image on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// The image.
    pub image: String,
    /// The node.
    pub node: String,
    /// It is there, or why not.
    pub outcome: Result<(), String>,
}

/// A Jaeger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Jaeger {
    /// The API that it answers by.
    pub api: Option<String>,
    /// Where it keeps traces.
    pub storage: Option<String>,
    /// How many it keeps.
    pub max_traces: Option<u64>,
    /// Its memory, as Kubernetes writes it.
    pub memory: Option<String>,
}

/// Asks the cluster all that the checks want to know.
///
/// # Errors
/// When it does not even tell its nodes.
pub async fn gather(cluster: &Arc<Cluster>, experiment: &Experiment) -> Result<Facts, SurveyError> {
    let clocks = clocks::look(cluster).await;
    let kubernetes = &experiment.kubernetes;
    let (snapshot, services) = Snapshot::take(
        cluster,
        &kubernetes.nodes.mentioned(),
        &kubernetes.tolerations,
    )
    .await?;
    let roles = Survey::on(Arc::clone(cluster), &experiment.kubernetes).await;
    let cores = roles.as_ref().map_or(1, |survey| survey.cores);
    let roles = roles.map(
        |Survey {
             testbed,
             infra,
             load,
             ..
         }| Roles {
            testbed,
            infra,
            load,
        },
    );
    let roles = roles.map_err(|error| error.to_string());
    let namespace = namespace(cluster, experiment).await?;
    let known = roles.clone().unwrap_or_default();
    let deployment = deployment::of(experiment, &known);
    let mut asks = deployment
        .as_ref()
        .map(|deployment| deployment.asks.clone())
        .map_err(String::clone);
    let objects = deployment
        .as_ref()
        .map(|deployment| deployment.objects.as_slice())
        .unwrap_or_default();
    let applied = applied(cluster, objects).await.unwrap_or_else(|reason| {
        asks = Err(reason);
        BTreeSet::new()
    });
    let mut needs = needs(experiment, &namespace);
    needs.extend(
        applied
            .iter()
            .any(Applied::needs_anchor)
            .then_some(Need::Anchor),
    );
    let asked = review::questions(&needs, &namespace.name, &applied);
    let rights = review::ask(cluster, asked)
        .await
        .map_err(|error| error.to_string());
    Ok(Facts {
        minor: cluster.server_minor,
        clocks,
        cores,
        rights,
        roles,
        asks,
        quotas: quotas(cluster, &namespace.name).await,
        pods: deployment
            .as_ref()
            .map(|deployment| deployment.pods.clone())
            .unwrap_or_default(),
        pressure: pressure(experiment, cores),
        images: deployment
            .as_ref()
            .map(|deployment| deployment.images.clone())
            .unwrap_or_default(),
        pulled: Vec::new(),
        namespace,
        prometheus: watchers::prometheus(cluster, experiment, &services).await,
        jaeger: watchers::jaeger(cluster, experiment, &services, objects).await,
        scrape: experiment
            .collect
            .prometheus
            .as_ref()
            .map_or(Duration::ZERO, |source| source.scrape),
        pending: experiment.collect.pending,
        snapshot,
    })
}

/// Tries every image on every node that needs it. Where the experiment's namespace is not there yet, in `default`.
pub async fn try_images(cluster: &Cluster, facts: &Facts) -> Vec<Pulled> {
    let namespace = if facts.namespace.is_there {
        facts.namespace.name.as_str()
    } else {
        "default"
    };
    let wanted = facts
        .images
        .iter()
        .flat_map(|image| image.nodes.iter().map(move |node| (image, node)));
    let trials = stream::iter(wanted.enumerate()).map(|(number, (image, node))| async move {
        let trial = Trial {
            image: &image.name,
            policy: &image.policy,
            node,
            namespace,
            number,
        };
        Pulled {
            image: image.name.clone(),
            node: node.clone(),
            outcome: trial.run(cluster).await,
        }
    });
    trials.buffered(TRIALS).collect().await
}

async fn namespace(cluster: &Cluster, experiment: &Experiment) -> Result<Namespace, ClusterError> {
    let name = application::namespace(&experiment.app, &experiment.kubernetes);
    let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
    // Who may not look is told so among the rights.
    let there = cluster.get(&object).await.unwrap_or_default();
    let roots = ListParams::default().labels(&format!("{PURPOSE_LABEL}={}", root::PURPOSE));
    let roots = cluster
        .list("batch/v1", "Job", Some(&name), &roots)
        .await
        .unwrap_or_default();
    let run = roots
        .iter()
        .find_map(|root| root["metadata"]["labels"][RUN_LABEL].as_str())
        .map(str::to_owned);
    let is_terminating = there
        .as_ref()
        .is_some_and(|there| !there["metadata"]["deletionTimestamp"].is_null());
    Ok(Namespace {
        name,
        is_there: there.is_some(),
        is_terminating,
        run,
    })
}

/// The quotas of a namespace; none where they may not be seen, which the rights tell.
async fn quotas(cluster: &Cluster, namespace: &str) -> Vec<Quota> {
    let all = ListParams::default();
    let list = async |kind: &str| {
        let listed = cluster.list("v1", kind, Some(namespace), &all).await;
        listed.unwrap_or_default()
    };
    let ranges = list("LimitRange").await;
    let gives = |limit: &Value| limit["type"] == "Container" && limit["default"].is_object();
    let has_default = ranges
        .iter()
        .filter_map(|range| range["spec"]["limits"].as_array())
        .flatten()
        .any(gives);
    let quotas = list("ResourceQuota").await;
    quotas
        .iter()
        .flat_map(|quota| quota::bounds(quota, has_default))
        .collect()
}

/// Kinds among objects, as their rights name them; the error is for people.
async fn applied(cluster: &Cluster, objects: &[Value]) -> Result<BTreeSet<Applied>, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let kinds: BTreeSet<_> = objects
        .iter()
        .map(|object| (text(&object["apiVersion"]), text(&object["kind"])))
        .collect();
    let mut applied = BTreeSet::new();
    for (version, kind) in kinds {
        let (group, plural, namespaced) = cluster
            .resource(&version, &kind)
            .await
            .map_err(|error| error.to_string())?;
        applied.insert(Applied {
            group,
            plural,
            namespaced,
        });
    }
    Ok(applied)
}

fn needs(experiment: &Experiment, namespace: &Namespace) -> Vec<Need> {
    let mut needs = rights::needs(experiment);
    needs.push(Need::Look);
    let mut add = |need, wanted: bool| needs.extend(wanted.then_some(need));
    add(Need::MakeNamespace, !namespace.is_there);
    needs
}

fn pressure(experiment: &Experiment, cores: usize) -> Pressure {
    let in_bytes = experiment
        .interference
        .get(&Kind::MemCapacity)
        .is_some_and(|one| one.unit == Unit::Bytes.name());
    let plan = crate::plan::Plan::new(experiment, "plan", 0, cores)
        .ok()
        .filter(|_| in_bytes);
    let intensities = plan
        .iter()
        .flat_map(|plan| &plan.cases)
        .flat_map(|case| &case.intensities);
    let memory = intensities
        .filter(|(kind, _)| *kind == Kind::MemCapacity)
        .map(|(_, bytes)| *bytes);
    Pressure {
        network: experiment.interference.contains_key(&Kind::Network),
        memory_bytes: memory.reduce(f64::max),
    }
}
