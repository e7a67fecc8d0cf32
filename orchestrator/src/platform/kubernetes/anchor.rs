//! What owns a run's objects that have no namespace, and outlives the run's root: nothing in a namespace can own them, and
//! without an owner nobody could prove, after a kill, whose they are.
//!
//! It is a RuntimeClass, since that does nothing unless a pod names it. It is made before what it owns and says what that
//! will be, so that whoever cleans up need not search for it.

use super::cluster::{Cluster, ClusterError, title};
use super::order;
use super::ownership::{Root, RunOwner};
use super::provenance::removal::Dependents;
use super::provenance::{Made, is_kept};
use super::ready::waits_for;
use super::root;
use serde_json::{Value, json};

/// `apiVersion` and kind.
pub const KIND: (&str, &str) = ("node.k8s.io/v1", "RuntimeClass");
/// The label value of its purpose.
pub const PURPOSE: &str = "anchor";
/// Annotation: the namespace that the run's root is in.
const NAMESPACE: &str = "aefm.io/namespace";
/// Annotation: the objects it is there for, a list of `apiVersion`, kind and name.
const HOLDS: &str = "aefm.io/holds";

/// Renders the anchor of a run that will make these objects; nothing if all of them are in namespaces.
#[must_use]
pub fn object(owner: &RunOwner, namespace: &str, planned: &[Value]) -> Option<Value> {
    let mut held: Vec<_> = planned
        .iter()
        .filter(|object| object["metadata"]["namespace"].is_null() && !is_kept(&object["kind"]))
        .cloned()
        .collect();
    order::sort(&mut held);
    let names: Vec<_> = held
        .iter()
        .map(|object| {
            json!([
                object["apiVersion"],
                object["kind"],
                object["metadata"]["name"]
            ])
        })
        .collect();
    let mut metadata = json!({ "name": root::name(owner) });
    metadata["annotations"] = json!({ NAMESPACE: namespace, HOLDS: json!(names).to_string() });
    let anchor =
        json!({ "apiVersion": KIND.0, "kind": KIND.1, "metadata": metadata, "handler": "none" });
    (!names.is_empty()).then_some(anchor)
}

/// The objects that an anchor is there for, by name alone, in the order of making.
fn held(anchor: &Value) -> Vec<Value> {
    let written = anchor["metadata"]["annotations"][HOLDS].as_str();
    let names: Vec<[String; 3]> = written
        .and_then(|written| serde_json::from_str(written).ok())
        .unwrap_or_default();
    let object = |[version, kind, name]: [String; 3]| json!({ "apiVersion": version, "kind": kind, "metadata": { "name": name } });
    names.into_iter().map(object).collect()
}

/// What became of what an anchor held.
#[derive(Debug, Default)]
pub struct Release {
    /// What was removed, for people.
    pub removed: Vec<String>,
    /// What could not be removed, and why.
    pub failed: Vec<String>,
}

/// Removes what an anchor provably holds, and then the anchor. While something of it is left, the anchor stays, since it is
/// the proof.
pub async fn release(cluster: &Cluster, anchor: &Made) -> Release {
    let mut release = Release::default();
    let Some(root) = Root::read(anchor.object()) else {
        return release;
    };
    for object in held(anchor.object()).iter().rev() {
        match remove(cluster, object, &root).await {
            Ok(true) => release.removed.push(title(object)),
            Ok(false) => {}
            // Its kind is gone, and it with it.
            Err(error) if error.is(404) => {}
            Err(error) => release.failed.push(error.to_string()),
        }
    }
    if release.failed.is_empty() {
        // Whatever names it as its owner now was not made by the run: a copy, for instance.
        match cluster.remove(anchor, Dependents::Stay).await {
            Ok(()) => release.removed.push(anchor.title()),
            Err(error) => release.failed.push(error.to_string()),
        }
    }
    release
}

/// Removes an object if it is there and the anchor proves it; whether it did.
async fn remove(cluster: &Cluster, object: &Value, root: &Root) -> Result<bool, ClusterError> {
    let there = cluster.get(object).await?;
    let made = there.and_then(|there| Made::proven(&there, std::slice::from_ref(root)));
    match made {
        Some(made) => cluster.remove(&made, Dependents::Go).await.map(|()| true),
        None => Ok(false),
    }
}

/// Whether the run of an anchor is over: its root is not there any more, or does not work.
///
/// # Errors
/// When the cluster does not say.
pub async fn is_over(cluster: &Cluster, anchor: &Value) -> Result<bool, ClusterError> {
    let metadata = &anchor["metadata"];
    let (name, namespace) = (&metadata["name"], &metadata["annotations"][NAMESPACE]);
    let job = json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": name, "namespace": namespace } });
    Ok(cluster.get(&job).await?.is_none_or(|job| !works(&job)))
}

/// Whether a root is at work. A copy of one never is.
#[must_use]
pub fn works(root: &Value) -> bool {
    let waits = waits_for(root, &[]);
    !Root::is_copy(root) && waits.is_some_and(|reason| !reason.starts_with("it failed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_says_what_it_holds_and_there_is_none_without_need() {
        let owner = RunOwner::new("r1", "n").unwrap();
        let of = |kind: &str, namespace: Option<&str>| json!({ "apiVersion": "v1", "kind": kind, "metadata": { "name": "x", "namespace": namespace } });
        let planned = [
            of("PersistentVolume", None),
            of("ConfigMap", Some("n")),
            of("Namespace", None),
            of("ClusterRole", None),
        ];
        let anchor = object(&owner, "n", &planned).unwrap();
        let kinds: Vec<_> = held(&anchor)
            .iter()
            .map(|held| held["kind"].clone())
            .collect();
        assert_eq!(kinds, ["ClusterRole", "PersistentVolume"]);
        assert_eq!(object(&owner, "n", &planned[1..3]), None);
    }

    #[test]
    fn a_root_is_at_work_until_it_is_complete_or_has_failed() {
        let ended = |kind: &str| json!({ "kind": "Job", "status": { "conditions": [{ "type": kind, "status": "True" }] } });
        assert!(
            works(&json!({ "kind": "Job" }))
                && !works(&ended("Complete"))
                && !works(&ended("Failed"))
        );
    }
}
