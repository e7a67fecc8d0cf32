//! The root of a run in the cluster: a Job whose pod receives spans and holds the run's lease.
//!
//! Everything of the run is owned by this Job. When its pod has not heard of the orchestrator for the length of the
//! lease, it ends, the Job is complete, the cluster removes it, and all that it owns goes with it. So nothing of a run
//! outlives its orchestrator, and nothing of ours needs rights in the cluster to see to that. Until its pod runs, which an
//! image or a quota may prevent for ever, the Job's own deadline is the lease, and the orchestrator puts it off.

use super::ownership::{PURPOSE_LABEL, RunOwner};
use super::pod::{self, PORT, PodOptions, Rights, WORK_DIR};
use super::watched::{Objects, has_ended, pods};
use crate::receive::kubelets::Asked;
use crate::receive::{NODE_ADDRESS, ReceiveSpec};
use serde_json::{Value, json};
use std::time::Duration;

/// The run ends itself when it has not heard of its orchestrator for this long, although the API server and its node's
/// kubelet answer. What follows then (the Job is complete, removed, and with it all that it owns) takes about 10 s.
pub const LEASE: Duration = Duration::from_secs(15);
/// The same for as long as one of them does not answer: longer than its restart.
const OUTAGE: Duration = Duration::from_secs(60);
/// The label value of the root's purpose.
pub const PURPOSE: &str = "root";
/// The account by which the root reads figures of kubelets, and which may do nothing else.
pub const METRICS_ACCOUNT: &str = "aefm-metrics";
/// Spans that wait on the receiver's disk.
const SPOOL_BYTES: u64 = 1 << 30;

/// What roots' names begin with.
const PREFIX: &str = "aefm-run-";

/// The root's name.
#[must_use]
pub fn name(owner: &RunOwner) -> String {
    format!("{PREFIX}{}", owner.id())
}

/// Whether an object called so may be a root.
#[must_use]
pub fn is_name(name: &Value) -> bool {
    name.as_str().is_some_and(|name| name.starts_with(PREFIX))
}

/// Renders the root. It fails `deadline` after its start, where there is one.
///
/// # Errors
/// When the spec cannot be written as JSON.
pub fn job(
    owner: &RunOwner,
    options: &PodOptions,
    nodes: &[String],
    deadline: Option<Duration>,
) -> Result<Value, serde_json::Error> {
    let spec = ReceiveSpec {
        listen: ([0, 0, 0, 0], PORT).into(),
        dir: WORK_DIR.into(),
        spool_bytes: SPOOL_BYTES,
        lease_ms: millis(LEASE),
        outage_ms: millis(OUTAGE),
        asked: Asked {
            kubelets: options.kubelets.clone(),
            namespace: options.namespace.clone(),
        },
    };
    let args = [
        "receive".to_owned(),
        "--spec".to_owned(),
        pod::argument(&serde_json::to_string(&spec)?),
    ];
    let mut container = pod::container(options, "receive", &args, Rights::Least);
    pod::limit(&mut container, &options.root_limits);
    container.insert("ports".into(), json!([{ "containerPort": PORT }]));
    let address = json!({ "name": NODE_ADDRESS, "valueFrom": { "fieldRef": { "fieldPath": "status.hostIP" } } });
    container
        .get_mut("env")
        .and_then(Value::as_array_mut)
        .map(|env| env.push(address))
        .unwrap_or_default();
    let probe = json!({ "httpGet": { "path": "/health", "port": PORT }, "periodSeconds": 1 });
    container.insert("readinessProbe".into(), probe);
    // Started again in the same pod it finds its spool again.
    let mut pod = pod::spec(options, container, "OnFailure");
    if !nodes.is_empty() {
        pod.insert("affinity".into(), pod::on_nodes(nodes));
    }
    if !options.kubelets.is_empty() {
        pod.insert("serviceAccountName".into(), json!(METRICS_ACCOUNT));
        pod.insert("automountServiceAccountToken".into(), json!(true));
    }
    let metadata = owner.metadata(&name(owner), &options.namespace, PURPOSE);
    let template = json!({ "metadata": { "labels": owner.labels(PURPOSE) }, "spec": pod });
    let mut spec =
        json!({ "backoffLimit": 20, "ttlSecondsAfterFinished": 0, "template": template });
    if let Some(deadline) = deadline {
        spec["activeDeadlineSeconds"] = json!(deadline.as_secs().max(1));
    }
    Ok(json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec }))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The root's pod, as long as it lives.
#[must_use]
pub fn pod(objects: &Objects) -> Option<&Value> {
    let ours = |pod: &&Value| pod["metadata"]["labels"][PURPOSE_LABEL] == PURPOSE;
    let lives = |pod: &&Value| !has_ended(pod) && pod["metadata"]["deletionTimestamp"].is_null();
    pods(objects).filter(ours).find(lives)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_itself_and_is_then_removed() {
        let options = PodOptions {
            image: "aefm:1".into(),
            namespace: "n".into(),
            pull_policy: "Never".into(),
            priority_class: None,
            ..PodOptions::default()
        };
        let job = job(
            &RunOwner::new("r1", "n").unwrap(),
            &options,
            &["node".to_owned()],
            Some(LEASE),
        )
        .unwrap();
        assert_eq!(
            (
                &job["metadata"]["name"],
                &job["spec"]["ttlSecondsAfterFinished"]
            ),
            (&json!("aefm-run-r1"), &json!(0))
        );
        assert_eq!(job["spec"]["activeDeadlineSeconds"], 15);
        let pod = &job["spec"]["template"]["spec"];
        let spec: ReceiveSpec =
            serde_json::from_str(pod["containers"][0]["args"][2].as_str().unwrap()).unwrap();
        assert_eq!((spec.lease_ms, spec.outage_ms), (15_000, 60_000));
        assert_eq!(pod["automountServiceAccountToken"], false);
        assert!(pod.get("serviceAccountName").is_none());
    }
}
