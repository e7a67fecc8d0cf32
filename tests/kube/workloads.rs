//! Deployments, stateful sets and jobs: how they come up, and what says that they are ready.

use crate::ground::{Ground, PATIENCE, holds, on_both};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

on_both! {
    a_deployment_is_ready_by_its_counts => super::counts;
    pods_that_do_not_answer_are_not_ready => super::probe;
    a_new_template_replaces_the_pods => super::rollout;
    recreate_ends_the_old_before_the_new => super::recreate;
    a_stateful_set_comes_up_in_order => super::ordered;
    an_indexed_job_gives_each_pod_its_number => super::indexed;
    a_scale_is_set_by_its_subresource => super::scale;
}

/// Current, and all of what is wanted is updated and available.
fn is_ready(object: &Value) -> bool {
    let (status, wanted) = (&object["status"], &object["spec"]["replicas"]);
    status["observedGeneration"] == object["metadata"]["generation"]
        && [
            &status["replicas"],
            &status["updatedReplicas"],
            &status["availableReplicas"],
        ]
        .iter()
        .all(|count| *count == wanted)
}

async fn counts(ground: Ground) {
    let made = ground
        .apply(&ground.deployment("web", 2, "sleep 1000"))
        .await;
    assert!(!is_ready(&made), "nothing is there yet");
    let ready = ground
        .until("Deployment", "web", "is ready", is_ready)
        .await;
    assert!(
        holds(&ready, "Available") && holds(&ready, "Progressing"),
        "{}",
        ready["status"]
    );
    let pods = ground.list("Pod", "app=web").await;
    assert_eq!(pods.len(), 2);
    for pod in pods {
        assert!(
            holds(&pod, "Ready") && pod["status"]["phase"] == "Running",
            "{}",
            pod["status"]
        );
        assert!(pod["status"]["podIP"].is_string() && pod["spec"]["nodeName"].is_string());
        assert_eq!(pod["metadata"]["ownerReferences"][0]["kind"], "ReplicaSet");
    }
}

