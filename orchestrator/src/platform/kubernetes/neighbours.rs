//! Other runs on the nodes of this one, whoever's and in whatever namespace: they disturb each other.

use super::cluster::Cluster;
use super::ownership::{RUN_LABEL, RunOwner};
use super::watched::has_ended;
use kube::api::ListParams;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A warning for each; none where pods of other namespaces may not be seen.
pub(super) async fn warnings(cluster: &Cluster, own: &RunOwner, nodes: &[&String]) -> Vec<String> {
    let of_runs = ListParams::default().labels(RUN_LABEL);
    match cluster.list("v1", "Pod", None, &of_runs).await {
        Ok(pods) => others(&pods, own.id(), nodes),
        Err(error) => {
            tracing::debug!("whether other runs share the nodes is not known: failed to {error}");
            Vec::new()
        }
    }
}

fn others(pods: &[Value], own: &str, nodes: &[&String]) -> Vec<String> {
    let mut found: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| !has_ended(pod)) {
        let (metadata, node) = (&pod["metadata"], &pod["spec"]["nodeName"]);
        let (Some(run), Some(namespace), Some(node)) = (
            metadata["labels"][RUN_LABEL].as_str(),
            metadata["namespace"].as_str(),
            node.as_str(),
        ) else {
            continue;
        };
        if run != own && nodes.iter().any(|known| *known == node) {
            found.entry((namespace, run)).or_default().insert(node);
        }
    }
    let tell = |((namespace, run), nodes): ((&str, &str), BTreeSet<&str>)| {
        let nodes: Vec<_> = nodes.into_iter().collect();
        format!(
            "run {run} in namespace {namespace} is under way on {}, too: the two disturb each other",
            nodes.join(", ")
        )
    };
    found.into_iter().map(tell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn runs_of_others_are_told_by_namespace_and_shared_nodes() {
        let pod = |run: &str, namespace: &str, node: &str, phase: &str| {
            json!({ "metadata": { "name": "p", "namespace": namespace, "labels": { RUN_LABEL: run } },
                "spec": { "nodeName": node }, "status": { "phase": phase } })
        };
        let pods = [
            pod("mine", "a", "n1", "Running"),
            pod("theirs", "b", "n2", "Running"),
            pod("theirs", "b", "n1", "Pending"),
            pod("theirs", "b", "n1", "Running"),
            pod("over", "c", "n1", "Succeeded"),
            pod("far", "d", "n9", "Running"),
        ];
        let (n1, n2) = ("n1".to_owned(), "n2".to_owned());
        assert_eq!(
            others(&pods, "mine", &[&n1, &n2]),
            ["run theirs in namespace b is under way on n1, n2, too: the two disturb each other"]
        );
        assert_eq!(others(&pods, "theirs", &[&n2]), Vec::<String>::new());
    }
}
