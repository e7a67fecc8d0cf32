//! What our own pods have in common: the one image, as few rights as will do, and nodes of their own.

use super::render::amounts;
use crate::experiment::kubernetes::{Kubernetes, Limits, Toleration};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The port that our own pods serve on.
pub const PORT: u16 = 8080;
/// Where our own pods may write: a volume that ends with the pod.
pub const WORK_DIR: &str = "/work";

/// How our own pods are to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodOptions {
    /// The image with the `aefm` binary as its entry point.
    pub image: String,
    /// The namespace.
    pub namespace: String,
    /// `imagePullPolicy`.
    pub pull_policy: String,
    /// A PriorityClass of the user's.
    pub priority_class: Option<String>,
    /// Taints that they stand.
    pub tolerations: Vec<Toleration>,
    /// Requests and limits of the root.
    pub root_limits: Limits,
    /// Requests and limits of load pods.
    pub load_limits: Limits,
    /// Kubelets that the root asks with an account of its own, by node; empty: it has no account.
    pub kubelets: BTreeMap<String, String>,
}

impl PodOptions {
    /// As the experiment says.
    #[must_use]
    pub fn new(kubernetes: &Kubernetes, namespace: &str) -> Self {
        Self {
            image: kubernetes.image.clone(),
            namespace: namespace.to_owned(),
            pull_policy: kubernetes.pull_policy.to_owned(),
            priority_class: kubernetes.priority_class.clone(),
            tolerations: kubernetes.tolerations.clone(),
            root_limits: kubernetes.root_limits.clone(),
            load_limits: kubernetes.load_limits.clone(),
            kubelets: BTreeMap::new(),
        }
    }
}

/// Rights of a container beyond none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// An ordinary user without capabilities.
    Least,
    /// Root, and of root's capabilities only the one to raise a thread's priority.
    Nice,
}

/// The container, with that name and those arguments.
#[must_use]
pub fn container(
    options: &PodOptions,
    name: &str,
    args: &[String],
    rights: Rights,
) -> Map<String, Value> {
    let (user, add) = match rights {
        Rights::Least => (65_532, json!([])),
        Rights::Nice => (0, json!(["SYS_NICE"])),
    };
    let security = json!({
        "readOnlyRootFilesystem": true,
        "allowPrivilegeEscalation": false,
        "runAsUser": user,
        "runAsNonRoot": rights == Rights::Least,
        "capabilities": { "drop": ["ALL"], "add": add },
        "seccompProfile": { "type": "RuntimeDefault" },
    });
    let from = |path: &str| json!({ "fieldRef": { "fieldPath": path } });
    let env = [
        ("AEFM_NODE", from("spec.nodeName")),
        ("AEFM_POD", from("metadata.name")),
    ];
    let fields = [
        ("name", json!(name)),
        ("image", json!(options.image)),
        ("imagePullPolicy", json!(options.pull_policy)),
        ("args", json!(args)),
        (
            "env",
            env.into_iter()
                .map(|(name, source)| json!({ "name": name, "valueFrom": source }))
                .collect(),
        ),
        ("securityContext", security),
    ];
    fields
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

/// Gives a container requests and limits, where there are any.
pub fn limit(container: &mut Map<String, Value>, limits: &Limits) {
    let amounts = amounts(limits);
    if !amounts.is_empty() {
        container.insert(
            "resources".into(),
            json!({ "requests": amounts, "limits": amounts }),
        );
    }
}

/// In an argument: the name of the node that the pod runs on.
pub const NODE: &str = "$(AEFM_NODE)";
/// In an argument: the name of the pod.
pub const POD: &str = "$(AEFM_POD)";

/// Makes a JSON document an argument. What begins with `$(` is the name of a variable there: only [`NODE`] and [`POD`]
/// are.
#[must_use]
pub fn argument(spec: &str) -> String {
    let escaped = spec.replace('$', "$$");
    [NODE, POD].into_iter().fold(escaped, |argument, name| {
        argument.replace(&format!("${name}"), name)
    })
}

/// A pod of that container, which may write to [`WORK_DIR`]: no account to talk to the cluster with, gone soon after it
/// is told to.
#[must_use]
pub fn spec(
    options: &PodOptions,
    mut container: Map<String, Value>,
    restart: &str,
) -> Map<String, Value> {
    container.insert(
        "volumeMounts".into(),
        json!([{ "name": "work", "mountPath": WORK_DIR }]),
    );
    let mut spec = Map::new();
    spec.insert("restartPolicy".into(), json!(restart));
    spec.insert("automountServiceAccountToken".into(), json!(false));
    spec.insert("enableServiceLinks".into(), json!(false));
    spec.insert("terminationGracePeriodSeconds".into(), json!(2));
    // The volume belongs to the group that our user is in.
    spec.insert("securityContext".into(), json!({ "fsGroup": 65_532 }));
    spec.insert("containers".into(), json!([container]));
    spec.insert(
        "volumes".into(),
        json!([{ "name": "work", "emptyDir": {} }]),
    );
    if !options.tolerations.is_empty() {
        spec.insert("tolerations".into(), json!(options.tolerations));
    }
    if let Some(class) = &options.priority_class {
        spec.insert("priorityClassName".into(), json!(class));
    }
    spec
}

/// Required affinity to nodes by their *names*: the hostname label of a node may differ from its name.
#[must_use]
pub fn on_nodes(nodes: &[String]) -> Value {
    // A field takes exactly one value, so each node is a term; terms are alternatives.
    let term = |node| json!({ "matchFields": [{ "key": "metadata.name", "operator": "In", "values": [node] }] });
    let terms: Vec<_> = nodes.iter().map(term).collect();
    json!({ "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": terms } } })
}

