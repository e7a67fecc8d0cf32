//! What runs have left in a cluster: found by their labels whatever kind it has, told apart by what proves whose it is.

use super::anchor;
use super::cluster::{Cluster, ClusterError, title};
use super::order::rank;
use super::ownership::{PURPOSE_LABEL, RUN_LABEL, Root, owners};
use super::provenance::Made;
use super::provenance::removal::Dependents;
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
    /// Runs that are known to be over, wherever their roots were.
    pub over: BTreeSet<String>,
    /// Whether the roots of all namespaces are known.
    pub everywhere: bool,
    /// What the cluster would not tell.
    pub refused: Vec<String>,
}

/// What is to be removed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Leftovers {
    /// What runs provably made, in the order of removing.
    pub objects: Vec<Made>,
    /// What carries a run's label, and nothing proves that the run made it.
    pub unproven: Vec<Value>,
    /// Runs that are under way and are left alone.
    pub live: BTreeSet<String>,
}

/// Chooses among all labelled objects: those of one run, or those of every run that is over.
#[must_use]
pub fn choose(found: &Found, run: Option<&str>) -> Leftovers {
    let roots: Vec<_> = found.objects.iter().filter_map(Root::read).collect();
    let wanted = run.map(str::to_ascii_lowercase);
    let is_chosen = |object: &&Value| match (&wanted, run_of(object)) {
        (Some(wanted), run) => run == wanted,
        (None, run) if found.live.contains(run) => false,
        // What has no namespace may be a run's in any.
        (None, run) => {
            found.everywhere
                || object["metadata"]["namespace"].is_string()
                || found.over.contains(run)
        }
    };
    let mut left = Leftovers::default();
    let along = going_along(&found.objects, &roots);
    for object in found.objects.iter().filter(is_chosen) {
        match Made::proven(object, &roots) {
            Some(made) => left.objects.push(made),
            None if along.contains(uid_of(object)) || follows(object) => {}
            None => left.unproven.push(object.clone()),
        }
    }
    if wanted.is_none() {
        let runs = found.objects.iter().map(run_of);
        let live = runs.filter(|run| found.live.contains(*run));
        left.live = live.map(str::to_owned).collect();
    }
    left.objects.sort_by_key(order);
    left
}

fn run_of(object: &Value) -> &str {
    object["metadata"]["labels"][RUN_LABEL]
        .as_str()
        .unwrap_or_default()
}

fn uid_of(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap_or_default()
}

/// Whether an object owns what has no namespace.
#[must_use]
pub fn is_anchor(object: &Value) -> bool {
    object["kind"] == anchor::KIND.1
}

/// Whether an object is on its way out, or is what the cluster has made of another: that one is told of.
fn follows(object: &Value) -> bool {
    let is_controlled = owners(object).any(|owner| owner["controller"] == true);
    let is_leaving = !object["metadata"]["deletionTimestamp"].is_null();
    is_leaving || is_controlled || object["kind"] == "Endpoints"
}

/// What the cluster removes when what is proven goes: what has it for an owner, and so on.
fn going_along<'a>(objects: &'a [Value], roots: &[Root]) -> BTreeSet<&'a str> {
    let proven = objects
        .iter()
        .filter(|object| Made::proven(object, roots).is_some());
    let proven: Vec<_> = proven.collect();
    let mut along: BTreeSet<&str> = proven
        .iter()
        // An anchor leaves behind what it does not prove.
        .filter(|object| !is_anchor(object))
        .map(|object| uid_of(object))
        .collect();
    // Endpoints have their Service's labels and its name, and no owner.
    let same = |one: &Value, field: &str, other: &Value| {
        one["metadata"][field] == other["metadata"][field]
    };
    let serves = |object: &Value| {
        object["kind"] == "Endpoints"
            && proven.iter().any(|service| {
                service["kind"] == "Service"
                    && same(object, "name", service)
                    && same(object, "namespace", service)
            })
    };
    along.extend(objects.iter().filter(|object| serves(object)).map(uid_of));
    loop {
        let known = along.len();
        let owned = objects.iter().filter(|object| {
            owners(object).any(|owner| owner["uid"].as_str().is_some_and(|uid| along.contains(uid)))
        });
        let owned: Vec<_> = owned.map(uid_of).collect();
        along.extend(owned);
        if along.len() == known {
            return along;
        }
    }
}

