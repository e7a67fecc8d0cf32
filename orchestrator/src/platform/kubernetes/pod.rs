//! What our own pods have in common: the one image, as few rights as will do, and nodes of their own.

use serde_json::{Map, Value, json};

/// How our own pods (load, stressors) are to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodOptions {
    /// The image with the `aefm` binary as its entry point.
    pub image: String,
    /// The namespace.
    pub namespace: String,
    /// `imagePullPolicy`.
    pub pull_policy: String,
    /// A PriorityClass of the user's.
    pub priority_class: Option<String>,
    /// Requests and limits, as Kubernetes writes them.
    pub limits: Option<aefm_workloads::catalogue::Limits>,
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
pub(super) fn container(options: &PodOptions, name: &str, args: &[String], rights: Rights) -> Map<String, Value> {
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
    });
    let mut container = Map::new();
    container.insert("name".into(), json!(name));
    container.insert("image".into(), json!(options.image));
    container.insert("imagePullPolicy".into(), json!(options.pull_policy));
    container.insert("args".into(), json!(args));
    container.insert("securityContext".into(), security);
    if let Some(limits) = &options.limits {
        let amounts = json!({ "cpu": limits.cpu, "memory": limits.memory });
        container.insert("resources".into(), json!({ "requests": amounts, "limits": amounts }));
    }
    container
}

/// A pod of that container: never started twice, no account to talk to the cluster with, gone soon after it is told to.
pub(super) fn spec(options: &PodOptions, container: Map<String, Value>, volumes: Value) -> Map<String, Value> {
    let mut spec = Map::new();
    spec.insert("restartPolicy".into(), json!("Never"));
    spec.insert("automountServiceAccountToken".into(), json!(false));
    spec.insert("enableServiceLinks".into(), json!(false));
    spec.insert("terminationGracePeriodSeconds".into(), json!(5));
    spec.insert("containers".into(), json!([container]));
    spec.insert("volumes".into(), volumes);
    if let Some(class) = &options.priority_class {
        spec.insert("priorityClassName".into(), json!(class));
    }
    spec
}

/// Required affinity to nodes by their *names*: the hostname label of a node may differ from its name.
pub(super) fn on_nodes(operator: &str, nodes: &[String]) -> Value {
    // A field takes exactly one value, so each node is a term (terms are alternatives), or, for `NotIn`, a condition.
    let condition = |node: &String| json!({ "key": "metadata.name", "operator": operator, "values": [node] });
    let terms: Vec<_> = if operator == "In" {
        nodes.iter().map(|node| json!({ "matchFields": [condition(node)] })).collect()
    } else {
        vec![json!({ "matchFields": nodes.iter().map(condition).collect::<Vec<_>>() })]
    };
    json!({ "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": terms } } })
}
