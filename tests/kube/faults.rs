//! The faults that the double makes on a test's word, as a client of the real thing would meet them.

use crate::ground::{Ground, config_map, holds, on_double};
use aefm_tests::kube_api::{Failure, Fault, KubeApi};
use futures_util::TryStreamExt;
use kube::api::{DeleteParams, PatchParams, WatchParams};
use serde_json::json;
use std::pin::pin;
use std::time::Duration;

fn double(ground: &Ground) -> &KubeApi {
    ground.double.as_ref().expect("faults are the double's")
}

#[test]
fn a_refusal_comes_as_often_as_it_is_asked_for() {
    on_double(async |ground| {
        for (answer, code) in [
            (Failure::Conflict, 409),
            (Failure::Expired, 410),
            (Failure::Internal, 500),
        ] {
            double(&ground).inject(Fault {
                verb: "patch",
                resource: "configmaps",
                times: 1,
                answer,
            });
            let refused = ground
                .apply_as(&PatchParams::apply("aefm"), &config_map("a", "k", "v"))
                .await;
            assert_eq!(refused.expect_err("a fault").0, code);
            ground.apply(&config_map("a", "k", "v")).await;
        }
        assert_eq!(
            double(&ground)
                .requests()
                .iter()
                .filter(|line| line.starts_with("patch configmaps"))
                .count(),
            6
        );
    });
}

#[test]
fn a_cut_after_the_work_leaves_the_work_done() {
    on_double(async |ground| {
        for (answer, done) in [(Failure::Cut, false), (Failure::CutAfter, true)] {
            double(&ground).inject(Fault {
                verb: "create",
                resource: "configmaps",
                times: 1,
                answer,
            });
            let api = ground.api("ConfigMap");
            let name = format!("done-{done}");
            let object = crate::ground::dynamic(&config_map(&name, "k", "v"));
            api.create(&Default::default(), &object)
                .await
                .expect_err("no answer");
            assert_eq!(ground.get("ConfigMap", &name).await.is_ok(), done);
        }
    });
}

#[test]
fn a_denied_verb_is_forbidden_and_the_review_says_so() {
    on_double(async |ground| {
        double(&ground).deny("create", "pods/attach");
        double(&ground).deny("delete", "pods");
        let (code, message) = ground
            .delete("Pod", "p", &DeleteParams::default())
            .await
            .expect_err("denied");
        assert_eq!(code, 403);
        assert!(
            message.contains("cannot delete resource \"pods\" in API group \"\""),
            "{message}"
        );
        let review = |verb: &str, subresource: &str| {
            json!({
                "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "metadata": {},
                "spec": {"resourceAttributes": {"verb": verb, "resource": "pods", "subresource": subresource}},
            })
        };
        for (verb, subresource, allowed) in [
            ("create", "attach", false),
            ("delete", "", false),
            ("get", "", true),
        ] {
            let answer = ground
                .create(&review(verb, subresource))
                .await
                .expect("an answer");
            assert_eq!(answer["status"]["allowed"], allowed, "{verb} {subresource}");
        }
    });
}

#[test]
fn a_server_that_is_gone_comes_back_with_everything() {
    on_double(async |ground| {
        ground
            .apply(&ground.deployment("web", 1, "sleep 1000"))
            .await;
        ground
            .until("Deployment", "web", "is available", |web| {
                holds(web, "Available")
            })
            .await;
        let api = ground.api("ConfigMap");
        let mut events = pin!(
            api.watch(&WatchParams::default(), "0")
                .await
                .expect("a watch")
        );
        double(&ground).gone_for(Duration::from_secs(2));
        while let Ok(Some(_)) = events.try_next().await {}
        api.get("a").await.expect_err("it is gone");
        let back = tokio::time::timeout(crate::ground::PATIENCE, async {
            while let Err(error) = ground.api("Deployment").get("web").await {
                assert!(
                    !matches!(error, kube::Error::Api(_)),
                    "it is gone, or it is back: {error}"
                );
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        back.await.expect("it comes back");
        assert!(holds(
            &ground.get("Deployment", "web").await.expect("it is there"),
            "Available"
        ));
    });
}

#[test]
fn a_silent_node_makes_its_pods_unready_and_an_old_kill_is_told() {
    on_double(async |ground| {
        let api = double(&ground);
        ground
            .create(&ground.pod("p", "sleep 1000"))
            .await
            .expect("it is made");
        let pod = ground
            .until("Pod", "p", "is ready", |pod| holds(pod, "Ready"))
            .await;
        let node = pod["spec"]["nodeName"].as_str().expect("a node");
        api.node_ready(node, false);
        ground
            .until("Pod", "p", "is not ready", |pod| !holds(pod, "Ready"))
            .await;
        api.node_ready(node, true);
        ground
            .until("Pod", "p", "is ready", |pod| holds(pod, "Ready"))
            .await;
        api.kill_for_memory(&ground.namespace, "p");
        let killed = ground
            .until("Pod", "p", "has failed", |pod| {
                pod["status"]["phase"] == "Failed"
            })
            .await;
        let state = &killed["status"]["containerStatuses"][0]["state"]["terminated"];
        assert_eq!(
            (&state["reason"], &state["exitCode"]),
            (&json!("OOMKilled"), &json!(137))
        );
        ground
            .create(&ground.pod("q", "sleep 1000"))
            .await
            .expect("it is made");
        ground
            .until("Pod", "q", "is ready", |pod| holds(pod, "Ready"))
            .await;
        api.evict(&ground.namespace, "q");
        ground
            .until("Pod", "q", "is evicted", |pod| {
                pod["status"]["reason"] == "Evicted"
            })
            .await;
    });
}

#[test]
fn an_older_server_lacks_what_came_later() {
    let api = KubeApi::start_as(20);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a thread");
    runtime.block_on(async {
        let client = crate::ground::client(&api.kubeconfig()).await;
        assert_eq!(
            client.apiserver_version().await.expect("a version").minor,
            "20"
        );
        let groups = client.list_api_groups().await.expect("groups").groups;
        assert!(
            groups.iter().any(|group| group.name == "apps")
                && !groups.iter().any(|group| group.name == "discovery.k8s.io")
        );
    });
    api.put(&json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j", "namespace": "default"},
        "spec": {"completionMode": "Indexed", "completions": 2, "template": {"spec": {"containers": [{"name": "a", "image": "a:1"}]}}},
    }));
    let job = api.get("Job", "default", "j").expect("it is there");
    assert!(
        job["spec"]["completionMode"].is_null(),
        "a field that the server does not know is dropped"
    );
}

#[test]
fn no_process_of_a_container_outlives_the_double() {
    use aefm_tests::processes;
    let ours = || processes::descendants(i32::try_from(std::process::id()).expect("a pid"));
    let script = "sleep 1234.5";
    on_double(async |ground| {
        ground
            .create(&ground.pod("p", script))
            .await
            .expect("it is made");
        ground
            .until("Pod", "p", "is ready", |pod| holds(pod, "Ready"))
            .await;
        let running = ours()
            .into_iter()
            .filter(|one| one.command.contains("sleep 1234.5"))
            .count();
        assert!(running >= 1, "the container is a process");
    });
    let left = processes::wait_for(Duration::from_secs(20), || {
        (!ours()
            .iter()
            .any(|one| one.command.contains("sleep 1234.5")))
        .then_some(())
    });
    assert!(left.is_some(), "it is gone with the double");
}
