//! An application's objects as a run wants them: its namespace, images, replicas, limits, nodes and pull policy.

use super::origin::Origin;
use super::pod;
use crate::experiment::kubernetes::Limits;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What an image is called in manifests that leave it to us.
const PLACEHOLDER: &str = "APP_IMG";

/// Kinds without a namespace. Kinds that are not Kubernetes's own are asked of the cluster.
const CLUSTER_SCOPED: [&str; 12] = [
    "Namespace",
    "Node",
    "PersistentVolume",
    "StorageClass",
    "PriorityClass",
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "IngressClass",
    "RuntimeClass",
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
];

/// What a run decides.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// The namespace of everything.
    pub namespace: String,
    /// Images by the name of object or container; `APP_IMG` fills that placeholder.
    pub images: BTreeMap<String, String>,
    /// Pods by the name of Deployment or StatefulSet.
    pub replicas: BTreeMap<String, u32>,
    /// Requests and limits.
    pub limits: Limits,
    /// `imagePullPolicy`.
    pub pull_policy: String,
    /// Nodes to run on; empty: any.
    pub nodes: Vec<String>,
    /// Where the objects come from, for what names accounts of there.
    pub origin: Origin,
}

/// A setting for something that is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "deploy: `kubernetes.{key}` names `{name}`, and no {what} is called that; there are {known}"
)]
pub struct UnknownName {
    key: &'static str,
    name: String,
    what: &'static str,
    known: String,
}

/// Checks that every name of the settings is there.
///
/// # Errors
/// One that is not.
pub fn check(objects: &[Value], settings: &Settings) -> Result<(), UnknownName> {
    let scaled: Vec<_> = objects
        .iter()
        .filter(|object| is_scaled(object))
        .filter_map(|object| object["metadata"]["name"].as_str())
        .collect();
    let pods: Vec<_> = objects
        .iter()
        .filter(|object| pods_of(object).is_some())
        .collect();
    let mut imaged: Vec<_> = pods.iter().flat_map(|object| names(object)).collect();
    let placeholders = pods.iter().flat_map(|object| containers(object));
    if placeholders
        .into_iter()
        .any(|container| container["image"] == PLACEHOLDER)
    {
        imaged.push(PLACEHOLDER);
    }
    let lost = |key, what, name: &String, known: &[&str]| UnknownName {
        key,
        name: name.clone(),
        what,
        known: if known.is_empty() {
            "none".to_owned()
        } else {
            known.join(", ")
        },
    };
    if let Some(name) = settings
        .replicas
        .keys()
        .find(|name| !scaled.contains(&name.as_str()))
    {
        let what = "Deployment or StatefulSet";
        return Err(lost("replicas", what, name, &scaled));
    }
    let image = settings
        .images
        .keys()
        .find(|name| !imaged.contains(&name.as_str()));
    let what = "object or container";
    image.map_or(Ok(()), |name| Err(lost("images", what, name, &imaged)))
}

fn is_scaled(object: &Value) -> bool {
    matches!(object["kind"].as_str(), Some("Deployment" | "StatefulSet"))
}

/// All containers of an object's pods, those that begin before the others first.
fn containers(object: &Value) -> impl Iterator<Item = &Value> {
    let parts = ["initContainers", "containers"];
    let pod = pods_of(object);
    parts
        .into_iter()
        .filter_map(move |part| pod?[part].as_array())
        .flatten()
}

fn names(object: &Value) -> Vec<&str> {
    let own = containers(object).filter_map(|container| container["name"].as_str());
    let mut names: Vec<_> = object["metadata"]["name"]
        .as_str()
        .into_iter()
        .chain(own)
        .collect();
    names.dedup();
    names
}

/// Whether objects of a kind have no namespace.
#[must_use]
pub fn is_cluster_scoped(kind: &str) -> bool {
    CLUSTER_SCOPED.contains(&kind)
}

/// Puts an object into the run's namespace, if its kind has one.
pub fn settle(object: &mut Value, namespace: &str) {
    let scoped = object["kind"].as_str().is_some_and(is_cluster_scoped);
    match object["metadata"].as_object_mut() {
        Some(metadata) if scoped => _ = metadata.remove("namespace"),
        Some(metadata) => _ = metadata.insert("namespace".to_owned(), json!(namespace)),
        None => {}
    }
}

