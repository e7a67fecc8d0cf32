//! How lists and maps of the API's objects merge: which lists are maps by a key of their items, and the three patches.

use super::refusal::Refusal;
use serde_json::{Map, Value, json};

/// Lists whose items are told apart by a field, and that field (a second one where the first is not enough).
const KEYED: &[(&str, &[&str])] = &[
    ("conditions", &["type"]),
    ("containers", &["name"]),
    ("env", &["name"]),
    ("ephemeralContainers", &["name"]),
    ("hostAliases", &["ip"]),
    ("imagePullSecrets", &["name"]),
    ("initContainers", &["name"]),
    ("ownerReferences", &["uid"]),
    ("volumeDevices", &["devicePath"]),
    ("volumeMounts", &["mountPath"]),
    ("volumes", &["name"]),
];

/// Maps that one writer owns as a whole.
const ATOMIC: &[&str] = &[
    "selector",
    "nodeSelector",
    "fieldRef",
    "resourceFieldRef",
    "secretKeyRef",
    "configMapKeyRef",
];

/// How a value of a field is divided.
pub(crate) enum Shape {
    /// A map whose entries have owners of their own.
    Map,
    /// A list whose items are told apart by these fields.
    Keyed(&'static [&'static str]),
    /// A list of scalars, each one once.
    Set,
    /// One piece.
    Atom,
}

/// The shape of a value under its field's name.
pub(crate) fn shape(field: &str, value: &Value) -> Shape {
    match value {
        Value::Object(_) if !ATOMIC.contains(&field) => Shape::Map,
        Value::Array(_) if field == "finalizers" => Shape::Set,
        Value::Array(items) => keys(field, items.first()).map_or(Shape::Atom, Shape::Keyed),
        _ => Shape::Atom,
    }
}

fn keys(field: &str, first: Option<&Value>) -> Option<&'static [&'static str]> {
    if field == "ports" {
        let of_container = first.is_some_and(|port| !port["containerPort"].is_null());
        let of_service = first.is_some_and(|port| !port["port"].is_null());
        let by: Option<&'static [&'static str]> = if of_container {
            Some(&["containerPort", "protocol"])
        } else {
            None
        };
        return by.or(if of_service {
            Some(&["port", "protocol"])
        } else {
            None
        });
    }
    KEYED
        .iter()
        .find(|(name, _)| *name == field)
        .map(|(_, keys)| *keys)
}

/// What tells an item of a keyed list apart from the others.
pub(crate) fn item_key(keys: &[&str], item: &Value) -> Value {
    let value = |key: &str| match &item[key] {
        Value::Null if key == "protocol" => json!("TCP"),
        value => value.clone(),
    };
    Value::Object(
        keys.iter()
            .map(|key| ((*key).to_owned(), value(key)))
            .collect(),
    )
}

/// Puts `from` over `into` the way server-side apply does: maps and keyed lists entry by entry, the rest replaced.
pub(crate) fn merge_applied(into: &mut Value, from: &Value, field: &str) {
    match (shape(field, from), into, from) {
        (Shape::Map, Value::Object(into), Value::Object(from)) => {
            for (key, value) in from.iter().filter(|(_, value)| !value.is_null()) {
                merge_applied(into.entry(key.clone()).or_insert(Value::Null), value, key);
            }
        }
        (Shape::Keyed(keys), Value::Array(into), Value::Array(from)) => {
            for item in from {
                let key = item_key(keys, item);
                match into.iter_mut().find(|known| item_key(keys, known) == key) {
                    Some(known) => merge_applied(known, item, ""),
                    None => into.push(item.clone()),
                }
            }
        }
        (Shape::Set, Value::Array(into), Value::Array(from)) => {
            let new: Vec<_> = from
                .iter()
                .filter(|item| !into.contains(item))
                .cloned()
                .collect();
            into.extend(new);
        }
        (_, into, from) => *into = from.clone(),
    }
}

/// RFC 7386: null takes away, maps merge, the rest is replaced.
pub(crate) fn merge_patch(into: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = Value::Object(Map::new());
    }
    for (key, value) in patch {
        if value.is_null() {
            into.as_object_mut().map(|map| map.remove(key));
        } else {
            merge_patch(&mut into[key], value);
        }
    }
}

/// Kubernetes' own patch: as a merge patch, and keyed lists item by item (`$patch: delete` takes one away).
pub(crate) fn strategic_patch(into: &mut Value, patch: &Value, field: &str) {
    match (shape(field, patch), into, patch) {
        (Shape::Keyed(keys), into, Value::Array(items)) => {
            if !into.is_array() {
                *into = json!([]);
            }
            // The strategic patch tells items apart by the first of the keys alone.
            let key = &keys[..1];
            for item in items {
                let known = into.as_array_mut().expect("made one above");
                let at = known
                    .iter()
                    .position(|known| item_key(key, known) == item_key(key, item));
                match at {
                    Some(at) if item["$patch"] == "delete" => drop(known.remove(at)),
                    Some(at) => strategic_patch(&mut known[at], item, ""),
                    None => known.push(item.clone()),
                }
            }
        }
        (_, into, Value::Object(patch)) => {
            if !into.is_object() {
                *into = Value::Object(Map::new());
            }
            for (key, value) in patch {
                if value.is_null() {
                    into.as_object_mut().map(|map| map.remove(key));
                } else {
                    strategic_patch(&mut into[key], value, key);
                }
            }
        }
        (_, into, patch) => *into = patch.clone(),
    }
}

/// RFC 6902, as far as clients of ours use it: add, remove, replace, test.
pub(crate) fn json_patch(into: &mut Value, patch: &Value) -> Result<(), Refusal> {
    for step in patch
        .as_array()
        .ok_or_else(|| Refusal::bad_request("a JSON patch is a list"))?
    {
        let path = step["path"].as_str().unwrap_or_default();
        let (parent, last) = path
            .rsplit_once('/')
            .ok_or_else(|| Refusal::bad_request("no path"))?;
        let last = last.replace("~1", "/").replace("~0", "~");
        let fail = || Refusal::bad_request(format!("the path {path} does not exist"));
        let parent = into.pointer_mut(parent).ok_or_else(fail)?;
        match (step["op"].as_str().unwrap_or_default(), parent) {
            ("test", parent) if parent[&last] == step["value"] => {}
            ("add" | "replace", Value::Object(map)) => {
                drop(map.insert(last, step["value"].clone()));
            }
            ("add", Value::Array(items)) if last == "-" => items.push(step["value"].clone()),
            ("remove", Value::Object(map)) => drop(map.remove(&last).ok_or_else(fail)?),
            ("remove", Value::Array(items)) => {
                let at = last
                    .parse()
                    .ok()
                    .filter(|at| *at < items.len())
                    .ok_or_else(fail)?;
                items.remove(at);
            }
            _ => {
                return Err(Refusal::bad_request(format!(
                    "the step {step} cannot be taken"
                )));
            }
        }
    }
    Ok(())
}
