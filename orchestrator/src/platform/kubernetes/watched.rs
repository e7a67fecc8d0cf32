//! What the cluster says of a run's objects, kept up to date by watching them.

use super::cluster::{Cluster, ClusterError, PAUSES, code, plain};
use futures_util::StreamExt;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, DynamicObject};
use kube::discovery::ApiResource;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, Error, Event};
use kube::runtime::{WatchStreamExt, watcher as watch_objects};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How many kinds are watched.
const KINDS: usize = 6;

/// Objects by kind and name.
pub type Objects = BTreeMap<(&'static str, String), Value>;

/// Watches go on until this is dropped. A stream that is cut, or has fallen behind, is begun anew.
pub struct Watched {
    state: watch::Receiver<Objects>,
    standing: watch::Receiver<Standing>,
    _watches: JoinSet<()>,
}

/// How the watches stand.
#[derive(Default)]
struct Standing {
    /// Kinds whose objects have been listed.
    listed: BTreeSet<&'static str>,
    /// Why one of them must not be watched.
    refused: Option<ClusterError>,
}

/// Where a watch tells what it hears.
#[derive(Clone)]
struct Told {
    objects: Arc<watch::Sender<Objects>>,
    standing: Arc<watch::Sender<Standing>>,
}

impl Watched {
    /// Watches a run's workloads and pods in a namespace, by the labels that it has put on them, and all nodes.
    #[must_use]
    pub fn begin(cluster: &Cluster, namespace: &str, selector: &str) -> Self {
        let ((objects, state), (standing, stands)) = (
            watch::channel(Objects::new()),
            watch::channel(Standing::default()),
        );
        let told = Told {
            objects: Arc::new(objects),
            standing: Arc::new(standing),
        };
        let mut watches = JoinSet::new();
        let kinds: [(&'static str, ApiResource); KINDS - 1] = [
            ("Pod", ApiResource::erase::<Pod>(&())),
            ("Job", ApiResource::erase::<Job>(&())),
            ("Deployment", ApiResource::erase::<Deployment>(&())),
            ("StatefulSet", ApiResource::erase::<StatefulSet>(&())),
            ("DaemonSet", ApiResource::erase::<DaemonSet>(&())),
        ];
        let ours = watcher::Config::default().labels(selector);
        for (kind, resource) in kinds {
            let api = Api::namespaced_with(cluster.client(), namespace, &resource);
            watches.spawn(follow(kind, api, ours.clone(), told.clone()));
        }
        let nodes = Api::all_with(cluster.client(), &ApiResource::erase::<Node>(&()));
        watches.spawn(follow("Node", nodes, watcher::Config::default(), told));
        Self {
            state,
            standing: stands,
            _watches: watches,
        }
    }

    /// Waits until everything has been listed once.
    ///
    /// # Errors
    /// When something must not be listed or watched, or is not listed by the deadline.
    pub(super) async fn begun(&self, deadline: Instant) -> Result<(), ClusterError> {
        let mut standing = self.standing.clone();
        let begun = standing
            .wait_for(|standing| standing.listed.len() == KINDS || standing.refused.is_some());
        match tokio::time::timeout_at(deadline, begun).await {
            Ok(Ok(standing)) => standing.refused.clone().map_or(Ok(()), Err),
            _ => Err(ClusterError::Reach(
                "it does not list the run's objects".to_owned(),
            )),
        }
    }

    /// The objects now.
    #[must_use]
    pub fn now(&self) -> watch::Receiver<Objects> {
        self.state.clone()
    }

    /// Waits until `found` finds something, at most until the deadline.
    pub async fn until<T>(
        &self,
        deadline: Instant,
        mut found: impl FnMut(&Objects) -> Option<T>,
    ) -> Option<T> {
        let mut state = self.state.clone();
        let mut value = None;
        let told = state.wait_for(|objects| {
            value = found(objects);
            value.is_some()
        });
        drop(tokio::time::timeout_at(deadline, told).await);
        value
    }
}

/// The pods among objects.
pub fn pods(objects: &Objects) -> impl Iterator<Item = &Value> {
    objects
        .iter()
        .filter(|((kind, _), _)| *kind == "Pod")
        .map(|(_, pod)| pod)
}

/// The pod of that name.
#[must_use]
pub fn pod<'a>(objects: &'a Objects, name: &str) -> Option<&'a Value> {
    objects.get(&("Pod", name.to_owned()))
}

/// Whether a pod has come to its end.
#[must_use]
pub fn has_ended(pod: &Value) -> bool {
    matches!(
        pod["status"]["phase"].as_str(),
        Some("Succeeded" | "Failed")
    )
}

async fn follow(kind: &'static str, api: Api<DynamicObject>, config: watcher::Config, told: Told) {
    let mut events = watch_objects(api, config).backoff(Pause::default()).boxed();
    let mut fresh = BTreeMap::new();
    let sender = &told.objects;
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => fresh.clear(),
            Ok(Event::InitApply(object)) => {
                _ = fresh.insert(key(kind, &object), named(kind, &object))
            }
            Ok(Event::InitDone) => {
                let listed = std::mem::take(&mut fresh);
                sender.send_modify(|objects| {
                    objects.retain(|(known, _), _| *known != kind);
                    objects.extend(listed);
                });
                told.standing
                    .send_modify(|standing| _ = standing.listed.insert(kind));
            }
            Ok(Event::Apply(object)) => {
                sender.send_modify(|objects| {
                    _ = objects.insert(key(kind, &object), named(kind, &object))
                });
            }
            Ok(Event::Delete(object)) => {
                sender.send_modify(|objects| _ = objects.remove(&key(kind, &object)))
            }
            Err(error) => {
                tracing::debug!("the watch of {kind} begins anew: {error}");
                if let Some(refused) = refusal(kind, &error) {
                    told.standing
                        .send_modify(|standing| standing.refused = Some(refused));
                }
            }
        }
    }
}

/// What the server says to a watch that it will never allow.
fn refusal(kind: &str, error: &Error) -> Option<ClusterError> {
    let (Error::InitialListFailed(error) | Error::WatchStartFailed(error)) = error else {
        return None;
    };
    matches!(code(error), Some(401 | 403))
        .then(|| ClusterError::refused(&format!("watch objects of kind {kind}"), error))
}

/// The pause before a watch is begun anew. It stays short: what happens meanwhile is not seen.
#[derive(Default)]
struct Pause(u32);

impl Iterator for Pause {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = PAUSES.0.saturating_mul(1 << self.0.min(10)).min(PAUSES.1);
        self.0 = self.0.saturating_add(1);
        Some(pause)
    }
}

impl Backoff for Pause {
    fn reset(&mut self) {
        self.0 = 0;
    }
}

fn key(kind: &'static str, object: &DynamicObject) -> (&'static str, String) {
    (kind, object.metadata.name.clone().unwrap_or_default())
}

/// Objects of a list do not say their kind.
fn named(kind: &str, object: &DynamicObject) -> Value {
    let mut object = plain(object);
    object["kind"] = kind.into();
    object
}
