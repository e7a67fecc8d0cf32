//! Namespaces: what every one has, and the emptying of one that is to go.

use super::super::deletion::Deletion;
use super::super::resource::RESOURCES;
use super::super::store::{Key, Store, is_terminating, list};
use super::{all, controller_writer, set_condition, set_status};
use jiff::Timestamp;
use serde_json::json;

pub(super) fn step(store: &mut Store, now: Timestamp) {
    for (key, namespace) in all(store, "Namespace") {
        if !is_terminating(&namespace) {
            furnish(store, &key.name, now);
            continue;
        }
        let mut inside = Vec::new();
        for resource in RESOURCES.iter().filter(|resource| resource.namespaced) {
            inside.extend(
                store
                    .list(resource, Some(&key.name))
                    .map(|(key, object)| (key.clone(), object.clone())),
            );
        }
        for (key, _) in inside.iter().filter(|(_, object)| !is_terminating(object)) {
            // Gone meanwhile is as good.
            let _ = store.delete(key, &Deletion::default(), now);
        }
        let stuck = inside
            .iter()
            .filter(|(_, object)| !list(object, "/metadata/finalizers").is_empty())
            .count();
        let mut status = namespace["status"].clone();
        let what =
            format!("Some content in the namespace has finalizers remaining: {stuck} objects");
        set_condition(
            &mut status,
            "NamespaceFinalizersRemaining",
            stuck > 0,
            "SomeFinalizersRemain",
            &what,
            now,
        );
        set_status(store, &key, status);
        if inside.is_empty() && list(&namespace, "/metadata/finalizers").is_empty() {
            store.remove(&key);
        }
    }
}

/// The account that pods run as, and the authority's certificate that they may want.
fn furnish(store: &mut Store, name: &str, now: Timestamp) {
    for (kind, object) in [
        ("ServiceAccount", "default"),
        ("ConfigMap", "kube-root-ca.crt"),
    ] {
        let key = Key::new(super::resource::of(kind), name, object);
        if store.get(&key).is_none() {
            let body = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": object}});
            // It was not there a line ago, and nobody else writes meanwhile.
            let _ = store.create(&key, &body, &controller_writer(), now);
        }
    }
}
