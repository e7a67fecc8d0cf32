//! What may break under a load: pods of the application that end or are started again, nodes that are gone.

use super::cluster::name_of;
use super::deploy::restarts;
use super::survey::unready_because;
use super::watched::{Objects, all_nodes_are_seen, has_ended, pod, pods};
use serde_json::Value;
use std::collections::BTreeMap;

/// The application as it was when it was ready.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Baseline {
    /// Uid and restarts of each pod.
    pods: BTreeMap<String, (Value, u64)>,
}

/// What is not as it was.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Broken {
    /// What happened.
    pub what: String,
    /// The pod that it happened to, if it is still there.
    pub pod: Option<Value>,
}

impl Baseline {
    /// The state of these pods now. One that has come to its end by now (a migration's) has done what it was there for, and
    /// may go.
    pub(super) fn of<'a>(pods: impl IntoIterator<Item = &'a Value>) -> Self {
        let mut baseline = Self::default();
        for pod in pods.into_iter().filter(|pod| !has_ended(pod)) {
            baseline.pods.insert(
                name_of(pod),
                (pod["metadata"]["uid"].clone(), restarts(pod)),
            );
        }
        baseline
    }

    /// What is not as it was, if anything. Readiness does not count: to be slow under interference is what is measured.
    #[must_use]
    pub(super) fn broken(&self, objects: &Objects) -> Option<Broken> {
        // Whatever runs there, load and stressors too: a silent node tells nothing of its pods.
        let at_work = pods(objects)
            .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null() && !has_ended(pod));
        if let Some((node, why)) = at_work.filter_map(|pod| silent_node(objects, pod)).next() {
            return Some(Broken {
                what: format!("node {node} is not ready any more: {why}"),
                pod: None,
            });
        }
        self.pods.iter().find_map(|(name, (uid, before))| {
            let broken = |what: String, pod: Option<&Value>| {
                Some(Broken {
                    what,
                    pod: pod.cloned(),
                })
            };
            let Some(there) = pod(objects, name).filter(|there| there["metadata"]["uid"] == *uid)
            else {
                return broken(format!("pod {name} is gone"), None);
            };
            if restarts(there) > *before {
                return broken(format!("pod {name} was started again"), Some(there));
            }
            if there["metadata"]["deletionTimestamp"].is_string() {
                return broken(format!("pod {name} is being deleted"), Some(there));
            }
            if has_ended(there) {
                broken(format!("pod {name} ended"), Some(there))
            } else {
                None
            }
        })
    }
}

/// The node of a pod, and why it is not ready, if it is not.
#[must_use]
pub(super) fn silent_node<'a>(objects: &Objects, pod: &'a Value) -> Option<(&'a str, String)> {
    let node = pod["spec"]["nodeName"].as_str()?;
    let why = match objects.get(&("Node", node.to_owned())) {
        Some(state) => unready_because(state)?,
        None if all_nodes_are_seen(objects) => "it is gone".to_owned(),
        None => return None,
    };
    Some((node, why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn objects(pods: &[Value], ready: &str) -> Objects {
        let node = json!({ "metadata": { "name": "n" }, "status": { "conditions": [{ "type": "Ready", "status": ready }] } });
        let mut objects = Objects::from([(("Node", "n".to_owned()), node)]);
        objects.extend(pods.iter().map(|pod| (("Pod", name_of(pod)), pod.clone())));
        objects
    }

    fn web(uid: &str, restarts: u64, phase: &str) -> Value {
        json!({ "metadata": { "name": "web", "uid": uid }, "spec": { "nodeName": "n" },
            "status": { "phase": phase, "containerStatuses": [{ "restartCount": restarts }] } })
    }

    #[test]
    fn whatever_ends_in_mid_case_is_noticed() {
        let baseline = Baseline::of([&web("u", 1, "Running")]);
        let told = |pods: &[Value], ready| {
            baseline
                .broken(&objects(pods, ready))
                .map(|broken| broken.what)
        };
        assert_eq!(told(&[web("u", 1, "Running")], "True"), None);
        let silent = "node n is not ready any more: it never said that it is ready";
        assert_eq!(told(&[web("u", 1, "Running")], "Unknown").unwrap(), silent);
        // A pod of load or a stressor, which are no part of the application.
        assert_eq!(
            Baseline::default()
                .broken(&objects(&[web("u", 1, "Running")], "Unknown"))
                .unwrap()
                .what,
            silent
        );
        assert_eq!(
            Baseline::default().broken(&objects(&[web("u", 1, "Succeeded")], "Unknown")),
            None
        );
        assert_eq!(
            told(&[web("u", 2, "Running")], "True").unwrap(),
            "pod web was started again"
        );
        assert_eq!(
            told(&[web("u", 1, "Failed")], "True").unwrap(),
            "pod web ended"
        );
        assert_eq!(
            told(&[web("v", 1, "Running")], "True").unwrap(),
            "pod web is gone"
        );
        assert_eq!(told(&[], "True").unwrap(), "pod web is gone");
        assert_eq!(Baseline::default().broken(&objects(&[], "True")), None);
        let done = web("u", 0, "Succeeded");
        let migrated = Baseline::of([&done]);
        assert_eq!(migrated.broken(&objects(&[done], "True")), None);
        assert_eq!(migrated.broken(&objects(&[], "True")), None);
    }
}
