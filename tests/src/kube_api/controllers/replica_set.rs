//! Replica sets: as many pods as asked for.

use super::super::store::{Key, Store, is_terminating, list, number, text};
use super::{
    all, controller_writer, event, from_template, holds, is_active, owned, set_condition,
    set_status,
};
use jiff::Timestamp;
use serde_json::{Value, json};

pub(super) fn step(store: &mut Store, now: Timestamp) {
    for (key, set) in all(store, "ReplicaSet") {
        if !is_terminating(&set) {
            let refused = fit(store, &set, now);
            let status = status(store, &set, refused.as_deref(), now);
            set_status(store, &key, status);
        }
    }
}

/// Makes and deletes pods; returns why one could not be made.
fn fit(store: &mut Store, set: &Value, now: Timestamp) -> Option<String> {
    let wanted = usize::try_from(number(set, "/spec/replicas").unwrap_or(1)).unwrap_or(0);
    let mut pods: Vec<_> = owned(store, "Pod", set)
        .into_iter()
        .filter(|(_, pod)| is_active(pod))
        .collect();
    // Those that serve stay longest.
    pods.sort_by_key(|(_, pod)| !holds(pod, "Ready"));
    let writer = controller_writer();
    for (key, _) in pods.iter().skip(wanted) {
        // Gone meanwhile is as good.
        let _ = store.delete(key, &Default::default(), now);
    }
    for _ in pods.len()..wanted {
        let name = format!(
            "{}-{:05x}",
            text(set, "/metadata/name"),
            store.births() & 0xf_ffff
        );
        let mut pod = from_template(
            &set["spec"]["template"],
            &name,
            super::resource::of("ReplicaSet"),
            set,
        );
        (pod["apiVersion"], pod["kind"]) = (json!("v1"), json!("Pod"));
        let key = Key::new(
            super::resource::of("Pod"),
            text(set, "/metadata/namespace"),
            &name,
        );
        if let Err(refusal) = store.create(&key, &pod, &writer, now) {
            event(
                store,
                set,
                true,
                "FailedCreate",
                &format!("Error creating: {}", refusal.message),
                now,
            );
            return Some(refusal.message);
        }
    }
    None
}

fn status(store: &Store, set: &Value, refused: Option<&str>, now: Timestamp) -> Value {
    let pods: Vec<_> = owned(store, "Pod", set)
        .into_iter()
        .filter(|(_, pod)| is_active(pod))
        .collect();
    let ready = pods.iter().filter(|(_, pod)| holds(pod, "Ready")).count();
    let mut status =
        json!({"observedGeneration": set["metadata"]["generation"], "replicas": pods.len()});
    if ready > 0 {
        status["readyReplicas"] = json!(ready);
        status["availableReplicas"] = json!(ready);
    }
    if let Some(why) = refused {
        let known = list(set, "/status/conditions").to_vec();
        status["conditions"] = json!(known);
        set_condition(
            &mut status,
            "ReplicaFailure",
            true,
            "FailedCreate",
            why,
            now,
        );
    }
    status
}
