//! When an object is ready: what was asked for is what is there, all of it, and nothing else is on its way out.

use serde_json::Value;

/// Why an object is not ready; none if it is. `pods` are those that it owns or selects, in whatever state.
#[must_use]
pub fn waits_for(object: &Value, pods: &[Value]) -> Option<String> {
    match object["kind"].as_str() {
        Some("Deployment") => deployment(object, pods),
        Some("StatefulSet") => stateful_set(object, pods),
        Some("DaemonSet") => daemon_set(object, pods),
        Some("Job") => job(object),
        Some("Pod") => pod(object),
        _ => None,
    }
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

/// What all of them have in common.
fn workload(object: &Value, pods: &[Value], wanted: u64, counts: &[(&str, u64)]) -> Option<String> {
    let (generation, observed) = (
        count(&object["metadata"]["generation"]),
        count(&object["status"]["observedGeneration"]),
    );
    if observed < generation {
        return Some("the cluster has not looked at it yet".to_owned());
    }
    let short = counts.iter().find(|(_, there)| *there != wanted);
    if let Some((what, there)) = short {
        return Some(format!("{there} of {wanted} pods are {what}"));
    }
    let leaving = pods
        .iter()
        .filter(|pod| pod["metadata"]["deletionTimestamp"].is_string())
        .count();
    (leaving > 0).then(|| format!("{leaving} pods are on their way out"))
}

fn deployment(object: &Value, pods: &[Value]) -> Option<String> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let wanted = spec["replicas"].as_u64().unwrap_or(1);
    let counts = [
        ("up to date", count(&status["updatedReplicas"])),
        ("there in all", count(&status["replicas"])),
        ("available", count(&status["availableReplicas"])),
    ];
    workload(object, pods, wanted, &counts)
}

fn stateful_set(object: &Value, pods: &[Value]) -> Option<String> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let wanted = spec["replicas"].as_u64().unwrap_or(1);
    let counts = [
        ("up to date", count(&status["updatedReplicas"])),
        ("there in all", count(&status["replicas"])),
        ("ready", count(&status["readyReplicas"])),
    ];
    workload(object, pods, wanted, &counts)
}

fn daemon_set(object: &Value, pods: &[Value]) -> Option<String> {
    let status = &object["status"];
    let counts = [
        ("up to date", count(&status["updatedNumberScheduled"])),
        ("there in all", count(&status["currentNumberScheduled"])),
        ("available", count(&status["numberAvailable"])),
    ];
    workload(
        object,
        pods,
        count(&status["desiredNumberScheduled"]),
        &counts,
    )
}

/// A Job of an application's is ready when it is complete.
fn job(object: &Value) -> Option<String> {
    let conditions = object["status"]["conditions"].as_array();
    let holds = |kind: &str| {
        conditions
            .into_iter()
            .flatten()
            .find(|condition| condition["type"] == kind && condition["status"] == "True")
    };
    match (holds("Complete"), holds("Failed")) {
        (Some(_), _) => None,
        (None, Some(failed)) => Some(format!(
            "it failed: {}",
            failed["message"].as_str().unwrap_or("no reason is given")
        )),
        (None, None) => Some("it is not complete".to_owned()),
    }
}

/// A pod of its own is ready when it says so and is not on its way out.
fn pod(object: &Value) -> Option<String> {
    if object["metadata"]["deletionTimestamp"].is_string() {
        return Some("it is on its way out".to_owned());
    }
    // One that was to do something and has done it.
    if object["status"]["phase"] == "Succeeded" {
        return None;
    }
    let conditions = object["status"]["conditions"].as_array();
    let ready = conditions
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
    (!ready).then(|| {
        format!(
            "it is {}",
            object["status"]["phase"]
                .as_str()
                .unwrap_or("not looked at yet")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn deployment_of(wanted: u64, updated: u64, all: u64, available: u64, lag: u64) -> Value {
        json!({ "kind": "Deployment", "metadata": { "generation": 5 }, "spec": { "replicas": wanted },
            "status": { "observedGeneration": 5 - lag, "updatedReplicas": updated, "replicas": all, "availableReplicas": available } })
    }

    proptest! {
        #[test]
        fn a_deployment_is_ready_exactly_when_all_agree(
            wanted in 0_u64..3, updated in 0_u64..3, all in 0_u64..3, available in 0_u64..3, lag in 0_u64..2, leaving: bool,
        ) {
            let pods = [json!({ "metadata": { "deletionTimestamp": leaving.then_some("2026-01-01T00:00:00Z") } })];
            let ready = waits_for(&deployment_of(wanted, updated, all, available, lag), &pods).is_none();
            let agreed = [updated, all, available].iter().all(|count| *count == wanted);
            prop_assert_eq!(ready, agreed && lag == 0 && !leaving);
        }
    }

    #[test]
    fn reasons_say_what_is_awaited() {
        assert_eq!(
            waits_for(&deployment_of(2, 2, 3, 2, 0), &[]).unwrap(),
            "3 of 2 pods are there in all"
        );
        // Scaled to nothing by who wrote it.
        assert_eq!(waits_for(&deployment_of(0, 0, 0, 0, 0), &[]), None);
        let done = json!({ "kind": "Pod", "status": { "phase": "Succeeded", "conditions": [{ "type": "Ready", "status": "False" }] } });
        assert_eq!(waits_for(&done, &[]), None);
        let failed = json!({ "kind": "Job", "status": { "conditions": [{ "type": "Failed", "status": "True", "message": "no" }] } });
        assert_eq!(waits_for(&failed, &[]).unwrap(), "it failed: no");
    }

    #[test]
    fn a_fresh_object_is_not_ready_and_a_service_is() {
        for kind in ["Deployment", "StatefulSet", "DaemonSet", "Job", "Pod"] {
            let fresh = json!({ "kind": kind, "metadata": { "generation": 1 }, "spec": {} });
            assert!(waits_for(&fresh, &[]).is_some(), "{kind}");
        }
        assert_eq!(waits_for(&json!({ "kind": "Service" }), &[]), None);
    }
}
