//! Where requests enter: an address within the cluster, or one of the ways in from outside.

use super::cluster::{ClusterError, name_of};
use super::deploy::Site;
use super::forward::{Finder, Forward};
use super::survey::unready_because;
use super::watched::{Objects, pods};
use crate::experiment::kubernetes::{Entrance, Kubernetes, LoadFrom};
use crate::platform::reach;
use kube::api::ListParams;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Between two looks for an address.
const LOOK: Duration = Duration::from_millis(500);

/// Why there is no way in.
#[derive(Debug, thiserror::Error)]
pub enum EntranceError {
    /// The cluster does not say.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// What was asked for is not there.
    #[error(
        "reach Service `{service}` {way}: {missing}; `kubernetes.entrance: port-forward` needs nothing of it"
    )]
    NoWay {
        /// The Service.
        service: String,
        /// The way.
        way: &'static str,
        /// What is missing.
        missing: String,
    },
    /// It is there, and nobody answers.
    #[error("{0}; `kubernetes.entrance: port-forward` needs no way but the API server's")]
    Silent(String),
    /// This machine has no port.
    #[error("listen on a port of loopback: {0}")]
    Port(#[from] std::io::Error),
}

/// The type of the Service that requests go to, where it is ours to choose.
#[must_use]
pub(super) const fn service_type(kubernetes: &Kubernetes) -> &'static str {
    match (kubernetes.load, &kubernetes.entrance) {
        (LoadFrom::Outside, Entrance::NodePort) => "NodePort",
        (LoadFrom::Outside, Entrance::LoadBalancer) => "LoadBalancer",
        _ => "ClusterIP",
    }
}

/// A way in, for as long as it is kept.
pub(super) struct Way {
    /// The URL.
    pub url: String,
    /// The forwarder behind it, where it is one.
    pub forward: Option<Forward>,
}

/// The way from this machine to a Service's port, as it is there. An address that the cluster has yet to give is awaited
/// for `patience`.
///
/// # Errors
/// When there is none of that kind.
pub(super) async fn from_outside(
    site: &Site,
    entrance: &Entrance,
    service: &Value,
    port: u16,
    patience: Duration,
) -> Result<Way, EntranceError> {
    let name = name_of(service);
    let no_way = |way, missing: &str| EntranceError::NoWay {
        service: name.clone(),
        way,
        missing: missing.to_owned(),
    };
    let url = match entrance {
        Entrance::Url(url) => url.clone(),
        Entrance::PortForward => {
            let objects = site.watched.now().borrow().clone();
            let pod = chosen(&objects, &service["spec"]["selector"]);
            let target = target_port(service, port, pod).ok_or_else(|| {
                no_way(
                    "by port-forward",
                    "it has no such port, or its target has a name that no container's port has",
                )
            })?;
            let forward = Forward::listen(site.pods(), selected(site, service), target).await?;
            return Ok(Way {
                url: format!("http://{}", forward.address()),
                forward: Some(forward),
            });
        }
        Entrance::NodePort => {
            let node_port = port_of(service, port).and_then(|port| port["nodePort"].as_u64());
            let node_port = node_port.ok_or_else(|| no_way("at a node", "it has no nodePort"))?;
            let address = node_address(&site.watched.now().borrow(), service)
                .ok_or_else(|| no_way("at a node", "no node that is ready has an InternalIP"))?;
            format!("http://{}:{node_port}", bracketed(&address))
        }
        Entrance::LoadBalancer => {
            let look = move || async move {
                Ok(balanced(
                    &site.cluster.get(service).await?.unwrap_or_default(),
                ))
            };
            let address = awaited(patience, look).await?;
            let address =
                address.ok_or_else(|| no_way("at its load balancer", "it has no address there"))?;
            format!("http://{}:{port}", bracketed(&address))
        }
        Entrance::Ingress => {
            let look = move || async move {
                let (namespace, all) = (Some(site.namespace.as_str()), ListParams::default());
                let all = site
                    .cluster
                    .list("networking.k8s.io/v1", "Ingress", namespace, &all)
                    .await?;
                Ok(ingress(&all, service, port))
            };
            let found = awaited(patience, look).await?;
            let Found { url, host } =
                found.ok_or_else(|| no_way("at an Ingress", "none with an address leads there"))?;
            if let Some((host, address)) = host {
                let known = tokio::net::lookup_host((host.as_str(), 80))
                    .await
                    .is_ok_and(|mut found| found.next().is_some());
                if !known {
                    let missing = format!(
                        "this machine finds no address of its host {host}; {address} is where it leads"
                    );
                    return Err(no_way("at an Ingress", &missing));
                }
            }
            url
        }
    };
    // Nodes and balancers hear of pods a moment after those are ready.
    let url = reach::answers(&url).await.map_err(EntranceError::Silent)?;
    Ok(Way { url, forward: None })
}

/// Looks until there is something, at most for so long.
async fn awaited<T, F>(patience: Duration, look: impl Fn() -> F) -> Result<Option<T>, ClusterError>
where
    F: Future<Output = Result<Option<T>, ClusterError>>,
{
    let deadline = Instant::now() + patience;
    loop {
        match look().await? {
            None if Instant::now() < deadline => tokio::time::sleep(LOOK).await,
            found => return Ok(found),
        }
    }
}

/// Finds the pod that a Service leads to.
fn selected(site: &Site, service: &Value) -> Finder {
    let (objects, selector) = (site.watched.now(), service["spec"]["selector"].clone());
    Arc::new(move || chosen(&objects.borrow(), &selector).map(name_of))
}

