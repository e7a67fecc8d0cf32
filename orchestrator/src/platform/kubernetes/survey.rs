//! The cluster before a run: its nodes and what they are there for.

use super::cluster::{Cluster, ClusterError, name_of};
use super::watched::{Objects, Sight};
use crate::amount;
use crate::experiment::kubernetes::{Kubernetes, Nodes, Roles, Toleration};
use kube::api::ListParams;
use serde_json::{Value, json};
use std::sync::Arc;

/// Why a cluster cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    /// It does not say what we ask.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// No node has a role.
    #[error("find a node for `{role}`: {wanted}; of the cluster's nodes, {known}")]
    NoNode {
        /// The role.
        role: &'static str,
        /// What was asked for.
        wanted: String,
        /// The nodes there are, with why each takes no pods if it takes none.
        known: String,
    },
    /// Nodes may not be listed, and none is named.
    #[error(
        "find nodes: {0}; name them in `kubernetes.nodes` (`testbed`, `infra`, `load`), which needs no right to list them"
    )]
    Unlisted(ClusterError),
    /// A node that was named is not there.
    #[error("find node {0}: the cluster has none of that name")]
    NoSuchNode(String),
}

/// A cluster that can be used, and its nodes by role.
#[derive(Clone)]
pub struct Survey {
    /// The connection.
    pub cluster: Arc<Cluster>,
    /// Nodes of components under test and of stressors.
    pub testbed: Vec<String>,
    /// Nodes of infrastructure.
    pub infra: Vec<String>,
    /// Nodes of load and receiver.
    pub load: Vec<String>,
    /// Whole cores of the smallest testbed node.
    pub cores: usize,
    /// Which nodes may be watched.
    pub sight: Sight,
    nodes: Vec<Value>,
}

impl Survey {
    /// Connects to the cluster and looks at its nodes.
    ///
    /// # Errors
    /// When it cannot be reached, or a role has no node.
    pub async fn make(experiment: &Kubernetes) -> Result<Self, SurveyError> {
        let cluster = Arc::new(Cluster::connect(experiment.context.as_deref()).await?);
        Self::on(cluster, experiment).await
    }

    /// Looks at the nodes of a cluster.
    ///
    /// # Errors
    /// When it does not tell them, or a role has no node.
    pub async fn on(cluster: Arc<Cluster>, experiment: &Kubernetes) -> Result<Self, SurveyError> {
        let (nodes, sight) = see(&cluster, &experiment.nodes).await?;
        let stood = &experiment.tolerations;
        let usable: Vec<_> = nodes
            .iter()
            .filter(|node| closed_because(node, stood).is_none())
            .cloned()
            .collect();
        let roles = &experiment.nodes;
        let choose = |role, wanted| choose(&cluster, role, wanted, &nodes, stood);
        let testbed = choose("testbed", &roles.testbed).await?;
        let infra = choose("infra", &roles.infra).await?;
        let mut load = choose("load", &roles.load).await?;
        if roles.load == Nodes::All {
            // Load disturbs what it measures where it shares a node with it.
            let apart: Vec<_> = load
                .iter()
                .filter(|node| !testbed.contains(node))
                .cloned()
                .collect();
            load = if apart.is_empty() { load } else { apart };
        }
        let on_testbed = usable
            .iter()
            .filter(|node| testbed.contains(&name_of(node)));
        let cores = on_testbed
            .clone()
            .filter_map(|node| cores_of(&node["status"]["allocatable"]["cpu"]))
            .min()
            .unwrap_or(1);
        let nodes = on_testbed.cloned().collect();
        Ok(Self {
            cluster,
            testbed,
            infra,
            load,
            cores,
            sight,
            nodes,
        })
    }

    /// What the cluster says of the testbed's nodes, as far as it does.
    #[must_use]
    pub(super) fn nodes(&self) -> &[Value] {
        &self.nodes
    }

    /// Whether load and components under test share a node.
    #[must_use]
    pub fn shared(&self) -> bool {
        self.load.iter().any(|node| self.testbed.contains(node))
    }

