//! What runs beside the API server in a cluster: controllers that make of wishes what is there. Each is a pure step over
//! the store; [`reconcile`] takes them until nothing changes any more.

mod deployment;
mod endpoints;
mod garbage;
mod job;
mod namespace;
mod replica_set;
mod scheduler;
mod stateful_set;
mod volumes;

use super::resource::{self, Resource};
use super::store::{Key, Store, is_terminating, text};
use super::write::stamp;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

/// Rounds after which two controllers are taken to fight.
const ROUNDS_MAX: usize = 200;

/// Lets every controller do its work.
///
/// # Panics
/// If they do not come to rest.
pub(crate) fn reconcile(store: &mut Store, now: Timestamp) {
    for _ in 0..ROUNDS_MAX {
        let before = store.revision();
        namespace::step(store, now);
        garbage::step(store, now);
        volumes::step(store, now);
        deployment::step(store, now);
        replica_set::step(store, now);
        stateful_set::step(store, now);
        job::step(store, now);
        scheduler::step(store, now);
        endpoints::step(store, now);
        if store.revision() == before {
            return;
        }
    }
    panic!("the controllers of the double do not come to rest");
}

/// All objects of a kind, as they are now.
fn all(store: &Store, kind: &str) -> Vec<(Key, Arc<Value>)> {
    store
        .list(resource::of(kind), None)
        .map(|(key, object)| (key.clone(), object.clone()))
        .collect()
}

/// Those of a kind that an owner controls.
fn owned(store: &Store, kind: &str, owner: &Value) -> Vec<(Key, Arc<Value>)> {
    let (namespace, uid) = (
        text(owner, "/metadata/namespace"),
        &owner["metadata"]["uid"],
    );
    let is_his = |object: &Value| {
        let owners = object["metadata"]["ownerReferences"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        owners
            .iter()
            .any(|reference| reference["uid"] == *uid && reference["controller"] == true)
    };
    let found = store
        .list(resource::of(kind), Some(namespace))
        .filter(|(_, object)| is_his(object));
    found
        .map(|(key, object)| (key.clone(), object.clone()))
        .collect()
}

/// A pod that counts: not on its way out, not at its end.
fn is_active(pod: &Value) -> bool {
    !is_terminating(pod) && !["Succeeded", "Failed"].contains(&text(pod, "/status/phase"))
}

/// Whether a condition of an object is true.
pub(crate) fn holds(object: &Value, condition: &str) -> bool {
    let conditions = object["status"]["conditions"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    conditions
        .iter()
        .any(|one| one["type"] == condition && one["status"] == "True")
}

fn controlled_by(resource: &Resource, owner: &Value) -> Value {
    json!([{
        "apiVersion": resource.api_version(), "kind": resource.kind, "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true,
    }])
}

/// A pod (or a claim) after a template, owned by `owner`.
fn from_template(template: &Value, name: &str, resource: &Resource, owner: &Value) -> Value {
    let mut object = template.clone();
    object["metadata"]["name"] = json!(name);
    object["metadata"]["ownerReferences"] = controlled_by(resource, owner);
    object
}

/// Writes an object's status.
pub(crate) fn set_status(store: &mut Store, key: &Key, status: Value) {
    let Some(object) = store.get(key) else { return };
    let mut object = (**object).clone();
    object["status"] = status;
    store.put(key.clone(), object);
}

/// Sets one condition in a status; its time moves when its value does.
pub(crate) fn set_condition(
    status: &mut Value,
    kind: &str,
    value: bool,
    reason: &str,
    message: &str,
    now: Timestamp,
) {
    if !status["conditions"].is_array() {
        status["conditions"] = json!([]);
    }
    let conditions = status["conditions"].as_array_mut().expect("made one above");
    let value = if value { "True" } else { "False" };
    let mut new = json!({"type": kind, "status": value, "reason": reason, "message": message, "lastTransitionTime": stamp(now)});
    match conditions.iter_mut().find(|one| one["type"] == kind) {
        Some(known) => {
            if known["status"] == value {
                new["lastTransitionTime"] = known["lastTransitionTime"].clone();
            }
            *known = new;
        }
        None => conditions.push(new),
    }
}

/// Tells the world what happened to an object; once for each reason and message.
pub(crate) fn event(
    store: &mut Store,
    about: &Value,
    warning: bool,
    reason: &str,
    message: &str,
    now: Timestamp,
) {
    let namespace = Some(text(about, "/metadata/namespace"))
        .filter(|name| !name.is_empty())
        .unwrap_or("default");
    let told: u64 = reason
        .bytes()
        .chain(message.bytes())
        .fold(5381, |hash, byte| hash.wrapping_mul(33) ^ u64::from(byte));
    let name = format!("{}.{told:016x}", text(about, "/metadata/name"));
    let key = Key::new(resource::of("Event"), namespace, &name);
    let body = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": name}, "reason": reason, "message": message, "count": 1,
        "type": if warning { "Warning" } else { "Normal" }, "firstTimestamp": stamp(now), "lastTimestamp": stamp(now),
        "source": {"component": "aefm-kube-api"},
        "involvedObject": {
            "apiVersion": about["apiVersion"], "kind": about["kind"], "namespace": about["metadata"]["namespace"],
            "name": about["metadata"]["name"], "uid": about["metadata"]["uid"],
        },
    });
    // Told already, or the namespace is on its way out: nobody reads it twice.
    let _ = store.create(&key, &body, &controller_writer(), now);
}

/// Who the controllers are to `managedFields`.
fn controller_writer() -> super::apply::Writer {
    super::apply::Writer {
        manager: "kube-controller-manager".to_owned(),
        ..Default::default()
    }
}

/// Ten letters that stand for a template.
fn fingerprint(template: &Value) -> String {
    let text = template.to_string();
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    format!("{:010x}", hash & 0xff_ffff_ffff)
}
