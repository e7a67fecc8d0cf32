//! Volumes and claims: binding what fits, and holding both until nobody uses them.

use super::super::selector::selects;
use super::super::store::{Key, Store, is_terminating, list, text};
use super::garbage::drop_finalizer;
use super::{all, is_active, set_status};
use jiff::Timestamp;
use serde_json::{Value, json};

const IN_USE: &str = "kubernetes.io/pvc-protection";
const BOUND: &str = "kubernetes.io/pv-protection";

pub(super) fn step(store: &mut Store, now: Timestamp) {
    for (key, claim) in all(store, "PersistentVolumeClaim") {
        if is_terminating(&claim) && !is_used(store, &key) {
            drop_finalizer(store, &key, IN_USE, now);
        } else if !is_terminating(&claim) && text(&claim, "/spec/volumeName").is_empty() {
            bind(store, &key, &claim);
        }
    }
    for (key, volume) in all(store, "PersistentVolume") {
        let claim = &volume["spec"]["claimRef"];
        let claim = Key::new(
            super::resource::of("PersistentVolumeClaim"),
            text(claim, "/namespace"),
            text(claim, "/name"),
        );
        let bound = store
            .get(&claim)
            .is_some_and(|there| there["metadata"]["uid"] == volume["spec"]["claimRef"]["uid"]);
        let phase = if bound {
            "Bound"
        } else if volume["spec"]["claimRef"]["uid"].is_null() {
            "Available"
        } else {
            "Released"
        };
        set_status(store, &key, json!({"phase": phase}));
        if is_terminating(&volume) && !bound {
            drop_finalizer(store, &key, BOUND, now);
        }
    }
}

fn is_used(store: &Store, claim: &Key) -> bool {
    let names = |pod: &Value| {
        list(pod, "/spec/volumes")
            .iter()
            .any(|one| one["persistentVolumeClaim"]["claimName"] == claim.name)
    };
    let mut pods = store.list(super::resource::of("Pod"), Some(&claim.namespace));
    pods.any(|(_, pod)| names(pod) && (is_active(pod) || is_terminating(pod)))
}

fn bind(store: &mut Store, key: &Key, claim: &Value) {
    let fits = |volume: &Value| {
        let reference = &volume["spec"]["claimRef"];
        let reserved = reference["name"] == key.name
            && reference["namespace"] == key.namespace
            && reference["uid"].is_null();
        let modes = list(volume, "/spec/accessModes");
        text(volume, "/spec/storageClassName") == text(claim, "/spec/storageClassName")
            && (reference.is_null() || reserved)
            && list(claim, "/spec/accessModes")
                .iter()
                .all(|mode| modes.contains(mode))
            && selects(&claim["spec"]["selector"], &volume["metadata"]["labels"])
    };
    let volume = all(store, "PersistentVolume")
        .into_iter()
        .find(|(_, volume)| !is_terminating(volume) && fits(volume));
    let Some((at, volume)) = volume else { return };
    let mut volume = (*volume).clone();
    volume["spec"]["claimRef"] = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": key.namespace, "name": key.name,
        "uid": claim["metadata"]["uid"],
    });
    let (name, capacity) = (at.name.clone(), volume["spec"]["capacity"].clone());
    store.put(at, volume);
    let mut claim = claim.clone();
    claim["spec"]["volumeName"] = json!(name);
    claim["status"] = json!({"phase": "Bound", "accessModes": claim["spec"]["accessModes"], "capacity": capacity});
    store.put(key.clone(), claim);
}
