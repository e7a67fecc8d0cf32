//! The section `kubernetes`: on which cluster an experiment runs, and how it is laid out there.

mod nodes;
mod pods;

pub use nodes::{Nodes, Roles};
pub use pods::{Limits, Toleration};

use super::node::{Located, Node};
use super::section::{self, Section};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

const SOURCES: &[(&str, Source)] = &[
    ("emulated", Source::Emulated),
    ("catalogue", Source::Catalogue),
];
const PULLS: &[(&str, &str)] = &[
    ("IfNotPresent", "IfNotPresent"),
    ("Always", "Always"),
    ("Never", "Never"),
];
const CHOICES: &[(&str, Entrance)] = &[
    ("port-forward", Entrance::PortForward),
    ("nodeport", Entrance::NodePort),
    ("loadbalancer", Entrance::LoadBalancer),
    ("ingress", Entrance::Ingress),
];
const METRICS: &[(&str, Metrics)] = &[
    ("auto", Metrics::Auto),
    ("nodes-proxy", Metrics::NodesProxy),
    ("none", Metrics::None),
];

/// Where in a cluster an experiment runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Kubernetes {
    /// The kubeconfig's context; without one its current context (or the pod's own account, inside a cluster).
    pub context: Option<String>,
    /// The namespace of everything; made if missing. Without one the application's.
    pub namespace: Option<String>,
    /// The image with `aefm` as its entry point.
    pub image: String,
    /// `imagePullPolicy` of every container.
    pub pull_policy: &'static str,
    /// A PriorityClass of the user's for our own pods.
    pub priority_class: Option<String>,
    /// What is deployed.
    pub deploy: Source,
    /// A folder with the files of the application's nginx, in place of those that its pod would fetch.
    pub nginx_configs: Option<PathBuf>,
    /// Images of the application's by their keys in the catalogue or by component.
    pub images: BTreeMap<String, String>,
    /// Pods by component.
    pub replicas: BTreeMap<String, u32>,
    /// Requests and limits of the components under test.
    pub limits: Limits,
    /// Requests and limits of each stressor; empty: none.
    pub stressor_limits: Limits,
    /// Requests and limits of the run's root; empty: none.
    pub root_limits: Limits,
    /// Requests and limits of each load pod; empty: none.
    pub load_limits: Limits,
    /// Taints that our own pods stand.
    pub tolerations: Vec<Toleration>,
    /// By which right containers' CPU and memory are read.
    pub metrics: Metrics,
    /// Nodes by role.
    pub nodes: Roles,
    /// The Service that requests go to and its port, `frontend:5000`, where the catalogue does not know it.
    pub entry: Option<(String, u16)>,
    /// How the application is reached from outside of the cluster.
    pub entrance: Entrance,
    /// Where the load comes from.
    pub load: LoadFrom,
    /// How long the application may take until it is ready.
    pub ready: Duration,
}

/// What is deployed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The emulated services, built from our one image.
    Emulated,
    /// The catalogue's real application.
    Catalogue,
    /// The user's own folder of manifests.
    Folder(PathBuf),
}

/// By which right the kubelets' figures of containers are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metrics {
    /// `nodes/metrics`, by the run's root with an account of its own, where there is that account.
    #[default]
    Auto,
    /// `nodes/proxy`, by the API server. Whoever has it can run commands in every pod of a node.
    NodesProxy,
    /// Not at all.
    None,
}

/// How the application is reached from outside of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entrance {
    /// Through the API server.
    PortForward,
    /// At the Service's port on a node.
    NodePort,
    /// At the Service's own address.
    LoadBalancer,
    /// At the address of an Ingress that leads to the Service.
    Ingress,
    /// At this URL.
    Url(String),
}

/// Where the load comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoadFrom {
    /// A process on this machine.
    Outside,
    /// So many pods.
    Inside(u32),
}

impl Default for Kubernetes {
    fn default() -> Self {
        Self {
            context: None,
            namespace: None,
            image: format!("aefm:{}", env!("CARGO_PKG_VERSION")),
            pull_policy: "IfNotPresent",
            priority_class: None,
            deploy: Source::Emulated,
            nginx_configs: None,
            images: BTreeMap::new(),
            replicas: BTreeMap::new(),
            limits: Limits::default(),
            stressor_limits: Limits::default(),
            root_limits: Limits::default(),
            load_limits: Limits::default(),
            tolerations: Vec::new(),
            metrics: Metrics::Auto,
            nodes: Roles::default(),
            entry: None,
            entrance: Entrance::PortForward,
            load: LoadFrom::Inside(1),
            ready: Duration::from_secs(300),
        }
    }
}

