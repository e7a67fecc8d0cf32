//! What of the original's keys is about the cluster and what is gathered there.

use super::Ground;
use super::tree::{Old, Tree, plain, text};
use crate::experiment::fault::Faults;
use crate::experiment::node::{Located, Node};
use aefm_workloads::catalogue::names;

/// What is said of keys that only a cluster has, where the experiment runs on this machine.
const ELSEWHERE: &str = "has no meaning on platform local";
/// Parts of `nodes`.
const OF_A_NODE: [&str; 3] = ["name", "roles", "ip"];

/// Where the objects come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repository {
    /// The original's own, which is our catalogue.
    Catalogue,
    /// A folder.
    Folder,
}

/// `file_paths`.
pub(super) fn repository(
    old: &mut Old,
    tree: &mut Tree,
    ground: Ground,
    faults: &mut Faults,
) -> Repository {
    if let Some(data) = old.take("file_paths.collector_data") {
        tree.become_(
            "file_paths.collector_data",
            "data",
            "each run has a folder of its own there",
            data,
        );
    }
    if old.take("file_paths.log").is_some() {
        tree.tell("file_paths.log", "each run's folder has its run.log");
    }
    if old.take("file_paths.wrk_output_path").is_some() {
        tree.tell(
            "file_paths.wrk_output_path",
            "what came of the load is in the tables `load` and `requests`",
        );
    }
    let mut found = Repository::Catalogue;
    let key = "file_paths.yaml_repo";
    if let Some((path, place)) = old.take_text(key) {
        let is_known = names::application(&path).is_some();
        if ground == Ground::Local {
            tree.tell(key, format!("{ELSEWHERE}: services are emulated there"));
        } else if is_known {
            tree.become_(
                key,
                "kubernetes.deploy",
                "the catalogue has the same objects",
                text("catalogue", place),
            );
        } else if path.starts_with(names::MODULE) {
            faults.add(
                place,
                format!(
                    "`{path}` is no folder of the original's: it has hotel, social, media and train"
                ),
            );
        } else {
            found = Repository::Folder;
            tree.become_(key, "kubernetes.manifests", "", text(path, place));
        }
    }
    for name in old.names("file_paths") {
        let key = format!("file_paths.{name}");
        old.take(&key);
        tree.tell(
            &key,
            "is a path for handlers of yours; they have to know it by themselves",
        );
    }
    found
}

/// Everything else.
pub(super) fn read(
    old: &mut Old,
    tree: &mut Tree,
    ground: Ground,
    repository: &Repository,
    faults: &mut Faults,
) {
    if old.take("port").is_some() {
        tree.tell("port", "initial data go in where the load does");
    }
    let image = match repository {
        Repository::Catalogue => "kubernetes.images.app",
        Repository::Folder => "kubernetes.images.APP_IMG",
    };
    for (from, to, said) in [
        ("namespace", "kubernetes.namespace", ""),
        ("replicas", "kubernetes.replicas", ""),
        ("app_img", image, ""),
        ("pod_spec.cpu_size", "kubernetes.limits.cpu", ""),
        ("pod_spec.mem_size", "kubernetes.limits.memory", ""),
        ("prometheus_host", "collect.prometheus.url", ""),
        ("jaeger_host", "collect.jaeger.url", ""),
    ] {
        let Some(value) = old.take(from) else {
            continue;
        };
        match (ground, from) {
            (Ground::Local, "prometheus_host") => {
                tree.tell(from, format!("{ELSEWHERE}: what services use is measured there (`collect.prometheus.url` asks one all the same)"));
            }
            (Ground::Local, "jaeger_host") => {
                tree.tell(
                    from,
                    format!("{ELSEWHERE}: services send their spans to the run itself"),
                );
            }
            (Ground::Local, _) => tree.tell(from, ELSEWHERE),
            (Ground::Cluster, "jaeger_host") if *repository == Repository::Catalogue => {
                tree.tell(from, "the application's own Jaeger is found in the cluster (`collect.jaeger.url` names another one)");
            }
            (Ground::Cluster, _) => tree.become_(from, to, said, value),
        }
    }
    if let Some(entrance) = old.take("jaeger_entrance") {
        let place = entrance.place;
        let list = Located {
            node: Node::List(vec![entrance]),
            place,
        };
        match ground {
            Ground::Local => tree.tell(
                "jaeger_entrance",
                format!("{ELSEWHERE}: spans carry the request's id there"),
            ),
            Ground::Cluster => tree.become_("jaeger_entrance", "collect.jaeger.services", "", list),
        }
    }
    if let Some(listed) = old.take("nodes") {
        nodes(&listed, tree, ground, faults);
    }
}

fn nodes(listed: &Located, tree: &mut Tree, ground: Ground, faults: &mut Faults) {
    let Node::List(items) = &listed.node else {
        if listed.node != Node::Null {
            faults.add(
                listed.place,
                "`nodes` is a list of nodes, each with its name and roles",
            );
        }
        return;
    };
    if ground == Ground::Local {
        tree.tell("nodes", ELSEWHERE);
        return;
    }
    let (mut testbed, mut infra) = (Vec::new(), Vec::new());
    for item in items {
        let Node::Map(entries) = &item.node else {
            faults.add(item.place, "a node is a map with its name and roles");
            continue;
        };
        let get = |name: &str| {
            entries
                .iter()
                .find(|(key, _)| key.name == name)
                .map(|(_, value)| value)
        };
        for (key, _) in entries
            .iter()
            .filter(|(key, _)| !OF_A_NODE.contains(&key.name.as_str()))
        {
            let out = crate::experiment::fault::way_out(&key.name, OF_A_NODE);
            faults.add(
                key.place,
                format!("`nodes.{}` is no key of the original's{out}", key.name),
            );
        }
        let Some(name) = get("name").and_then(|name| Some(text(plain(&name.node)?, name.place)))
        else {
            faults.add(item.place, "this node has no `name`");
            continue;
        };
        if get("ip").is_some() {
            tree.tell("nodes.ip", "the cluster knows the addresses of its nodes");
        }
        let roles: Vec<_> = match get("roles").map(|roles| &roles.node) {
            Some(Node::List(roles)) => roles.iter().filter_map(|role| plain(&role.node)).collect(),
            _ => Vec::new(),
        };
        for role in &roles {
            match role.as_str() {
                "testbed" => testbed.push(name.clone()),
                "infra" => infra.push(name.clone()),
                other => tree.tell(
                    "nodes.roles",
                    format!("role `{other}` is one of yours: testbed, infra and load are known"),
                ),
            }
        }
    }
    for (role, names) in [("testbed", testbed), ("infra", infra)] {
        if !names.is_empty() {
            let list = Located {
                node: Node::List(names),
                place: listed.place,
            };
            tree.become_("nodes", &format!("kubernetes.nodes.{role}"), "", list);
        }
    }
}
