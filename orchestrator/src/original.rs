//! Files of AEFM 0.2.0: a tree in its form becomes one in ours, every value with its place, so that what the reader says of it
//! names the line that was written. Of each key it is told what became of it; none is passed over. Pure.

mod cases;
mod cluster;
mod tree;

use crate::compose::emit;
use crate::experiment::fault::{Faults, way_out};
use crate::experiment::node::{Located, Node};
use tree::{Old, Tree, text};

/// Keys that only a file of the original's has.
const MARKS: [&str; 2] = ["test_cases", "file_paths"];
/// All keys at its top.
const TOP: [&str; 13] = [
    "file_paths",
    "app",
    "port",
    "replicas",
    "namespace",
    "app_img",
    "duration",
    "prometheus_host",
    "jaeger_host",
    "jaeger_entrance",
    "nodes",
    "pod_spec",
    "test_cases",
];

/// What became of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Became {
    /// The original's key, by its path.
    pub from: String,
    /// The key that it is now, by its path; none: there is none for it.
    pub to: Option<String>,
    /// What there is to say.
    pub said: String,
}

/// A file of the original's in our form.
#[derive(Debug)]
pub struct Converted {
    /// The tree.
    pub root: Located,
    /// Where it runs.
    pub platform: &'static str,
    /// What became of each key.
    pub became: Vec<Became>,
}

/// Where it is to run, as far as what becomes of keys depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ground {
    Local,
    Cluster,
}

/// Whether a file is in the original's form.
#[must_use]
pub fn is_one(root: &Located) -> bool {
    matches!(&root.node, Node::Map(entries) if entries.iter().any(|(key, _)| MARKS.contains(&key.name.as_str())))
}

/// Turns a tree into our form. Keys of ours that stand beside the original's (`platform`, `load`...) count above them.
#[must_use]
pub fn convert(root: Located, faults: &mut Faults) -> Converted {
    let place = root.place;
    let Node::Map(entries) = root.node else {
        return Converted {
            root,
            platform: "local",
            became: Vec::new(),
        };
    };
    let (theirs, ours): (Vec<_>, Vec<_>) = entries
        .into_iter()
        .partition(|(key, _)| TOP.contains(&key.name.as_str()));
    let ours = Located {
        node: Node::Map(ours),
        place,
    };
    let mut old = Old::new(theirs);
    let ground = ground(&old, &ours);
    let mut tree = Tree::new(place);
    let platform = match ground {
        Ground::Local => "local",
        Ground::Cluster => "kubernetes",
    };
    tree.put("platform", text(platform, place));
    let app = old.take("app");
    if let Some(app) = &app {
        tree.put("experiment", app.clone());
        tree.become_("app", "app", "", app.clone());
    }
    let source = cluster::repository(&mut old, &mut tree, ground, faults);
    cluster::read(&mut old, &mut tree, ground, &source, faults);
    cases::read(&mut old, &mut tree, ground, &source, faults);
    for (path, known, place) in old.left() {
        let name = path.rsplit('.').next().unwrap_or_default();
        let way_out = way_out(name, known);
        faults.add(
            place,
            format!("`{path}` is no key of the original's{way_out}"),
        );
    }
    let (root, became) = tree.finish(ours);
    Converted {
        root,
        platform,
        became,
    }
}

/// On this machine, unless something is said that only a cluster has, or `platform` says otherwise.
fn ground(old: &Old, ours: &Located) -> Ground {
    let Node::Map(entries) = &ours.node else {
        return Ground::Local;
    };
    let said = entries.iter().find(|(key, _)| key.name == "platform");
    let of_a_cluster = ["nodes", "namespace", "replicas", "pod_spec", "app_img"];
    match said.map(|(_, value)| &value.node) {
        Some(Node::Text(name)) if name == "local" => Ground::Local,
        Some(_) => Ground::Cluster,
        None if of_a_cluster.iter().any(|key| old.has(key)) => Ground::Cluster,
        None => Ground::Local,
    }
}

/// What became of each key, a line each.
#[must_use]
pub fn list(became: &[Became]) -> String {
    let width = became.iter().map(|one| one.from.len()).max().unwrap_or(0);
    let line = |one: &Became| {
        let said = match (&one.to, one.said.as_str()) {
            (Some(to), "") => format!("is {to}"),
            (Some(to), said) => format!("is {to}: {said}"),
            (None, said) => said.to_owned(),
        };
        format!("  {:<width$}  {said}\n", one.from)
    };
    became.iter().map(line).collect()
}

/// The new form as a file, with a comment where each key came from; above it the keys that have no place there.
#[must_use]
pub fn migrated(name: &str, converted: &Converted) -> String {
    let mut head =
        format!("# {name} of AEFM 0.2.0 in the form of today, written by `aefm migrate`.\n");
    let gone: Vec<_> = converted
        .became
        .iter()
        .filter(|one| one.to.is_none())
        .cloned()
        .collect();
    if !gone.is_empty() {
        head += "#\n# Keys that have no place here:\n";
        head.extend(list(&gone).lines().map(|line| format!("# {line}\n")));
    }
    let comment = |path: &[&str]| {
        let path = path.join(".");
        let of = |one: &Became| {
            let end = match one.said.as_str() {
                "" => String::new(),
                said => format!(": {said}"),
            };
            format!("{}{end}", one.from)
        };
        let there = converted
            .became
            .iter()
            .filter(|one| one.to.as_deref() == Some(&path));
        let all: Vec<_> = there.map(of).collect();
        (!all.is_empty()).then(|| all.join("\n"))
    };
    head + "\n" + &emit::commented(&converted.root, &comment)
}

#[cfg(test)]
mod tests;
