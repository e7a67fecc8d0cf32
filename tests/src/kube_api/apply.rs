//! Server-side apply: whose fields are whose, conflicts between owners, and fields that their last owner lets go.

use super::fields::{self, Fields};
use super::merge::merge_applied;
use super::refusal::Refusal;
use serde_json::{Value, json};

/// Who writes, and how.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writer {
    pub(crate) manager: String,
    /// Whether conflicts are won.
    pub(crate) force: bool,
    /// Whether it is the status that is written.
    pub(crate) status: bool,
}

/// One entry of `managedFields`.
struct Owner {
    manager: String,
    applies: bool,
    status: bool,
    fields: Fields,
    time: Value,
    api_version: Value,
}

fn owners(object: &Value) -> Vec<Owner> {
    let entries = object["metadata"]["managedFields"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let owner = |entry: &Value| Owner {
        manager: entry["manager"].as_str().unwrap_or_default().to_owned(),
        applies: entry["operation"] == "Apply",
        status: entry["subresource"] == "status",
        fields: fields::decode(&entry["fieldsV1"]),
        time: entry["time"].clone(),
        api_version: entry["apiVersion"].clone(),
    };
    entries.iter().map(owner).collect()
}

fn write_owners(object: &mut Value, owners: &[Owner]) {
    let entry = |owner: &Owner| {
        let mut entry = json!({
            "manager": owner.manager, "operation": if owner.applies { "Apply" } else { "Update" }, "time": owner.time,
            "apiVersion": owner.api_version, "fieldsType": "FieldsV1", "fieldsV1": fields::encode(&owner.fields),
        });
        if owner.status {
            entry["subresource"] = json!("status");
        }
        entry
    };
    let entries: Vec<_> = owners
        .iter()
        .filter(|owner| !owner.fields.is_empty())
        .map(entry)
        .collect();
    object["metadata"]["managedFields"] = json!(entries);
}

/// The object after an apply of `applied` over `live` (an object being made: its name and kind alone).
pub(crate) fn apply(
    live: &Value,
    applied: &Value,
    writer: &Writer,
    has_status: bool,
    now: &str,
) -> Result<Value, Refusal> {
    let wanted = fields::of(applied, writer.status, has_status);
    let mut owners = owners(live);
    let is_own = |owner: &Owner| {
        owner.manager == writer.manager && owner.applies && owner.status == writer.status
    };
    let mut conflicts = Vec::new();
    for owner in owners.iter_mut().filter(|owner| !is_own(owner)) {
        let differs = |path: &&Vec<String>| {
            let is_value = !path.last().is_some_and(|last| last.starts_with("k:"));
            is_value && fields::get(live, path) != fields::get(applied, path)
        };
        let disputed: Fields = owner
            .fields
            .intersection(&wanted)
            .filter(differs)
            .cloned()
            .collect();
        conflicts.extend(
            disputed
                .iter()
                .map(|path| (owner.manager.clone(), fields::readable(path))),
        );
        owner.fields.retain(|path| !disputed.contains(path));
    }
    if !conflicts.is_empty() && !writer.force {
        return Err(Refusal::owned_by_others(&conflicts));
    }
    let at = owners.iter().position(is_own);
    let before = at.map(|at| owners.remove(at));
    let mut object = live.clone();
    // An item goes before its fields: without them it could not be told apart any more.
    for path in before.iter().flat_map(|own| own.fields.difference(&wanted)) {
        let others_below = |owner: &Owner| owner.fields.iter().any(|field| field.starts_with(path));
        if !owners.iter().any(others_below) {
            fields::remove(&mut object, path);
        }
    }
    // After that: a map that is empty for what went may be one that is wanted empty.
    merge_applied(&mut object, applied, "");
    let same = before.as_ref().is_some_and(|own| own.fields == wanted)
        && unmanaged(&object) == unmanaged(live);
    let time = before
        .filter(|_| same)
        .map_or_else(|| json!(now), |own| own.time);
    let (manager, api_version) = (writer.manager.clone(), applied["apiVersion"].clone());
    let own = Owner {
        manager,
        applies: true,
        status: writer.status,
        fields: wanted,
        time,
        api_version,
    };
    // An owner keeps its place, so that an apply that changes nothing writes nothing.
    owners.insert(at.unwrap_or(owners.len()), own);
    write_owners(&mut object, &owners);
    Ok(object)
}

/// Notes whose the fields are that an ordinary write changed.
pub(crate) fn note_update(
    before: &Value,
    after: &mut Value,
    writer: &Writer,
    has_status: bool,
    now: &str,
) {
    let mut owners = owners(before);
    let there = fields::of(after, writer.status, has_status);
    let changed: Fields = there
        .iter()
        .filter(|path| fields::get(before, path) != fields::get(after, path))
        .cloned()
        .collect();
    for owner in owners
        .iter_mut()
        .filter(|owner| owner.status == writer.status)
    {
        owner
            .fields
            .retain(|path| there.contains(path) && !is_changed_value(path, &changed));
    }
    let is_own = |owner: &&mut Owner| {
        owner.manager == writer.manager && !owner.applies && owner.status == writer.status
    };
    match owners.iter_mut().find(is_own) {
        Some(own) if !changed.is_empty() => {
            own.fields.extend(changed);
            own.time = json!(now);
        }
        Some(_) => {}
        None => owners.push(Owner {
            manager: writer.manager.clone(),
            applies: false,
            status: writer.status,
            fields: changed,
            time: json!(now),
            api_version: after["apiVersion"].clone(),
        }),
    }
    write_owners(after, &owners);
}

fn is_changed_value(path: &[String], changed: &Fields) -> bool {
    changed.contains(path) && !path.last().is_some_and(|last| last.starts_with("k:"))
}

fn unmanaged(object: &Value) -> Value {
    let mut object = object.clone();
    object["metadata"]
        .as_object_mut()
        .map(|metadata| metadata.remove("managedFields"));
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn by(manager: &str) -> Writer {
        Writer {
            manager: manager.to_owned(),
            force: true,
            status: false,
        }
    }

    fn data() -> impl Strategy<Value = Value> {
        let entries = proptest::collection::btree_map("[a-d]", "[x-z]", 0..4);
        let containers = proptest::collection::btree_map("[a-c]", "[x-z]", 0..3);
        (entries, containers).prop_map(|(entries, containers)| {
            let containers: Vec<_> =
                containers.iter().map(|(name, image)| json!({"name": name, "image": image})).collect();
            json!({"apiVersion": "v1", "kind": "Thing", "metadata": {}, "data": entries, "spec": {"containers": containers}})
        })
    }

    /// What an applied object says, without what is empty.
    fn holds_all_of(object: &Value, applied: &Value) -> bool {
        fields::of(applied, false, true).iter().all(|path| {
            let empty = |value: &Value| *value == json!({}) || *value == json!([]);
            let wanted = fields::get(applied, path).expect("it is its own path");
            path.last().is_some_and(|last| last.starts_with("k:"))
                || empty(wanted)
                || fields::get(object, path) == Some(wanted)
        })
    }

    proptest! {
        #[test]
        fn whoever_forces_has_its_way_and_alone_leaves_no_trace(steps in proptest::collection::vec((0..3_usize, data()), 1..8)) {
            let none = json!({"apiVersion": "v1", "kind": "Thing", "metadata": {}});
            let mut object = none.clone();
            for (who, applied) in &steps {
                let writer = by(&format!("manager-{who}"));
                object = apply(&object, applied, &writer, true, "now").expect("force wins");
                prop_assert!(holds_all_of(&object, applied), "{applied} is not in {object}");
                let again = apply(&object, applied, &writer, true, "later").expect("force wins");
                prop_assert_eq!(&again, &object, "the same apply changes nothing");
            }
            for who in 0..3 {
                object = apply(&object, &none, &by(&format!("manager-{who}")), true, "now").expect("force wins");
            }
            let left: Vec<_> = fields::of(&object, false, true).into_iter().filter(|path| fields::get(&object, path).is_some_and(|value| *value != json!({}) && *value != json!([]))).collect();
            prop_assert!(left.is_empty(), "{left:?} is nobody's, and is there: {object}");
            prop_assert_eq!(&object["metadata"]["managedFields"], &json!([]));
        }

        #[test]
        fn owners_are_written_and_read_back(applied in data()) {
            let owned = fields::of(&applied, false, true);
            prop_assert_eq!(fields::decode(&fields::encode(&owned)), owned);
        }
    }
}
