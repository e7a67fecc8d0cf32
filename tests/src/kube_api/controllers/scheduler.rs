//! The scheduler: a node for every pod, by selectors, affinity, taints and room.

use super::super::selector::expression_holds;
use super::super::store::{Key, Store, is_terminating, list, text};
use super::{all, event, holds, is_active, set_condition, set_status};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) fn step(store: &mut Store, now: Timestamp) {
    let nodes = all(store, "Node");
    for (key, pod) in all(store, "Pod") {
        if text(&pod, "/spec/nodeName").is_empty() && !is_terminating(&pod) {
            place(store, &key, &pod, &nodes, now);
        }
    }
}

fn place(store: &mut Store, key: &Key, pod: &Value, nodes: &[(Key, Arc<Value>)], now: Timestamp) {
    let mut fitting: Vec<_> = nodes.iter().filter(|(_, node)| suits(node, pod)).collect();
    let suited = fitting.len();
    fitting.retain(|(node, body)| has_room(store, &node.name, body, pod));
    // The emptiest one.
    let pods_on = |node: &str| {
        store
            .list(key.resource, None)
            .filter(|(_, pod)| text(pod, "/spec/nodeName") == node)
            .count()
    };
    let best = fitting
        .iter()
        .min_by_key(|(node, _)| (pods_on(&node.name), node.name.clone()))
        .map(|(node, _)| node.name.clone());
    let mut status = pod["status"].clone();
    if let Some(node) = best {
        let mut placed = pod.clone();
        placed["spec"]["nodeName"] = json!(node);
        store.put(key.clone(), placed);
        set_condition(&mut status, "PodScheduled", true, "", "", now);
        let message = format!(
            "Successfully assigned {}/{} to {node}",
            key.namespace, key.name
        );
        event(store, pod, false, "Scheduled", &message, now);
    } else {
        let (all, short) = (nodes.len(), suited);
        let message = format!(
            "0/{all} nodes are available: {} node(s) didn't match Pod's node affinity/selector or are not ready, {short} Insufficient cpu or memory.",
            all - suited
        );
        set_condition(
            &mut status,
            "PodScheduled",
            false,
            "Unschedulable",
            &message,
            now,
        );
        event(store, pod, true, "FailedScheduling", &message, now);
    }
    set_status(store, key, status);
}

fn suits(node: &Value, pod: &Value) -> bool {
    let labels = &node["metadata"]["labels"];
    let wanted = pod["spec"]["nodeSelector"]
        .as_object()
        .into_iter()
        .flatten();
    let affinity = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";
    let terms = list(pod, affinity);
    let name = json!({"metadata.name": node["metadata"]["name"]});
    let term_holds = |term: &Value| {
        list(term, "/matchExpressions")
            .iter()
            .all(|one| expression_holds(one, labels))
            && list(term, "/matchFields")
                .iter()
                .all(|one| expression_holds(one, &name))
    };
    holds(node, "Ready")
        && node["spec"]["unschedulable"] != true
        && wanted.into_iter().all(|(key, value)| labels[key] == *value)
        && (terms.is_empty() || terms.iter().any(term_holds))
        && list(node, "/spec/taints")
            .iter()
            .all(|taint| tolerates(pod, taint))
}

fn tolerates(pod: &Value, taint: &Value) -> bool {
    let covers = |toleration: &Value| {
        let key = toleration["key"].is_null() || toleration["key"] == taint["key"];
        let effect =
            text(toleration, "/effect").is_empty() || toleration["effect"] == taint["effect"];
        let value = text(toleration, "/operator") == "Exists"
            || text(toleration, "/value") == text(taint, "/value");
        key && effect && value
    };
    taint["effect"] == "PreferNoSchedule" || list(pod, "/spec/tolerations").iter().any(covers)
}

fn has_room(store: &Store, name: &str, node: &Value, pod: &Value) -> bool {
    ["cpu", "memory"].into_iter().all(|what| {
        let there = store
            .list(super::resource::of("Pod"), None)
            .filter(|(_, other)| text(other, "/spec/nodeName") == name);
        let used: f64 = there
            .filter(|(_, other)| is_active(other))
            .map(|(_, other)| requested(other, what))
            .sum();
        used + requested(pod, what) <= quantity(&node["status"]["allocatable"][what])
    })
}

fn requested(pod: &Value, what: &str) -> f64 {
    list(pod, "/spec/containers")
        .iter()
        .map(|container| quantity(&container["resources"]["requests"][what]))
        .sum()
}

/// `100m`, `2`, `0.5`, `200Mi`, `1G`, ...
fn quantity(value: &Value) -> f64 {
    let text = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    let digits = text
        .find(|character: char| !(character.is_ascii_digit() || character == '.'))
        .unwrap_or(text.len());
    let scale = match &text[digits..] {
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0 * 1024.0 * 1024.0,
        _ => 1.0,
    };
    text[..digits].parse().unwrap_or(0.0) * scale
}
