//! What marks prove, and what they do not.

use super::*;
use aefm_workloads::catalogue::{Application, render};

fn owner() -> RunOwner {
    RunOwner::new("01HX5Z", "n0nce").unwrap()
}

#[test]
fn ids_fit_into_labels_or_are_refused() {
    assert_eq!(owner().selector(), "aefm.io/run=01hx5z");
    for bad in ["", "-a", "a-", "a b", "a/b", "a.b", &"x".repeat(41), "ä"] {
        assert_eq!(RunOwner::new(bad, "n"), Err(BadRunId(bad.to_owned())));
    }
}

#[test]
fn every_object_and_its_pods_are_labelled_and_selectors_want_the_run_s_pods_alone() {
    let rendered = render::render(
        &Application::by_name("train").unwrap(),
        &render::Options::default(),
    )
    .unwrap();
    for mut object in rendered.infra.into_iter().chain(rendered.under_test) {
        let mut selector = object["spec"]["selector"].clone();
        let name = object["metadata"]["labels"]["app.kubernetes.io/name"].clone();
        owner().mark(&mut object, "application");
        assert!(owner().made(&object));
        assert_eq!(object["metadata"]["labels"][RUN_LABEL], "01hx5z");
        assert_eq!(object["metadata"]["labels"]["app.kubernetes.io/name"], name);
        if object["kind"] == "Deployment" {
            // Pods of the same labels that nobody owns would be taken, and removed as too many.
            selector["matchLabels"][RUN_LABEL] = json!("01hx5z");
            let labels = &object["spec"]["template"]["metadata"]["labels"];
            assert_eq!(labels[PURPOSE_LABEL], "application");
            for (label, value) in selector["matchLabels"].as_object().unwrap() {
                assert_eq!(labels[label], *value);
            }
        }
        assert_eq!(object["spec"]["selector"], selector);
    }
}

#[test]
fn jobs_of_a_cron_job_are_labelled_too() {
    let mut object = json!({ "kind": "CronJob", "metadata": { "name": "c" }, "spec": { "jobTemplate": { "spec": { "template": {} } } } });
    owner().mark(&mut object, "application");
    let job = &object["spec"]["jobTemplate"];
    for metadata in [&job["metadata"], &job["spec"]["template"]["metadata"]] {
        assert_eq!(metadata["labels"][RUN_LABEL], "01hx5z");
    }
}

fn root(namespace: &str) -> Root {
    let metadata = json!({ "name": "aefm-run-x", "namespace": namespace });
    let job = json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": metadata });
    Root::of(&job, "u1", owner())
}

#[test]
fn a_root_owns_once_and_only_where_the_cluster_lets_it() {
    let other = json!([{ "uid": "u0" }]);
    let mut object = json!({ "metadata": { "namespace": "mine", "ownerReferences": other } });
    let root = root("mine");
    assert!(root.adopt(&mut object) && root.adopt(&mut object));
    let uids: Vec<_> = owners(&object).map(|owner| owner["uid"].clone()).collect();
    assert_eq!(uids, ["u0", "u1"]);
    for mut foreign in [
        json!({ "metadata": { "namespace": "other" } }),
        json!({ "metadata": { "name": "pv" } }),
    ] {
        assert!(!root.adopt(&mut foreign));
        assert_eq!(foreign["metadata"].get("ownerReferences"), None);
    }
    let mut volume = json!({ "metadata": { "name": "pv" } });
    assert!(self::root("").adopt(&mut volume), "neither has a namespace");
}

#[test]
fn the_claims_of_a_stateful_set_are_the_runs_too() {
    let template = json!({ "metadata": { "name": "data" } });
    let mut set = json!({ "kind": "StatefulSet", "metadata": { "name": "db", "namespace": "mine" },
        "spec": { "replicas": 2, "volumeClaimTemplates": [template] } });
    let names: Vec<_> = claims(&set)
        .iter()
        .map(|claim| claim["metadata"]["name"].clone())
        .collect();
    assert_eq!(names, ["data-db-0", "data-db-1"]);
    assert_eq!(claims(&set)[0]["metadata"]["namespace"], "mine");
    assert!(claims(&json!({ "kind": "Deployment", "spec": { "replicas": 2 } })).is_empty());
    owner().mark(&mut set, "application");
    let root = root("mine");
    assert!(root.adopt(&mut set) && root.adopt(&mut set));
    let metadata = &set["spec"]["volumeClaimTemplates"][0]["metadata"];
    assert_eq!(
        (&metadata["labels"][RUN_LABEL], &metadata["name"]),
        (&json!("01hx5z"), &json!("data"))
    );
    assert_eq!(metadata["ownerReferences"].as_array().unwrap().len(), 1);
    // What the cluster makes of the template.
    let mut claim = claims(&set).remove(1);
    claim["metadata"]["labels"] = metadata["labels"].clone();
    claim["metadata"]["annotations"] = metadata["annotations"].clone();
    claim["metadata"]["ownerReferences"] = metadata["ownerReferences"].clone();
    assert!(root.proves(&claim));
    claim["metadata"]["name"] = json!("data-other-1");
    assert!(!root.proves(&claim));
}
