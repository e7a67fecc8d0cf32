//! What is chosen to be removed, and what is left alone.

use super::super::ownership::RunOwner;
use super::*;
use serde_json::json;

fn named(version: &str, kind: &str, name: &str, namespace: Option<&str>) -> Value {
    json!({ "apiVersion": version, "kind": kind, "metadata": { "name": name, "namespace": namespace } })
}

/// Gives an object what the cluster gives it.
fn born(mut object: Value) -> Value {
    let metadata = &object["metadata"];
    let uid = format!(
        "{}/{}/{}",
        object["kind"], metadata["namespace"], metadata["name"]
    );
    object["metadata"]["uid"] = json!(uid);
    object
}

/// A root and what it made, as the cluster has them.
fn run(id: &str, namespace: &str) -> Vec<Value> {
    let owner = RunOwner::new(id, id).unwrap();
    let mut roots = Vec::new();
    for (mut object, purpose) in [
        (
            named("batch/v1", "Job", "aefm-run", Some(namespace)),
            root::PURPOSE,
        ),
        (
            named(anchor::KIND.0, anchor::KIND.1, id, None),
            anchor::PURPOSE,
        ),
    ] {
        owner.mark_root(&mut object, purpose);
        let mut object = born(object);
        let uid = uid_of(&object).to_owned();
        let root = Root::of(&object, &uid, owner.clone());
        let seal = root.seal()["metadata"]["annotations"].clone();
        for (key, value) in seal.as_object().unwrap() {
            object["metadata"]["annotations"][key] = value.clone();
        }
        roots.push((object, root));
    }
    let mut objects: Vec<_> = roots.iter().map(|(object, _)| object.clone()).collect();
    for mut object in [
        named("v1", "Service", id, Some(namespace)),
        named("v1", "PersistentVolume", id, None),
    ] {
        owner.mark(&mut object, "application");
        roots
            .iter()
            .for_each(|(_, root)| _ = root.adopt(&mut object));
        objects.push(born(object));
    }
    objects
}

fn found() -> Found {
    let objects = [run("dead", "a"), run("live", "b")].concat();
    Found {
        objects,
        live: ["live".to_owned(), "unseen".to_owned()].into(),
        everywhere: true,
        ..Found::default()
    }
}

fn kinds(left: &Leftovers) -> Vec<String> {
    let of = |made: &Made| {
        let kind = made.object()["kind"].as_str().unwrap();
        format!("{kind} {}", run_of(made.object()))
    };
    left.objects.iter().map(of).collect()
}

#[test]
fn runs_under_way_are_left_alone_unless_named() {
    let left = choose(&found(), None);
    let wanted = [
        "Job dead",
        "Service dead",
        "PersistentVolume dead",
        "RuntimeClass dead",
    ];
    assert_eq!(kinds(&left), wanted);
    assert_eq!(left.live.into_iter().collect::<Vec<_>>(), ["live"]);
    assert_eq!(choose(&found(), Some("LIVE")).objects.len(), 4);
}

#[test]
fn where_other_namespaces_are_not_known_what_has_none_is_left_unless_its_run_is_known_to_be_over() {
    let narrow = |over: &[&str]| Found {
        everywhere: false,
        over: over.iter().map(|run| (*run).to_owned()).collect(),
        ..found()
    };
    assert_eq!(
        kinds(&choose(&narrow(&[]), None)),
        ["Job dead", "Service dead"]
    );
    assert_eq!(choose(&narrow(&["dead"]), None).objects.len(), 4);
}

#[test]
fn what_only_says_that_it_is_a_runs_is_told_and_not_removed() {
    let mut found = found();
    // Without its root nothing proves a Service, however well it is marked; a copy of a root is none.
    found.objects.remove(0);
    let mut copy = run("dead", "a").remove(0);
    copy["metadata"]["uid"] = json!("another");
    found.objects.push(copy);
    let mut like = born(named("v1", "ConfigMap", "theirs", Some("a")));
    like["metadata"]["labels"] = json!({ RUN_LABEL: "dead" });
    found.objects.push(like);
    let left = choose(&found, None);
    assert_eq!(kinds(&left), ["PersistentVolume dead", "RuntimeClass dead"]);
    let told: Vec<_> = left
        .unproven
        .iter()
        .map(|object| object["kind"].as_str().unwrap())
        .collect();
    assert_eq!(told, ["Service", "Job", "ConfigMap"]);
    assert!(unproven(&left.unproven[1]).contains("a copy of that run's root"));
}

#[test]
fn what_goes_with_what_is_proven_is_not_told_of() {
    let mut found = found();
    let service = found.objects[2].clone();
    let mut slice = born(named(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        "dead-x",
        Some("a"),
    ));
    slice["metadata"]["labels"] = json!({ RUN_LABEL: "dead" });
    slice["metadata"]["ownerReferences"] = json!([{ "uid": service["metadata"]["uid"] }]);
    let mut endpoints = born(named("v1", "Endpoints", "dead", Some("a")));
    endpoints["metadata"]["labels"] = json!({ RUN_LABEL: "dead" });
    found.objects.extend([slice, endpoints]);
    assert_eq!(choose(&found, None).unproven, Vec::<Value>::new());
    // Nor is what others made of what is told of, or what goes by itself.
    let mut pod = born(named("v1", "Pod", "theirs-x", Some("a")));
    pod["metadata"]["labels"] = json!({ RUN_LABEL: "dead" });
    let mut leaving = pod.clone();
    pod["metadata"]["ownerReferences"] = json!([{ "uid": "theirs", "controller": true }]);
    leaving["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    found.objects.extend([pod, leaving]);
    assert_eq!(choose(&found, None).unproven, Vec::<Value>::new());
}