/// Confines pods to nodes, beside what else their own affinity asks for.
pub fn confine(pod: &mut Map<String, Value>, nodes: &[String]) {
    const REQUIRED: &str = "/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution";
    let ours = on_nodes(nodes);
    let terms = |affinity: &Value| {
        let terms = affinity
            .pointer(REQUIRED)
            .map(|it| &it["nodeSelectorTerms"]);
        terms.and_then(Value::as_array).cloned().unwrap_or_default()
    };
    let affinity = pod.entry("affinity").or_insert(Value::Null);
    if !affinity.is_object() {
        *affinity = ours;
        return;
    }
    let (theirs, mine) = (terms(affinity), terms(&ours));
    // Terms are alternatives, so that each of theirs holds together with each of ours.
    let both = |theirs: &Value| {
        let fields = theirs["matchFields"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let with = |mine: &Value| {
            let own = mine["matchFields"].as_array().cloned().unwrap_or_default();
            let mut term = theirs.clone();
            term["matchFields"] = Value::Array([fields.clone(), own].concat());
            term
        };
        mine.iter().map(with).collect::<Vec<_>>()
    };
    let merged: Vec<_> = if theirs.is_empty() {
        mine
    } else {
        theirs.iter().flat_map(both).collect()
    };
    if !affinity["nodeAffinity"].is_object() {
        affinity["nodeAffinity"] = json!({});
    }
    affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] =
        json!({ "nodeSelectorTerms": merged });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pods_own_affinity_holds_beside_ours() {
        let disk = json!({ "key": "disk", "operator": "Exists" });
        let apart = json!({ "preferredDuringSchedulingIgnoredDuringExecution": [{ "weight": 1 }] });
        let own = json!({ "podAntiAffinity": apart, "nodeAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [{ "weight": 2 }],
            "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [{ "matchExpressions": [disk] }] } } });
        let mut pod = Map::from_iter([("affinity".to_owned(), own.clone())]);
        confine(&mut pod, &["a".to_owned(), "b".to_owned()]);
        let merged = &pod["affinity"];
        assert_eq!(merged["podAntiAffinity"], apart);
        let node = &merged["nodeAffinity"];
        assert_eq!(
            node["preferredDuringSchedulingIgnoredDuringExecution"],
            own["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
        );
        let terms = &node["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"];
        assert_eq!(terms.as_array().unwrap().len(), 2);
        for (at, name) in ["a", "b"].iter().enumerate() {
            assert_eq!(terms[at]["matchExpressions"], json!([disk]));
            assert_eq!(terms[at]["matchFields"][0]["values"], json!([name]));
        }
        let mut bare = Map::new();
        confine(&mut bare, &["a".to_owned()]);
        assert_eq!(bare["affinity"], on_nodes(&["a".to_owned()]));
    }

    #[test]
    fn only_our_own_variables_are_variables() {
        assert_eq!(
            argument(r#"{"a":"$(HOME) $x","node":"$(AEFM_NODE)"}"#),
            r#"{"a":"$$(HOME) $$x","node":"$(AEFM_NODE)"}"#
        );
    }
}