/// Reads the section; without one, everything has its default.
pub(super) fn read(top: &Section<'_>) -> Kubernetes {
    let mut cluster = Kubernetes::default();
    let Some(section) = top.section("kubernetes") else {
        return cluster;
    };
    let name = |key| section.read(key, None, |node| section::text(node).map(Some));
    cluster.context = name("context");
    cluster.namespace = section.read("namespace", None, |node| namespace(node).map(Some));
    cluster.priority_class = name("priority_class");
    cluster.image = section.read("image", cluster.image, section::text);
    cluster.pull_policy = section.read("pull_policy", cluster.pull_policy, section::one_of(PULLS));
    cluster.deploy = section.read("deploy", cluster.deploy, section::one_of(SOURCES));
    if let Some(located) = section.get("manifests") {
        match section::text(&located.node) {
            Ok(_) if section.get("deploy").is_some() => {
                section.fault(
                    located.place,
                    "`manifests` are deployed in place of `deploy`: name one of the two",
                );
            }
            Ok(folder) => cluster.deploy = Source::Folder(folder.into()),
            Err(reason) => {
                section.fault(located.place, format!("`kubernetes.manifests`: {reason}"));
            }
        }
    }
    cluster.nginx_configs = section.read("nginx_configs", None, |node| {
        section::text(node).map(|dir| Some(dir.into()))
    });
    if let Some(located) = section.get("nginx_configs")
        && cluster.deploy != Source::Catalogue
    {
        section.fault(
            located.place,
            "`nginx_configs` are for `deploy: catalogue`: nothing else has that nginx",
        );
    }
    cluster.images = by_name(&section, "images", pods::image);
    let count = |node: &Node| {
        section::count(0)(node).and_then(|n| u32::try_from(n).map_err(|error| error.to_string()))
    };
    cluster.replicas = by_name(&section, "replicas", count);
    cluster.limits = pods::limits(&section, "limits");
    cluster.stressor_limits = pods::limits(&section, "stressor_limits");
    cluster.root_limits = pods::limits(&section, "root_limits");
    cluster.load_limits = pods::limits(&section, "load_limits");
    cluster.tolerations = pods::tolerations(&section);
    cluster.metrics = section.read("metrics", cluster.metrics, section::one_of(METRICS));
    cluster.nodes = nodes::roles(&section);
    for key in ["images", "replicas"] {
        if let Some(located) = section.get(key)
            && cluster.deploy == Source::Emulated
        {
            let own = if key == "images" {
                "all emulated services are of the one image in `kubernetes.image`"
            } else {
                "emulated services have one pod each"
            };
            section.fault(
                located.place,
                format!("`kubernetes.{key}` has no meaning for `deploy: emulated`: {own}"),
            );
        }
    }
    cluster.entry = section.read("entry", None, |node| entry(node).map(Some));
    cluster.entrance = section.read("entrance", cluster.entrance, entrance);
    cluster.load = section.read("load", cluster.load, load);
    cluster.ready = section.read(
        "ready",
        cluster.ready,
        section::duration(Duration::from_secs(1)),
    );
    section.finish();
    cluster
}

fn namespace(node: &Node) -> Result<String, String> {
    let name = section::text(node)?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let ends = name.starts_with('-') || name.ends_with('-');
    if name.chars().all(plain) && !ends && name.len() <= 63 {
        Ok(name)
    } else {
        Err(format!(
            "`{name}` is no name of a namespace: use lower-case letters, digits and `-`, 63 at most"
        ))
    }
}

fn by_name<T>(
    section: &Section<'_>,
    key: &'static str,
    read: impl Fn(&Node) -> Result<T, String>,
) -> BTreeMap<String, T> {
    let Some(below) = section.section(key) else {
        return BTreeMap::new();
    };
    let mut values = BTreeMap::new();
    for (name, Located { node, place }) in below.entries() {
        match read(node) {
            Ok(value) => _ = values.insert(name.name.clone(), value),
            Err(reason) => below.fault(
                *place,
                format!("`kubernetes.{key}.{}`: {reason}", name.name),
            ),
        }
    }
    values
}

fn entry(node: &Node) -> Result<(String, u16), String> {
    let typed = section::text(node)?;
    let parts = typed
        .split_once(':')
        .and_then(|(name, port)| Some((name.to_owned(), port.parse().ok()?)));
    parts.ok_or_else(|| format!("`{typed}` is no Service and port, such as frontend:5000"))
}

fn entrance(node: &Node) -> Result<Entrance, String> {
    match node {
        Node::Text(text) if text.starts_with("http://") || text.starts_with("https://") => {
            Ok(Entrance::Url(text.trim_end_matches('/').to_owned()))
        }
        other => {
            section::one_of(CHOICES)(other).map_err(|reason| format!("{reason}; or a URL is named"))
        }
    }
}

fn load(node: &Node) -> Result<LoadFrom, String> {
    match node {
        Node::Text(text) if text == "outside" => Ok(LoadFrom::Outside),
        Node::Text(text) if text == "inside" => Ok(LoadFrom::Inside(1)),
        Node::Int(pods @ 1..=1000) => Ok(LoadFrom::Inside(u32::try_from(*pods).unwrap_or(1))),
        other => Err(format!(
            "`inside`, `outside` or a number of load pods (1 to 1000) is wanted, not {other}"
        )),
    }
}

#[cfg(test)]
mod tests;
