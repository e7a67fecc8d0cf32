//! The file's text. What comes from the cluster or from the user is quoted in it; comments are one line each.

use super::pressure::{self, Pressure};
use super::roles::Roles;
use super::{Prometheus, PrometheusPlace, Wishes};
use crate::platform::kubernetes::snapshot::{Node, Snapshot};
use aefm_workloads::unit::show_duration;
use std::fmt::Write as _;

/// Where no interval is known: what Prometheus itself begins with is a minute, and what charts set is half of it.
const SCRAPE: &str = "30s";

pub(super) fn write(snapshot: &Snapshot, wishes: &Wishes) -> String {
    let mut text = String::new();
    // A string takes any text: there is no error to lose.
    for part in [
        head(snapshot, wishes),
        what(wishes),
        matrix(snapshot, wishes),
        collect(snapshot, wishes),
        cluster(wishes),
    ] {
        let _ = writeln!(text, "{}", part.trim_end());
        text.push('\n');
    }
    text + "data: data                      # the dataset becomes data/<experiment>/<run>/\n"
}

/// Text within single quotes, as YAML has it.
fn quoted(text: &str) -> String {
    let plain: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    format!("'{}'", plain.replace('\'', "''"))
}

/// A line of a comment: nothing in it begins a new one.
fn comment(text: &str) -> String {
    let plain: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    format!("# {plain}\n")
}

fn head(snapshot: &Snapshot, wishes: &Wishes) -> String {
    let context = wishes
        .context
        .as_ref()
        .map(|context| format!(" `{context}`"))
        .unwrap_or_default();
    let mut text = comment(&format!(
        "Written by `aefm auto-config` for the cluster{context} as it was (Kubernetes 1.{}).",
        snapshot.minor
    ));
    text += "# Next: `aefm doctor FILE`, `aefm plan FILE`, `aefm run FILE`.\n#\n";
    for node in &snapshot.nodes {
        text += &comment(&format!("  {}", node_line(node, &wishes.roles)));
    }
    let Roles {
        reasons, warnings, ..
    } = &wishes.roles;
    let (reasons, warnings) = (
        reasons.iter().map(|one| one.to_owned()),
        warnings.iter().map(|one| format!("Beware: {one}")),
    );
    let unknown = snapshot
        .unknown
        .iter()
        .map(|one| format!("Not known: {one}"));
    text + &reasons
        .chain(warnings)
        .chain(unknown)
        .map(|line| comment(&line))
        .collect::<String>()
}

fn node_line(node: &Node, roles: &Roles) -> String {
    let address = node.address.as_deref().unwrap_or("no address");
    if let Some(why) = &node.closed {
        return format!(
            "{} ({address}): {}; takes no pods: {why}",
            node.name, node.capacity
        );
    }
    let named = [
        ("testbed", &roles.testbed),
        ("infra", &roles.infra),
        ("load", &roles.load),
    ];
    let roles: Vec<_> = named
        .into_iter()
        .filter(|(_, names)| names.contains(&node.name))
        .map(|(role, _)| role)
        .collect();
    let free = if node.asked.is_some() {
        node.free().to_string()
    } else {
        "not known how much".to_owned()
    };
    let roles = if roles.is_empty() {
        "not used".to_owned()
    } else {
        roles.join(", ")
    };
    format!(
        "{} ({address}): {}, free {free}; {roles}",
        node.name, node.capacity
    )
}

fn what(wishes: &Wishes) -> String {
    let app = &wishes.app;
    let kind = if app.emulated {
        "its services are emulated by AEFM's own image"
    } else {
        "the real one, of the catalogue"
    };
    format!(
        "experiment: {}\nplatform: kubernetes\napp: {:26}# {kind}\nworkload: {:21}# others: {}\n",
        quoted(&wishes.name),
        app.name,
        app.workload,
        app.others
    )
}

