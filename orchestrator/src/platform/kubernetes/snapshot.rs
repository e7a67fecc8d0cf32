//! A cluster as `aefm auto-config` and `aefm doctor` see it: plain data, so that what they make of it needs no cluster.

use super::cluster::{Cluster, ClusterError, name_of};
use super::found::{self, Found, Target};
use super::sources::services;
use super::survey::{SurveyError, by_name, closed_because, is_forbidden};
use crate::amount;
use crate::experiment::kubernetes::Toleration;
use kube::api::ListParams;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The label by which the user says what a node is for: `testbed`, `infra` or `load`.
pub const ROLE_LABEL: &str = "aefm.io/role";

/// A cluster at an instant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Minor version of its server, as in 1.34.
    pub minor: u32,
    /// Its nodes, by name.
    pub nodes: Vec<Node>,
    /// Services that may lead to a Prometheus.
    pub prometheus: Vec<Found>,
    /// Services that may lead to a Jaeger.
    pub jaeger: Vec<Found>,
    /// What it would not tell, and why.
    pub unknown: Vec<String>,
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its InternalIP.
    pub address: Option<String>,
    /// What the user says it is for.
    pub role: Option<String>,
    /// Whether it is labelled as one of the control plane's.
    pub control_plane: bool,
    /// Why it takes no pods, if it takes none.
    pub closed: Option<String>,
    /// All that it has.
    pub capacity: Room,
    /// What pods may have.
    pub allocatable: Room,
    /// What pods there have asked for; none where the cluster does not say.
    pub asked: Option<Room>,
    /// Names of images that it holds (its kubelet tells of the 50 largest).
    pub images: Vec<String>,
}

/// Cores and memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Room {
    /// Cores.
    pub cpu: f64,
    /// Bytes.
    pub memory: f64,
}

impl Node {
    /// What is left for more pods.
    #[must_use]
    pub fn free(&self) -> Room {
        self.allocatable.without(self.asked.unwrap_or_default())
    }

    /// Whether another node has the same capacity, within the little that kernels differ by.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        let near = |one: f64, other: f64, share: f64| (one - other).abs() <= share * one.max(other);
        near(self.capacity.cpu, other.capacity.cpu, 0.001)
            && near(self.capacity.memory, other.capacity.memory, 0.03)
    }
}

impl Room {
    /// The sum.
    #[must_use]
    pub fn with(self, more: Self) -> Self {
        Self {
            cpu: self.cpu + more.cpu,
            memory: self.memory + more.memory,
        }
    }

    /// What is left, none where more is taken than there is.
    #[must_use]
    pub fn without(self, taken: Self) -> Self {
        Self {
            cpu: (self.cpu - taken.cpu).max(0.0),
            memory: (self.memory - taken.memory).max(0.0),
        }
    }

    fn most(self, other: Self) -> Self {
        Self {
            cpu: self.cpu.max(other.cpu),
            memory: self.memory.max(other.memory),
        }
    }

    /// In a map of resources.
    #[must_use]
    pub fn of(resources: &Value) -> Self {
        let amount = |name: &str| amount::of(&resources[name]).unwrap_or_default();
        Self {
            cpu: amount("cpu"),
            memory: amount("memory"),
        }
    }
}

impl std::fmt::Display for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let cores = format!("{:.2}", self.cpu);
        let cores = cores.trim_end_matches('0').trim_end_matches('.');
        write!(f, "{cores} cores and {}", show_memory(self.memory))
    }
}

/// An amount of memory, for people: what pods ask for is told in MiB, what nodes have in GiB.
#[must_use]
pub fn show_memory(bytes: f64) -> String {
    const GIB: f64 = 1_073_741_824.0;
    if bytes < 10.0 * GIB {
        format!("{:.0} MiB", bytes / GIB * 1024.0)
    } else {
        format!("{:.1} GiB", bytes / GIB)
    }
}