/// Applies all settings to an object. Requests and limits go to the first container, as sidecars have their own.
pub fn apply(object: &mut Value, settings: &Settings) {
    settle(object, &settings.namespace);
    settings.origin.move_subjects(object, &settings.namespace);
    let name = object["metadata"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let is_scaled = is_scaled(object);
    if let Some(replicas) = settings.replicas.get(&name).filter(|_| is_scaled) {
        object["spec"]["replicas"] = json!(replicas);
    }
    let Some(pod) = pods_of_mut(object) else {
        return;
    };
    if !settings.nodes.is_empty() {
        pod::confine(pod, &settings.nodes);
    }
    for part in ["initContainers", "containers"] {
        let containers = pod.get_mut(part).and_then(Value::as_array_mut);
        for (at, container) in containers.into_iter().flatten().enumerate() {
            contain(container, &name, settings, part == "containers" && at == 0);
        }
    }
}

fn contain(container: &mut Value, name: &str, settings: &Settings, first: bool) {
    container["imagePullPolicy"] = json!(settings.pull_policy);
    let own = container["name"].as_str().unwrap_or_default();
    let named = settings
        .images
        .get(own)
        .or_else(|| settings.images.get(name).filter(|_| first));
    let placeholder = settings
        .images
        .get(PLACEHOLDER)
        .filter(|_| container["image"] == PLACEHOLDER);
    if let Some(image) = named.or(placeholder) {
        container["image"] = json!(image);
    }
    let amounts = amounts(&settings.limits);
    if first && !amounts.is_empty() {
        container["resources"] = json!({ "requests": amounts, "limits": amounts });
    }
}

/// Limits as Kubernetes has them.
#[must_use]
pub fn amounts(limits: &Limits) -> Map<String, Value> {
    let named = [("cpu", &limits.cpu), ("memory", &limits.memory)];
    named
        .into_iter()
        .filter_map(|(name, amount)| Some((name.to_owned(), json!(amount.as_ref()?))))
        .collect()
}

/// The spec of the pods that an object has.
fn pods_of(object: &Value) -> Option<&Value> {
    let spec = &object["spec"];
    match object["kind"].as_str()? {
        "Pod" => Some(spec),
        "CronJob" => Some(&spec["jobTemplate"]["spec"]["template"]["spec"]),
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" => {
            Some(&spec["template"]["spec"])
        }
        _ => None,
    }
}

fn pods_of_mut(object: &mut Value) -> Option<&mut Map<String, Value>> {
    pods_of(object)?;
    let pointer = match object["kind"].as_str()? {
        "Pod" => "/spec",
        "CronJob" => "/spec/jobTemplate/spec/template/spec",
        _ => "/spec/template/spec",
    };
    object.pointer_mut(pointer)?.as_object_mut()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(name: &str, image: &str) -> Value {
        let containers =
            json!([{ "name": "main", "image": image }, { "name": "side", "image": "proxy" }]);
        let template = json!({ "spec": { "containers": containers, "initContainers": [{ "name": "i", "image": "x" }] } });
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name, "namespace": "theirs" },
            "spec": { "replicas": 1, "template": template } })
    }

    fn settings() -> Settings {
        Settings {
            namespace: "mine".into(),
            images: [("APP_IMG".into(), "app:1".into())].into(),
            replicas: [("web".into(), 3)].into(),
            limits: Limits {
                cpu: Some("100m".into()),
                memory: None,
            },
            pull_policy: "Never".into(),
            nodes: vec!["n1".into()],
            origin: Origin::default(),
        }
    }

    #[test]
    fn all_settings_arrive() {
        let mut object = deployment("web", "APP_IMG");
        apply(&mut object, &settings());
        assert_eq!(
            (
                &object["metadata"]["namespace"],
                &object["spec"]["replicas"]
            ),
            (&json!("mine"), &json!(3))
        );
        let pod = &object["spec"]["template"]["spec"];
        assert_eq!(
            (
                &pod["containers"][0]["image"],
                &pod["containers"][1]["image"]
            ),
            (&json!("app:1"), &json!("proxy"))
        );
        let (requests, limits) = (
            &pod["containers"][0]["resources"]["requests"],
            &pod["containers"][0]["resources"]["limits"],
        );
        assert_eq!((requests, limits), (&json!({ "cpu": "100m" }), requests));
        assert!(pod["containers"][1].get("resources").is_none());
        assert_eq!(pod["initContainers"][0]["imagePullPolicy"], "Never");
        assert!(pod["affinity"].to_string().contains("n1"));
    }

    #[test]
    fn an_image_may_be_chosen_by_object_or_container() {
        let mut settings = settings();
        settings.images = [("web".into(), "a".into()), ("side".into(), "b".into())].into();
        let mut object = deployment("web", "old");
        apply(&mut object, &settings);
        let containers = &object["spec"]["template"]["spec"]["containers"];
        assert_eq!(
            (&containers[0]["image"], &containers[1]["image"]),
            (&json!("a"), &json!("b"))
        );
        // Another object's first container keeps its own.
        let mut other = deployment("db", "old");
        apply(&mut other, &settings);
        assert_eq!(
            other["spec"]["template"]["spec"]["containers"][0]["image"],
            "old"
        );
    }

    #[test]
    fn volumes_have_no_namespace() {
        let mut volume = json!({ "kind": "PersistentVolume", "metadata": { "name": "v", "namespace": "theirs" } });
        apply(&mut volume, &settings());
        assert_eq!(volume["metadata"], json!({ "name": "v" }));
    }

    #[test]
    fn names_that_are_not_there_are_refused() {
        let objects = [
            deployment("web", "APP_IMG"),
            json!({ "kind": "Service", "metadata": { "name": "front" } }),
        ];
        assert_eq!(check(&objects, &settings()), Ok(()));
        for (replicas, images, said) in [
            ("front", "web", "there are web"),
            // A container is scaled by nobody.
            ("main", "web", "there are web"),
            ("web", "front", "web, i, main, side, APP_IMG"),
        ] {
            let settings = Settings {
                replicas: [(replicas.into(), 1)].into(),
                images: [(images.into(), "x".into())].into(),
                ..settings()
            };
            let error = check(&objects, &settings).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        let none = check(&[deployment("web", "x")], &settings()).unwrap_err();
        assert!(none.to_string().contains("`APP_IMG`"), "{none}");
        let of_init = Settings {
            images: [("i".into(), "x".into())].into(),
            ..settings()
        };
        assert_eq!(check(&objects, &of_init), Ok(()));
    }
}
