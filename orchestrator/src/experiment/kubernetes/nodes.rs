//! Which nodes of a cluster have which role.

use super::super::node::Node;
use super::super::section::{self, Section};
use serde::Serialize;

/// What a label selector has and no node's name.
const OF_SELECTORS: [char; 7] = ['=', '!', ' ', '/', ',', '(', ')'];

/// Nodes by role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Roles {
    /// Components under test, and stressors.
    pub testbed: Nodes,
    /// Infrastructure of the application.
    pub infra: Nodes,
    /// Load and receiver.
    pub load: Nodes,
}

/// Some nodes of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Nodes {
    /// All that take pods.
    #[default]
    All,
    /// Those of these names.
    Named(Vec<String>),
    /// Those that a label selector selects.
    Selected(String),
}

impl Roles {
    /// All nodes by their names, if each role names its own: then nothing has to be known of any other node.
    #[must_use]
    pub fn named(&self) -> Option<Vec<String>> {
        let roles = [&self.testbed, &self.infra, &self.load];
        let named = roles.map(|role| match role {
            Nodes::Named(names) => Some(names.as_slice()),
            Nodes::All | Nodes::Selected(_) => None,
        });
        let names: Option<Vec<_>> = named.into_iter().collect();
        names.map(|names| unique(names.concat()))
    }

    /// The nodes that any role names.
    #[must_use]
    pub fn mentioned(&self) -> Vec<String> {
        let roles = [&self.testbed, &self.infra, &self.load];
        let names = roles.into_iter().filter_map(|role| match role {
            Nodes::Named(names) => Some(names.clone()),
            Nodes::All | Nodes::Selected(_) => None,
        });
        unique(names.flatten().collect())
    }
}

fn unique(mut names: Vec<String>) -> Vec<String> {
    names.sort_unstable();
    names.dedup();
    names
}

pub(super) fn roles(section: &Section<'_>) -> Roles {
    let Some(below) = section.section("nodes") else {
        return Roles::default();
    };
    let role = |key| below.read(key, Nodes::All, nodes);
    let roles = Roles {
        testbed: role("testbed"),
        infra: role("infra"),
        load: role("load"),
    };
    below.finish();
    roles
}

/// Names, or a selector. A key alone, which selects the nodes that have that label, is told from a name by its `/`, or
/// written as `{selector: KEY}`.
fn nodes(node: &Node) -> Result<Nodes, String> {
    match node {
        Node::List(items) if !items.is_empty() => items
            .iter()
            .map(|item| section::text(&item.node))
            .collect::<Result<_, _>>()
            .map(Nodes::Named),
        Node::Text(text) if text.contains(OF_SELECTORS) => Ok(Nodes::Selected(text.clone())),
        Node::Text(text) if !text.is_empty() => Ok(Nodes::Named(vec![text.clone()])),
        Node::Int(_) => section::text(node).map(|name| Nodes::Named(vec![name])),
        Node::Map(entries) => match entries.as_slice() {
            [(key, selector)] if key.name == "selector" => {
                section::text(&selector.node).map(Nodes::Selected)
            }
            _ => Err("a map has one key here: {selector: gpu}".to_owned()),
        },
        other => Err(format!(
            "names such as [n1, n2], a label selector such as aefm.io/role=testbed or {{selector: gpu}} are wanted, not {other}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_told_from_names() {
        let read = |text: &str| nodes(&Node::Text(text.to_owned())).unwrap();
        for selector in [
            "aefm.io/role=load",
            "node-role.kubernetes.io/worker",
            "!gpu",
            "zone in (a, b)",
            "gpu,disk",
        ] {
            assert_eq!(read(selector), Nodes::Selected(selector.to_owned()));
        }
        for name in ["n1", "ip-10-0-0-1.eu-west-1.compute.internal"] {
            assert_eq!(read(name), Nodes::Named(vec![name.to_owned()]));
        }
    }

    #[test]
    fn only_roles_that_are_all_named_need_no_other_node() {
        let named = |name: &str| Nodes::Named(vec![name.to_owned()]);
        let mut roles = Roles {
            testbed: named("b"),
            infra: named("a"),
            load: named("b"),
        };
        assert_eq!(roles.named().unwrap(), ["a", "b"]);
        roles.infra = Nodes::All;
        assert_eq!(
            (roles.named(), roles.mentioned()),
            (None, vec!["b".to_owned()])
        );
    }
}
