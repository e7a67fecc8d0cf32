//! Endpoints: the addresses of the ready pods behind each service.

use super::super::store::{Key, Store, is_terminating, list, text};
use super::{all, controlled_by, controller_writer, holds};
use jiff::Timestamp;
use serde_json::{Value, json};

pub(super) fn step(store: &mut Store, now: Timestamp) {
    for (key, service) in all(store, "Service") {
        let Some(selector) = service["spec"]["selector"].as_object() else {
            continue;
        };
        if is_terminating(&service) {
            continue;
        }
        let selects = |pod: &Value| {
            selector
                .iter()
                .all(|(label, value)| pod["metadata"]["labels"][label] == *value)
        };
        let pods = store.list(super::resource::of("Pod"), Some(&key.namespace));
        let pods: Vec<Value> = pods
            .filter(|(_, pod)| {
                selects(pod) && !text(pod, "/status/podIP").is_empty() && !is_terminating(pod)
            })
            .map(|(_, pod)| (**pod).clone())
            .collect();
        write(
            store,
            "Endpoints",
            &key,
            &key.name,
            &endpoints(&service, &pods),
            now,
        );
        write(
            store,
            "EndpointSlice",
            &key,
            &format!("{}-slice", key.name),
            &slice(&service, &pods),
            now,
        );
    }
}

fn write(
    store: &mut Store,
    kind: &'static str,
    service: &Key,
    name: &str,
    body: &Value,
    now: Timestamp,
) {
    let key = Key::new(super::resource::of(kind), &service.namespace, name);
    match store.get(&key) {
        None => drop(store.create(&key, body, &controller_writer(), now)),
        Some(known) => {
            let mut object = (**known).clone();
            for (field, value) in body
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(field, _)| *field != "metadata")
            {
                object[field] = value.clone();
            }
            store.put(key, object);
        }
    }
}

fn target(pod: &Value) -> Value {
    json!({"kind": "Pod", "namespace": pod["metadata"]["namespace"], "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]})
}

/// Ports as they are in the pod: a name stands for the container port that has it.
fn ports(service: &Value, pod: Option<&Value>) -> Vec<Value> {
    let resolve = |target: &Value| match target.as_str() {
        None => target.clone(),
        Some(name) => {
            let containers = pod.map_or(&[][..], |pod| list(pod, "/spec/containers"));
            let mut ports = containers
                .iter()
                .flat_map(|container| list(container, "/ports"));
            ports
                .find(|port| port["name"] == name)
                .map_or(Value::Null, |port| port["containerPort"].clone())
        }
    };
    let port = |port: &Value| {
        let mut made = json!({"port": resolve(&port["targetPort"]), "protocol": port["protocol"]});
        if !port["name"].is_null() {
            made["name"] = port["name"].clone();
        }
        made
    };
    list(service, "/spec/ports").iter().map(port).collect()
}

fn endpoints(service: &Value, pods: &[Value]) -> Value {
    let of = |ready: bool| -> Vec<Value> {
        let address = |pod: &Value| json!({"ip": pod["status"]["podIP"], "nodeName": pod["spec"]["nodeName"], "targetRef": target(pod)});
        pods.iter()
            .filter(|pod| holds(pod, "Ready") == ready)
            .map(address)
            .collect()
    };
    let (ready, waiting) = (of(true), of(false));
    let mut subsets = json!([]);
    if !pods.is_empty() {
        let mut subset = json!({"ports": ports(service, pods.first())});
        for (field, addresses) in [("addresses", ready), ("notReadyAddresses", waiting)] {
            if !addresses.is_empty() {
                subset[field] = json!(addresses);
            }
        }
        subsets = json!([subset]);
    }
    json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata(service, &service["metadata"]["name"]), "subsets": subsets})
}

fn slice(service: &Value, pods: &[Value]) -> Value {
    let endpoint = |pod: &Value| {
        let ready = holds(pod, "Ready");
        json!({
            "addresses": [pod["status"]["podIP"]], "nodeName": pod["spec"]["nodeName"], "targetRef": target(pod),
            "conditions": {"ready": ready, "serving": ready, "terminating": false},
        })
    };
    let name = json!(format!("{}-slice", text(service, "/metadata/name")));
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4", "metadata": metadata(service, &name),
        "endpoints": pods.iter().map(endpoint).collect::<Vec<_>>(), "ports": ports(service, pods.first()),
    })
}

fn metadata(service: &Value, name: &Value) -> Value {
    json!({
        "name": name, "labels": {"kubernetes.io/service-name": service["metadata"]["name"]},
        "ownerReferences": controlled_by(super::resource::of("Service"), service),
    })
}
