//! The verbs on objects: get, list (in pages), create, update, patch, delete; dry runs on a copy of the store.

use super::answer::parse;
use super::apply::Writer;
use super::cluster::Cluster;
use super::deletion::Deletion;
use super::refusal::Refusal;
use super::resource::{self, Resource};
use super::route::Request;
use super::selector::Selector;
use super::store::{Key, Store, text};
use super::write::Patch;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

/// The object, list or status that a request gets.
pub(crate) fn answer(
    cluster: &Cluster,
    resource: &'static Resource,
    request: &Request,
    content: &str,
    body: &Bytes,
) -> Result<Value, Refusal> {
    let mut body = if request.verb == "get" || request.verb == "list" {
        Value::Null
    } else {
        parse(body)?
    };
    forget_what_is_newer(cluster.minor, &mut body);
    let dry = request.option("dryRun") == "All" || body["dryRun"] == json!(["All"]);
    let work = |store: &mut Store, now: Timestamp| match request.verb {
        "create" => create(store, resource, request, &body, now),
        "update" => store
            .update(&key(resource, request), &body, &writer(request), now)
            .map(|object| (*object).clone()),
        "patch" => patch(store, resource, request, content, &body, now),
        "delete" => delete(
            store,
            &key(resource, request),
            &deletion(request, &body),
            now,
        ),
        "deletecollection" => delete_all(store, resource, request, &deletion(request, &body), now),
        _ => Err(Refusal::method_not_allowed()),
    };
    match request.verb {
        "get" => cluster.read(|store| get(store, resource, request)),
        "list" => cluster.read(|store| list(store, resource, request)),
        _ if dry => work(&mut cluster.read(Store::clone), Timestamp::now()),
        _ => cluster.write(work),
    }
}

/// Fields that a server of this version does not know are dropped, as it would.
pub(crate) fn forget_what_is_newer(minor: u32, object: &mut Value) {
    // Indexed jobs.
    if minor < 24
        && object["kind"] == "Job"
        && let Some(spec) = object["spec"].as_object_mut()
    {
        spec.remove("completionMode");
    }
}

fn key(resource: &'static Resource, request: &Request) -> Key {
    Key::new(resource, &request.namespace, &request.name)
}

fn writer(request: &Request) -> Writer {
    let manager = Some(request.option("fieldManager"))
        .filter(|name| !name.is_empty())
        .unwrap_or("unknown");
    Writer {
        manager: manager.to_owned(),
        force: request.flag("force"),
        status: request.subresource == "status",
    }
}

fn get(store: &Store, resource: &'static Resource, request: &Request) -> Result<Value, Refusal> {
    let found = store
        .get(&key(resource, request))
        .ok_or_else(|| Refusal::not_found(resource, &request.name))?;
    Ok(if request.subresource == "scale" {
        scale(found)
    } else {
        (**found).clone()
    })
}

fn scale(object: &Value) -> Value {
    let metadata = &object["metadata"];
    json!({
        "apiVersion": "autoscaling/v1", "kind": "Scale",
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"], "resourceVersion": metadata["resourceVersion"]},
        "spec": {"replicas": object["spec"]["replicas"]}, "status": {"replicas": object["status"]["replicas"].as_i64().unwrap_or(0)},
    })
}

/// A page of what is selected; its token is the last key of the page before, and the revision of the first.
fn list(store: &Store, resource: &'static Resource, request: &Request) -> Result<Value, Refusal> {
    let selector = Selector::parse(
        request.option("labelSelector"),
        request.option("fieldSelector"),
    )?;
    let namespace = Some(request.namespace.as_str()).filter(|name| !name.is_empty());
    let token = request.option("continue");
    let (revision, after) = token.split_once(' ').unwrap_or_default();
    let revision = revision.parse().unwrap_or(store.revision());
    if store.since(revision).is_none() {
        return Err(Refusal::expired(
            "The provided continue parameter is too old to display a consistent list result",
        ));
    }
    let place = |key: &Key| format!("{}/{}", key.namespace, key.name);
    let selected = store
        .list(resource, namespace)
        .filter(|(_, object)| selector.matches(object));
    let mut rest = selected
        .filter(|(key, _)| token.is_empty() || place(key).as_str() > after)
        .peekable();
    let limit = request
        .option("limit")
        .parse()
        .ok()
        .filter(|limit| *limit > 0)
        .unwrap_or(usize::MAX);
    let page: Vec<_> = rest.by_ref().take(limit).collect();
    let mut metadata = json!({"resourceVersion": revision.to_string()});
    if let (Some((last, _)), true) = (page.last(), rest.peek().is_some()) {
        metadata["continue"] = json!(format!("{revision} {}", place(last)));
        metadata["remainingItemCount"] = json!(rest.count());
    }
    // Items of a list do not repeat what they are.
    let item = |object: &Value| {
        let mut item = object.clone();
        item.as_object_mut()
            .map(|map| (map.remove("kind"), map.remove("apiVersion")));
        item
    };
    Ok(json!({
        "kind": format!("{}List", resource.kind), "apiVersion": resource.api_version(), "metadata": metadata,
        "items": page.iter().map(|(_, object)| item(object)).collect::<Vec<_>>(),
    }))
}

