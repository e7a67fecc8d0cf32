//! `duration` and `test_cases`: the axes, what is sent, and how interference is made.

use super::Ground;
use super::cluster::Repository;
use super::tree::{Old, Tree, plain, text};
use crate::experiment::fault::{Faults, Place, way_out};
use crate::experiment::node::{Located, Node};
use aefm_workloads::catalogue::names;

/// What `orders` may leave out.
const UNORDERED: &str = "is no axis, since `orders` does not name it";
/// The parts of the original's own axes and of what is sent.
const CONFIGS: &str = "test_cases.workload.configs";

pub(super) fn read(
    old: &mut Old,
    tree: &mut Tree,
    ground: Ground,
    repository: &Repository,
    faults: &mut Faults,
) {
    if let Some(duration) = old.take("duration") {
        let place = duration.place;
        // What is no number goes to the reader as it is, which knows what to say.
        let value = match plain(&duration.node).filter(|_| !matches!(duration.node, Node::Text(_)))
        {
            Some(seconds) => text(format!("{seconds}s"), place),
            None => duration,
        };
        tree.become_(
            "duration",
            "load.duration",
            "seconds; a warm-up of 1 s comes before (load.warmup)",
            value,
        );
    }
    let orders = orders(old, tree, faults);
    let is_ordered = |name: &str| orders.iter().any(|(order, _)| order == name);
    let highest = {
        let range = old.take("test_cases.workload.range");
        let highest = range.as_ref().and_then(highest);
        axis(
            tree,
            "test_cases.workload.range",
            "rate",
            range,
            is_ordered("workload"),
        );
        highest
    };
    let round = old.take("test_cases.round");
    axis(
        tree,
        "test_cases.round",
        "round",
        round,
        is_ordered("round"),
    );
    sent(old, tree, faults);
    connections(old, tree, highest);
    entrance(old, tree, ground, repository);
    interferences(old, tree, &is_ordered);
    for name in old.names("test_cases") {
        if ["workload", "interferences"].contains(&name.as_str()) {
            continue;
        }
        let key = format!("test_cases.{name}");
        if !is_ordered(&name) && near_known(&name) {
            continue;
        }
        let value = old.take(&key);
        axis(tree, &key, &name, value, is_ordered(&name));
    }
}

/// A key that is nearly one of the original's own is no axis of the user's.
fn near_known(name: &str) -> bool {
    let known = ["orders", "round", "workload", "interferences"];
    crate::experiment::fault::suggestion(name, known).is_some()
}

/// `orders`, with the innermost axis first, as `order` has it.
fn orders(old: &mut Old, tree: &mut Tree, faults: &mut Faults) -> Vec<(String, Place)> {
    let Some(listed) = old.take("test_cases.orders") else {
        return Vec::new();
    };
    let Node::List(items) = &listed.node else {
        faults.add(
            listed.place,
            "`test_cases.orders` is a list of axes, the innermost first",
        );
        return Vec::new();
    };
    let mut known = old.names("test_cases.interferences");
    known.extend(old.names("test_cases"));
    known.retain(|name| name != "interferences");
    let mut orders = Vec::new();
    for item in items {
        match plain(&item.node) {
            Some(name) if known.contains(&name) => orders.push((name, item.place)),
            Some(name) => {
                let out = way_out(&name, known.iter().map(String::as_str));
                faults.add(
                    item.place,
                    format!("`test_cases.orders` names `{name}`, and there is no such axis{out}"),
                );
            }
            None => faults.add(item.place, format!("an axis is wanted, not {}", item.node)),
        }
    }
    let ours = |name: &str| if name == "workload" { "rate" } else { name }.to_owned();
    let names = orders.iter().map(|(name, place)| text(ours(name), *place));
    let list = Located {
        node: Node::List(names.collect()),
        place: listed.place,
    };
    tree.become_(
        "test_cases.orders",
        "order",
        "the first is the innermost, as there",
        list,
    );
    tree.put("shuffle", text("none", listed.place));
    orders
}

fn axis(tree: &mut Tree, from: &str, name: &str, value: Option<Located>, is_ordered: bool) {
    let Some(value) = value else {
        return;
    };
    if !is_ordered {
        tree.tell(from, UNORDERED);
        return;
    }
    let said = match name {
        "rate" => "requests per second, exactly these",
        _ => "",
    };
    tree.become_(from, &format!("axes.{name}"), said, value);
}

