//! Nodes: enough of them, alike, and with room for what is to run there.

use super::super::{Demand, Finding};
use super::facts::{Asks, Facts, Roles};
use crate::platform::kubernetes::snapshot::{Node, Room, show_memory};

/// Nodes with less than this feel a stressor in more than what it presses on.
const ROOMY: Room = Room {
    cpu: 8.0,
    memory: 32e9,
};
/// A machine of 32 GB says a little less, since its kernel keeps some.
const KEPT: f64 = 0.94;

pub(super) fn check(facts: &Facts, demand: &Result<Demand, String>) -> Vec<Finding> {
    let roles = match &facts.roles {
        Ok(roles) => roles,
        Err(reason) => {
            return vec![Finding::fail(
                "nodes",
                reason.clone(),
                "pods need nodes that take them",
                "change `kubernetes.nodes`; `aefm auto-config` writes a file for the nodes that are there",
            )];
        }
    };
    let testbed = nodes(facts, &roles.testbed);
    let mut findings = vec![apart(roles)];
    findings.extend(alike(&testbed));
    findings.extend(roomy(&testbed));
    findings.extend(pressed(facts, roles));
    match &facts.asks {
        Ok(asks) => findings.extend(fits(facts, roles, asks)),
        Err(reason) => findings.push(Finding::fail(
            "deployment",
            reason.clone(),
            "what is to be deployed must be known",
            "change `kubernetes` in the experiment file",
        )),
    }
    if let Err(reason) = demand {
        findings.push(Finding::fail(
            "plan",
            reason.clone(),
            "every case must be possible there",
            "change the axes",
        ));
    }
    findings
}

fn nodes<'a>(facts: &'a Facts, names: &[String]) -> Vec<&'a Node> {
    names
        .iter()
        .filter_map(|name| facts.snapshot.node(name))
        .collect()
}

fn apart(roles: &Roles) -> Finding {
    const WHY: &str = "interference must not delay the load generator, which measures";
    let Roles {
        testbed,
        infra,
        load,
    } = roles;
    let shared: Vec<_> = load
        .iter()
        .filter(|name| testbed.contains(name))
        .cloned()
        .collect();
    let told = format!(
        "testbed {}; infra {}; load {}",
        testbed.join(", "),
        infra.join(", "),
        load.join(", ")
    );
    if shared.is_empty() {
        Finding::ok("nodes", told, WHY)
    } else {
        Finding::warn(
            "nodes",
            format!("{told}: load and testbed share {}", shared.join(", ")),
            WHY,
            "name nodes for `testbed` and others for `load` in `kubernetes.nodes`, or run the load outside",
        )
    }
}

fn alike(testbed: &[&Node]) -> Option<Finding> {
    let first = testbed.first()?;
    let other = testbed.iter().find(|node| !node.is_like(first))?;
    Some(Finding::warn(
        "nodes",
        format!(
            "unlike: {} has {}, {} has {}",
            first.name, first.capacity, other.name, other.capacity
        ),
        "an intensity in percent is another pressure on each, and services run faster on one",
        "name nodes that are alike in `kubernetes.nodes.testbed`",
    ))
}

fn roomy(testbed: &[&Node]) -> Option<Finding> {
    let small =
        |node: &&&Node| node.capacity.cpu < ROOMY.cpu || node.capacity.memory < ROOMY.memory * KEPT;
    let small = testbed.iter().find(small)?;
    Some(Finding::warn(
        "nodes",
        format!(
            "{} has {}: below 8 cores and 32 GB",
            small.name, small.capacity
        ),
        "on a small node the system's own work is a large part of what is measured",
        "use larger testbed nodes, or fewer and smaller intensities",
    ))
}

/// Kinds of interference that the nodes cannot hold, or that need more of them.
fn pressed(facts: &Facts, roles: &Roles) -> Vec<Finding> {
    let mut findings = Vec::new();
    if facts.pressure.network && roles.testbed.len() < 2 {
        findings.push(Finding::warn(
            "interference",
            "network interference on a single testbed node",
            "it talks to itself and never reaches the network",
            "name two testbed nodes or more in `kubernetes.nodes.testbed`",
        ));
    }
    let Some(bytes) = facts.pressure.memory_bytes else {
        return findings;
    };
    let least = nodes(facts, &roles.testbed)
        .into_iter()
        .min_by(|one, other| one.free().memory.total_cmp(&other.free().memory));
    let Some(node) = least else { return findings };
    let found = format!(
        "{} of memory at most; {} free on {}",
        show_memory(bytes),
        show_memory(node.free().memory),
        node.name
    );
    findings.push(if bytes <= node.free().memory {
        Finding::ok(
            "interference",
            found,
            "a stressor gives memory back before the node runs out",
        )
    } else {
        Finding::warn(
            "interference",
            found,
            "the stressor stops short of it, and its case is degraded",
            "lower the axis `mem_capacity`, or choose larger nodes",
        )
    });
    findings
}

fn fits(facts: &Facts, roles: &Roles, asks: &Asks) -> Vec<Finding> {
    let under_test = fit(
        "the components under test",
        &asks.under_test,
        &nodes(facts, &roles.testbed),
    );
    let infra = fit("infrastructure", &asks.infra, &nodes(facts, &roles.infra));
    vec![under_test, infra].into_iter().flatten().collect()
}

/// Whether pods that ask for this have room. What the scheduler makes of many pods and nodes is its own to say: it is
/// only sure that they do not fit where even the sum has no room, or one pod no node.
fn fit(what: &str, pods: &[Room], nodes: &[&Node]) -> Option<Finding> {
    const WHY: &str = "a pod without room stays Pending, and the application is never ready";
    const WAY_OUT: &str = "lower `kubernetes.limits` or `kubernetes.replicas`, or name more nodes";
    let all = pods.iter().copied().fold(Room::default(), Room::with);
    let free = nodes
        .iter()
        .map(|node| node.free())
        .fold(Room::default(), Room::with);
    if pods.is_empty() {
        return None;
    }
    let has_room =
        |pod: &Room, node: &Node| pod.cpu <= node.free().cpu && pod.memory <= node.free().memory;
    let largest = pods
        .iter()
        .find(|pod| !nodes.iter().any(|node| has_room(pod, node)));
    let found = format!("{what}: {} pods ask for {all}; free are {free}", pods.len());
    Some(match largest {
        Some(pod) => Finding::fail(
            "capacity",
            format!("{found}; one asks for {pod}, which no node has"),
            WHY,
            WAY_OUT,
        ),
        None if all.cpu > free.cpu || all.memory > free.memory => {
            Finding::fail("capacity", found, WHY, WAY_OUT)
        }
        None => Finding::ok("capacity", found, WHY),
    })
}
