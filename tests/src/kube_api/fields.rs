//! Who owns which field of an object: sets of paths, and how `managedFields` writes them down (`FieldsV1`).

use super::merge::{Shape, item_key, shape};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// A step down into an object, as `FieldsV1` writes it: `f:name`, `k:{"name":"x"}`, `v:"x"`.
pub(crate) type Step = String;
/// From the object's root to something that has one owner.
pub(crate) type Path = Vec<Step>;
/// What somebody owns.
pub(crate) type Fields = BTreeSet<Path>;

/// Fields that nobody owns: what an object is, and what the server itself writes.
const NOBODYS: &[&str] = &["apiVersion", "kind"];
const NOBODYS_METADATA: &[&str] = &[
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "managedFields",
    "selfLink",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generateName",
];

/// All that can be owned in an object; `status` or everything else.
pub(crate) fn of(object: &Value, status: bool, has_status: bool) -> Fields {
    let mut found = Fields::new();
    for (key, value) in object.as_object().into_iter().flatten() {
        if NOBODYS.contains(&key.as_str())
            || (has_status && (key == "status") != status)
            || (status && key != "status")
        {
            continue;
        }
        if key == "metadata" {
            let kept = value.as_object().into_iter().flatten();
            for (key, value) in kept.filter(|(key, _)| !NOBODYS_METADATA.contains(&key.as_str())) {
                collect(
                    value,
                    key,
                    &mut vec!["f:metadata".to_owned(), format!("f:{key}")],
                    &mut found,
                );
            }
        } else {
            collect(value, key, &mut vec![format!("f:{key}")], &mut found);
        }
    }
    found
}

fn collect(value: &Value, field: &str, path: &mut Path, found: &mut Fields) {
    match (shape(field, value), value) {
        (_, Value::Null) => {}
        (Shape::Map, Value::Object(map)) if !map.is_empty() => {
            for (key, value) in map {
                path.push(format!("f:{key}"));
                collect(value, key, path, found);
                path.pop();
            }
        }
        (Shape::Keyed(keys), Value::Array(items)) if !items.is_empty() => {
            for item in items {
                path.push(format!("k:{}", item_key(keys, item)));
                collect(item, "", path, found);
                // That the item is there at all has owners, too.
                found.insert(path.clone());
                path.pop();
            }
        }
        (Shape::Set, Value::Array(items)) => {
            for item in items {
                path.push(format!("v:{item}"));
                found.insert(path.clone());
                path.pop();
            }
        }
        _ => drop(found.insert(path.clone())),
    }
}

/// What is at a path.
pub(crate) fn get<'a>(object: &'a Value, path: &[Step]) -> Option<&'a Value> {
    path.iter()
        .try_fold(object, |value, step| match step.split_at(2) {
            ("f:", key) => value.get(key),
            ("k:", key) => value.as_array()?.get(position(value, key)?),
            (_, key) => value.as_array()?.iter().find(|item| **item == literal(key)),
        })
}

/// Takes away what is at a path, and maps that are empty for it.
pub(crate) fn remove(object: &mut Value, path: &[Step]) {
    let Some((step, rest)) = path.split_first() else {
        return;
    };
    match step.split_at(2) {
        ("f:", key) => {
            let Some(map) = object.as_object_mut() else {
                return;
            };
            if let Some(inner) = map.get_mut(key).filter(|_| !rest.is_empty()) {
                remove(inner, rest);
            }
            let emptied =
                |value: &Value| value.as_object().is_some_and(Map::is_empty) || *value == json!([]);
            if rest.is_empty() || map.get(key).is_some_and(emptied) {
                map.remove(key);
            }
        }
        (kind, key) => {
            let at = if kind == "k:" {
                position(object, key)
            } else {
                object
                    .as_array()
                    .and_then(|items| items.iter().position(|item| *item == literal(key)))
            };
            let (Some(at), Some(items)) = (at, object.as_array_mut()) else {
                return;
            };
            if rest.is_empty() {
                items.remove(at);
            } else {
                remove(&mut items[at], rest);
            }
        }
    }
}

/// The item of a set that a step names.
fn literal(key: &str) -> Value {
    serde_json::from_str(key).unwrap_or_default()
}

fn position(list: &Value, key: &str) -> Option<usize> {
    let key: Value = serde_json::from_str(key).ok()?;
    let keys: Vec<&str> = key.as_object()?.keys().map(String::as_str).collect();
    list.as_array()?
        .iter()
        .position(|item| item_key(&keys, item) == key)
}

/// As a person reads it: `.spec.template.spec.containers[name="web"].image`.
pub(crate) fn readable(path: &[Step]) -> String {
    let step = |step: &Step| match step.split_at(2) {
        ("f:", key) => format!(".{key}"),
        ("k:", key) => {
            let key: Map<String, Value> = serde_json::from_str(key).unwrap_or_default();
            let parts: Vec<_> = key
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            format!("[{}]", parts.join(","))
        }
        (_, key) => format!("[={key}]"),
    };
    path.iter().map(step).collect()
}

/// As `managedFields` has it.
pub(crate) fn encode(fields: &Fields) -> Value {
    let mut tree = json!({});
    for path in fields {
        let mut at = &mut tree;
        for step in path {
            at = at
                .as_object_mut()
                .expect("only maps are put in")
                .entry(step.clone())
                .or_insert(json!({}));
        }
        if path.last().is_some_and(|last| last.starts_with("k:")) {
            at["."] = json!({});
        }
    }
    tree
}

/// The other way round.
pub(crate) fn decode(tree: &Value) -> Fields {
    let mut found = Fields::new();
    descend(tree, &mut Vec::new(), &mut found);
    found
}

fn descend(tree: &Value, path: &mut Path, found: &mut Fields) {
    let map = tree.as_object().cloned().unwrap_or_default();
    if map.is_empty() && !path.is_empty() {
        found.insert(path.clone());
    }
    for (step, below) in &map {
        if step == "." {
            found.insert(path.clone());
        } else {
            path.push(step.clone());
            descend(below, path, found);
            path.pop();
        }
    }
}
