//! Other people's objects beside a run: what it meets it leaves as it is, and what it leaves behind is known to be its own.

use super::{NAMESPACE, PATIENCE, Stage, furnished, said};
use crate::session::{Session, aefm};
use aefm_tests::kube_api::Image;
use aefm_tests::processes::wait_for;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fs;

fn named(version: &str, kind: &str, name: &str, namespace: Option<&str>, rest: Value) -> Value {
    let mut object = rest;
    (object["apiVersion"], object["kind"]) = (json!(version), json!(kind));
    object["metadata"] = json!({ "name": name, "namespace": namespace });
    object
}

/// Somebody's Deployment, claim and volume, called like the catalogue's.
fn theirs() -> [Value; 3] {
    let labels = json!({ "app": "theirs" });
    let containers = json!([{ "name": "main", "image": "theirs:1" }]);
    let template =
        json!({ "metadata": { "labels": labels }, "spec": { "containers": containers } });
    let spec =
        json!({ "replicas": 0, "selector": { "matchLabels": labels }, "template": template });
    let claim = json!({ "accessModes": ["ReadWriteOnce"], "storageClassName": "theirs", "volumeName": "geo-pv",
        "resources": { "requests": { "storage": "1Gi" } } });
    let volume = json!({ "accessModes": ["ReadWriteOnce"], "storageClassName": "theirs",
        "capacity": { "storage": "1Gi" }, "hostPath": { "path": "/theirs" } });
    let inside = Some(NAMESPACE);
    [
        named(
            "apps/v1",
            "Deployment",
            "frontend",
            inside,
            json!({ "spec": spec }),
        ),
        named(
            "v1",
            "PersistentVolumeClaim",
            "geo-pvc",
            inside,
            json!({ "spec": claim }),
        ),
        named(
            "v1",
            "PersistentVolume",
            "geo-pv",
            None,
            json!({ "spec": volume }),
        ),
    ]
}

fn kinds(stage: &Stage) -> Vec<Value> {
    let kinds = ["Deployment", "PersistentVolumeClaim", "PersistentVolume"];
    kinds.iter().flat_map(|kind| stage.api.list(kind)).collect()
}

#[test]
fn a_catalogue_beside_objects_of_its_names_is_refused_and_touches_none() {
    let stage = furnished(&theirs());
    let before = kinds(&stage);
    assert_eq!(before.len(), 3);
    let run = stage.start("rate: [10]", 2, ", deploy: catalogue").finish();
    assert_eq!(run.code(), 1, "{}", said(&run));
    let words = [
        "it is there already and no run of ours made it",
        "left as it is",
    ];
    assert!(
        words.iter().all(|word| run.stderr().contains(word)),
        "{}",
        run.stderr()
    );
    assert_eq!(kinds(&stage), before);
    let requests = stage.api.requests();
    let writes = ["create", "patch", "update", "delete", "deletecollection"];
    let written = requests.iter().filter(|line| {
        writes.iter().any(|verb| line.starts_with(verb)) && !line.contains("selfsubject")
    });
    assert_eq!(written.count(), 0, "{requests:?}");
    // And once more: nothing has happened that lets the next one in.
    let again = stage.start("rate: [10]", 2, ", deploy: catalogue").finish();
    assert_eq!((again.code(), kinds(&stage)), (1, before));
}

#[test]
fn a_namespace_among_the_manifests_is_used_as_it_is_and_stays() {
    let namespace = |labels: Value| {
        let mut object = named("v1", "Namespace", "shared", None, json!({}));
        object["metadata"]["labels"] = labels;
        object
    };
    let inside = named(
        "v1",
        "ConfigMap",
        "theirs",
        Some("shared"),
        json!({ "data": { "k": "v" } }),
    );
    let stage = furnished(&[namespace(json!({ "team": "theirs" })), inside]);
    let before = stage.api.get("Namespace", "", "shared");
    let run = deploying(&stage, &[namespace(json!({ "team": "ours" }))]);
    wait_for(PATIENCE, || stage.api.get("ClusterRole", "", "reader")).expect("it deploys");
    run.signal(Signal::SIGINT);
    assert_eq!(run.finish().code(), 130);
    assert_eq!(stage.api.get("Namespace", "", "shared"), before);
    assert!(stage.api.get("ConfigMap", "shared", "theirs").is_some());
    stage.assert_nothing_left();
}

/// A run that deploys these, a ClusterRole, and pods that never come up.
fn deploying(stage: &Stage, more: &[Value]) -> Session {
    stage.api.image("theirs.local/missing:1", Image::Missing);
    let dir = tempfile::tempdir().expect("a folder").keep();
    let [mut front, ..] = theirs();
    front["spec"]["replicas"] = json!(1);
    front["spec"]["template"]["spec"]["containers"][0]["image"] = json!("theirs.local/missing:1");
    let role = named(
        "rbac.authorization.k8s.io/v1",
        "ClusterRole",
        "reader",
        None,
        json!({ "rules": [] }),
    );
    let objects = [&[front, role], more].concat();
    let documents: Vec<_> = objects.iter().map(Value::to_string).collect();
    fs::write(dir.join("all.yaml"), documents.join("\n---\n")).expect("it can be written");
    let more = format!(
        ", manifests: '{}', entry: 'frontend:80', ready: 100s",
        dir.display()
    );
    stage.start("rate: [10]", 2, &more)
}

#[test]
fn what_a_killed_run_made_outside_of_namespaces_goes_with_the_next_run_and_with_clean() {
    let stage = Stage::new();
    let mut last = Value::Null;
    for _ in 0..2 {
        // The second time, the first one's role has this name.
        let run = deploying(&stage, &[]);
        let made = || {
            let uid = stage.api.get("ClusterRole", "", "reader")?["metadata"]["uid"].clone();
            (uid != last).then_some(uid)
        };
        last = wait_for(PATIENCE, made).expect("it is made");
        run.signal(Signal::SIGKILL);
        drop(run.finish());
        let gone = || stage.api.list("Job").is_empty().then_some(());
        wait_for(PATIENCE, gone).expect("the root goes by itself");
        let left = stage
            .api
            .get("ClusterRole", "", "reader")
            .expect("nothing owns it but the anchor");
        assert_eq!(
            left["metadata"]["ownerReferences"][0]["kind"],
            "RuntimeClass"
        );
    }
    let clean = || {
        let mut command = aefm();
        command
            .arg("clean")
            .env("KUBECONFIG", stage.api.kubeconfig());
        crate::session::said(&command.output().expect("aefm starts"))
    };
    let told = clean();
    assert!(
        told.contains("removes ClusterRole `reader` of run"),
        "{told}"
    );
    assert_eq!(
        (
            stage.api.list("ClusterRole"),
            stage.api.list("RuntimeClass")
        ),
        (vec![], vec![])
    );
    assert!(clean().contains("nothing is left"), "{}", clean());
}
