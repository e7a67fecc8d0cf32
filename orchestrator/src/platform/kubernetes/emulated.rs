//! The emulated application as pods of our one image: a Deployment and a Service for each service of its graph.
//!
//! A service is told its callees' addresses, so it is applied when these are known; a pod's own address needs neither
//! name resolution nor a proxy. Therefore each service has one pod.

use super::pod::{self, PORT, PodOptions, Rights};
use crate::experiment::kubernetes::Limits;
use aefm_workloads::graph::ServiceGraph;
use aefm_workloads::testbed::{STATS_PATH, ServiceSpec};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What all services of a run have in common.
#[derive(Clone, Debug)]
pub struct Emulation {
    /// How pods are made.
    pub options: PodOptions,
    /// The application.
    pub app: String,
    /// Requests and limits of a service.
    pub limits: Limits,
    /// Nodes to run on; empty: any.
    pub nodes: Vec<String>,
    /// Where spans go.
    pub otlp: String,
    /// Seed of the services' own draws.
    pub seed: u64,
    /// The service that requests go to, and the type of its Service.
    pub entry: (String, &'static str),
}

/// Services in steps: each step calls only services of steps before it, so that its peers' addresses are known.
#[must_use]
pub fn steps(graph: &ServiceGraph) -> Vec<Vec<String>> {
    let mut depth: BTreeMap<&str, usize> = BTreeMap::new();
    let mut steps: Vec<Vec<String>> = Vec::new();
    for service in graph.services_in_start_order() {
        let step = graph
            .children(service)
            .iter()
            .filter_map(|child| depth.get(child))
            .max()
            .map_or(0, |deepest| deepest + 1);
        depth.insert(service, step);
        steps.resize_with(steps.len().max(step + 1), Vec::new);
        steps[step].push(service.to_owned());
    }
    steps
}

/// The objects of one service, whose callees have those addresses.
///
/// # Errors
/// When its spec cannot be written as JSON.
pub fn objects(
    emulation: &Emulation,
    service: &str,
    peers: BTreeMap<String, String>,
) -> Result<[Value; 2], serde_json::Error> {
    let Emulation { options, app, .. } = emulation;
    let spec = ServiceSpec {
        peers,
        otlp: Some(emulation.otlp.clone()),
        seed: emulation.seed,
        listen: format!("0.0.0.0:{PORT}"),
        node: Some(pod::NODE.to_owned()),
        pod: Some(pod::POD.to_owned()),
        ..ServiceSpec::new(app, service)
    };
    let args = ["testbed", service, "--app", app, "--spec"].map(str::to_owned);
    let args = [&args[..], &[pod::argument(&serde_json::to_string(&spec)?)]].concat();
    let mut container = pod::container(options, service, &args, Rights::Least);
    pod::limit(&mut container, &emulation.limits);
    container.insert("ports".into(), json!([{ "containerPort": PORT }]));
    let probe = json!({ "httpGet": { "path": STATS_PATH, "port": PORT }, "periodSeconds": 1, "timeoutSeconds": 5, "failureThreshold": 10 });
    container.insert("readinessProbe".into(), probe);
    let mut pod = pod::spec(options, container, "Always");
    if !emulation.nodes.is_empty() {
        pod.insert("affinity".into(), pod::on_nodes(&emulation.nodes));
    }
    let labels = json!({ "app.kubernetes.io/name": service, "app.kubernetes.io/part-of": app });
    let metadata = json!({ "name": service, "namespace": options.namespace, "labels": labels });
    let selector = json!({ "app.kubernetes.io/name": service });
    let template = json!({ "metadata": { "labels": labels }, "spec": pod });
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
        // A second pod of one service would have an address that nobody knows.
        "spec": { "replicas": 1, "strategy": { "type": "Recreate" }, "selector": { "matchLabels": selector }, "template": template },
    });
    let kind = if service == emulation.entry.0 {
        emulation.entry.1
    } else {
        "ClusterIP"
    };
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": metadata,
        "spec": { "type": kind, "selector": selector, "ports": [{ "name": "http", "port": PORT, "targetPort": PORT, "protocol": "TCP" }] },
    });
    Ok([service, deployment])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_hold_every_service_once_and_after_all_that_it_calls() {
        for app in ServiceGraph::shipped() {
            let graph = ServiceGraph::of_app(app).unwrap();
            let steps = steps(&graph);
            let step_of = |name: &str| {
                steps
                    .iter()
                    .position(|step| step.iter().any(|service| service == name))
                    .unwrap()
            };
            assert_eq!(
                steps.iter().map(Vec::len).sum::<usize>(),
                graph.services().len()
            );
            for service in graph.services() {
                assert!(
                    graph
                        .children(&service.name)
                        .iter()
                        .all(|child| step_of(child) < step_of(&service.name))
                );
            }
        }
    }

    #[test]
    fn a_service_is_told_its_peers_and_limits() {
        let options = PodOptions {
            image: "aefm:1".into(),
            namespace: "n".into(),
            pull_policy: "Never".into(),
            priority_class: None,
            ..PodOptions::default()
        };
        let limits = Limits {
            cpu: Some("500m".into()),
            memory: None,
        };
        let emulation = Emulation {
            options,
            app: "hotel-reservation".into(),
            limits,
            nodes: vec!["a".into()],
            otlp: "http://10.0.0.1:8080".into(),
            seed: 7,
            entry: ("search".into(), "NodePort"),
        };
        let peers: BTreeMap<_, _> = [("geo".to_owned(), "10.0.0.2:8080".to_owned())].into();
        let [service, deployment] = objects(&emulation, "search", peers.clone()).unwrap();
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        let spec: ServiceSpec =
            serde_json::from_str(container["args"][5].as_str().unwrap()).unwrap();
        assert_eq!(
            (spec.peers, spec.seed, spec.listen.as_str()),
            (peers, 7, "0.0.0.0:8080")
        );
        assert_eq!(container["resources"]["limits"], json!({ "cpu": "500m" }));
        assert_eq!(
            service["spec"]["selector"],
            deployment["spec"]["selector"]["matchLabels"]
        );
        let [other, _] = objects(&emulation, "geo", BTreeMap::new()).unwrap();
        assert_eq!(
            (&service["spec"]["type"], &other["spec"]["type"]),
            (&json!("NodePort"), &json!("ClusterIP"))
        );
    }
}