    /// Which nodes that are needed are away, and why: all of the testbed, since another testbed is another experiment, and
    /// one for load.
    #[must_use]
    pub(super) fn lacks(&self, objects: &Objects) -> Option<String> {
        let away = |name: &String| match objects.get(&("Node", name.clone())) {
            Some(node) => {
                unready_because(node).map(|why| format!("node {name} is not ready: {why}"))
            }
            None => Some(format!("node {name} is gone")),
        };
        let load: Option<Vec<_>> = self.load.iter().map(away).collect();
        self.testbed
            .iter()
            .find_map(away)
            .or_else(|| load.map(|all| all.join("; ")))
    }

    /// What `run.json` tells of it.
    #[must_use]
    pub fn describe(&self) -> Value {
        let node = |node: &Value| {
            let (info, there) = (&node["status"]["nodeInfo"], &node["status"]["allocatable"]);
            json!({ "name": name_of(node), "cpu": there["cpu"], "memory": there["memory"], "kernel": info["kernelVersion"],
                "kubelet": info["kubeletVersion"], "runtime": info["containerRuntimeVersion"], "architecture": info["architecture"] })
        };
        let nodes: Vec<_> = self.nodes.iter().map(node).collect();
        json!({ "kubernetes": format!("1.{}", self.cluster.server_minor), "testbed": nodes, "infra": self.infra, "load": self.load })
    }
}

/// The cluster's nodes: all, or where they may not be listed, those that the experiment names. Of one that may not even
/// be looked at, its name is taken on trust.
async fn see(cluster: &Cluster, roles: &Roles) -> Result<(Vec<Value>, Sight), SurveyError> {
    let refused = match cluster
        .list("v1", "Node", None, &ListParams::default())
        .await
    {
        Ok(nodes) => return Ok((nodes, Sight::All)),
        Err(error) if is_forbidden(&error) => error,
        Err(error) => return Err(error.into()),
    };
    let names = roles.mentioned();
    if names.is_empty() {
        return Err(SurveyError::Unlisted(refused));
    }
    let (nodes, all_seen) = by_name(cluster, &names).await?;
    // A right to some nodes by name is one to watch them, too, if it says so.
    let one = ListParams::default().fields(&format!("metadata.name={}", names[0]));
    let watched = all_seen && cluster.list("v1", "Node", None, &one).await.is_ok();
    let sight = if watched {
        Sight::Named(names)
    } else {
        Sight::None(nodes.clone())
    };
    Ok((nodes, sight))
}

