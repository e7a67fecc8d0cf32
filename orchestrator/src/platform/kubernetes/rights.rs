//! What the platform does in a cluster, as rights: the one list that `aefm doctor` asks the API server about, and that
//! RBAC manifests are written from. Whoever adds a call to the API adds its verb here.
//!
//! What is made needs `create`, and what is changed after that `patch`; `get` tells whether a name is taken. Streams (`attach`, `portforward`)
//! begin with a GET where they are websockets, and servers from 1.35 ask for `create` there, too. To find out which kinds
//! there are, and about rights of one's own, every user that is logged in may already.

use super::sources::Findings;
use crate::experiment::Experiment;
use crate::experiment::kubernetes::{Entrance, Metrics, Source};

/// Where a right must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// In the whole cluster, or for objects that have no namespace.
    Cluster,
    /// In the experiment's namespace.
    Namespace,
}

/// What a right is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// Any run.
    Run,
    /// Nodes that are not all named.
    Nodes,
    /// Figures of containers, by an account of the root's own.
    Metrics,
    /// `kubernetes.metrics: nodes-proxy`.
    NodesProxy,
    /// A namespace that is not there yet.
    MakeNamespace,
    /// The real applications of the catalogue, or manifests of the user's own.
    Deploy,
    /// Objects of these that have no namespace.
    Anchor,
    /// A Prometheus or Jaeger that is to be found in the cluster.
    Find,
    /// `kubernetes.entrance: ingress`.
    Ingress,
    /// `aefm auto-config` and `aefm doctor`; without it they know less and say so.
    Look,
}

/// Some verbs on a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Right {
    /// What it is needed for.
    pub need: Need,
    /// Where it must hold.
    pub reach: Reach,
    /// The resource's group, "" for the core.
    pub group: &'static str,
    /// The resource, `pods/log` for a subresource.
    pub resource: &'static str,
    /// The verbs.
    pub verbs: &'static [&'static str],
    /// What it is for, in words: reading on from "to".
    pub purpose: &'static str,
}

/// Verbs for an object that is applied, looked at again and removed.
pub const APPLIED: &[&str] = &["get", "create", "patch", "delete"];
/// The same for kinds that are watched.
const APPLIED_AND_WATCHED: &[&str] = &["get", "list", "watch", "create", "patch", "delete"];
const WATCHED: &[&str] = &["list", "watch"];
/// Verbs for a websocket.
const STREAMED: &[&str] = &["get", "create"];

const fn right(
    need: Need,
    reach: Reach,
    (group, resource): (&'static str, &'static str),
    verbs: &'static [&'static str],
    purpose: &'static str,
) -> Right {
    Right {
        need,
        reach,
        group,
        resource,
        verbs,
        purpose,
    }
}

/// All of them.
pub const RIGHTS: &[Right] = &[
    right(
        Need::Nodes,
        Reach::Cluster,
        ("", "nodes"),
        WATCHED,
        "know the nodes, and that they stay ready",
    ),
    right(
        Need::NodesProxy,
        Reach::Cluster,
        ("", "nodes/proxy"),
        &["get"],
        "read containers' CPU and memory, and by the way run commands in any pod",
    ),
    right(
        Need::Metrics,
        Reach::Namespace,
        ("", "serviceaccounts"),
        &["get"],
        "see whether there is an account that reads containers' CPU and memory",
    ),
    right(
        Need::Run,
        Reach::Namespace,
        ("", "namespaces"),
        &["get"],
        "see whether the namespace is there",
    ),
    right(
        Need::Run,
        Reach::Namespace,
        ("batch", "jobs"),
        APPLIED_AND_WATCHED,
        "run the run's root and its load",
    ),
    right(
        Need::Run,
        Reach::Namespace,
        ("", "pods"),
        APPLIED_AND_WATCHED,
        "run stressors, and watch all pods",
    ),
    right(
        Need::Run,
        Reach::Namespace,
        ("", "pods/log"),
        &["get"],
        "read what load and stressors report",
    ),
    right(
        Need::Run,
        Reach::Namespace,
        ("", "pods/attach"),
        STREAMED,
        "steer stressors",
    ),
    right(
        Need::Run,
        Reach::Namespace,
        ("", "pods/portforward"),
        STREAMED,
        "fetch spans and tables, and enter",
    ),
    right(
        Need::Run,
        Reach::Namespace,
        ("", "events"),
        &["list"],
        "say why a pod is not ready",
    ),
    right(
        Need::Run,
        Reach::Namespace,
        ("", "services"),
        APPLIED,
        "make the application's Services",
    ),
    right(
        Need::Run,
        Reach::Namespace,
        ("apps", "deployments"),
        APPLIED_AND_WATCHED,
        "make the application's workloads",
    ),
    right(
        Need::Run,
        Reach::Namespace,
        ("apps", "statefulsets"),
        WATCHED,
        "wait until all workloads are ready",
    ),
    right(
        Need::Run,
        Reach::Namespace,
        ("apps", "daemonsets"),
        WATCHED,
        "wait until all workloads are ready",
    ),
    right(
        Need::MakeNamespace,
        Reach::Cluster,
        ("", "namespaces"),
        &["create"],
        "make the namespace",
    ),
    right(
        Need::Deploy,
        Reach::Namespace,
        ("", "persistentvolumeclaims"),
        APPLIED,
        "give stores their volumes",
    ),
    right(
        Need::Deploy,
        Reach::Cluster,
        ("", "persistentvolumes"),
        APPLIED,
        "give stores their volumes",
    ),
    right(
        Need::Anchor,
        Reach::Cluster,
        ("node.k8s.io", "runtimeclasses"),
        &["get", "list", "create", "patch", "delete"],
        "own what of the run has no namespace, and know it after a kill (this one does nothing)",
    ),
    right(
        Need::Find,
        Reach::Cluster,
        ("", "services"),
        &["list"],
        "find a Prometheus or Jaeger that runs in the cluster",
    ),
    right(
        Need::Find,
        Reach::Cluster,
        ("", "services/proxy"),
        &["get", "create"],
        "ask it through the API server",
    ),
    right(
        Need::Ingress,
        Reach::Namespace,
        ("networking.k8s.io", "ingresses"),
        &["list"],
        "enter by an Ingress",
    ),
    right(
        Need::Look,
        Reach::Cluster,
        ("", "pods"),
        &["list"],
        "know what runs on each node already",
    ),
    right(
        Need::Look,
        Reach::Namespace,
        ("", "resourcequotas"),
        &["list"],
        "compare what pods ask for with the namespace's quotas",
    ),
    right(
        Need::Look,
        Reach::Namespace,
        ("", "limitranges"),
        &["list"],
        "know what pods are given that ask for nothing",
    ),
    right(
        Need::Look,
        Reach::Cluster,
        ("coordination.k8s.io", "leases"),
        &["list"],
        "compare the nodes' clocks with this one (in namespace kube-node-lease)",
    ),
];