impl Snapshot {
    /// Asks a cluster. What it will not tell beyond its nodes is named, and does without; nodes that may not be listed are
    /// asked for by their names. Beside it, the Services that it was made of, or why they are not known.
    ///
    /// # Errors
    /// When it does not tell its nodes.
    pub async fn take(
        cluster: &Cluster,
        named: &[String],
        stood: &[Toleration],
    ) -> Result<(Self, Result<Vec<Value>, String>), SurveyError> {
        let all = ListParams::default();
        let mut unknown = Vec::new();
        let nodes = match cluster.list("v1", "Node", None, &all).await {
            Ok(nodes) => nodes,
            Err(error) if is_forbidden(&error) && !named.is_empty() => {
                unknown.push(error.to_string());
                by_name(cluster, named).await?.0
            }
            Err(error) if is_forbidden(&error) => return Err(SurveyError::Unlisted(error)),
            Err(error) => return Err(error.into()),
        };
        let mut told = |answer: Result<Vec<Value>, ClusterError>| {
            answer
                .map_err(|error| error.to_string())
                .inspect_err(|reason| unknown.push(reason.clone()))
        };
        let pods = told(cluster.list("v1", "Pod", None, &all).await);
        let services = told(services(cluster).await);
        let known = services.as_deref().unwrap_or_default();
        let snapshot = Self::of(&nodes, pods.as_deref().ok(), known, stood);
        Ok((
            Self {
                minor: cluster.server_minor,
                unknown,
                ..snapshot
            },
            services,
        ))
    }

    /// From the cluster's objects; without pods it is not known what they have asked for.
    #[must_use]
    pub fn of(
        nodes: &[Value],
        pods: Option<&[Value]>,
        services: &[Value],
        stood: &[Toleration],
    ) -> Self {
        let mut asked: BTreeMap<&str, Room> = BTreeMap::new();
        for pod in pods
            .unwrap_or_default()
            .iter()
            .filter(|pod| !super::watched::has_ended(pod))
        {
            let sum = asked
                .entry(pod["spec"]["nodeName"].as_str().unwrap_or_default())
                .or_default();
            *sum = sum.with(pod_asks(&pod["spec"]));
        }
        let asked_of = |name: &str| pods.map(|_| asked.get(name).copied().unwrap_or_default());
        let mut nodes: Vec<_> = nodes
            .iter()
            .map(|node| node_of(node, asked_of(&name_of(node)), stood))
            .collect();
        nodes.sort_by(|one, other| one.name.cmp(&other.name));
        let candidates = |target| found::candidates(target, services);
        Self {
            nodes,
            prometheus: candidates(Target::Prometheus),
            jaeger: candidates(Target::Jaeger),
            ..Self::default()
        }
    }

    /// Nodes that take pods.
    pub fn open(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.closed.is_none())
    }

    /// The node of that name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == name)
    }
}

fn node_of(node: &Value, asked: Option<Room>, stood: &[Toleration]) -> Node {
    let (labels, status) = (&node["metadata"]["labels"], &node["status"]);
    let texts = |list: &Value| list.as_array().cloned().unwrap_or_default();
    let internal = texts(&status["addresses"])
        .into_iter()
        .find(|address| address["type"] == "InternalIP");
    let control = [
        "node-role.kubernetes.io/control-plane",
        "node-role.kubernetes.io/master",
    ];
    let images = texts(&status["images"])
        .into_iter()
        .flat_map(|image| texts(&image["names"]));
    Node {
        name: name_of(node),
        address: internal.and_then(|address| address["address"].as_str().map(str::to_owned)),
        role: labels[ROLE_LABEL].as_str().map(str::to_owned),
        control_plane: control.iter().any(|label| !labels[*label].is_null()),
        closed: closed_because(node, stood),
        capacity: Room::of(&status["capacity"]),
        allocatable: Room::of(&status["allocatable"]),
        asked,
        images: images
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect(),
    }
}

