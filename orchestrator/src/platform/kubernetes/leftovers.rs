//! What runs have left in a cluster, found by their labels whatever kind it has.

use super::cluster::{Cluster, ClusterError, name_of, title};
use super::order::rank;
use super::ownership::{PURPOSE_LABEL, RUN_LABEL};
use super::ready::waits_for;
use super::root;
use kube::api::ListParams;
use serde_json::Value;
use std::collections::BTreeSet;

/// What a cluster has of runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Leftovers {
    /// Objects to delete, in that order.
    pub objects: Vec<Value>,
    /// Runs that are under way and are left alone.
    pub live: BTreeSet<String>,
}

/// Chooses among all labelled objects: those of one run, or those of every run that is over.
#[must_use]
pub fn choose(all: Vec<Value>, run: Option<&str>) -> Leftovers {
    let run_of = |object: &Value| object["metadata"]["labels"][RUN_LABEL].as_str().unwrap_or_default().to_owned();
    let is_root =
        |object: &Value| object["kind"] == "Job" && object["metadata"]["labels"][PURPOSE_LABEL] == root::PURPOSE;
    let works = |object: &Value| waits_for(object, &[]).is_some_and(|reason| !reason.starts_with("it failed"));
    let mut live: BTreeSet<String> = all.iter().filter(|object| is_root(object) && works(object)).map(run_of).collect();
    if let Some(run) = run {
        live.clear();
        let wanted = run.to_ascii_lowercase();
        return Leftovers { objects: sorted(all.into_iter().filter(|object| run_of(object) == wanted)), live };
    }
    let objects = sorted(all.into_iter().filter(|object| !live.contains(&run_of(object))));
    Leftovers { objects, live }
}

/// Roots first, since the cluster then removes what they own; the rest as objects are removed.
fn sorted(objects: impl Iterator<Item = Value>) -> Vec<Value> {
    let mut objects: Vec<_> = objects.collect();
    let root = |object: &Value| object["metadata"]["labels"][PURPOSE_LABEL] == root::PURPOSE && object["kind"] == "Job";
    objects.sort_by_key(|object| (!root(object), std::cmp::Reverse(rank(object["kind"].as_str().unwrap_or_default()))));
    objects
}

/// Finds everything that carries a run's label, in one namespace or in all. Kinds that may not be listed are named.
///
/// # Errors
/// When the cluster does not say which kinds it has.
pub async fn find(cluster: &Cluster, namespace: Option<&str>) -> Result<(Vec<Value>, Vec<String>), ClusterError> {
    let (mut found, mut refused) = (Vec::new(), Vec::new());
    for (version, kind) in cluster.deletable_kinds().await? {
        match cluster.list(&version, &kind, namespace, &ListParams::default().labels(RUN_LABEL)).await {
            Ok(objects) => found.extend(objects),
            Err(error) => refused.push(error.to_string()),
        }
    }
    // One object may be served by two groups.
    let mut known = BTreeSet::new();
    found.retain(|object| known.insert(object["metadata"]["uid"].to_string()));
    Ok((found, refused))
}

/// A line for an object that is removed.
#[must_use]
pub fn show(object: &Value) -> String {
    let run = object["metadata"]["labels"][RUN_LABEL].as_str().unwrap_or_default();
    debug_assert!(!name_of(object).is_empty(), "it came from the cluster");
    format!("{} of run {run}", title(object))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(kind: &str, run: &str, purpose: &str, done: bool) -> Value {
        let conditions = if done { json!([{ "type": "Complete", "status": "True" }]) } else { json!([]) };
        json!({ "kind": kind, "metadata": { "name": "x", "labels": { RUN_LABEL: run, PURPOSE_LABEL: purpose } },
            "status": { "conditions": conditions } })
    }

    fn all() -> Vec<Value> {
        vec![
            object("Service", "dead", "application", false),
            object("PersistentVolume", "gone", "application", false),
            object("Job", "dead", "root", true),
            object("Job", "live", "root", false),
            object("Pod", "live", "interference", false),
        ]
    }

    fn runs(left: &Leftovers) -> Vec<(&str, &str)> {
        left.objects
            .iter()
            .map(|object| (object["kind"].as_str().unwrap(), object["metadata"]["labels"][RUN_LABEL].as_str().unwrap()))
            .collect()
    }

    #[test]
    fn runs_under_way_are_left_alone_unless_named() {
        let left = choose(all(), None);
        assert_eq!(runs(&left), [("Job", "dead"), ("Service", "dead"), ("PersistentVolume", "gone")]);
        assert_eq!(left.live.into_iter().collect::<Vec<_>>(), ["live"]);
        assert_eq!(runs(&choose(all(), Some("LIVE"))), [("Job", "live"), ("Pod", "live")]);
    }
}
