//! What the cluster says of a run's objects, kept up to date by watching them.

use super::cluster::{Cluster, plain};
use futures_util::StreamExt;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, DynamicObject};
use kube::discovery::ApiResource;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch_objects};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Objects by kind and name.
pub type Objects = BTreeMap<(&'static str, String), Value>;

/// Watches go on until this is dropped. A stream that is cut, or has fallen behind, is begun anew.
pub struct Watched {
    state: watch::Receiver<Objects>,
    _watches: JoinSet<()>,
}

impl Watched {
    /// Watches a run's workloads and pods in a namespace, by the labels that it has put on them, and all nodes.
    #[must_use]
    pub fn begin(cluster: &Cluster, namespace: &str, selector: &str) -> Self {
        let (sender, state) = watch::channel(Objects::new());
        let sender = Arc::new(sender);
        let mut watches = JoinSet::new();
        let kinds: [(&'static str, ApiResource); 5] = [
            ("Pod", ApiResource::erase::<Pod>(&())),
            ("Job", ApiResource::erase::<Job>(&())),
            ("Deployment", ApiResource::erase::<Deployment>(&())),
            ("StatefulSet", ApiResource::erase::<StatefulSet>(&())),
            ("DaemonSet", ApiResource::erase::<DaemonSet>(&())),
        ];
        let ours = watcher::Config::default().labels(selector);
        for (kind, resource) in kinds {
            let api = Api::namespaced_with(cluster.client(), namespace, &resource);
            watches.spawn(follow(kind, api, ours.clone(), Arc::clone(&sender)));
        }
        let nodes = Api::all_with(cluster.client(), &ApiResource::erase::<Node>(&()));
        watches.spawn(follow("Node", nodes, watcher::Config::default(), sender));
        Self { state, _watches: watches }
    }

    /// The objects now.
    #[must_use]
    pub fn now(&self) -> watch::Receiver<Objects> {
        self.state.clone()
    }

    /// Waits until `found` finds something, at most until the deadline.
    pub async fn until<T>(&self, deadline: Instant, mut found: impl FnMut(&Objects) -> Option<T>) -> Option<T> {
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
    objects.iter().filter(|((kind, _), _)| *kind == "Pod").map(|(_, pod)| pod)
}

/// The pod of that name.
#[must_use]
pub fn pod<'a>(objects: &'a Objects, name: &str) -> Option<&'a Value> {
    objects.get(&("Pod", name.to_owned()))
}

/// Whether a pod has come to its end.
#[must_use]
pub fn has_ended(pod: &Value) -> bool {
    matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}

async fn follow(
    kind: &'static str,
    api: Api<DynamicObject>,
    config: watcher::Config,
    sender: Arc<watch::Sender<Objects>>,
) {
    let mut events = watch_objects(api, config).default_backoff().boxed();
    let mut fresh = BTreeMap::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => fresh.clear(),
            Ok(Event::InitApply(object)) => _ = fresh.insert(key(kind, &object), named(kind, &object)),
            Ok(Event::InitDone) => {
                let listed = std::mem::take(&mut fresh);
                sender.send_modify(|objects| {
                    objects.retain(|(known, _), _| *known != kind);
                    objects.extend(listed);
                });
            }
            Ok(Event::Apply(object)) => {
                sender.send_modify(|objects| _ = objects.insert(key(kind, &object), named(kind, &object)));
            }
            Ok(Event::Delete(object)) => sender.send_modify(|objects| _ = objects.remove(&key(kind, &object))),
            Err(error) => tracing::debug!("the watch of {kind} begins anew: {error}"),
        }
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
