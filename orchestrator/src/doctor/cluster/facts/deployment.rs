//! What would be deployed: what its pods ask for, and which images they need on which nodes.

use super::super::quota::Pods;
use super::{Asks, Image, Roles};
use crate::experiment::Experiment;
use crate::experiment::kubernetes::{Limits, LoadFrom, Source};
use crate::platform::kubernetes::application;
use crate::platform::kubernetes::snapshot::{Room, pod_asks};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What would be deployed.
#[derive(Clone, Debug, Default)]
pub(super) struct Deployment {
    pub(super) objects: Vec<Value>,
    pub(super) asks: Asks,
    pub(super) images: Vec<Image>,
    /// All pods at a time.
    pub(super) pods: Vec<Pods>,
}

/// The objects of an experiment, and what follows from them; the error is for people.
pub(super) fn of(experiment: &Experiment, roles: &Roles) -> Result<Deployment, String> {
    let kubernetes = &experiment.kubernetes;
    let told = |error: application::ApplicationError| error.to_string();
    let (infra, under_test) = if kubernetes.deploy == Source::Emulated {
        (
            Vec::new(),
            application::planned(experiment, &roles.testbed, &roles.infra).map_err(told)?,
        )
    } else {
        let found = application::objects(&experiment.app, kubernetes, &roles.testbed, &roles.infra)
            .map_err(told)?;
        (found.infra, found.under_test)
    };
    let mut asks = Asks {
        under_test: rooms(&under_test, roles.testbed.len()),
        infra: rooms(&infra, roles.infra.len()),
    };
    let pods = pods(experiment, roles, &asks);
    let stressor = room(&kubernetes.stressor_limits);
    if stressor != Room::default() {
        asks.under_test.extend(vec![
            stressor;
            experiment.interference.len() * roles.testbed.len()
        ]);
    }
    let mut images = Images::default();
    images.add_all(&under_test, &roles.testbed);
    images.add_all(&infra, &roles.infra);
    // The receiver is beside the load, also where that comes from outside.
    images.add(&kubernetes.image, kubernetes.pull_policy, &roles.load);
    if !experiment.interference.is_empty()
        || matches!(kubernetes.load, LoadFrom::Inside(_)) && roles.load.is_empty()
    {
        images.add(&kubernetes.image, kubernetes.pull_policy, &roles.testbed);
    }
    Ok(Deployment {
        objects: [infra, under_test].concat(),
        asks,
        images: images.list(),
        pods,
    })
}

fn room(limits: &Limits) -> Room {
    Room::of(&json!({ "cpu": limits.cpu, "memory": limits.memory }))
}

/// All pods of a run at a time. Those of the application are counted one by one, since each asks for its own.
fn pods(experiment: &Experiment, roles: &Roles, asks: &Asks) -> Vec<Pods> {
    let kubernetes = &experiment.kubernetes;
    let ours = |what, key, count, limits| Pods {
        what,
        key,
        count,
        each: room(limits),
    };
    let load = match kubernetes.load {
        LoadFrom::Outside => 0,
        LoadFrom::Inside(pods) => pods as usize,
    };
    let stressors = experiment.interference.len() * roles.testbed.len();
    let mut pods = vec![
        ours("the root", "root_limits", 1, &kubernetes.root_limits),
        ours("load", "load_limits", load, &kubernetes.load_limits),
        ours(
            "stressors",
            "stressor_limits",
            stressors,
            &kubernetes.stressor_limits,
        ),
    ];
    let application = |what, key| {
        move |each: &Room| Pods {
            what,
            key,
            count: 1,
            each: *each,
        }
    };
    pods.extend(
        asks.under_test
            .iter()
            .map(application("components under test", "limits")),
    );
    let of_infra = application("infrastructure", "requests and limits in its manifests");
    pods.extend(asks.infra.iter().map(of_infra));
    pods
}

/// What each pod of workloads asks for, replicas counted.
fn rooms(objects: &[Value], nodes: usize) -> Vec<Room> {
    objects
        .iter()
        .flat_map(|object| {
            let (spec, replicas) = match object["kind"].as_str() {
                Some("Deployment" | "StatefulSet" | "ReplicaSet") => (
                    &object["spec"]["template"]["spec"],
                    object["spec"]["replicas"].as_u64().unwrap_or(1),
                ),
                Some("DaemonSet") => (&object["spec"]["template"]["spec"], nodes as u64),
                Some("Job") => (&object["spec"]["template"]["spec"], 1),
                Some("Pod") => (&object["spec"], 1),
                _ => (&Value::Null, 0),
            };
            vec![pod_asks(spec); usize::try_from(replicas).unwrap_or(usize::MAX).min(10_000)]
        })
        .collect()
}

#[derive(Default)]
struct Images(BTreeMap<(String, String), BTreeSet<String>>);

impl Images {
    fn add(&mut self, name: &str, policy: &str, nodes: &[String]) {
        self.0
            .entry((name.to_owned(), policy.to_owned()))
            .or_default()
            .extend(nodes.iter().cloned());
    }

    fn add_all(&mut self, objects: &[Value], nodes: &[String]) {
        let specs = objects.iter().map(|object| {
            if object["kind"] == "Pod" {
                &object["spec"]
            } else {
                &object["spec"]["template"]["spec"]
            }
        });
        for spec in specs {
            for container in ["initContainers", "containers"]
                .iter()
                .filter_map(|kind| spec[*kind].as_array())
                .flatten()
            {
                let policy = container["imagePullPolicy"]
                    .as_str()
                    .unwrap_or("IfNotPresent");
                if let Some(name) = container["image"].as_str() {
                    self.add(name, policy, nodes);
                }
            }
        }
    }

    fn list(self) -> Vec<Image> {
        let image = |((name, policy), nodes): ((String, String), BTreeSet<String>)| Image {
            name,
            policy,
            nodes: nodes.into_iter().collect(),
        };
        self.0.into_iter().map(image).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_text(text: &str) -> Deployment {
        let experiment = Experiment::read(
            &format!(
                "platform: kubernetes\naxes: {{rate: [1], cpu: [0, 10]}}\nkubernetes: {{{text}}}"
            ),
            &|_| false,
        );
        let roles = Roles {
            testbed: vec!["t".into(), "u".into()],
            infra: vec!["i".into()],
            load: vec!["l".into()],
        };
        of(&experiment.expect("valid"), &roles).expect("it can be deployed")
    }

    #[test]
    fn replicas_limits_and_stressors_are_counted() {
        let found = of_text(
            "deploy: catalogue, replicas: {frontend: 4}, limits: {cpu: 100m, memory: 1Mi}, stressor_limits: {cpu: 2}",
        );
        let asks = &found.asks;
        assert_eq!(
            asks.under_test
                .iter()
                .filter(|room| room.cpu == 0.1)
                .count(),
            11,
            "8 services, one of them 4 times"
        );
        assert_eq!(
            asks.under_test
                .iter()
                .filter(|room| room.cpu == 2.0)
                .count(),
            2,
            "a stressor a node"
        );
        assert!(
            asks.infra.iter().any(|room| room.cpu == 1.0),
            "Jaeger has limits of its own"
        );
        let nodes = |name: &str| {
            found
                .images
                .iter()
                .find(|image| image.name == name)
                .map(|image| image.nodes.join(" "))
        };
        assert_eq!(nodes("mongo:4.4.6").as_deref(), Some("i"));
        assert_eq!(
            nodes(&format!("aefm:{}", env!("CARGO_PKG_VERSION"))).as_deref(),
            Some("l t u")
        );
        assert_eq!(of_text("image: 'x:1'").images.len(), 1);
    }
}
