//! A pod's status from how its containers are. Pure.

use super::super::controllers::set_condition;
use super::super::store::{list, text};
use super::super::write::stamp;
use jiff::Timestamp;
use serde_json::{Value, json};

/// How one container is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum State {
    /// Not started, and why.
    Waiting(&'static str, String),
    /// Since.
    Running(Timestamp),
    /// Code, reason, begin and end.
    Ended {
        code: i32,
        reason: &'static str,
        begun: Timestamp,
        ended: Timestamp,
    },
}

/// One container as the status has it.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) state: State,
    pub(crate) last: Option<State>,
    pub(crate) restarts: u32,
    pub(crate) ready: bool,
}

/// Why a whole pod has failed, if not for its containers.
pub(crate) struct Verdict {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

/// The status of a pod whose containers are like this.
pub(crate) fn status(
    pod: &Value,
    init: &[View],
    main: &[View],
    address: &str,
    verdict: Option<&Verdict>,
    now: Timestamp,
) -> Value {
    let mut status = json!({"phase": phase(pod, main, verdict), "qosClass": "Burstable", "hostIP": "127.0.0.1", "podIP": address});
    status["podIPs"] = json!([{"ip": address}]);
    status["startTime"] = pod["status"]["startTime"].clone();
    if status["startTime"].is_null() {
        status["startTime"] = json!(stamp(now));
    }
    status["conditions"] = json!(list(pod, "/status/conditions"));
    if let Some(verdict) = verdict {
        status["reason"] = json!(verdict.reason);
        status["message"] = json!(verdict.message);
    }
    if !init.is_empty() {
        status["initContainerStatuses"] = init.iter().map(container).collect();
    }
    status["containerStatuses"] = main.iter().map(container).collect();
    let initialized = init
        .iter()
        .all(|one| matches!(one.state, State::Ended { code: 0, .. }));
    set_condition(
        &mut status,
        "Initialized",
        initialized,
        if initialized {
            ""
        } else {
            "ContainersNotInitialized"
        },
        "",
        now,
    );
    let ready = !main.is_empty() && main.iter().all(|one| one.ready) && verdict.is_none();
    let reason = match text(&status, "/phase") {
        "Succeeded" => "PodCompleted",
        "Failed" => "PodFailed",
        _ if ready => "",
        _ => "ContainersNotReady",
    };
    set_condition(&mut status, "ContainersReady", ready, reason, "", now);
    set_condition(&mut status, "Ready", ready, reason, "", now);
    status
}

fn phase(pod: &Value, main: &[View], verdict: Option<&Verdict>) -> &'static str {
    if verdict.is_some() {
        return "Failed";
    }
    let never = text(pod, "/spec/restartPolicy");
    let ended = |code_fits: fn(i32) -> bool| move |one: &View| matches!(&one.state, State::Ended { code, .. } if code_fits(*code));
    if main
        .iter()
        .any(|one| matches!(one.state, State::Waiting(..)) && one.last.is_none())
    {
        "Pending"
    } else if never != "Always" && main.iter().all(ended(|code| code == 0)) {
        "Succeeded"
    } else if never == "Never" && main.iter().all(ended(|_| true)) {
        "Failed"
    } else {
        "Running"
    }
}

fn container(view: &View) -> Value {
    let mut status = json!({
        "name": view.name, "image": view.image, "imageID": "", "ready": view.ready, "restartCount": view.restarts,
        "started": matches!(view.state, State::Running(_)), "state": state(&view.state),
    });
    status["lastState"] = view.last.as_ref().map_or_else(|| json!({}), state);
    status
}

fn state(state: &State) -> Value {
    match state {
        State::Waiting(reason, message) => {
            json!({"waiting": {"reason": reason, "message": message}})
        }
        State::Running(since) => json!({"running": {"startedAt": stamp(*since)}}),
        State::Ended {
            code,
            reason,
            begun,
            ended,
        } => {
            json!({"terminated": {"exitCode": code, "reason": reason, "startedAt": stamp(*begun), "finishedAt": stamp(*ended)}})
        }
    }
}
