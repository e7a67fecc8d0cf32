//! Which node does what: components under test apart from their stores, and the load apart from both, as far as there
//! are nodes.

use crate::platform::kubernetes::snapshot::{Node, Snapshot};
use crate::platform::kubernetes::tell_open;

/// From so many nodes on every role has nodes of its own.
pub const ENOUGH: usize = 3;

/// Nodes by role, and why they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// Nodes of components under test and of stressors.
    pub testbed: Vec<String>,
    /// Nodes of stores and other infrastructure.
    pub infra: Vec<String>,
    /// Nodes of load and receiver.
    pub load: Vec<String>,
    /// Why, for people.
    pub reasons: Vec<String>,
    /// What is doubtful about it.
    pub warnings: Vec<String>,
}

/// What the user says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Nodes of components under test.
    pub testbed: Option<Vec<String>>,
    /// Nodes of infrastructure.
    pub infra: Option<Vec<String>>,
    /// Nodes of load.
    pub load: Option<Vec<String>>,
}

/// Why there are no roles.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoleError {
    /// No node takes pods.
    #[error("find a node that takes pods: {0}")]
    None(String),
    /// A node that is asked for is not there, or takes no pods.
    #[error("use node `{name}` for {role}: {why}")]
    Unusable {
        /// The role.
        role: &'static str,
        /// The node.
        name: String,
        /// What is wrong with it, and which there are.
        why: String,
    },
}

/// Chooses: what the user asks for, else what the nodes' labels say, else nodes that are alike for the testbed, and the
/// smallest others for load and infrastructure.
///
/// # Errors
/// No node takes pods, or one that is asked for does not.
pub fn choose(snapshot: &Snapshot, asked: &Asked) -> Result<Roles, RoleError> {
    let open: Vec<&Node> = snapshot.open().collect();
    if open.is_empty() {
        return Err(RoleError::None(tell(snapshot)));
    }
    for (role, names) in [
        ("testbed", &asked.testbed),
        ("infra", &asked.infra),
        ("load", &asked.load),
    ] {
        for name in names.iter().flatten() {
            check(snapshot, role, name)?;
        }
    }
    let mut roles = by_default(&open, asked);
    warn(&mut roles, snapshot);
    Ok(roles)
}

fn check(snapshot: &Snapshot, role: &'static str, name: &str) -> Result<(), RoleError> {
    let unusable = |why| {
        Err(RoleError::Unusable {
            role,
            name: name.to_owned(),
            why,
        })
    };
    match snapshot.node(name) {
        None => unusable(format!("there is no such node; {}", tell(snapshot))),
        Some(Node {
            closed: Some(why), ..
        }) => unusable(format!("it takes no pods: {why}; {}", tell(snapshot))),
        Some(_) => Ok(()),
    }
}

fn tell(snapshot: &Snapshot) -> String {
    let nodes = snapshot
        .nodes
        .iter()
        .map(|node| (node.name.clone(), node.closed.clone()));
    tell_open(nodes).unwrap_or("the cluster has none".to_owned())
}

fn by_default(open: &[&Node], asked: &Asked) -> Roles {
    let mut roles = Roles::default();
    let mut pool = pool(open, &mut roles.reasons);
    let mut take = |role: &str, asked: &Option<Vec<String>>| {
        let labelled = || {
            pool.iter()
                .filter(|node| node.role.as_deref() == Some(role))
                .map(|node| node.name.clone())
        };
        let names: Vec<String> = asked.clone().unwrap_or_else(|| labelled().collect());
        let whose = if asked.is_some() {
            "you chose"
        } else {
            "labelled aefm.io/role"
        };
        if !names.is_empty() {
            roles
                .reasons
                .push(format!("{role}: {whose} {}", names.join(", ")));
        }
        names
    };
    (roles.testbed, roles.infra, roles.load) = (
        take("testbed", &asked.testbed),
        take("infra", &asked.infra),
        take("load", &asked.load),
    );
    let taken = |name: &String| {
        [&roles.testbed, &roles.infra, &roles.load]
            .iter()
            .any(|role| role.contains(name))
    };
    pool.retain(|node| !taken(&node.name) && !has_role(node));
    let wants_testbed = roles.testbed.is_empty();
    let mut spare = pool.len().saturating_sub(usize::from(wants_testbed));
    let mut last = |pool: &mut Vec<&Node>| {
        spare = spare.checked_sub(1)?;
        pool.pop().map(|node| node.name.clone())
    };
    for (role, nodes) in [("load", &mut roles.load), ("infra", &mut roles.infra)] {
        if nodes.is_empty()
            && let Some(name) = last(&mut pool)
        {
            roles.reasons.push(format!(
                "{role}: {name}, so that it does not disturb the testbed"
            ));
            nodes.push(name);
        }
    }
    if wants_testbed {
        fill_testbed(&mut roles, &pool);
    }
    overlap(&mut roles);
    roles
}

