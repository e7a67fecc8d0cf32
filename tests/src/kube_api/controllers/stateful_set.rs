//! Stateful sets: pods with names and claims of their own, one after the other.

use super::super::store::{Key, Store, is_terminating, list, number, text};
use super::{all, controller_writer, event, fingerprint, from_template, holds, owned, set_status};
use jiff::Timestamp;
use serde_json::{Value, json};

const REVISION: &str = "controller-revision-hash";

pub(super) fn step(store: &mut Store, now: Timestamp) {
    for (key, set) in all(store, "StatefulSet") {
        if !is_terminating(&set) {
            fit(store, &set, now);
            let status = status(store, &set);
            set_status(store, &key, status);
        }
    }
}

fn revision(set: &Value) -> String {
    format!(
        "{}-{}",
        text(set, "/metadata/name"),
        fingerprint(&set["spec"]["template"])
    )
}

fn fit(store: &mut Store, set: &Value, now: Timestamp) {
    let wanted = number(set, "/spec/replicas").unwrap_or(1);
    let (namespace, base) = (
        text(set, "/metadata/namespace"),
        text(set, "/metadata/name"),
    );
    let ordered = text(set, "/spec/podManagementPolicy") != "Parallel";
    for ordinal in 0..wanted {
        let name = format!("{base}-{ordinal}");
        let key = Key::new(super::resource::of("Pod"), namespace, &name);
        match store.get(&key).cloned() {
            None => create(store, set, &key, ordinal, now),
            Some(pod) if ["Succeeded", "Failed"].contains(&text(&pod, "/status/phase")) => {
                store.delete_now(&key, now);
            }
            Some(_) => {}
        }
        if ordered
            && !store
                .get(&key)
                .is_some_and(|pod| holds(pod, "Ready") && !is_terminating(pod))
        {
            return;
        }
    }
    // From the top: what is too many, then what has the old template.
    let mut pods = owned(store, "Pod", set);
    pods.sort_by_key(|(_, pod)| -ordinal_of(pod));
    let too_many = pods.iter().find(|(_, pod)| ordinal_of(pod) >= wanted);
    let old = pods
        .iter()
        .find(|(_, pod)| text(pod, &format!("/metadata/labels/{REVISION}")) != revision(set));
    if let Some((key, pod)) = too_many.or(old)
        && !is_terminating(pod)
    {
        // Gone meanwhile is as good.
        let _ = store.delete(key, &Default::default(), now);
    }
}

fn ordinal_of(pod: &Value) -> i64 {
    text(pod, "/metadata/name")
        .rsplit_once('-')
        .and_then(|(_, ordinal)| ordinal.parse().ok())
        .unwrap_or(-1)
}

fn create(store: &mut Store, set: &Value, key: &Key, ordinal: i64, now: Timestamp) {
    let resource = super::resource::of("StatefulSet");
    let mut pod = from_template(&set["spec"]["template"], &key.name, resource, set);
    (pod["apiVersion"], pod["kind"]) = (json!("v1"), json!("Pod"));
    let labels = &mut pod["metadata"]["labels"];
    labels[REVISION] = json!(revision(set));
    labels["statefulset.kubernetes.io/pod-name"] = json!(key.name);
    labels["apps.kubernetes.io/pod-index"] = json!(ordinal.to_string());
    pod["spec"]["hostname"] = json!(key.name);
    pod["spec"]["subdomain"] = set["spec"]["serviceName"].clone();
    for template in list(set, "/spec/volumeClaimTemplates") {
        let volume = text(template, "/metadata/name");
        let claim = Key::new(
            super::resource::of("PersistentVolumeClaim"),
            &key.namespace,
            &format!("{volume}-{}", key.name),
        );
        let mut body = template.clone();
        (body["apiVersion"], body["kind"]) = (json!("v1"), json!("PersistentVolumeClaim"));
        body["metadata"]["name"] = json!(claim.name);
        // The claim of a pod that was there before serves the new one.
        let _ = store.create(&claim, &body, &controller_writer(), now);
        let mut volumes = list(&pod, "/spec/volumes").to_vec();
        volumes.retain(|known| known["name"] != volume);
        volumes.push(json!({"name": volume, "persistentVolumeClaim": {"claimName": claim.name}}));
        pod["spec"]["volumes"] = json!(volumes);
    }
    if let Err(refusal) = store.create(key, &pod, &controller_writer(), now) {
        event(store, set, true, "FailedCreate", &refusal.message, now);
    }
}

fn status(store: &Store, set: &Value) -> Value {
    let pods = owned(store, "Pod", set);
    let live = || pods.iter().filter(|(_, pod)| !is_terminating(pod));
    let ready = live().filter(|(_, pod)| holds(pod, "Ready")).count();
    let new = revision(set);
    let updated = live()
        .filter(|(_, pod)| text(pod, &format!("/metadata/labels/{REVISION}")) == new)
        .count();
    let all_new = updated == live().count();
    let before = text(set, "/status/currentRevision");
    let current = if all_new || before.is_empty() {
        &new
    } else {
        before
    };
    json!({
        "observedGeneration": set["metadata"]["generation"], "replicas": pods.len(), "readyReplicas": ready,
        "availableReplicas": ready, "updatedReplicas": updated, "currentReplicas": if all_new { updated } else { pods.len() - updated },
        "currentRevision": current, "updateRevision": new, "collisionCount": 0,
    })
}