impl Right {
    /// Resource and group as RBAC's messages have them: `jobs.batch`.
    #[must_use]
    pub fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.resource.to_owned()
        } else {
            format!("{}.{}", self.resource, self.group)
        }
    }
}

/// What an experiment needs, in a namespace that is there.
#[must_use]
pub fn needs(experiment: &Experiment) -> Vec<Need> {
    let kubernetes = &experiment.kubernetes;
    let own_objects = matches!(kubernetes.deploy, Source::Folder(_));
    let needs = [
        (Need::Run, true),
        (Need::Nodes, kubernetes.nodes.named().is_none()),
        (Need::Metrics, kubernetes.metrics == Metrics::Auto),
        (Need::NodesProxy, kubernetes.metrics == Metrics::NodesProxy),
        // A folder may bring no Jaeger along: then one of the cluster is looked for.
        (
            Need::Find,
            Findings::are_wanted(experiment)
                || own_objects
                    && experiment
                        .collect
                        .jaeger
                        .as_ref()
                        .is_some_and(|jaeger| jaeger.url.is_none()),
        ),
        (Need::Ingress, kubernetes.entrance == Entrance::Ingress),
    ];
    let wanted = needs.into_iter().filter(|(_, is_wanted)| *is_wanted);
    wanted.map(|(need, _)| need).collect()
}

/// The rights for some needs, in the order of the list.
pub fn needed(needs: &[Need]) -> impl Iterator<Item = &'static Right> {
    RIGHTS
        .iter()
        .filter(move |right| needs.contains(&right.need))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_verb_is_listed_twice_for_one_need_and_every_purpose_reads_on() {
        let mut known = BTreeSet::new();
        for right in RIGHTS {
            assert!(
                !right.verbs.is_empty() && !right.purpose.ends_with('.'),
                "{right:?}"
            );
            for verb in right.verbs {
                let key = (right.need, right.reach, right.group, right.resource, *verb);
                assert!(known.insert(key), "{key:?} twice");
            }
        }
    }

    #[test]
    fn an_experiment_needs_what_it_names() {
        let of = |more: &str| {
            let text = format!("platform: kubernetes\naxes: {{rate: [1]}}\n{more}\n");
            needs(&Experiment::read(&text, &|_| false).unwrap())
        };
        assert_eq!(of(""), [Need::Run, Need::Nodes, Need::Metrics]);
        assert_eq!(
            of("kubernetes: {nodes: {testbed: a, infra: a, load: b}, metrics: none}"),
            [Need::Run]
        );
        assert_eq!(
            of("kubernetes: {nodes: {testbed: a}, metrics: nodes-proxy}"),
            [Need::Run, Need::Nodes, Need::NodesProxy]
        );
        assert!(of("collect: {prometheus: cluster}").contains(&Need::Find));
        assert!(of("kubernetes: {entrance: ingress, load: outside}").contains(&Need::Ingress));
    }

    #[test]
    fn what_is_not_needed_is_not_asked_for() {
        let resources =
            |needs: &[Need]| needed(needs).map(Right::qualified).collect::<BTreeSet<_>>();
        let run = resources(&[Need::Run]);
        assert!(run.contains("jobs.batch") && run.contains("pods/attach"));
        assert!(!run.contains("persistentvolumes") && !run.contains("services/proxy"));
        assert!(
            resources(&[Need::Find])
                .is_subset(&["services", "services/proxy"].map(str::to_owned).into())
        );
    }
}