fn has_role(node: &Node) -> bool {
    node.role
        .as_deref()
        .is_some_and(|role| ["testbed", "infra", "load"].contains(&role))
}

/// Nodes to choose from, the best for a testbed first: as many as there are alike, then the largest. Nodes of the
/// control plane are the last, and only where there are few others.
fn pool<'a>(open: &[&'a Node], reasons: &mut Vec<String>) -> Vec<&'a Node> {
    let (control, mut workers): (Vec<_>, Vec<_>) = open
        .iter()
        .copied()
        .partition(|node| node.control_plane && !has_role(node));
    let alike = |node: &Node| open.iter().filter(|other| other.is_like(node)).count();
    let order = |one: &&Node, other: &&Node| {
        let size = |node: &Node| (alike(node), node.capacity.cpu, node.capacity.memory);
        let (one_size, other_size) = (size(one), size(other));
        other_size
            .partial_cmp(&one_size)
            .unwrap_or(std::cmp::Ordering::Equal)
            .then_with(|| one.name.cmp(&other.name))
    };
    workers.sort_by(order);
    if workers.len() < ENOUGH && !control.is_empty() {
        let names: Vec<_> = control.iter().map(|node| node.name.as_str()).collect();
        reasons.push(format!(
            "{} of the control plane, too, since there are few others",
            names.join(", ")
        ));
        workers.extend(control);
    }
    workers
}

/// Of what is left, nodes like the first: a share of unlike nodes is not the same pressure on each.
fn fill_testbed(roles: &mut Roles, pool: &[&Node]) {
    let Some(first) = pool.first() else { return };
    let (alike, unlike): (Vec<&Node>, Vec<&Node>) =
        pool.iter().copied().partition(|node| node.is_like(first));
    roles.testbed = alike.iter().map(|node| node.name.clone()).collect();
    roles.reasons.push(format!(
        "testbed: {}, {}",
        roles.testbed.join(", "),
        match alike.len() {
            1 => "the best that is left",
            _ => "which are alike",
        }
    ));
    if !unlike.is_empty() {
        let names: Vec<_> = unlike.iter().map(|node| node.name.clone()).collect();
        roles.reasons.push(format!(
            "infra: {}, too, since the testbed's nodes are not like them",
            names.join(", ")
        ));
        roles.infra.extend(names);
    }
}

/// Too few nodes: roles share them, the load last with the testbed.
fn overlap(roles: &mut Roles) {
    if roles.testbed.is_empty() {
        let others = if roles.infra.is_empty() {
            &roles.load
        } else {
            &roles.infra
        };
        roles.testbed.clone_from(others);
    }
    if roles.infra.is_empty() {
        let others = if roles.load.is_empty() {
            &roles.testbed
        } else {
            &roles.load
        };
        roles.infra.clone_from(others);
    }
    if roles.load.is_empty() {
        let apart: Vec<_> = roles
            .infra
            .iter()
            .filter(|name| !roles.testbed.contains(name))
            .cloned()
            .collect();
        roles.load = if apart.is_empty() {
            roles.testbed.clone()
        } else {
            apart
        };
    }
}

fn warn(roles: &mut Roles, snapshot: &Snapshot) {
    let shared = |one: &[String], other: &[String]| -> String {
        one.iter()
            .filter(|name| other.contains(name))
            .cloned()
            .collect::<Vec<_>>()
            .join(", ")
    };
    let usable = snapshot.open().count();
    for (what, nodes, harm) in [
        (
            "load and testbed",
            shared(&roles.load, &roles.testbed),
            "interference delays the load generator, too",
        ),
        (
            "infra and testbed",
            shared(&roles.infra, &roles.testbed),
            "interference presses on stores, too",
        ),
        (
            "infra and load",
            shared(&roles.infra, &roles.load),
            "a busy load generator disturbs stores",
        ),
    ] {
        if !nodes.is_empty() {
            roles.warnings.push(format!(
                "{what} share {nodes}: {harm}; of {usable} nodes that take pods, {ENOUGH} would do"
            ));
        }
    }
    let testbed: Vec<&Node> = roles
        .testbed
        .iter()
        .filter_map(|name| snapshot.node(name))
        .collect();
    if let Some(other) = testbed.iter().find(|node| !node.is_like(testbed[0])) {
        roles.warnings.push(format!(
            "{} ({}) and {} ({}) are unlike: a share of a node is not the same pressure on both",
            testbed[0].name, testbed[0].capacity, other.name, other.capacity
        ));
    }
}

#[cfg(test)]
mod tests;
