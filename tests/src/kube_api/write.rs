//! What a create, an update, an apply and a deletion do to the store, by the API's rules. Pure.

use super::apply::{self, Writer};
use super::defaults;
use super::merge;
use super::refusal::Refusal;
use super::store::{Key, Store, is_terminating, list, number, text};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

/// A patch and its kind.
pub(crate) enum Patch<'a> {
    Apply(&'a Value),
    Merge(&'a Value),
    Strategic(&'a Value),
    Json(&'a Value),
}

/// An instant as objects have it: whole seconds.
pub(crate) fn stamp(now: Timestamp) -> String {
    let whole = Timestamp::from_second(now.as_second()).unwrap_or(now);
    whole.to_string()
}

impl Store {
    /// Makes an object (of `key`, or of a name that is drawn for it).
    pub(crate) fn create(
        &mut self,
        key: &Key,
        body: &Value,
        writer: &Writer,
        now: Timestamp,
    ) -> Result<Arc<Value>, Refusal> {
        let mut object = body.clone();
        let mut key = key.clone();
        if key.name.is_empty() {
            let base = text(body, "/metadata/generateName");
            if base.is_empty() {
                let why = "metadata.name: Required value: name or generateName is required";
                return Err(Refusal::invalid(key.resource, "", why));
            }
            key.name = format!("{base}{:05x}", self.births());
        }
        if self.get(&key).is_some() {
            return Err(Refusal::exists(key.resource, &key.name));
        }
        self.admit(&key)?;
        let metadata = &mut object["metadata"];
        metadata["name"] = json!(key.name);
        metadata["uid"] = json!(self.next_uid());
        metadata["creationTimestamp"] = json!(stamp(now));
        for gone in ["resourceVersion", "deletionTimestamp", "managedFields"] {
            metadata.as_object_mut().map(|map| map.remove(gone));
        }
        if key.resource.namespaced {
            metadata["namespace"] = json!(key.namespace);
        }
        if key.resource.status {
            object.as_object_mut().map(|map| map.remove("status"));
        }
        if body["metadata"]["managedFields"].is_array() {
            // An apply that makes an object: it has said whose the fields are.
            object["metadata"]["managedFields"] = body["metadata"]["managedFields"].clone();
        } else {
            apply::note_update(
                &json!({}),
                &mut object,
                writer,
                key.resource.status,
                &stamp(now),
            );
        }
        defaults::fill(key.resource.kind, &mut object, self);
        if !object["spec"].is_null() && key.resource.status {
            object["metadata"]["generation"] = json!(1);
        }
        Ok(self.put(key, object))
    }

    /// Whether an object may come into its namespace: it is there, it is not on its way out, its quota has room.
    fn admit(&self, key: &Key) -> Result<(), Refusal> {
        if !key.resource.namespaced {
            return Ok(());
        }
        let namespaces = super::resource::of("Namespace");
        let namespace = self.get(&Key::new(namespaces, "", &key.namespace));
        let namespace = namespace.ok_or_else(|| Refusal::not_found(namespaces, &key.namespace))?;
        if is_terminating(namespace) {
            let why = format!(
                "unable to create new content in namespace {} because it is being terminated",
                key.namespace
            );
            return Err(Refusal::forbidden(key.resource, &key.name, &why));
        }
        for (quota, object) in self.list(super::resource::of("ResourceQuota"), Some(&key.namespace))
        {
            let counted = [
                format!("count/{}", key.resource.qualified()),
                key.resource.plural.to_owned(),
            ];
            for hard in counted
                .iter()
                .filter_map(|what| object["spec"]["hard"].get(what).map(|limit| (what, limit)))
            {
                let limit = hard
                    .1
                    .as_str()
                    .and_then(|text| text.parse().ok())
                    .or(hard.1.as_u64())
                    .unwrap_or(u64::MAX);
                let used = self.list(key.resource, Some(&key.namespace)).count() as u64;
                if used >= limit {
                    let (what, name) = (hard.0, &quota.name);
                    let why = format!(
                        "exceeded quota: {name}, requested: {what}=1, used: {what}={used}, limited: {what}={limit}"
                    );
                    return Err(Refusal::forbidden(key.resource, &key.name, &why));
                }
            }
        }
        Ok(())
    }

    /// Replaces an object, or its status.
    pub(crate) fn update(
        &mut self,
        key: &Key,
        body: &Value,
        writer: &Writer,
        now: Timestamp,
    ) -> Result<Arc<Value>, Refusal> {
        let live = self
            .get(key)
            .cloned()
            .ok_or_else(|| Refusal::not_found(key.resource, &key.name))?;
        let wrong = |field: &str| {
            let asked = text(body, &format!("/metadata/{field}"));
            !asked.is_empty() && asked != text(&live, &format!("/metadata/{field}"))
        };
        if wrong("resourceVersion") {
            let why = "the object has been modified; please apply your changes to the latest version and try again";
            return Err(Refusal::conflict(key.resource, &key.name, why));
        }
        if wrong("uid") {
            let why = "Precondition failed: UID in precondition differs from UID in object meta";
            return Err(Refusal::conflict(key.resource, &key.name, why));
        }
        let mut after = self.settle(key, &live, body.clone(), writer.status);
        apply::note_update(&live, &mut after, writer, key.resource.status, &stamp(now));
        self.finish(key, &live, after)
    }

    /// Patches an object, or its status; an apply makes it if it is not there.
    pub(crate) fn patch(
        &mut self,
        key: &Key,
        patch: &Patch<'_>,
        writer: &Writer,
        now: Timestamp,
    ) -> Result<Arc<Value>, Refusal> {
        let Some(live) = self.get(key).cloned() else {
            let Patch::Apply(body) = patch else {
                return Err(Refusal::not_found(key.resource, &key.name));
            };
            let none =
                json!({"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": {}});
            let made = apply::apply(&none, body, writer, key.resource.status, &stamp(now))?;
            return self.create(key, &made, writer, now);
        };
        let mut object = (*live).clone();
        match patch {
            Patch::Apply(body) => {
                let after = apply::apply(&live, body, writer, key.resource.status, &stamp(now))?;
                let after = self.settle(key, &live, after, writer.status);
                return self.finish(key, &live, after);
            }
            Patch::Merge(patch) => merge::merge_patch(&mut object, patch),
            Patch::Strategic(patch) => merge::strategic_patch(&mut object, patch, ""),
            Patch::Json(patch) => merge::json_patch(&mut object, patch)?,
        }
        self.update(key, &object, writer, now)
    }

    /// What of a body counts, given what there was: the server's own fields stay, and status and the rest do not mix.
    fn settle(&self, key: &Key, live: &Value, body: Value, status: bool) -> Value {
        let mut after = if status {
            let mut after = live.clone();
            after["status"] = body["status"].clone();
            keep(&body["metadata"], &mut after["metadata"], "managedFields");
            return after;
        } else {
            body
        };
        for kept in [
            "name",
            "namespace",
            "uid",
            "creationTimestamp",
            "generation",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
        ] {
            keep(&live["metadata"], &mut after["metadata"], kept);
        }
        if key.resource.status {
            keep(live, &mut after, "status");
        }
        defaults::fill(key.resource.kind, &mut after, self);
        if live["spec"] != after["spec"] && key.resource.status {
            after["metadata"]["generation"] =
                json!(number(live, "/metadata/generation").unwrap_or(0) + 1);
        }
        after
    }

    pub(super) fn finish(
        &mut self,
        key: &Key,
        live: &Value,
        after: Value,
    ) -> Result<Arc<Value>, Refusal> {
        let fixed = |pointer: &str| live.pointer(pointer) != after.pointer(pointer);
        let immutable = match key.resource.kind {
            "Deployment" | "ReplicaSet" | "Job" if fixed("/spec/selector") => {
                Some("spec.selector: Invalid value: field is immutable")
            }
            "Job" if fixed("/spec/template") => {
                Some("spec.template: Invalid value: field is immutable")
            }
            "StatefulSet"
                if [
                    "/spec/selector",
                    "/spec/serviceName",
                    "/spec/volumeClaimTemplates",
                ]
                .into_iter()
                .any(fixed) =>
            {
                Some(
                    "spec: Forbidden: updates to statefulset spec for fields other than 'replicas' and 'template' are forbidden",
                )
            }
            "Service" if !text(live, "/spec/clusterIP").is_empty() && fixed("/spec/clusterIP") => {
                Some("spec.clusterIP: Invalid value: field is immutable")
            }
            _ => None,
        };
        if let Some(why) = immutable {
            return Err(Refusal::invalid(key.resource, &key.name, why));
        }
        let done = is_terminating(&after)
            && list(&after, "/metadata/finalizers").is_empty()
            && number(&after, "/metadata/deletionGracePeriodSeconds").unwrap_or(0) == 0
            && key.resource.kind != "Namespace";
        // What goes is not written once more before it does.
        let gone = if done { self.remove(key) } else { None };
        Ok(gone.unwrap_or_else(|| self.put(key.clone(), after)))
    }
}

fn keep(from: &Value, into: &mut Value, field: &str) {
    match from.get(field) {
        Some(value) => into[field] = value.clone(),
        None => drop(into.as_object_mut().map(|map| map.remove(field))),
    }
}
