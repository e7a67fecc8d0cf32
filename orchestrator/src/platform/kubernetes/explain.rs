//! Why a pod is not what it should be, in one paragraph: its state, its last events, the end of its log.

use serde_json::Value;

/// How many events are told.
const EVENTS: usize = 3;

/// Reasons for which waiting longer is in vain.
const FINAL: [&str; 4] = [
    "ErrImageNeverPull",
    "InvalidImageName",
    "CreateContainerConfigError",
    "RunContainerError",
];

/// What a pod's state says, if it says anything beyond that all is well.
#[must_use]
pub fn state(pod: &Value) -> Option<String> {
    let status = &pod["status"];
    // A pod's own reason is set when it as a whole came to an end: Evicted, DeadlineExceeded, NodeLost.
    if let Some(reason) = text(&status["reason"]) {
        return Some(join(reason, text(&status["message"])));
    }
    let containers = |part: &str| status[part].as_array().cloned().unwrap_or_default();
    for container in [
        containers("initContainerStatuses"),
        containers("containerStatuses"),
    ]
    .concat()
    {
        let name = container["name"].as_str().unwrap_or("a container");
        if let Some(told) = container_state(&container) {
            return Some(format!("{name}: {told}"));
        }
    }
    let conditions = status["conditions"].as_array();
    let unscheduled =
        |condition: &&Value| condition["type"] == "PodScheduled" && condition["status"] == "False";
    let condition = conditions.into_iter().flatten().find(unscheduled)?;
    Some(join(
        text(&condition["reason"]).unwrap_or("Unscheduled"),
        text(&condition["message"]),
    ))
}

fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

fn container_state(container: &Value) -> Option<String> {
    let ended = |ended: &Value| {
        let code = ended["exitCode"].as_i64()?;
        let reason = ended["reason"].as_str().unwrap_or("ended");
        (code != 0).then(|| format!("{reason}, exit code {code}"))
    };
    if let Some(told) = ended(&container["state"]["terminated"]) {
        return Some(told);
    }
    let waiting = &container["state"]["waiting"];
    let last = ended(&container["lastState"]["terminated"]);
    let reason = waiting["reason"]
        .as_str()
        .filter(|reason| !["ContainerCreating", "PodInitializing"].contains(reason));
    let told = reason.map(|reason| join(reason, waiting["message"].as_str()));
    match (told, last) {
        (Some(told), Some(last)) => Some(format!("{told} (before: {last})")),
        (told, last) => told.or_else(|| last.map(|last| format!("started again after {last}"))),
    }
}

fn join(reason: &str, message: Option<&str>) -> String {
    message.map_or_else(
        || reason.to_owned(),
        |message| format!("{reason}: {message}"),
    )
}

/// Whether waiting longer for this pod is in vain.
#[must_use]
pub fn is_final(pod: &Value) -> bool {
    let statuses =
        ["initContainerStatuses", "containerStatuses"].map(|part| pod["status"][part].as_array());
    let reason = |container: &Value| {
        container["state"]["waiting"]["reason"]
            .as_str()
            .is_some_and(|reason| FINAL.contains(&reason))
    };
    statuses.into_iter().flatten().flatten().any(reason)
}

/// The last warnings among events, the oldest first; empty where there is none.
#[must_use]
pub fn warnings(events: &[Value]) -> String {
    let mut warnings: Vec<_> = events
        .iter()
        .filter(|event| event["type"] == "Warning")
        .collect();
    warnings.sort_by_key(|event| {
        event["lastTimestamp"]
            .as_str()
            .or(event["eventTime"].as_str())
            .unwrap_or_default()
    });
    let text = |event: &&Value| {
        let part = |name: &str| event[name].as_str().unwrap_or_default().trim().to_owned();
        format!("{}: {}", part("reason"), part("message"))
    };
    warnings
        .iter()
        .rev()
        .take(EVENTS)
        .rev()
        .map(text)
        .collect::<Vec<_>>()
        .join(" | ")
}