/// Nodes by their names, and whether the cluster told of all of them.
pub(super) async fn by_name(
    cluster: &Cluster,
    names: &[String],
) -> Result<(Vec<Value>, bool), SurveyError> {
    let (mut nodes, mut all_seen) = (Vec::new(), true);
    for name in names {
        let named = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": name } });
        match cluster.get(&named).await {
            Ok(Some(node)) => nodes.push(node),
            Ok(None) => return Err(SurveyError::NoSuchNode(name.clone())),
            Err(error) if is_forbidden(&error) => {
                all_seen = false;
                nodes.push(on_trust(name));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok((nodes, all_seen))
}

pub(super) fn is_forbidden(error: &ClusterError) -> bool {
    matches!(
        error,
        ClusterError::Refused {
            code: Some(403),
            ..
        }
    )
}

/// A node of which only the name is known.
fn on_trust(name: &str) -> Value {
    json!({ "kind": "Node", "metadata": { "name": name },
        "status": { "conditions": [{ "type": "Ready", "status": "True" }] } })
}

async fn choose(
    cluster: &Cluster,
    role: &'static str,
    wanted: &Nodes,
    nodes: &[Value],
    stood: &[Toleration],
) -> Result<Vec<String>, SurveyError> {
    let known: Vec<_> = nodes
        .iter()
        .filter(|node| closed_because(node, stood).is_none())
        .map(name_of)
        .collect();
    let (chosen, asked) = match wanted {
        Nodes::All => (known.clone(), "all are asked for".to_owned()),
        Nodes::Named(names) => {
            let missing: Vec<_> = names
                .iter()
                .filter(|name| !known.contains(name))
                .cloned()
                .collect();
            let chosen = if missing.is_empty() {
                names.clone()
            } else {
                Vec::new()
            };
            (chosen, format!("{} is asked for", missing.join(", ")))
        }
        Nodes::Selected(selector) => {
            let selected = cluster
                .list("v1", "Node", None, &ListParams::default().labels(selector))
                .await?;
            let names = selected
                .iter()
                .map(name_of)
                .filter(|name| known.contains(name))
                .collect();
            (names, format!("the label selector {selector} is asked for"))
        }
    };
    if chosen.is_empty() {
        Err(SurveyError::NoNode {
            role,
            wanted: asked,
            known: tell(nodes, stood),
        })
    } else {
        Ok(chosen)
    }
}

fn tell(nodes: &[Value], stood: &[Toleration]) -> String {
    tell_open(
        nodes
            .iter()
            .map(|node| (name_of(node), closed_because(node, stood))),
    )
    .unwrap_or("there is none".to_owned())
}

/// `node-1 takes pods, node-2 does not (disk-pressure)` of names and why each takes none; nothing where there is no node.
pub fn tell_open(nodes: impl Iterator<Item = (String, Option<String>)>) -> Option<String> {
    let told = nodes.map(|(name, closed)| match closed {
        None => format!("{name} takes pods"),
        Some(why) => format!("{name} does not ({why})"),
    });
    let told: Vec<_> = told.collect();
    (!told.is_empty()).then(|| told.join(", "))
}

/// Why a node takes no pods that stand these taints; `None` where it is ready and open for them.
pub(super) fn closed_because(node: &Value, stood: &[Toleration]) -> Option<String> {
    let taints = node["spec"]["taints"].as_array();
    let closing = taints
        .into_iter()
        .flatten()
        .filter(|taint| taint["effect"] != "PreferNoSchedule")
        .find(|taint| !stood.iter().any(|one| one.stands(taint)));
    if let Some(why) = unready_because(node) {
        Some(why)
    } else if node["spec"]["unschedulable"] == true {
        Some("cordoned".to_owned())
    } else {
        closing.map(|taint| format!("tainted: {}", taint["key"].as_str().unwrap_or("by nobody")))
    }
}

/// Why a node is not ready; `None` where it is.
#[must_use]
pub(super) fn unready_because(node: &Value) -> Option<String> {
    let conditions = node["status"]["conditions"].as_array();
    let ready = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == "Ready");
    if ready.is_some_and(|ready| ready["status"] == "True") {
        return None;
    }
    Some(
        ready
            .and_then(|it| it["message"].as_str())
            .unwrap_or("it never said that it is ready")
            .to_owned(),
    )
}

/// Whole cores of an amount, at least one.
fn cores_of(amount: &Value) -> Option<usize> {
    let cores = amount::of(amount).filter(|cores| *cores > 0.0)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of cores"
    )]
    Some((cores.floor() as usize).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_come_in_any_form() {
        for (amount, cores) in [
            ("4", Some(4)),
            ("3920m", Some(3)),
            ("0.5", Some(1)),
            ("many", None),
            ("-1", None),
        ] {
            assert_eq!(cores_of(&json!(amount)), cores, "{amount}");
        }
    }

    #[test]
    fn nodes_that_take_no_pods_are_left_out_and_told_with_the_reason() {
        let ready = json!([{ "type": "Ready", "status": "True" }]);
        let node = |name: &str, spec: Value| json!({ "metadata": { "name": name }, "spec": spec, "status": { "conditions": ready } });
        let open = node("a", json!({ "taints": [{ "effect": "PreferNoSchedule" }] }));
        let full = node(
            "b",
            json!({ "taints": [{ "key": "disk-pressure", "effect": "NoSchedule" }] }),
        );
        let cordoned = node("c", json!({ "unschedulable": true }));
        let away = json!([{ "type": "Ready", "status": "Unknown", "message": "Kubelet stopped posting node status." }]);
        let lost = json!({ "metadata": { "name": "d" }, "status": { "conditions": away } });
        let (new, none) = (json!({ "metadata": { "name": "e" } }), tell(&[], &[]));
        assert_eq!(closed_because(&node("f", json!({})), &[]), None);
        assert_eq!(
            tell(&[open, full.clone(), cordoned, lost, new], &[]),
            "a takes pods, b does not (tainted: disk-pressure), c does not (cordoned), \
             d does not (Kubelet stopped posting node status.), e does not (it never said that it is ready)"
        );
        assert_eq!(none, "there is none");
        let stood = Toleration {
            operator: "Exists",
            ..Toleration::default()
        };
        assert_eq!(closed_because(&full, &[stood]), None);
    }
}