/// The pod that a selector leads to now.
fn chosen<'a>(objects: &'a Objects, selector: &Value) -> Option<&'a Value> {
    let labels = selector.as_object()?;
    let fits = |pod: &&Value| {
        labels
            .iter()
            .all(|(label, value)| pod["metadata"]["labels"][label] == *value)
    };
    pods(objects)
        .filter(|pod| pod["status"]["phase"] == "Running")
        .find(fits)
}

fn port_of(service: &Value, port: u16) -> Option<&Value> {
    service["spec"]["ports"]
        .as_array()?
        .iter()
        .find(|there| there["port"] == port)
}

/// The port of a pod that a Service's port leads to; a name is one of the pod's own ports.
fn target_port(service: &Value, port: u16, pod: Option<&Value>) -> Option<u16> {
    let target = match &port_of(service, port)?["targetPort"] {
        Value::String(name) => match name.parse() {
            Ok(number) => number,
            Err(_) => port_named(pod?, name)?,
        },
        number => number.as_u64().unwrap_or_else(|| port.into()),
    };
    u16::try_from(target).ok()
}

fn port_named(pod: &Value, name: &str) -> Option<u64> {
    let containers = ["containers", "initContainers"]
        .into_iter()
        .filter_map(|part| pod["spec"][part].as_array())
        .flatten();
    let mut ports = containers
        .filter_map(|container| container["ports"].as_array())
        .flatten();
    ports.find(|port| port["name"] == name)?["containerPort"].as_u64()
}

/// The address of a node that a pod behind the Service runs on, where that saves a hop; else of any that is ready.
fn node_address(objects: &Objects, service: &Value) -> Option<String> {
    let ready = |node: &&Value| unready_because(node).is_none();
    let own = chosen(objects, &service["spec"]["selector"])
        .and_then(|pod| pod["spec"]["nodeName"].as_str());
    let own = own.and_then(|name| objects.get(&("Node", name.to_owned())));
    let others = objects
        .iter()
        .filter(|((kind, _), _)| *kind == "Node")
        .map(|(_, node)| node);
    own.into_iter()
        .chain(others)
        .filter(ready)
        .find_map(internal_ip)
        .map(str::to_owned)
}

fn internal_ip(node: &Value) -> Option<&str> {
    let addresses = node["status"]["addresses"].as_array()?;
    addresses
        .iter()
        .find(|address| address["type"] == "InternalIP")?["address"]
        .as_str()
}

/// As URLs have it: an IPv6 address stands in brackets.
fn bracketed(address: &str) -> String {
    if address.contains(':') {
        format!("[{address}]")
    } else {
        address.to_owned()
    }
}

fn balanced(object: &Value) -> Option<String> {
    let first = &object["status"]["loadBalancer"]["ingress"][0];
    first["ip"]
        .as_str()
        .or_else(|| first["hostname"].as_str())
        .map(str::to_owned)
}

/// A way through an Ingress.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    url: String,
    /// The name that requests must come under, and the address that it should have.
    host: Option<(String, String)>,
}

/// The first Ingress with an address and a rule that leads to the Service's port.
fn ingress(all: &[Value], service: &Value, port: u16) -> Option<Found> {
    let named = port_of(service, port).and_then(|port| port["name"].as_str());
    let leads = |backend: &Value| {
        let to = &backend["service"];
        let same_port =
            to["port"]["number"] == port || named.is_some_and(|name| to["port"]["name"] == name);
        to["name"] == service["metadata"]["name"] && same_port
    };
    all.iter().find_map(|ingress| {
        let (spec, address) = (&ingress["spec"], balanced(ingress)?);
        let (rule, path) = spec["rules"]
            .as_array()
            .into_iter()
            .flatten()
            .find_map(|rule| {
                let paths = rule["http"]["paths"].as_array().into_iter().flatten();
                Some((
                    rule,
                    paths.into_iter().find(|path| leads(&path["backend"]))?,
                ))
            })?;
        // A name with `*` stands for many: requests cannot come under it.
        let host = rule["host"].as_str().filter(|host| !host.contains('*'));
        let of_tls = |entry: &Value| {
            let hosts = entry["hosts"].as_array().into_iter().flatten();
            host.is_some_and(|host| hosts.into_iter().any(|known| known == host))
        };
        let scheme = if spec["tls"].as_array().into_iter().flatten().any(of_tls) {
            "https"
        } else {
            "http"
        };
        let prefix = path["path"].as_str().unwrap_or("/").trim_end_matches('/');
        let authority = host.map_or_else(|| bracketed(&address), str::to_owned);
        Some(Found {
            url: format!("{scheme}://{authority}{prefix}"),
            host: host.map(|host| (host.to_owned(), address)),
        })
    })
}

/// The URL of a Service's port for whoever is in the cluster: by its address, since not every image resolves names.
#[must_use]
pub(super) fn from_inside(service: &Value, port: u16) -> String {
    let address = service["spec"]["clusterIP"]
        .as_str()
        .filter(|address| !address.is_empty() && *address != "None");
    // A name without an address of its own leads to the pods themselves.
    let port = match address {
        Some(_) => port,
        None => target_port(service, port, None).unwrap_or(port),
    };
    let address = address.map(bracketed);
    let named = || {
        format!(
            "{}.{}.svc",
            name_of(service),
            service["metadata"]["namespace"]
                .as_str()
                .unwrap_or_default()
        )
    };
    format!("http://{}:{port}", address.unwrap_or_else(named))
}

#[cfg(test)]
mod tests;
