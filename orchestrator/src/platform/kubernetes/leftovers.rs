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
pub struct Found {
    /// Everything that carries a run's label.
    pub objects: Vec<Value>,
    /// Runs that are under way.
    pub live: BTreeSet<String>,
    /// Whether those of all namespaces are known.
    pub everywhere: bool,
    /// What the cluster would not tell.
    pub refused: Vec<String>,
}

/// What is to be removed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Leftovers {
    /// Objects to delete, in that order.
    pub objects: Vec<Value>,
    /// Runs that are under way and are left alone.
    pub live: BTreeSet<String>,
}

/// Chooses among all labelled objects: those of one run, or those of every run that is over.
#[must_use]
pub fn choose(found: Found, run: Option<&str>) -> Leftovers {
    let Found {
        objects,
        live,
        everywhere,
        ..
    } = found;
    if let Some(run) = run {
        let wanted = run.to_ascii_lowercase();
        let objects = sorted(
            objects
                .into_iter()
                .filter(|object| run_of(object) == wanted),
        );
        return Leftovers {
            objects,
            live: BTreeSet::new(),
        };
    }
    let (left_alone, over): (Vec<_>, Vec<_>) = objects
        .into_iter()
        .partition(|object| live.contains(run_of(object)));
    let live = left_alone
        .iter()
        .map(|object| run_of(object).to_owned())
        .collect();
    // What has no namespace may be a run's in any.
    let known = |object: &Value| everywhere || object["metadata"]["namespace"].is_string();
    Leftovers {
        objects: sorted(over.into_iter().filter(known)),
        live,
    }
}

fn run_of(object: &Value) -> &str {
    object["metadata"]["labels"][RUN_LABEL]
        .as_str()
        .unwrap_or_default()
}

/// Roots first, since the cluster then removes what they own; the rest as objects are removed.
fn sorted(objects: impl Iterator<Item = Value>) -> Vec<Value> {
    let mut objects: Vec<_> = objects.collect();
    let root = |object: &Value| {
        object["metadata"]["labels"][PURPOSE_LABEL] == root::PURPOSE && object["kind"] == "Job"
    };
    objects.sort_by_key(|object| {
        (
            !root(object),
            std::cmp::Reverse(rank(object["kind"].as_str().unwrap_or_default())),
        )
    });
    objects
}

/// Finds everything that carries a run's label, in one namespace or in all. Kinds that may not be listed are named.
///
/// # Errors
/// When the cluster does not say which kinds it has, or which runs are under way.
pub async fn find(cluster: &Cluster, namespace: Option<&str>) -> Result<Found, ClusterError> {
    let mut found = Found::default();
    for (version, kind) in cluster.deletable_kinds().await? {
        match cluster
            .list(
                &version,
                &kind,
                namespace,
                &ListParams::default().labels(RUN_LABEL),
            )
            .await
        {
            Ok(objects) => found.objects.extend(objects),
            Err(error) => found.refused.push(error.to_string()),
        }
    }
    // One object may be served by two groups.
    let mut known = BTreeSet::new();
    found
        .objects
        .retain(|object| known.insert(object["metadata"]["uid"].to_string()));
    // Asked last: a run that begins meanwhile has its root before anything else.
    (found.live, found.everywhere) = live(cluster, namespace).await?;
    Ok(found)
}

/// Runs that are under way, in all namespaces if those may be asked, which is told, too.
async fn live(
    cluster: &Cluster,
    namespace: Option<&str>,
) -> Result<(BTreeSet<String>, bool), ClusterError> {
    let roots =
        ListParams::default().labels(&format!("{RUN_LABEL},{PURPOSE_LABEL}={}", root::PURPOSE));
    let (roots, everywhere) = match cluster.list("batch/v1", "Job", None, &roots).await {
        Ok(found) => (found, true),
        Err(_) if namespace.is_some() => (
            cluster.list("batch/v1", "Job", namespace, &roots).await?,
            false,
        ),
        Err(error) => return Err(error),
    };
    Ok((
        roots
            .iter()
            .filter(|root| works(root))
            .map(|root| run_of(root).to_owned())
            .collect(),
        everywhere,
    ))
}

/// Whether a root is at work.
fn works(root: &Value) -> bool {
    waits_for(root, &[]).is_some_and(|reason| !reason.starts_with("it failed"))
}

/// A line for an object that is removed.
#[must_use]
pub fn show(object: &Value) -> String {
    let run = run_of(object);
    debug_assert!(!name_of(object).is_empty(), "it came from the cluster");
    format!("{} of run {run}", title(object))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(kind: &str, run: &str, namespace: Option<&str>) -> Value {
        json!({ "kind": kind, "metadata": { "name": "x", "namespace": namespace, "labels": { RUN_LABEL: run } } })
    }

    fn found() -> Found {
        let mut root = object("Job", "dead", Some("a"));
        root["metadata"]["labels"][PURPOSE_LABEL] = json!(root::PURPOSE);
        let objects = vec![
            object("Service", "dead", Some("a")),
            object("PersistentVolume", "gone", None),
            root,
            object("Pod", "live", Some("a")),
            object("PersistentVolume", "elsewhere", None),
        ];
        let live = ["live", "elsewhere", "unseen"].map(str::to_owned).into();
        Found {
            objects,
            live,
            everywhere: true,
            refused: Vec::new(),
        }
    }

    fn runs(left: &Leftovers) -> Vec<(&str, &str)> {
        left.objects
            .iter()
            .map(|object| (object["kind"].as_str().unwrap(), run_of(object)))
            .collect()
    }

    #[test]
    fn runs_under_way_are_left_alone_unless_named() {
        let left = choose(found(), None);
        assert_eq!(
            runs(&left),
            [
                ("Job", "dead"),
                ("Service", "dead"),
                ("PersistentVolume", "gone")
            ]
        );
        assert_eq!(
            left.live.into_iter().collect::<Vec<_>>(),
            ["elsewhere", "live"]
        );
        assert_eq!(runs(&choose(found(), Some("LIVE"))), [("Pod", "live")]);
    }

    #[test]
    fn where_other_namespaces_are_not_known_what_has_none_is_left_unless_named() {
        let narrow = || Found {
            everywhere: false,
            ..found()
        };
        assert_eq!(
            runs(&choose(narrow(), None)),
            [("Job", "dead"), ("Service", "dead")]
        );
        assert_eq!(
            runs(&choose(narrow(), Some("gone"))),
            [("PersistentVolume", "gone")]
        );
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