fn create(
    store: &mut Store,
    resource: &'static Resource,
    request: &Request,
    body: &Value,
    now: Timestamp,
) -> Result<Value, Refusal> {
    check(resource, request, body)?;
    let key = Key::new(resource, &request.namespace, text(body, "/metadata/name"));
    store
        .create(&key, body, &writer(request), now)
        .map(|object| (*object).clone())
}

/// That a body is of the kind and place that its path names.
fn check(resource: &Resource, request: &Request, body: &Value) -> Result<(), Refusal> {
    let named = resource::of_object(text(body, "/apiVersion"), text(body, "/kind"));
    if named != Some(resource) {
        let (version, kind) = (&body["apiVersion"], &body["kind"]);
        return Err(Refusal::bad_request(format!(
            "{version} {kind} is not what {} takes",
            resource.qualified()
        )));
    }
    let namespace = text(body, "/metadata/namespace");
    if resource.namespaced && !namespace.is_empty() && namespace != request.namespace {
        return Err(Refusal::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    if resource.namespaced && request.namespace.is_empty() {
        return Err(Refusal::method_not_allowed());
    }
    let name = text(body, "/metadata/name");
    if !request.name.is_empty() && !name.is_empty() && name != request.name {
        return Err(Refusal::bad_request(
            "the name of the object does not match the name on the URL",
        ));
    }
    Ok(())
}

fn patch(
    store: &mut Store,
    resource: &'static Resource,
    request: &Request,
    content: &str,
    body: &Value,
    now: Timestamp,
) -> Result<Value, Refusal> {
    let patch = match content {
        "application/apply-patch+yaml" => {
            check(resource, request, body)?;
            if request.option("fieldManager").is_empty() {
                return Err(Refusal::bad_request(
                    "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch",
                ));
            }
            Patch::Apply(body)
        }
        "application/merge-patch+json" => Patch::Merge(body),
        "application/strategic-merge-patch+json" => Patch::Strategic(body),
        "application/json-patch+json" => Patch::Json(body),
        other => {
            return Err(Refusal::bad_request(format!(
                "unsupported patch type {other}"
            )));
        }
    };
    let written = store.patch(&key(resource, request), &patch, &writer(request), now)?;
    Ok(if request.subresource == "scale" {
        scale(&written)
    } else {
        (*written).clone()
    })
}

fn deletion(request: &Request, body: &Value) -> Deletion {
    let option = |name: &str| Some(request.option(name)).filter(|value| !value.is_empty());
    Deletion {
        policy: option("propagationPolicy")
            .or(body["propagationPolicy"].as_str())
            .unwrap_or("Background")
            .to_owned(),
        grace_s: option("gracePeriodSeconds")
            .and_then(|text| text.parse().ok())
            .or(body["gracePeriodSeconds"].as_i64()),
        uid: text(body, "/preconditions/uid").to_owned(),
        revision: text(body, "/preconditions/resourceVersion").to_owned(),
    }
}

fn delete(store: &mut Store, key: &Key, how: &Deletion, now: Timestamp) -> Result<Value, Refusal> {
    let last = store.delete(key, how, now)?;
    if store.get(key).is_some() {
        return Ok((*last).clone());
    }
    let details = json!({"name": key.name, "group": key.resource.group, "kind": key.resource.plural, "uid": last["metadata"]["uid"]});
    Ok(
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}),
    )
}

fn delete_all(
    store: &mut Store,
    resource: &'static Resource,
    request: &Request,
    how: &Deletion,
    now: Timestamp,
) -> Result<Value, Refusal> {
    let selector = Selector::parse(
        request.option("labelSelector"),
        request.option("fieldSelector"),
    )?;
    let namespace = Some(request.namespace.as_str()).filter(|name| !name.is_empty());
    let selected = store
        .list(resource, namespace)
        .filter(|(_, object)| selector.matches(object));
    let keys: Vec<Key> = selected.map(|(key, _)| key.clone()).collect();
    let deleted: Vec<Value> = keys
        .iter()
        .map(|key| store.delete(key, how, now).map(|object| (*object).clone()))
        .collect::<Result<_, _>>()?;
    Ok(json!({
        "kind": format!("{}List", resource.kind), "apiVersion": resource.api_version(),
        "metadata": {"resourceVersion": store.revision().to_string()}, "items": deleted,
    }))
}

/// An answer as a client has it that asked for metadata alone.
pub(crate) fn metadata_only(answer: Value) -> Value {
    let one = |object: &Value| json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": object["metadata"]});
    match answer["items"].as_array() {
        Some(items) => json!({
            "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList", "metadata": answer["metadata"],
            "items": items.iter().map(one).collect::<Vec<_>>(),
        }),
        None if answer["kind"] == "Status" => answer,
        None => one(&answer),
    }
}
