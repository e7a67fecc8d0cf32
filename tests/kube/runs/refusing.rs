//! What a cluster will not do: it is told in its own words, soon, and with what it takes.

use super::{IMAGE, NAMESPACE, PATIENCE, Stage, furnished, said};
use aefm_tests::kube_api::Image;
use serde_json::json;
use std::time::Instant;

/// Runs an experiment on a cluster that denies a verb; what it said, with the reasons of its cases.
fn denied(verb: &str, resource: &str, axes: &str) -> (Stage, i32, String) {
    let stage = Stage::new();
    stage.api.deny(verb, resource);
    let begun = Instant::now();
    let run = stage.start(axes, 2, "").finish();
    assert!(
        begun.elapsed() < PATIENCE,
        "a verb that is denied is no reason to wait: {:?}",
        begun.elapsed()
    );
    let reasons = if run.code() == 1 {
        String::new()
    } else {
        format!("{:?}", run.cases())
    };
    (stage, run.code(), said(&run) + &reasons)
}

#[test]
fn a_verb_that_is_denied_is_named_with_its_resource_before_anything_is_begun() {
    for (verb, resource, words) in [
        ("list", "nodes", "cannot list resource \"nodes\""),
        (
            "create",
            "namespaces",
            "cannot create resource \"namespaces\"",
        ),
        ("watch", "pods", "cannot watch resource \"pods\""),
        ("create", "jobs", "cannot create resource \"jobs\""),
        ("patch", "jobs", "cannot patch resource \"jobs\""),
        (
            "get",
            "pods/portforward",
            "get and create on pods/portforward",
        ),
    ] {
        let (stage, code, said) = denied(verb, resource, "rate: [10]");
        assert_eq!(code, 1, "{verb} {resource}: {said}");
        assert!(said.contains(words), "{verb} {resource}: {said}");
        stage.assert_nothing_left();
    }
}

#[test]
fn a_verb_that_is_denied_later_is_a_case_s_reason() {
    for (verb, resource, axes, words) in [
        (
            "create",
            "deployments",
            "rate: [10]",
            "cannot create resource \"deployments\"",
        ),
        (
            "get",
            "pods/attach",
            "rate: [10], cpu: [10]",
            "get and create on pods/attach",
        ),
        (
            "get",
            "pods/log",
            "rate: [10]",
            "cannot get resource \"pods/log\"",
        ),
    ] {
        let (stage, code, said) = denied(verb, resource, axes);
        assert_eq!(code, 3, "{verb} {resource}: {said}");
        assert!(said.contains(words), "{verb} {resource}: {said}");
        stage.assert_nothing_left();
    }
}

#[test]
fn what_may_not_be_deleted_goes_with_the_root() {
    let stage = Stage::new();
    for resource in ["deployments", "services", "jobs"] {
        stage.api.deny("delete", resource);
    }
    let run = stage.start("rate: [10]", 2, "").finish();
    assert!(said(&run).contains("ok"), "{}", said(&run));
    stage.assert_nothing_left();
}

#[test]
fn a_quota_that_refuses_is_told_in_its_words() {
    for (pods, what) in [("0", "the run's receiver"), ("1", "services")] {
        let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few", "namespace": NAMESPACE},
            "spec": {"hard": {"pods": pods}}});
        let stage = furnished(&[quota]);
        let run = stage.start("rate: [10]", 2, ", ready: 4s").finish();
        let reasons = if pods == "0" {
            String::new()
        } else {
            format!("{:?}", run.cases())
        };
        let told = said(&run) + &reasons;
        assert_ne!(run.code(), 0, "{told}");
        assert!(
            told.contains(&format!("bring up {what}")) && told.contains("exceeded quota: few"),
            "{told}"
        );
        stage.assert_nothing_left();
    }
}

#[test]
fn a_namespace_that_does_not_go_is_told_with_what_holds_it() {
    let held = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "held", "namespace": NAMESPACE, "finalizers": ["aefm.test/hold"]}});
    let stage = furnished(&[held]);
    stage.api.delete("Namespace", "", NAMESPACE);
    let run = stage.start("rate: [10]", 2, ", ready: 2s").finish();
    assert_eq!(run.code(), 1, "{}", said(&run));
    let words = [
        "still being deleted after 2s",
        "finalizers remaining",
        "choose another one in `kubernetes.namespace`",
    ];
    assert!(
        words.iter().all(|word| run.stderr().contains(word)),
        "{}",
        run.stderr()
    );
    stage.assert_nothing_left();
}

#[test]
fn an_image_that_cannot_be_pulled_is_named() {
    let stage = Stage::new();
    stage.api.image(IMAGE, Image::Missing);
    let run = stage.start("rate: [10]", 2, ", ready: 3s").finish();
    assert_eq!(run.code(), 1, "{}", said(&run));
    let words = ["the run's receiver", "ImagePullBackOff", IMAGE];
    assert!(
        words.iter().all(|word| run.stderr().contains(word)),
        "{}",
        run.stderr()
    );
    stage.assert_nothing_left();
}