/// What the scheduler counts for a pod: all containers and those that start beside them, or the largest that starts
/// before them, and the pod's own overhead.
#[must_use]
pub fn pod_asks(spec: &Value) -> Room {
    let containers = |kind: &str| spec[kind].as_array().cloned().unwrap_or_default();
    let asks = |container: &Value| {
        // What is not asked for is what is limited.
        let resources = &container["resources"];
        let (asked, limit) = (
            Room::of(&resources["requests"]),
            Room::of(&resources["limits"]),
        );
        let has = |name: &str| !resources["requests"][name].is_null();
        Room {
            cpu: if has("cpu") { asked.cpu } else { limit.cpu },
            memory: if has("memory") {
                asked.memory
            } else {
                limit.memory
            },
        }
    };
    let beside = |container: &Value| container["restartPolicy"] == "Always";
    let (sidecars, before): (Vec<_>, Vec<_>) =
        containers("initContainers").into_iter().partition(beside);
    let sum = |of: &[Value]| of.iter().map(asks).fold(Room::default(), Room::with);
    let running = sum(&containers("containers")).with(sum(&sidecars));
    before
        .iter()
        .map(asks)
        .fold(running, Room::most)
        .with(Room::of(&spec["overhead"]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn container(cpu: &str, memory: &str) -> Value {
        json!({ "resources": { "requests": { "cpu": cpu, "memory": memory } } })
    }

    #[test]
    fn a_pod_asks_for_what_the_scheduler_counts() {
        let mut spec =
            json!({ "containers": [container("500m", "1Gi"), container("0.25", "1Gi")] });
        assert_eq!(
            pod_asks(&spec),
            Room {
                cpu: 0.75,
                memory: 2_147_483_648.0
            }
        );
        spec["initContainers"] = json!([container("2", "1Mi")]);
        assert_eq!(
            pod_asks(&spec),
            Room {
                cpu: 2.0,
                memory: 2_147_483_648.0
            }
        );
        let mut sidecar = container("1", "0");
        sidecar["restartPolicy"] = json!("Always");
        spec["initContainers"] = json!([sidecar]);
        spec["overhead"] = json!({ "cpu": "250m" });
        assert_eq!(pod_asks(&spec).cpu, 2.0);
        let limited = json!({ "containers": [{ "resources": { "limits": { "cpu": "3" } } }] });
        assert_eq!(pod_asks(&limited).cpu, 3.0);
    }

    #[test]
    fn a_node_has_free_what_nobody_asked_for() {
        let ready = json!([{ "type": "Ready", "status": "True" }]);
        let node = json!({ "metadata": { "name": "n1", "labels": { ROLE_LABEL: "testbed", "node-role.kubernetes.io/control-plane": "" } },
            "status": { "conditions": ready, "capacity": { "cpu": "4", "memory": "16384Ki" }, "allocatable": { "cpu": "3920m", "memory": "15M" },
                "addresses": [{ "type": "Hostname", "address": "n1" }, { "type": "InternalIP", "address": "10.0.0.1" }],
                "images": [{ "names": ["a@sha256:1", "a:1"] }] } });
        let pod = |phase: &str, on: &str| json!({ "spec": { "nodeName": on, "containers": [container("1", "5M")] }, "status": { "phase": phase } });
        let pods = [
            pod("Running", "n1"),
            pod("Succeeded", "n1"),
            pod("Pending", "n1"),
            pod("Running", "n2"),
        ];
        let snapshot = Snapshot::of(std::slice::from_ref(&node), Some(&pods), &[], &[]);
        let n1 = snapshot.node("n1").expect("it is there");
        assert!(
            (n1.free().cpu - 1.92).abs() < 1e-9 && (n1.free().memory - 5e6).abs() < 1.0,
            "{n1:?}"
        );
        assert_eq!(
            (n1.address.as_deref(), n1.role.as_deref()),
            (Some("10.0.0.1"), Some("testbed"))
        );
        assert_eq!(
            (n1.control_plane, n1.images.len(), n1.closed.clone()),
            (true, 2, None)
        );
        let without = Snapshot::of(&[node], None, &[], &[]);
        assert_eq!(
            (without.nodes[0].asked, without.nodes[0].free().cpu),
            (None, 3.92)
        );
    }

    #[test]
    fn small_amounts_of_memory_are_not_nothing() {
        let room = |memory| Room { cpu: 0.1, memory }.to_string();
        assert_eq!(room(52_428_800.0), "0.1 cores and 50 MiB");
        assert_eq!(room(34_359_738_368.0), "0.1 cores and 32.0 GiB");
    }

    #[test]
    fn a_snapshot_comes_back_from_json() {
        let snapshot = Snapshot {
            minor: 34,
            unknown: vec!["x".into()],
            ..Snapshot::default()
        };
        let text = serde_json::to_string(&snapshot).expect("it can be written");
        assert_eq!(
            serde_json::from_str::<Snapshot>(&text).expect("it can be read"),
            snapshot
        );
    }
}
