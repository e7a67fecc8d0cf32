//! A run's place in a cluster: its namespace, and what is awaited and told of its objects.

use super::cluster::{Cluster, ClusterError, name_of};
use super::explain;
use super::ownership::RunOwner;
use super::provenance::removal::REMOVAL;
use super::provenance::{Made, RootObject};
use super::ready::waits_for;
use super::watched::{Objects, Watched, pods};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, LogParams};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Lines of a log that are told when a pod does not come up.
const LOG_LINES: i64 = 5;
/// How many objects are told of when several do not come up.
const TOLD: usize = 3;
/// Between two looks at whether a namespace is gone.
const LOOK: Duration = Duration::from_millis(500);

/// Why objects are not there, or not gone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeployError {
    /// The cluster refused.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Something of that name is there already.
    #[error("deploy {object}: it is there already and {whose}; it is left as it is: {way_out}")]
    Taken {
        /// The object.
        object: String,
        /// Whose it is.
        whose: String,
        /// What may be done about it.
        way_out: String,
    },
    /// Not all is ready in time.
    #[error("bring up {what}: {reasons}")]
    NotReady {
        /// Of what.
        what: String,
        /// Which objects are not, and why.
        reasons: String,
    },
    /// Not all is gone in time.
    #[error("take down {0}: still there after {REMOVAL:?}")]
    NotGone(String),
    /// The namespace is on its way out.
    #[error(
        "use namespace {namespace}: it is still being deleted after {patience:?}{why}; wait until it is gone, or choose another one in `kubernetes.namespace`"
    )]
    Terminating {
        /// The namespace.
        namespace: String,
        /// How long it was waited for.
        patience: Duration,
        /// What holds it, if the cluster says so.
        why: String,
    },
}

/// A run's place in a cluster.
#[derive(Clone)]
pub(super) struct Site {
    /// The connection.
    pub cluster: Arc<Cluster>,
    /// The namespace.
    pub namespace: String,
    /// The run.
    pub owner: RunOwner,
    /// What the cluster says of the run's objects.
    pub watched: Arc<Watched>,
    /// The root, once it is there.
    pub root: Option<RootObject>,
    /// What owns the run's objects that have no namespace, where it has any.
    pub anchor: Option<RootObject>,
}

impl Site {
    /// Pods of the namespace.
    #[must_use]
    pub(super) fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.cluster.client(), &self.namespace)
    }

    /// Waits until a namespace that is on its way out is gone; whether one is there that stays.
    ///
    /// # Errors
    /// When it does not go in time; with what holds it.
    pub(super) async fn find_namespace(&self, patience: Duration) -> Result<bool, DeployError> {
        let wanted = self.namespace_object();
        let deadline = Instant::now() + patience;
        loop {
            match self.cluster.get(&wanted).await? {
                None => return Ok(false),
                Some(there) if there["metadata"]["deletionTimestamp"].is_null() => return Ok(true),
                Some(there) if Instant::now() >= deadline => {
                    let (namespace, why) = (self.namespace.clone(), explain::held(&there));
                    return Err(DeployError::Terminating {
                        namespace,
                        patience,
                        why,
                    });
                }
                Some(_) => tokio::time::sleep(LOOK).await,
            }
        }
    }

    /// The run's namespace, as it is made where nobody says more of it.
    pub(super) fn namespace_object(&self) -> Value {
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": self.namespace } })
    }

    /// Waits until all workloads among these objects are ready.
    ///
    /// # Errors
    /// When some are not in time, or cannot be any more: which, and what is known of their pods.
    pub(super) async fn wait_ready(
        &self,
        what: &str,
        made: &[Made],
        patience: Duration,
    ) -> Result<(), DeployError> {
        let objects = made.iter().map(Made::object);
        let wanted: Vec<_> = objects.filter_map(Awaited::of).collect();
        let deadline = Instant::now() + patience;
        let vain = |objects: &Objects| pods(objects).any(explain::is_final);
        let all = self.watched.until(deadline, |objects| {
            let ready = wanted.iter().all(|one| one.reason(objects).is_none());
            (ready || vain(objects)).then_some(ready)
        });
        if all.await == Some(true) {
            return Ok(());
        }
        let now = self.watched.now().borrow().clone();
        let mut reasons = Vec::new();
        for one in wanted.iter().filter(|one| one.reason(&now).is_some()) {
            if reasons.len() == TOLD {
                reasons.push("and more".to_owned());
                break;
            }
            reasons.push(self.why(&now, one).await);
        }
        if !vain(&now) {
            reasons.push(format!("it was given {patience:?} (`kubernetes.ready`)"));
        }
        Err(DeployError::NotReady {
            what: what.to_owned(),
            reasons: reasons.join("; "),
        })
    }

    async fn why(&self, now: &Objects, one: &Awaited) -> String {
        let reason = one.reason(now).unwrap_or_default();
        let mut told = format!("{} `{}`: {reason}", one.key.0, one.key.1);
        let object = now.get(&one.key);
        let failure = object.and_then(|object| refused_pods(object));
        let pods: Vec<_> = object
            .map(|object| pods_of(now, object))
            .unwrap_or_default();
        let worst = pods
            .iter()
            .find(|pod| explain::state(pod).is_some())
            .or(pods.first());
        match (worst, failure) {
            (_, Some(failure)) => told += &format!(": {failure}"),
            (Some(pod), None) => told += &format!(": {}", self.explain(pod).await),
            (None, None) => {}
        }
        told
    }

    /// Events about an object of that name; none where they may not be read.
    async fn events(&self, name: &str) -> Vec<Value> {
        let about = ListParams::default().fields(&format!("involvedObject.name={name}"));
        self.cluster
            .list("v1", "Event", Some(&self.namespace), &about)
            .await
            .unwrap_or_default()
    }

    /// Why a Job has no pod, as far as events tell: a quota, a policy.
    pub(super) async fn why_no_pod(&self, job: &str) -> String {
        let told = explain::warnings(&self.events(job).await);
        if told.is_empty() {
            "its Job has made no pod".to_owned()
        } else {
            format!("its Job has made no pod: {told}")
        }
    }

    /// All that is known of a pod.
    pub(super) async fn explain(&self, pod: &Value) -> String {
        let (name, events) = (name_of(pod), self.events(&name_of(pod)).await);
        let tail = |previous| LogParams {
            tail_lines: Some(LOG_LINES),
            previous,
            ..LogParams::default()
        };
        let restarted = restarts(pod) > 0;
        // A container that never ran has no log.
        let log = self
            .pods()
            .logs(&name, &tail(restarted))
            .await
            .unwrap_or_default();
        explain::explain(pod, &events, &log)
    }
}

