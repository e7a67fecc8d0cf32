//! Deployments: a replica set for each template, grown and shrunk within surge and unavailability.

use super::super::store::{Key, Store, is_terminating, number, text};
use super::{all, controlled_by, controller_writer, fingerprint, owned, set_condition, set_status};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

const HASH: &str = "pod-template-hash";

pub(super) fn step(store: &mut Store, now: Timestamp) {
    for (key, deployment) in all(store, "Deployment") {
        if !is_terminating(&deployment) {
            roll(store, &deployment, now);
            let status = status(store, &deployment, now);
            set_status(store, &key, status);
        }
    }
}

fn roll(store: &mut Store, deployment: &Value, now: Timestamp) {
    let wanted = number(deployment, "/spec/replicas").unwrap_or(1);
    let hash = fingerprint(&deployment["spec"]["template"]);
    let sets = owned(store, "ReplicaSet", deployment);
    let (new, old): (Vec<_>, Vec<_>) = sets
        .into_iter()
        .partition(|(_, set)| set["metadata"]["labels"][HASH] == *hash);
    let old_size: i64 = old.iter().map(|(_, set)| size(set)).sum();
    let recreate = text(deployment, "/spec/strategy/type") == "Recreate";
    let old_pods: i64 = old
        .iter()
        .map(|(_, set)| number(set, "/status/replicas").unwrap_or(0))
        .sum();
    let (surge, unavailable) = ((wanted + 3) / 4, wanted / 4);
    let room = if recreate {
        if old_pods == 0 { wanted } else { 0 }
    } else {
        (wanted + surge - old_size).max(0)
    };
    match new.first() {
        None => create_set(store, deployment, &hash, wanted.min(room), now),
        Some((key, set)) => resize(store, key, set, wanted.min(room.max(size(set)))),
    }
    let available: i64 = old
        .iter()
        .chain(&new)
        .map(|(_, set)| number(set, "/status/availableReplicas").unwrap_or(0))
        .sum();
    let mut spare = if recreate {
        old_size
    } else {
        available - (wanted - unavailable)
    };
    for (key, set) in &old {
        // A pod that is not available is no loss.
        let idle = size(set) - number(set, "/status/availableReplicas").unwrap_or(0);
        let less = (spare.max(0) + idle).min(size(set));
        spare -= (less - idle).max(0);
        resize(store, key, set, size(set) - less);
    }
}

fn size(set: &Value) -> i64 {
    number(set, "/spec/replicas").unwrap_or(0)
}

fn resize(store: &mut Store, key: &Key, set: &Arc<Value>, replicas: i64) {
    if size(set) != replicas {
        let mut set = (**set).clone();
        set["spec"]["replicas"] = json!(replicas);
        set["metadata"]["generation"] =
            json!(number(&set, "/metadata/generation").unwrap_or(0) + 1);
        store.put(key.clone(), set);
    }
}

fn create_set(store: &mut Store, deployment: &Value, hash: &str, replicas: i64, now: Timestamp) {
    let resource = super::resource::of("ReplicaSet");
    let name = format!("{}-{hash}", text(deployment, "/metadata/name"));
    let mut template = deployment["spec"]["template"].clone();
    template["metadata"]["labels"][HASH] = json!(hash);
    let mut selector = deployment["spec"]["selector"].clone();
    selector["matchLabels"][HASH] = json!(hash);
    let set = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": name, "labels": template["metadata"]["labels"],
            "ownerReferences": controlled_by(super::resource::of("Deployment"), deployment),
        },
        "spec": {"replicas": replicas, "selector": selector, "template": template},
    });
    let key = Key::new(resource, text(deployment, "/metadata/namespace"), &name);
    // Refused (its namespace is going): the next round tries again.
    let _ = store.create(&key, &set, &controller_writer(), now);
}

fn status(store: &Store, deployment: &Value, now: Timestamp) -> Value {
    let wanted = number(deployment, "/spec/replicas").unwrap_or(1);
    let hash = fingerprint(&deployment["spec"]["template"]);
    let sets = owned(store, "ReplicaSet", deployment);
    let sum = |field: &str, only_new: bool| -> i64 {
        let counted = sets
            .iter()
            .filter(|(_, set)| !only_new || set["metadata"]["labels"][HASH] == *hash);
        counted
            .map(|(_, set)| number(set, field).unwrap_or(0))
            .sum()
    };
    let available = sum("/status/availableReplicas", false);
    let mut status = json!({"observedGeneration": deployment["metadata"]["generation"]});
    let counts = [
        ("replicas", sum("/status/replicas", false)),
        ("updatedReplicas", sum("/status/replicas", true)),
        ("readyReplicas", sum("/status/readyReplicas", false)),
        ("availableReplicas", available),
        ("unavailableReplicas", (wanted - available).max(0)),
    ];
    // The server leaves zeros out.
    for (name, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        status[name] = json!(count);
    }
    if !deployment["status"]["conditions"].is_null() {
        status["conditions"] = deployment["status"]["conditions"].clone();
    }
    let enough = available >= wanted - wanted / 4;
    let reason = if enough {
        "MinimumReplicasAvailable"
    } else {
        "MinimumReplicasUnavailable"
    };
    set_condition(&mut status, "Available", enough, reason, "", now);
    let done = sum("/status/availableReplicas", true) >= wanted;
    set_condition(
        &mut status,
        "Progressing",
        true,
        if done {
            "NewReplicaSetAvailable"
        } else {
            "ReplicaSetUpdated"
        },
        "",
        now,
    );
    for (_, set) in &sets {
        let failed = set["status"]["conditions"]
            .as_array()
            .and_then(|all| all.iter().find(|one| one["type"] == "ReplicaFailure"));
        if let Some(failed) = failed {
            set_condition(
                &mut status,
                "ReplicaFailure",
                true,
                text(failed, "/reason"),
                text(failed, "/message"),
                now,
            );
        }
    }
    status
}