/// Roots first, since the cluster then removes what they own; the rest as objects are removed; what proves the rest last.
fn order(made: &Made) -> (u8, std::cmp::Reverse<usize>) {
    let object = made.object();
    let is_root = object["metadata"]["labels"][PURPOSE_LABEL] == root::PURPOSE;
    let place = match object["kind"].as_str() {
        Some("Job") if is_root => 0,
        _ if is_anchor(object) => 2,
        _ => 1,
    };
    let kind = object["kind"].as_str().unwrap_or_default();
    (place, std::cmp::Reverse(rank(kind)))
}

/// Finds everything that carries a run's label, in one namespace or in all. Kinds that may not be listed are named.
///
/// # Errors
/// When the cluster does not say which kinds it has, or which runs are under way.
pub async fn find(cluster: &Cluster, namespace: Option<&str>) -> Result<Found, ClusterError> {
    let mut found = Found::default();
    let labelled = ListParams::default().labels(RUN_LABEL);
    for (version, kind) in cluster.deletable_kinds().await? {
        match cluster.list(&version, &kind, namespace, &labelled).await {
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
    for anchor in found.objects.iter().filter(|object| is_anchor(object)) {
        if anchor::is_over(cluster, anchor).await.unwrap_or(false) {
            found.over.insert(run_of(anchor).to_owned());
        }
    }
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
    let working = roots.iter().filter(|root| anchor::works(root));
    Ok((
        working.map(|root| run_of(root).to_owned()).collect(),
        everywhere,
    ))
}

/// Removes one object that was chosen; an anchor with all that it holds. What was removed, for people.
///
/// # Errors
/// What could not be removed, and why.
pub async fn remove(cluster: &Cluster, made: &Made) -> Result<Vec<String>, String> {
    if is_anchor(made.object()) {
        let release = anchor::release(cluster, made).await;
        return if release.failed.is_empty() {
            Ok(release.removed)
        } else {
            Err(release.failed.join("; "))
        };
    }
    let removed = cluster.remove(made, Dependents::Go).await;
    removed.map_err(|error| error.to_string())?;
    Ok(vec![made.title()])
}

/// Removes what runs that are over have left outside of namespaces, as far as this account may see it: the next run may
/// want the same names.
pub(super) async fn sweep(cluster: &Cluster) {
    let labelled = ListParams::default().labels(RUN_LABEL);
    let (version, kind) = anchor::KIND;
    let anchors = match cluster.list(version, kind, None, &labelled).await {
        Ok(anchors) => anchors,
        Err(error) => {
            tracing::debug!("what earlier runs left outside of namespaces is not known: {error}");
            return;
        }
    };
    for object in anchors {
        let Some(made) = Made::proven(&object, &[]) else {
            tracing::warn!("{} is left alone: {}", title(&object), unproven(&object));
            continue;
        };
        if !anchor::is_over(cluster, &object).await.unwrap_or(false) {
            continue;
        }
        match remove(cluster, &made).await {
            Ok(removed) => {
                tracing::info!("run {} had left {}", run_of(&object), removed.join(", "));
            }
            Err(reason) => tracing::warn!("an earlier run is not cleaned up: failed to {reason}"),
        }
    }
}

/// A line for an object that is removed.
#[must_use]
pub fn show(made: &Made) -> String {
    format!("{} of run {}", made.title(), run_of(made.object()))
}

/// Why an object is not removed.
#[must_use]
pub fn unproven(object: &Value) -> String {
    let why = if Root::is_copy(object) {
        "it is a copy of that run's root"
    } else {
        "nothing proves that this run made it"
    };
    format!(
        "its label says that it is of run {}, and {why}",
        run_of(object)
    )
}

#[cfg(test)]
mod tests;