async fn probe(ground: Ground) {
    let mut web = ground.deployment("web", 1, "sleep 1000");
    let container = &mut web["spec"]["template"]["spec"]["containers"][0];
    container["readinessProbe"] = json!({"tcpSocket": {"port": 8080}, "periodSeconds": 1});
    ground.apply(&web).await;
    let begun = std::time::Instant::now();
    loop {
        let pods = ground.list("Pod", "app=web").await;
        if pods
            .first()
            .is_some_and(|pod| pod["status"]["phase"] == "Running")
        {
            assert!(!holds(&pods[0], "Ready"), "{}", pods[0]["status"]);
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "no pod runs");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(!is_ready(
        &ground.get("Deployment", "web").await.expect("it is there")
    ));
    web["spec"]["template"]["spec"]["containers"][0]["command"][3] =
        json!("httpd -f -h /bin -p $POD_IP:8080");
    ground.apply(&web).await;
    ground
        .until("Deployment", "web", "is ready", is_ready)
        .await;
}

async fn rollout(ground: Ground) {
    let mut web = ground.deployment("web", 2, "sleep 1000");
    ground.apply(&web).await;
    ground
        .until("Deployment", "web", "is ready", is_ready)
        .await;
    let before = uids(&ground).await;
    web["spec"]["template"]["metadata"]["annotations"] = json!({"restarted": "once"});
    let changed = ground.apply(&web).await;
    assert_eq!(changed["metadata"]["generation"], 2);
    ground
        .until("Deployment", "web", "is ready", is_ready)
        .await;
    let begun = std::time::Instant::now();
    // Ready it is while the last old pods still end.
    while uids(&ground).await.iter().any(|uid| before.contains(uid)) {
        assert!(begun.elapsed() < PATIENCE, "old pods stay");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(uids(&ground).await.len(), 2);
}

async fn uids(ground: &Ground) -> Vec<String> {
    let pods = ground.list("Pod", "app=web").await;
    pods.iter()
        .map(|pod| pod["metadata"]["uid"].as_str().expect("a uid").to_owned())
        .collect()
}

async fn recreate(ground: Ground) {
    let mut web = ground.deployment("web", 2, "sleep 1000");
    web["spec"]["strategy"] = json!({"type": "Recreate"});
    ground.apply(&web).await;
    ground
        .until("Deployment", "web", "is ready", is_ready)
        .await;
    web["spec"]["template"]["metadata"]["annotations"] = json!({"restarted": "once"});
    ground.apply(&web).await;
    let seen = std::cell::Cell::new(0);
    ground
        .until("Deployment", "web", "is ready", |web| {
            let count = web["status"]["replicas"].as_i64().unwrap_or(0);
            seen.set(seen.get().max(count));
            is_ready(web)
        })
        .await;
    assert_eq!(seen.get(), 2, "never more than wanted");
}

async fn ordered(ground: Ground) {
    let set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"},
        "spec": {
            "replicas": 2, "serviceName": "db", "selector": {"matchLabels": {"app": "db"}},
            "template": {"metadata": {"labels": {"app": "db"}}, "spec": ground.pod_spec("sleep 1000")},
        },
    });
    ground.apply(&set).await;
    let up = ground
        .until("StatefulSet", "db", "is ready", |set| {
            set["status"]["readyReplicas"] == 2
        })
        .await;
    assert_eq!(up["status"]["updatedReplicas"], 2);
    let first = ground.get("Pod", "db-0").await.expect("it has its name");
    let second = ground.get("Pod", "db-1").await.expect("it has its name");
    assert!(
        first["metadata"]["creationTimestamp"].as_str()
            <= second["metadata"]["creationTimestamp"].as_str()
    );
    ground
        .delete("Pod", "db-0", &DeleteParams::default())
        .await
        .expect("it goes");
    let old = first["metadata"]["uid"].clone();
    ground
        .until("Pod", "db-0", "is back", |pod| {
            pod["metadata"]["uid"] != old && holds(pod, "Ready")
        })
        .await;
}

pub(crate) fn job(ground: &Ground, script: &str, spec: &Value) -> Value {
    let mut pod = ground.pod_spec(script);
    pod["restartPolicy"] = json!("Never");
    let mut job =
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": spec});
    job["spec"]["template"] = json!({"spec": pod});
    job
}

async fn indexed(ground: Ground) {
    let spec = json!({"completionMode": "Indexed", "completions": 3, "parallelism": 3});
    ground
        .apply(&job(&ground, "echo I am $JOB_COMPLETION_INDEX", &spec))
        .await;
    let done = ground
        .until("Job", "j", "is complete", |job| holds(job, "Complete"))
        .await;
    assert_eq!(
        (
            &done["status"]["succeeded"],
            &done["status"]["completedIndexes"]
        ),
        (&json!(3), &json!("0-2"))
    );
    let pods = ground.list("Pod", "job-name=j").await;
    let mut said = Vec::new();
    for pod in &pods {
        let index = &pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"];
        let log = ground
            .logs(pod["metadata"]["name"].as_str().expect("a name"))
            .await;
        assert_eq!(log, format!("I am {}\n", index.as_str().expect("an index")));
        said.push(log);
    }
    said.sort();
    said.dedup();
    assert_eq!(said.len(), 3, "{said:?}");
    ground
        .delete("Job", "j", &DeleteParams::background())
        .await
        .expect("it goes");
    ground.until_gone("Job", "j").await;
}

async fn scale(ground: Ground) {
    ground
        .apply(&ground.deployment("web", 0, "sleep 1000"))
        .await;
    let two = json!({"spec": {"replicas": 2}});
    let scale = ground
        .api("Deployment")
        .patch_scale("web", &PatchParams::default(), &Patch::Merge(&two))
        .await
        .expect("a scale");
    assert_eq!(scale.spec.and_then(|spec| spec.replicas), Some(2));
    ground
        .until("Deployment", "web", "is ready", is_ready)
        .await;
}
