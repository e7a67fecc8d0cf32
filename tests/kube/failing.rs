//! How pods, jobs and deployments fail, and where it is written why.

use crate::ground::{Ground, holds, on_both};
use crate::workloads::job;
use serde_json::{Value, json};

on_both! {
    a_job_that_fails_says_why => super::failing_job;
    a_job_has_a_deadline => super::job_deadline;
    an_image_that_is_not_there_is_named => super::image;
    a_container_that_crashes_is_started_again => super::crash;
    a_pod_has_a_deadline => super::deadline;
    a_pod_that_fits_nowhere_says_so => super::unschedulable;
    a_quota_that_refuses_is_told => super::quota;
}

fn failed_for(job: &Value) -> Option<&str> {
    let conditions = job["status"]["conditions"].as_array()?;
    conditions
        .iter()
        .find(|one| one["type"] == "Failed" && one["status"] == "True")?["reason"]
        .as_str()
}

async fn failing_job(ground: Ground) {
    ground
        .apply(&job(&ground, "exit 3", &json!({"backoffLimit": 0})))
        .await;
    let failed = ground
        .until("Job", "j", "has failed", |job| failed_for(job).is_some())
        .await;
    assert_eq!(failed_for(&failed), Some("BackoffLimitExceeded"));
    let pod = ground.list("Pod", "job-name=j").await.remove(0);
    let state = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!(
        (
            &pod["status"]["phase"],
            &state["exitCode"],
            &state["reason"]
        ),
        (&json!("Failed"), &json!(3), &json!("Error"))
    );
}

async fn job_deadline(ground: Ground) {
    ground
        .apply(&job(
            &ground,
            "sleep 1000",
            &json!({"activeDeadlineSeconds": 2}),
        ))
        .await;
    let failed = ground
        .until("Job", "j", "has failed", |job| failed_for(job).is_some())
        .await;
    assert_eq!(failed_for(&failed), Some("DeadlineExceeded"));
}

async fn image(ground: Ground) {
    if let Some(double) = &ground.double {
        double.image("aefm.local/missing:1", aefm_tests::kube_api::Image::Missing);
    }
    let mut pod = ground.pod("p", "sleep 1000");
    pod["spec"]["containers"][0]["image"] = json!("aefm.local/missing:1");
    pod["spec"]["containers"][0]["imagePullPolicy"] = json!("Never");
    ground.create(&pod).await.expect("it is made");
    let waiting = |pod: &Value| {
        pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "ErrImageNeverPull"
    };
    let stuck = ground
        .until("Pod", "p", "waits for its image", waiting)
        .await;
    assert_eq!(stuck["status"]["phase"], "Pending");
    assert!(
        ground
            .events("p")
            .await
            .iter()
            .any(|one| one["type"] == "Warning"),
        "an event tells"
    );
}

async fn crash(ground: Ground) {
    let mut pod = ground.pod("p", "echo once more; exit 7");
    pod["spec"]["restartPolicy"] = json!("Always");
    ground.create(&pod).await.expect("it is made");
    let again =
        |pod: &Value| pod["status"]["containerStatuses"][0]["restartCount"].as_i64() >= Some(1);
    let crashed = ground.until("Pod", "p", "is started again", again).await;
    let status = &crashed["status"]["containerStatuses"][0];
    assert_eq!(status["lastState"]["terminated"]["exitCode"], 7, "{status}");
    let waits = |pod: &Value| {
        pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    };
    ground
        .until("Pod", "p", "waits between its starts", waits)
        .await;
}

async fn deadline(ground: Ground) {
    let mut pod = ground.pod("p", "sleep 1000");
    pod["spec"]["activeDeadlineSeconds"] = json!(2);
    ground.create(&pod).await.expect("it is made");
    let ended = ground
        .until("Pod", "p", "has failed", |pod| {
            pod["status"]["phase"] == "Failed"
        })
        .await;
    assert_eq!(ended["status"]["reason"], "DeadlineExceeded");
}

async fn unschedulable(ground: Ground) {
    let mut pod = ground.pod("p", "sleep 1000");
    pod["spec"]["nodeSelector"] = json!({"aefm.test/nowhere": "yes"});
    ground.create(&pod).await.expect("it is made");
    let stuck = |pod: &Value| {
        let conditions = pod["status"]["conditions"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        conditions
            .iter()
            .any(|one| one["type"] == "PodScheduled" && one["reason"] == "Unschedulable")
    };
    ground
        .until("Pod", "p", "is found to fit nowhere", stuck)
        .await;
    assert!(
        ground
            .events("p")
            .await
            .iter()
            .any(|one| one["reason"] == "FailedScheduling")
    );
}

async fn quota(ground: Ground) {
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"}, "spec": {"hard": {"pods": "1"}}});
    ground.create(&quota).await.expect("it is made");
    if ground.double.is_none() {
        // Until it has counted it refuses everything.
        ground
            .until("ResourceQuota", "few", "has counted", |one| {
                one["status"]["hard"]["pods"] == "1"
            })
            .await;
    }
    ground
        .apply(&ground.deployment("web", 2, "sleep 1000"))
        .await;
    let refused = ground
        .until("Deployment", "web", "says that it was refused", |web| {
            holds(web, "ReplicaFailure")
        })
        .await;
    let conditions = refused["status"]["conditions"]
        .as_array()
        .expect("conditions");
    let why = conditions
        .iter()
        .find(|one| one["type"] == "ReplicaFailure")
        .expect("it is there");
    assert!(
        why["message"]
            .as_str()
            .is_some_and(|text| text.contains("exceeded quota: few")),
        "{why}"
    );
    ground
        .until("Deployment", "web", "has its one pod", |web| {
            web["status"]["availableReplicas"] == 1
        })
        .await;
}