/// The highest number of a list or a range.
fn highest(range: &Located) -> Option<f64> {
    let number = |node: &Node| match node {
        #[expect(clippy::cast_precision_loss, reason = "a rate is far below 2^53")]
        Node::Int(value) => Some(*value as f64),
        Node::Float(value) => Some(*value),
        _ => None,
    };
    match &range.node {
        Node::List(items) => items
            .iter()
            .filter_map(|item| number(&item.node))
            .reduce(f64::max),
        Node::Map(entries) => {
            let max = entries.iter().find(|(key, _)| key.name == "max")?;
            number(&max.1.node)
        }
        _ => None,
    }
}

/// `script`: a native workload by the original's name, or a script of the user's.
fn sent(old: &mut Old, tree: &mut Tree, faults: &mut Faults) {
    let key = format!("{CONFIGS}.script");
    let Some((script, place)) = old.take_text(&key) else {
        return;
    };
    if let Some(native) = names::workload(&script) {
        tree.become_(&key, "workload", "the same requests", text(native, place));
    } else if let Some(known) = script.strip_prefix(names::MODULE) {
        let out = way_out(known, names::scripts());
        faults.add(
            place,
            format!("`{script}` is no script of the original's{out}"),
        );
    } else {
        tree.become_(
            &key,
            "workload",
            "",
            text(format!("script:{script}"), place),
        );
    }
}

/// `threads`, `connections` and `rate` were those of one client, of which so many ran as came up to the rate.
fn connections(old: &mut Old, tree: &mut Tree, highest: Option<f64>) {
    let mut number = |name: &str| {
        let key = format!("{CONFIGS}.{name}");
        let located = old.take(&key)?;
        Some((key, located))
    };
    let (threads, connections, rate) = (number("threads"), number("connections"), number("rate"));
    let each = rate.as_ref().and_then(|(_, located)| match located.node {
        #[expect(clippy::cast_precision_loss, reason = "a rate is far below 2^53")]
        Node::Int(value) if value > 0 => Some(value as f64),
        Node::Float(value) if value > 0.0 => Some(value),
        _ => None,
    });
    #[expect(clippy::cast_possible_truncation, reason = "some clients")]
    let clients = match (highest, each) {
        (Some(highest), Some(each)) => ((highest / each).floor() as i64).max(1),
        _ => 1,
    };
    if let Some((key, mut located)) = connections {
        let said = format!("times {clients}, the clients that ran at the highest rate");
        if let Node::Int(value) = &mut located.node {
            *value = value.saturating_mul(clients);
        }
        tree.become_(&key, "load.connections", &said, located);
    }
    if let Some((key, located)) = threads {
        let said = match located.node {
            Node::Int(value) => format!(
                "{} of all {clients} clients: the load program takes as many as it needs",
                value.saturating_mul(clients)
            ),
            _ => "the load program takes as many as it needs".to_owned(),
        };
        tree.tell(&key, said);
    }
    if let Some((key, _)) = rate {
        tree.tell(&key, "one program sends the whole rate, to the request; only the number of connections comes of it");
    }
}

/// `url`: where the load enters.
fn entrance(old: &mut Old, tree: &mut Tree, ground: Ground, repository: &Repository) {
    let key = format!("{CONFIGS}.url");
    let Some((url, place)) = old.take_text(&key) else {
        return;
    };
    if ground == Ground::Local {
        tree.tell(
            &key,
            "on platform local the run knows where its services are",
        );
        return;
    }
    tree.put("kubernetes.load", text("outside", place));
    let host = url.split("//").nth(1).unwrap_or_default();
    let is_here = ["localhost", "127.0.0.1"]
        .iter()
        .any(|here| host.starts_with(here));
    if is_here && *repository == Repository::Catalogue {
        tree.become_(
            &key,
            "kubernetes.entrance",
            "the load comes from this machine, as there, to the port of a node",
            text("nodeport", place),
        );
    } else {
        tree.become_(
            &key,
            "kubernetes.entrance",
            "the load comes from this machine, as there",
            text(url, place),
        );
    }
}

fn interferences(old: &mut Old, tree: &mut Tree, is_ordered: &dyn Fn(&str) -> bool) {
    for kind in old.names("test_cases.interferences") {
        let below = format!("test_cases.interferences.{kind}");
        let range = old.take(&format!("{below}.range"));
        axis(
            tree,
            &format!("{below}.range"),
            &kind,
            range,
            is_ordered(&kind),
        );
        for size in ["cpu_size", "mem_size", "throughput"] {
            let key = format!("{below}.configs.{size}");
            match old.take(&key) {
                Some(value) if is_ordered(&kind) => {
                    let said = "the size of one pod, of which the axis counts";
                    tree.become_(
                        &key,
                        &format!("interference.{kind}.pods.{size}"),
                        said,
                        value,
                    );
                }
                Some(_) => tree.tell(&key, UNORDERED),
                None => {}
            }
        }
    }
}
