//! Load from inside of the cluster: an Indexed Job of shards, or one Job a shard where a server has no Indexed Jobs.

use super::ownership::RunOwner;
use super::pod::{self, PodOptions, Rights};
use crate::shard::ShardSpec;
use serde_json::{Value, json};
use std::time::Duration;

/// The label value of a load's purpose.
pub const PURPOSE: &str = "load";
/// The annotation that tells which shard a pod is; Indexed Jobs set it themselves.
pub const INDEX: &str = "batch.kubernetes.io/job-completion-index";
/// The label that tells which load a pod belongs to.
pub const LOAD_LABEL: &str = "aefm.io/load";
/// The first minor version of Kubernetes whose Indexed Jobs need not be switched on.
const INDEXED_SINCE: u32 = 22;

/// The Jobs of one load, whose name is `spec.load_name`.
///
/// # Errors
/// When the spec cannot be written as JSON.
pub fn jobs(
    owner: &RunOwner,
    options: &PodOptions,
    nodes: &[String],
    spec: &ShardSpec,
    deadline: Duration,
    server_minor: u32,
) -> Result<Vec<Value>, serde_json::Error> {
    let job = |name: &str, only: Option<u32>| {
        let args = [
            "shard".to_owned(),
            "--spec".to_owned(),
            pod::argument(&serde_json::to_string(spec)?),
        ];
        let mut container = pod::container(options, "load", &args, Rights::Least);
        pod::limit(&mut container, &options.load_limits);
        let mut labels = owner.labels(PURPOSE);
        labels.insert(LOAD_LABEL.into(), json!(spec.load_name));
        let mut template = json!({ "metadata": { "labels": labels } });
        let mut job =
            json!({ "backoffLimit": 0, "activeDeadlineSeconds": deadline.as_secs().max(1) });
        if let Some(index) = only {
            let own = json!({ "name": "JOB_COMPLETION_INDEX", "value": index.to_string() });
            container
                .get_mut("env")
                .and_then(Value::as_array_mut)
                .map(|env| env.push(own))
                .unwrap_or_default();
            template["metadata"]["annotations"] = json!({ INDEX: index.to_string() });
        } else {
            job["completionMode"] = json!("Indexed");
            job["completions"] = json!(spec.shards);
            job["parallelism"] = json!(spec.shards);
        }
        let mut pod = pod::spec(options, container, "Never");
        if !nodes.is_empty() {
            pod.insert("affinity".into(), pod::on_nodes(nodes));
        }
        template["spec"] = Value::Object(pod);
        job["template"] = template;
        let metadata = owner.metadata(name, &options.namespace, PURPOSE);
        Ok(json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": job }))
    };
    if server_minor >= INDEXED_SINCE {
        return Ok(vec![job(&spec.load_name, None)?]);
    }
    (0..spec.shards)
        .map(|index| job(&format!("{}-{index}", spec.load_name), Some(index)))
        .collect()
}

/// Which shard a pod is.
#[must_use]
pub fn index_of(pod: &Value) -> Option<u32> {
    pod["metadata"]["annotations"][INDEX].as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::tests::spec;

    fn jobs_for(minor: u32) -> Vec<Value> {
        let options = PodOptions {
            image: "aefm:1".into(),
            namespace: "n".into(),
            pull_policy: "Never".into(),
            priority_class: None,
            ..PodOptions::default()
        };
        jobs(
            &RunOwner::new("r", "n").unwrap(),
            &options,
            &[],
            &spec(3),
            Duration::from_secs(60),
            minor,
        )
        .unwrap()
    }

    #[test]
    fn one_indexed_job_has_all_shards() {
        let jobs = jobs_for(34);
        let spec = &jobs[0]["spec"];
        assert_eq!(
            (jobs.len(), &spec["completions"], &spec["parallelism"]),
            (1, &json!(3), &json!(3))
        );
        assert_eq!(
            (&spec["completionMode"], &spec["backoffLimit"]),
            (&json!("Indexed"), &json!(0))
        );
    }

    #[test]
    fn an_old_server_gets_a_job_a_shard_and_each_pod_knows_which_it_is() {
        let jobs = jobs_for(20);
        assert_eq!(jobs.len(), 3);
        for (at, job) in jobs.iter().enumerate() {
            assert!(job["spec"].get("completionMode").is_none());
            let template = &job["spec"]["template"];
            assert_eq!(index_of(template), Some(u32::try_from(at).unwrap()));
            let env = template["spec"]["containers"][0]["env"].as_array().unwrap();
            assert!(
                env.contains(&json!({ "name": "JOB_COMPLETION_INDEX", "value": at.to_string() }))
            );
        }
    }
}
