//! Cascading deletion: what an owner leaves goes with it, before it (foreground), after it (background), or stays (orphan).

use super::super::deletion::Deletion;
use super::super::resource::of_object;
use super::super::store::{Key, Store, is_terminating, list, text};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

pub(super) fn step(store: &mut Store, now: Timestamp) {
    let everything: Vec<_> = store
        .all()
        .map(|(key, object)| (key.clone(), object.clone()))
        .collect();
    // An owner is looked for by its uid, where its object lives or outside of namespaces.
    let there: BTreeSet<(&str, &str)> = everything
        .iter()
        .map(|(key, object)| (text(object, "/metadata/uid"), key.namespace.as_str()))
        .collect();
    for (key, object) in &everything {
        if is_terminating(object) {
            let waits_for =
                |finalizer: &str| list(object, "/metadata/finalizers").contains(&json!(finalizer));
            if waits_for("foregroundDeletion") {
                foreground(store, key, object, &everything, now);
            } else if waits_for("orphan") {
                orphan(store, key, object, &everything, now);
            }
        } else if is_left_alone(key, object, &there) {
            // Gone meanwhile is as good.
            let _ = store.delete(key, &Deletion::default(), now);
        }
    }
}

fn owners(object: &Value) -> &[Value] {
    list(object, "/metadata/ownerReferences")
}

fn is_left_alone(key: &Key, object: &Value, there: &BTreeSet<(&str, &str)>) -> bool {
    let is_there = |owner: &Value| {
        let uid = text(owner, "/uid");
        let kind = of_object(text(owner, "/apiVersion"), text(owner, "/kind"));
        // Whether it is there cannot be found out, so that its object stays.
        let unknown = key.namespace.is_empty() && kind.is_some_and(|kind| kind.namespaced);
        unknown || there.contains(&(uid, key.namespace.as_str())) || there.contains(&(uid, ""))
    };
    !owners(object).is_empty() && !owners(object).iter().any(is_there)
}

type Everything = [(Key, Arc<Value>)];

fn dependents<'a>(
    of: &'a Value,
    everything: &'a Everything,
) -> impl Iterator<Item = &'a (Key, Arc<Value>)> {
    let uid = &of["metadata"]["uid"];
    everything
        .iter()
        .filter(move |(_, object)| owners(object).iter().any(|owner| owner["uid"] == *uid))
}

fn foreground(
    store: &mut Store,
    key: &Key,
    object: &Value,
    everything: &Everything,
    now: Timestamp,
) {
    let mut blocked = false;
    for (dependent, body) in dependents(object, everything) {
        let blocks = owners(body).iter().any(|one| {
            one["uid"] == object["metadata"]["uid"] && one["blockOwnerDeletion"] == true
        });
        blocked |= blocks;
        if !is_terminating(body) {
            let policy = if blocks { "Foreground" } else { "Background" };
            // Gone meanwhile is as good.
            let _ = store.delete(
                dependent,
                &Deletion {
                    policy: policy.to_owned(),
                    ..Deletion::default()
                },
                now,
            );
        }
    }
    if !blocked {
        drop_finalizer(store, key, "foregroundDeletion", now);
    }
}

fn orphan(store: &mut Store, key: &Key, object: &Value, everything: &Everything, now: Timestamp) {
    for (dependent, body) in dependents(object, everything) {
        let mut body = (**body).clone();
        let mut left = owners(&body).to_vec();
        left.retain(|owner| owner["uid"] != object["metadata"]["uid"]);
        body["metadata"]["ownerReferences"] = json!(left);
        store.put(dependent.clone(), body);
    }
    drop_finalizer(store, key, "orphan", now);
}

/// Takes a finalizer off; the object goes if it was the last thing that held it.
pub(super) fn drop_finalizer(store: &mut Store, key: &Key, finalizer: &str, now: Timestamp) {
    let Some(object) = store.get(key) else { return };
    let mut object = (**object).clone();
    let mut left = list(&object, "/metadata/finalizers").to_vec();
    left.retain(|one| one != finalizer);
    let metadata = object["metadata"]
        .as_object_mut()
        .expect("every object has metadata");
    if left.is_empty() {
        metadata.remove("finalizers");
    } else {
        metadata.insert("finalizers".to_owned(), json!(left));
    }
    // Gone meanwhile is as good.
    let _ = store.update(key, &object, &super::controller_writer(), now);
}
