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

/// Which nodes may be watched.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Sight {
    /// All of the cluster's.
    #[default]
    All,
    /// Those of these names.
    Named(Vec<String>),
    /// None. These are what is known of those that matter, and nothing is heard of them later.
    None(Vec<Value>),
}

/// Stands among objects where not all nodes are watched: one that is not there may be all the same.
const SOME_NODES: (&str, &str) = ("Sight", "some nodes");

/// Objects by kind and name.
pub type Objects = BTreeMap<(&'static str, String), Value>;

/// Watches go on until this is dropped. A stream that is cut, or has fallen behind, is begun anew.
pub struct Watched {
    state: watch::Receiver<Objects>,
    standing: watch::Receiver<Standing>,
    /// How many watches there are.
    count: usize,
    _watches: JoinSet<()>,
}

/// How the watches stand.
#[derive(Default)]
struct Standing {
    /// Watches whose objects have been listed.
    listed: BTreeSet<usize>,
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
    /// Watches a run's workloads and pods in a namespace, by the labels that it has put on them, and the nodes that may be
    /// seen.
    #[must_use]
    pub fn begin(cluster: &Cluster, namespace: &str, selector: &str, sight: &Sight) -> Self {
        let ((objects, state), (standing, stands)) = (
            watch::channel(unwatched(sight)),
            watch::channel(Standing::default()),
        );
        let told = Told {
            objects: Arc::new(objects),
            standing: Arc::new(standing),
        };
        let kinds: [(&'static str, ApiResource); 5] = [
            ("Pod", ApiResource::erase::<Pod>(&())),
            ("Job", ApiResource::erase::<Job>(&())),
            ("Deployment", ApiResource::erase::<Deployment>(&())),
            ("StatefulSet", ApiResource::erase::<StatefulSet>(&())),
            ("DaemonSet", ApiResource::erase::<DaemonSet>(&())),
        ];
        let ours = watcher::Config::default().labels(selector);
        let mut wanted: Vec<Watch> = kinds
            .into_iter()
            .map(|(kind, resource)| {
                let api = Api::namespaced_with(cluster.client(), namespace, &resource);
                Watch::new(kind, api, ours.clone())
            })
            .collect();
        let nodes = || Api::all_with(cluster.client(), &ApiResource::erase::<Node>(&()));
        match sight {
            Sight::All => wanted.push(Watch::new("Node", nodes(), watcher::Config::default())),
            Sight::Named(names) => wanted.extend(names.iter().map(|name| {
                let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
                Watch {
                    only: Some(name.clone()),
                    ..Watch::new("Node", nodes(), config)
                }
            })),
            Sight::None(_) => {}
        }
        let (count, mut watches) = (wanted.len(), JoinSet::new());
        for (number, wanted) in wanted.into_iter().enumerate() {
            watches.spawn(wanted.follow(number, told.clone()));
        }
        Self {
            state,
            standing: stands,
            count,
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
            .wait_for(|standing| standing.listed.len() == self.count || standing.refused.is_some());
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

/// Whether a node that is not among objects is not there: some may only be out of sight.
#[must_use]
pub(super) fn all_nodes_are_seen(objects: &Objects) -> bool {
    !objects.contains_key(&(SOME_NODES.0, SOME_NODES.1.to_owned()))
}

/// What is taken for granted of nodes that are not watched.
fn unwatched(sight: &Sight) -> Objects {
    let mut objects = Objects::new();
    if *sight != Sight::All {
        objects.insert((SOME_NODES.0, SOME_NODES.1.to_owned()), Value::Null);
    }
    if let Sight::None(nodes) = sight {
        let node = |node: &Value| (("Node", super::cluster::name_of(node)), node.clone());
        objects.extend(nodes.iter().map(node));
    }
    objects
}

/// Objects of one kind to be followed.
struct Watch {
    kind: &'static str,
    /// The one object that is looked at, where it is one.
    only: Option<String>,
    api: Api<DynamicObject>,
    config: watcher::Config,
}

impl Watch {
    const fn new(kind: &'static str, api: Api<DynamicObject>, config: watcher::Config) -> Self {
        Self {
            kind,
            only: None,
            api,
            config,
        }
    }

    async fn follow(self, number: usize, told: Told) {
        let Self {
            kind,
            only,
            api,
            config,
        } = self;
        let mut events = watch_objects(api, config).backoff(Pause::default()).boxed();
        let mut fresh = BTreeMap::new();
        let sender = &told.objects;
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => fresh.clear(),
                Ok(Event::InitApply(object)) => {
                    _ = fresh.insert(key(kind, &object), named(kind, &object));
                }
                Ok(Event::InitDone) => {
                    let listed = std::mem::take(&mut fresh);
                    let is_of_another = |name: &str| only.as_deref().is_some_and(|own| own != name);
                    sender.send_modify(|objects| {
                        objects.retain(|(known, name), _| *known != kind || is_of_another(name));
                        objects.extend(listed);
                    });
                    told.standing
                        .send_modify(|standing| _ = standing.listed.insert(number));
                }
                Ok(Event::Apply(object)) => {
                    sender.send_modify(|objects| {
                        _ = objects.insert(key(kind, &object), named(kind, &object));
                    });
                }
                Ok(Event::Delete(object)) => {
                    sender.send_modify(|objects| _ = objects.remove(&key(kind, &object)));
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
