//! Jobs: pods until enough of them have succeeded; each with an index of its own if the job is `Indexed`.

use super::super::store::{Key, Store, is_terminating, number, text};
use super::super::write::stamp;
use super::{
    all, controller_writer, event, from_template, holds, is_active, owned, set_condition,
    set_status,
};
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const INDEX: &str = "batch.kubernetes.io/job-completion-index";

pub(super) fn step(store: &mut Store, now: Timestamp) {
    for (key, job) in all(store, "Job") {
        if is_terminating(&job) {
            continue;
        }
        if holds(&job, "Complete") || holds(&job, "Failed") {
            expire(store, &key, &job, now);
        } else {
            run(store, &key, &job, now);
        }
    }
}

/// Pods of a job by how they stand.
struct Pods {
    active: Vec<(Key, i64)>,
    ready: usize,
    failed: usize,
    /// Indices that are done (of a job without: each success has one).
    done: BTreeSet<i64>,
}

fn pods(store: &Store, job: &Value) -> Pods {
    let mut found = Pods {
        active: Vec::new(),
        ready: 0,
        failed: 0,
        done: BTreeSet::new(),
    };
    for (at, (key, pod)) in (0..).zip(owned(store, "Pod", job)) {
        let index = pod["metadata"]["annotations"][INDEX]
            .as_str()
            .and_then(|text| text.parse().ok());
        match text(&pod, "/status/phase") {
            "Succeeded" => drop(found.done.insert(index.unwrap_or(at))),
            "Failed" => found.failed += 1,
            _ if is_active(&pod) => {
                found.ready += usize::from(holds(&pod, "Ready"));
                found.active.push((key, index.unwrap_or(-1)));
            }
            _ => {}
        }
    }
    found
}

fn run(store: &mut Store, key: &Key, job: &Value, now: Timestamp) {
    let before = pods(store, job);
    let completions = number(job, "/spec/completions").unwrap_or(1);
    let failed = failure(job, &before, now);
    let complete = i64::try_from(before.done.len()).is_ok_and(|done| done >= completions);
    let suspended = job["spec"]["suspend"] == true;
    if failed.is_some() || complete || suspended {
        for (pod, _) in &before.active {
            // Gone meanwhile is as good.
            let _ = store.delete(pod, &Default::default(), now);
        }
    } else {
        start(store, job, &before, completions, now);
    }
    let mut status = status(job, &pods(store, job), now);
    if let Some((reason, why)) = failed {
        set_condition(&mut status, "Failed", true, reason, why, now);
        event(store, job, true, reason, why, now);
    } else if complete {
        set_condition(
            &mut status,
            "Complete",
            true,
            "CompletionsReached",
            "Reached expected number of succeeded pods",
            now,
        );
        status["completionTime"] = json!(stamp(now));
    } else if suspended {
        set_condition(
            &mut status,
            "Suspended",
            true,
            "JobSuspended",
            "Job suspended",
            now,
        );
    }
    set_status(store, key, status);
}

fn failure(job: &Value, pods: &Pods, now: Timestamp) -> Option<(&'static str, &'static str)> {
    if i64::try_from(pods.failed)
        .is_ok_and(|failed| failed > number(job, "/spec/backoffLimit").unwrap_or(6))
    {
        return Some((
            "BackoffLimitExceeded",
            "Job has reached the specified backoff limit",
        ));
    }
    let started: Timestamp = text(job, "/status/startTime").parse().ok()?;
    let limit = number(job, "/spec/activeDeadlineSeconds")?;
    let over = started
        .checked_add(limit.seconds())
        .is_ok_and(|end| end <= now);
    over.then_some((
        "DeadlineExceeded",
        "Job was active longer than specified deadline",
    ))
}

fn start(store: &mut Store, job: &Value, pods: &Pods, completions: i64, now: Timestamp) {
    let parallel = number(job, "/spec/parallelism").unwrap_or(1);
    let running: BTreeSet<i64> = pods.active.iter().map(|(_, index)| *index).collect();
    let open = completions - i64::try_from(pods.done.len()).unwrap_or(0);
    let active = i64::try_from(pods.active.len()).unwrap_or(0);
    let room = usize::try_from(parallel.min(open) - active).unwrap_or(0);
    let indexed = text(job, "/spec/completionMode") == "Indexed";
    let free = (0..completions)
        .filter(|index| !indexed || !(pods.done.contains(index) || running.contains(index)));
    for index in free.take(room).collect::<Vec<_>>() {
        let pod = pod(store, job, indexed.then_some(index));
        let key = Key::new(
            super::resource::of("Pod"),
            text(job, "/metadata/namespace"),
            text(&pod, "/metadata/name"),
        );
        if let Err(refusal) = store.create(&key, &pod, &controller_writer(), now) {
            event(
                store,
                job,
                true,
                "FailedCreate",
                &format!("Error creating: {}", refusal.message),
                now,
            );
            return;
        }
    }
}

fn pod(store: &Store, job: &Value, index: Option<i64>) -> Value {
    let base = text(job, "/metadata/name");
    let base = index.map_or_else(|| base.to_owned(), |index| format!("{base}-{index}"));
    let name = format!("{base}-{:05x}", store.births() & 0xf_ffff);
    let mut pod = from_template(
        &job["spec"]["template"],
        &name,
        super::resource::of("Job"),
        job,
    );
    (pod["apiVersion"], pod["kind"]) = (json!("v1"), json!("Pod"));
    let Some(index) = index else { return pod };
    pod["metadata"]["annotations"][INDEX] = json!(index.to_string());
    pod["metadata"]["labels"][INDEX] = json!(index.to_string());
    pod["spec"]["hostname"] = json!(base);
    for container in pod["spec"]["containers"]
        .as_array_mut()
        .into_iter()
        .flatten()
    {
        let mut env = container["env"].as_array().cloned().unwrap_or_default();
        env.push(json!({"name": "JOB_COMPLETION_INDEX", "value": index.to_string()}));
        container["env"] = json!(env);
    }
    pod
}

fn status(job: &Value, pods: &Pods, now: Timestamp) -> Value {
    let mut status =
        json!({"startTime": job["status"]["startTime"], "ready": pods.ready, "terminating": 0});
    if status["startTime"].is_null() {
        status["startTime"] = json!(stamp(now));
    }
    for (name, count) in [
        ("active", pods.active.len()),
        ("succeeded", pods.done.len()),
        ("failed", pods.failed),
    ] {
        if count > 0 {
            status[name] = json!(count);
        }
    }
    if text(job, "/spec/completionMode") == "Indexed" && !pods.done.is_empty() {
        status["completedIndexes"] = json!(ranges(&pods.done));
    }
    status
}

/// `0-2,5`.
fn ranges(indices: &BTreeSet<i64>) -> String {
    let mut runs: Vec<(i64, i64)> = Vec::new();
    for index in indices {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *index => *last = *index,
            _ => runs.push((*index, *index)),
        }
    }
    let text = |(first, last): &(i64, i64)| {
        if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        }
    };
    runs.iter().map(text).collect::<Vec<_>>().join(",")
}

/// A finished job goes when its time to live is over.
fn expire(store: &mut Store, key: &Key, job: &Value, now: Timestamp) {
    let Some(ttl) = number(job, "/spec/ttlSecondsAfterFinished") else {
        return;
    };
    let ended = text(job, "/status/completionTime").parse().unwrap_or(now);
    if ended.checked_add(ttl.seconds()).is_ok_and(|end| end <= now) {
        store.delete_now(key, now);
    }
}