fn matrix(snapshot: &Snapshot, wishes: &Wishes) -> String {
    let testbed: Vec<&Node> = wishes
        .roles
        .testbed
        .iter()
        .filter_map(|name| snapshot.node(name))
        .collect();
    let Pressure {
        cpu_node,
        cpu_percent,
        memory_node,
        memory_mib,
        warnings,
    } = pressure::propose(&testbed);
    let list = |of: &[f64]| of.iter().map(f64::to_string).collect::<Vec<_>>().join(", ");
    let mut text =
        "# Every combination is a test case. Add 0 to an interference to have the quiet case, too.\naxes:\n".to_owned();
    text += "  rate: {min: 20, max: 200, step: 20}     # requests per second\n  round: {min: 1, max: 3, step: 1}\n";
    let of = |name: &str| {
        snapshot
            .node(name)
            .map(|node| node.free().to_string())
            .unwrap_or_default()
    };
    text += &format!(
        "  {}",
        comment(&format!(
            "{} % of what is free on {memory_node}, which has the least: {}",
            list(&pressure::MEMORY),
            of(&memory_node)
        ))
    );
    let memory = memory_mib.map(|mib| format!("{mib}MiB"));
    text += &format!("  mem_capacity: [{}]\n", memory.join(", "));
    text += &format!(
        "  {}",
        comment(&format!(
            "{} % of what is free on {cpu_node}, which has the smallest share: {}",
            list(&pressure::CPU),
            of(&cpu_node)
        ))
    );
    text += &format!(
        "  cpu: [{}]     # percent of each node's cores\n",
        cpu_percent.map(|percent| percent.to_string()).join(", ")
    );
    text += &warnings
        .iter()
        .map(|warning| comment(&format!("Beware: {warning}")))
        .collect::<String>();
    text += "order: [rate, round, mem_capacity, cpu]   # nesting, innermost first\nshuffle: blocks                 # each round in a random order, so that drift is not taken for an effect\n\n";
    text + "load:\n  arrival: poisson              # or constant\n  connections: 32\n  warmup: 5s\n  duration: 40s                 # the measured phase of each case\n  timeout: 5s\n  grace: 2s\n"
}

fn collect(snapshot: &Snapshot, wishes: &Wishes) -> String {
    let mut text =
        "collect:\n  settle: 30s                   # at most so long are late spans awaited\n"
            .to_owned();
    match &wishes.prometheus {
        Some(Prometheus { place, scrape }) => {
            let (place, known) = match place {
                PrometheusPlace::Cluster(service) => {
                    let found = snapshot
                        .prometheus
                        .iter()
                        .find(|one| one.name == service.name && one.namespace == service.namespace);
                    let because = found.map_or("named by you", |found| found.because.as_str());
                    (
                        format!("cluster: {}", quoted(&service.to_string())),
                        because,
                    )
                }
                PrometheusPlace::Url(url) => (format!("url: {}", quoted(url)), "named by you"),
            };
            let interval = scrape.map_or_else(|| SCRAPE.to_owned(), show_duration);
            let how = if scrape.is_some() {
                "as its samples are apart"
            } else {
                "a guess: `aefm doctor` measures it"
            };
            text += &format!(
                "  prometheus:\n    {place}     {}    scrape: {interval}                 # {how}\n",
                comment(known)
            );
        }
        None if snapshot.prometheus.is_empty() => {
            text += "  # prometheus: none was found; the kubelets are asked\n";
        }
        None => text += "  # prometheus: cluster         # leaves it to the run to find one\n",
    }
    let own = if wishes.app.emulated {
        "spans come to AEFM's own receiver"
    } else {
        "the application brings its own Jaeger along"
    };
    text += &comment(own).replace("# ", "  # ");
    for found in &snapshot.jaeger {
        text += &format!("  {}", comment(&format!("there is a Jaeger: {found}")));
    }
    text
}

fn cluster(wishes: &Wishes) -> String {
    let Wishes {
        app,
        roles,
        image,
        namespace,
        context,
        ..
    } = wishes;
    let names = |names: &[String]| {
        format!(
            "[{}]",
            names
                .iter()
                .map(|name| quoted(name))
                .collect::<Vec<_>>()
                .join(", ")
        )
    };
    let mut text = "kubernetes:\n".to_owned();
    for (key, value) in [("context", context), ("namespace", namespace)] {
        if let Some(value) = value {
            text += &format!("  {key}: {}\n", quoted(value));
        }
    }
    text += &format!(
        "  image: {}     # has `aefm` as its entry point; every node must have it or be able to pull it\n",
        quoted(image)
    );
    text += &format!(
        "  deploy: {}\n",
        if app.emulated {
            "emulated"
        } else {
            "catalogue"
        }
    );
    text += &format!(
        "  nodes:\n    testbed: {}     # components under test, and interference\n    infra: {}\n    load: {}\n",
        names(&roles.testbed),
        names(&roles.infra),
        names(&roles.load)
    );
    if !app.replicas.is_empty() {
        let replicas: Vec<_> = app
            .replicas
            .iter()
            .map(|(name, count)| format!("{name}: {count}"))
            .collect();
        text += &format!("  replicas: {{{}}}\n", replicas.join(", "));
    }
    if let Some((cpu, memory)) = app.limits {
        text += &format!(
            "  limits: {{cpu: {cpu}, memory: {memory}}}     # of each component under test\n"
        );
    }
    text + &format!(
        "  load: 1                       # pods; `outside` for a process on this machine\n  ready: {}\n",
        app.ready
    )
}