/// A workload that has been applied, and is to become ready as it was applied.
struct Awaited {
    key: (&'static str, String),
    uid: Value,
    generation: u64,
}

impl Awaited {
    fn of(applied: &Value) -> Option<Self> {
        let kinds = ["Pod", "Job", "Deployment", "StatefulSet", "DaemonSet"];
        let kind = kinds.into_iter().find(|kind| applied["kind"] == *kind)?;
        Some(Self {
            key: (kind, name_of(applied)),
            uid: applied["metadata"]["uid"].clone(),
            generation: generation(applied),
        })
    }

    /// Why it is not ready; none if it is.
    fn reason(&self, objects: &Objects) -> Option<String> {
        let Some(object) = objects.get(&self.key) else {
            return Some("it is not there yet".to_owned());
        };
        // A watch may not have heard of what was applied: what it tells then is how ready the last one was.
        if object["metadata"]["uid"] != self.uid || generation(object) < self.generation {
            return Some("its news have not come yet".to_owned());
        }
        let pods: Vec<_> = pods_of(objects, object).into_iter().cloned().collect();
        waits_for(object, &pods)
    }
}

fn generation(object: &Value) -> u64 {
    object["metadata"]["generation"].as_u64().unwrap_or(0)
}

/// Why a workload may have no pods: a quota, a policy.
fn refused_pods(object: &Value) -> Option<&str> {
    let conditions = object["status"]["conditions"].as_array();
    let failure = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == "ReplicaFailure" && condition["status"] == "True");
    failure?["message"].as_str()
}

/// The pods that a workload selects.
#[must_use]
pub(super) fn pods_of<'a>(objects: &'a Objects, object: &Value) -> Vec<&'a Value> {
    let Some(wanted) = object["spec"]["selector"]["matchLabels"]
        .as_object()
        .filter(|wanted| !wanted.is_empty())
    else {
        return Vec::new();
    };
    if object["kind"] == "Service" {
        return Vec::new();
    }
    pods(objects)
        .filter(|pod| {
            wanted
                .iter()
                .all(|(label, value)| pod["metadata"]["labels"][label] == *value)
        })
        .collect()
}

/// How often a pod's containers were started again.
#[must_use]
pub(super) fn restarts(pod: &Value) -> u64 {
    let statuses = pod["status"]["containerStatuses"].as_array();
    statuses
        .into_iter()
        .flatten()
        .filter_map(|status| status["restartCount"].as_u64())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_a_workload_before_it_was_applied_does_not_make_it_ready() {
        let state = |uid: &str, generation: u64| {
            json!({ "kind": "Deployment", "metadata": { "name": "web", "uid": uid, "generation": generation },
                "spec": { "replicas": 1 }, "status": { "observedGeneration": generation, "replicas": 1,
                "updatedReplicas": 1, "availableReplicas": 1 } })
        };
        let awaited = Awaited::of(&state("a", 3)).expect("it is watched");
        let told = |state: Value| {
            awaited.reason(&Objects::from([(("Deployment", "web".to_owned()), state)]))
        };
        assert!(
            told(state("a", 2)).is_some()
                && told(state("b", 3)).is_some()
                && awaited.reason(&Objects::new()).is_some()
        );
        assert!(told(state("a", 3)).is_none() && told(state("a", 4)).is_none());
    }
}
