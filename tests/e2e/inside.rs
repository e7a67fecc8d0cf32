//! `aefm run` as a Job of the cluster, with the account that `aefm get-file rbac` writes and its data on a claim: what
//! docs/inside.md says, done.

use crate::cluster::{PATIENCE, Place};
use crate::rights::written;
use crate::session::table_rows;
use aefm_tests::processes::wait_for;
use k8s_openapi::api::batch::v1::Job;
use kube::api::{Api, DeleteParams};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// The manifests of the docs, with this test's names in them.
fn job(docs: &str, namespace: &str, image: &str) -> Value {
    let text = docs
        .split("```yaml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("the docs have a Job");
    let mut job: Value = serde_saphyr::from_str(text).expect("YAML");
    job["metadata"]["namespace"] = json!(namespace);
    let pod = &mut job["spec"]["template"]["spec"];
    pod["nodeName"] = json!("node-1");
    pod["containers"][0]["image"] = json!(image);
    pod["containers"][0]["imagePullPolicy"] = json!("Never");
    job
}

fn remove(place: &Place, object: &Value) {
    let name = object["metadata"]["name"].as_str().expect("a name");
    let (api, how) = (place.api(object), DeleteParams::background());
    let gone = place.runtime.block_on(api.delete(name, &how));
    gone.expect("it can be deleted");
}

#[test]
fn a_job_runs_an_experiment_and_leaves_its_dataset_on_a_claim() {
    let Some(place) = Place::find("aefm-e2e-inside") else {
        return;
    };
    let dir = tempfile::tempdir().expect("a folder");
    let namespace = place.namespace;
    let section = format!("kubernetes: {{namespace: {namespace}}}");
    for object in written(dir.path(), &section) {
        place.apply(&object);
    }
    // Nodes are this machine, so that what is on one is here.
    let data = dir.path().join("data");
    fs::create_dir(&data).expect("made");
    for folder in [dir.path(), &data] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).expect("open to all");
    }
    let experiment = format!(
        "experiment: inside\nplatform: kubernetes\naxes: {{rate: [20]}}\n\
         load: {{arrival: poisson, connections: 4, warmup: 500ms, duration: 4s, timeout: 5s, grace: 2s}}\n\
         collect: {{settle: 20s}}\n\
         kubernetes: {{image: '{}', namespace: {namespace}, pull_policy: Never}}\n",
        place.image
    );
    let named = |name: &str| json!({ "name": name, "namespace": namespace });
    let volume = "aefm-e2e-inside-data";
    let room = json!({ "storage": "1Gi" });
    place.apply(
        &json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": named("experiment"),
        "data": { "experiment.yaml": experiment } }),
    );
    place.apply(
        &json!({ "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": volume }, "spec": {
        "capacity": room, "accessModes": ["ReadWriteOnce"], "storageClassName": volume,
        "hostPath": { "path": data } } }),
    );
    place.apply(
        &json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": named("aefm-data"), "spec": {
        "accessModes": ["ReadWriteOnce"], "storageClassName": volume, "resources": { "requests": room } } }),
    );
    let docs = include_str!("../../docs/inside.md");
    place.apply(&job(docs, namespace, &place.image));
    let jobs: Api<Job> = Api::namespaced(place.client.clone(), namespace);
    let ended = wait_for(PATIENCE * 2, || {
        let job = place.runtime.block_on(jobs.get("aefm")).ok()?;
        let status = job.status?;
        let conditions = status.conditions.unwrap_or_default();
        let holds = |kind: &str| {
            conditions
                .iter()
                .any(|one| one.type_ == kind && one.status == "True")
        };
        (holds("Complete") || holds("Failed")).then_some(())
    });
    let runs: Vec<_> = fs::read_dir(data.join("inside"))
        .map(|found| found.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    assert!(ended.is_some() && runs.len() == 1, "{runs:?}");
    let log = fs::read_to_string(runs[0].join("run.log")).unwrap_or_default();
    let cases = table_rows(&runs[0], "cases");
    assert_eq!(cases.len(), 1, "{log}");
    assert!(!table_rows(&runs[0], "spans").is_empty(), "{log}");
    place.assert_nothing_left();
    remove(
        &place,
        &json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": named("aefm") }),
    );
    remove(
        &place,
        &json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": named("aefm-data") }),
    );
    remove(
        &place,
        &json!({ "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": volume } }),
    );
}