/// What holds a namespace that is on its way out, as its conditions tell: `: ` and their words, or nothing.
#[must_use]
pub fn held(namespace: &Value) -> String {
    let conditions = namespace["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten();
    let holding = conditions.filter(|condition| condition["status"] == "True");
    let told: Vec<_> = holding
        .filter_map(|condition| text(&condition["message"]))
        .collect();
    if told.is_empty() {
        String::new()
    } else {
        format!(": {}", told.join("; "))
    }
}

/// All that is known of a pod. `events` are those about it, `log` the end of what it printed.
#[must_use]
pub fn explain(pod: &Value, events: &[Value], log: &str) -> String {
    let name = pod["metadata"]["name"].as_str().unwrap_or("a pod");
    let node = pod["spec"]["nodeName"]
        .as_str()
        .map(|node| format!(" on {node}"))
        .unwrap_or_default();
    let phase = pod["status"]["phase"]
        .as_str()
        .unwrap_or("not looked at yet");
    let mut told = format!("pod {name}{node} is {phase}");
    if let Some(state) = state(pod) {
        told += &format!(" ({state})");
    }
    let warnings = warnings(events);
    if !warnings.is_empty() {
        told += &format!("; events: {warnings}");
    }
    let log: Vec<_> = log
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    if !log.is_empty() {
        told += &format!("; its log ends: {}", log.join(" | "));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(status: &Value) -> Value {
        json!({ "metadata": { "name": "web-1" }, "spec": { "nodeName": "n1" }, "status": status })
    }

    #[test]
    fn each_kind_of_trouble_is_named() {
        let container = |state: Value, last: Value| {
            json!({ "phase": "Pending",
            "containerStatuses": [{ "name": "c", "state": state, "lastState": last }] })
        };
        let pull = json!({ "waiting": { "reason": "ErrImagePull", "message": "not found" } });
        let killed = json!({ "terminated": { "reason": "OOMKilled", "exitCode": 137 } });
        let back_off = json!({ "waiting": { "reason": "CrashLoopBackOff" } });
        let unscheduled = json!({ "phase": "Pending", "conditions": [{ "type": "PodScheduled", "status": "False",
            "reason": "Unschedulable", "message": "0/1 nodes" }] });
        for (status, told) in [
            (container(pull, json!({})), "c: ErrImagePull: not found"),
            (
                container(killed.clone(), json!({})),
                "c: OOMKilled, exit code 137",
            ),
            (
                container(back_off, killed.clone()),
                "c: CrashLoopBackOff (before: OOMKilled, exit code 137)",
            ),
            (
                container(json!({ "running": {} }), killed),
                "c: started again after OOMKilled, exit code 137",
            ),
            (unscheduled, "Unschedulable: 0/1 nodes"),
            (
                json!({ "reason": "Evicted", "message": "disk" }),
                "Evicted: disk",
            ),
        ] {
            assert_eq!(state(&pod(&status)).as_deref(), Some(told));
        }
        let well = json!({ "phase": "Running", "containerStatuses": [{ "name": "c", "state": { "running": {} }, "lastState": {} }] });
        assert_eq!(state(&pod(&well)), None);
    }

    #[test]
    fn images_that_will_never_come_are_not_awaited() {
        let waiting = |reason: &str| {
            pod(&json!({ "containerStatuses": [{ "state": { "waiting": { "reason": reason } } }] }))
        };
        assert!(is_final(&waiting("ErrImageNeverPull")) && !is_final(&waiting("ImagePullBackOff")));
    }

    #[test]
    fn events_and_log_follow_the_state() {
        let event = |at: &str, reason: &str| json!({ "type": "Warning", "lastTimestamp": at, "reason": reason, "message": "m" });
        let events = [
            event("3", "C"),
            event("1", "A"),
            event("2", "B"),
            event("0", "Z"),
            json!({ "type": "Normal", "reason": "N" }),
        ];
        let told = explain(
            &pod(&json!({ "phase": "Running" })),
            &events,
            "one\n\ntwo\n",
        );
        assert_eq!(
            told,
            "pod web-1 on n1 is Running; events: A: m | B: m | C: m; its log ends: one | two"
        );
    }
}
