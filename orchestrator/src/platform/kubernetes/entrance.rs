//! Where requests enter: an address within the cluster, or one of the ways in from outside.

use super::cluster::{ClusterError, name_of};
use super::deploy::Site;
use super::forward::{Finder, Forward};
use super::watched::pods;
use crate::experiment::kubernetes::Entrance;
use kube::api::ListParams;
use serde_json::Value;
use std::sync::Arc;

/// Why there is no way in.
#[derive(Debug, thiserror::Error)]
pub enum EntranceError {
    /// The cluster does not say.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// What was asked for is not there.
    #[error("reach Service `{service}` {way}: {missing}; `kubernetes.entrance: port-forward` needs nothing of it")]
    NoWay {
        /// The Service.
        service: String,
        /// The way.
        way: &'static str,
        /// What is missing.
        missing: String,
    },
    /// This machine has no port.
    #[error("listen on a port of loopback: {0}")]
    Port(#[from] std::io::Error),
}

/// A way in, for as long as it is kept.
pub(super) struct Way {
    /// The URL.
    pub url: String,
    /// The forwarder behind it, where it is one.
    pub forward: Option<Forward>,
}

/// The way from this machine to a Service's port, as it is there.
///
/// # Errors
/// When there is none of that kind.
pub(super) async fn from_outside(
    site: &Site,
    entrance: &Entrance,
    service: &Value,
    port: u16,
) -> Result<Way, EntranceError> {
    let name = name_of(service);
    let no_way = |way, missing: &str| EntranceError::NoWay { service: name.clone(), way, missing: missing.to_owned() };
    let url = match entrance {
        Entrance::Url(url) => url.clone(),
        Entrance::PortForward => {
            let target = target_port(service, port)
                .ok_or_else(|| no_way("by port-forward", "it has no such port with a number as its target"))?;
            let forward = Forward::listen(site.pods(), selected(site, service), target).await?;
            return Ok(Way { url: format!("http://{}", forward.address()), forward: Some(forward) });
        }
        Entrance::NodePort => {
            let node_port = port_of(service, port).and_then(|port| port["nodePort"].as_u64());
            let node_port = node_port.ok_or_else(|| no_way("at a node", "it has no nodePort"))?;
            let nodes = site.cluster.list("v1", "Node", None, &ListParams::default()).await?;
            let address =
                nodes.iter().find_map(internal_ip).ok_or_else(|| no_way("at a node", "no node has an InternalIP"))?;
            format!("http://{address}:{node_port}")
        }
        Entrance::LoadBalancer => {
            let fresh = site.cluster.get(service).await?.unwrap_or_default();
            let address = balanced(&fresh).ok_or_else(|| no_way("at its load balancer", "it has no address there"))?;
            format!("http://{address}:{port}")
        }
        Entrance::Ingress => {
            let all = site
                .cluster
                .list("networking.k8s.io/v1", "Ingress", Some(&site.namespace), &ListParams::default())
                .await?;
            ingress(&all, &name).ok_or_else(|| no_way("at an Ingress", "none with an address leads there"))?
        }
    };
    Ok(Way { url, forward: None })
}

/// The pod that a Service leads to now.
fn selected(site: &Site, service: &Value) -> Finder {
    let (objects, selector) = (site.watched.now(), service["spec"]["selector"].clone());
    Arc::new(move || {
        let objects = objects.borrow();
        let labels = selector.as_object()?;
        let fits = |pod: &&Value| labels.iter().all(|(label, value)| pod["metadata"]["labels"][label] == *value);
        pods(&objects).filter(|pod| pod["status"]["phase"] == "Running").find(fits).map(name_of)
    })
}

fn port_of(service: &Value, port: u16) -> Option<&Value> {
    service["spec"]["ports"].as_array()?.iter().find(|there| there["port"] == port)
}

fn target_port(service: &Value, port: u16) -> Option<u16> {
    let target = port_of(service, port)?["targetPort"].as_u64().unwrap_or_else(|| port.into());
    u16::try_from(target).ok()
}

fn internal_ip(node: &Value) -> Option<&str> {
    let addresses = node["status"]["addresses"].as_array()?;
    addresses.iter().find(|address| address["type"] == "InternalIP")?["address"].as_str()
}

fn balanced(object: &Value) -> Option<String> {
    let first = &object["status"]["loadBalancer"]["ingress"][0];
    first["ip"].as_str().or_else(|| first["hostname"].as_str()).map(str::to_owned)
}

/// The URL of the first Ingress with an address and a rule that leads to the Service.
fn ingress(all: &[Value], service: &str) -> Option<String> {
    all.iter().find_map(|ingress| {
        let address = balanced(ingress)?;
        let rules = ingress["spec"]["rules"].as_array()?;
        let paths = rules.iter().filter_map(|rule| rule["http"]["paths"].as_array()).flatten();
        let path = paths.clone().find(|path| path["backend"]["service"]["name"] == service)?;
        let prefix = path["path"].as_str().unwrap_or("/").trim_end_matches('/');
        Some(format!("http://{address}{prefix}"))
    })
}

/// The URL of a Service's port for whoever is in the cluster: by its address, since not every image resolves names.
#[must_use]
pub(super) fn from_inside(service: &Value, port: u16) -> String {
    let address = service["spec"]["clusterIP"].as_str().filter(|address| !address.is_empty() && *address != "None");
    let named =
        || format!("{}.{}.svc", name_of(service), service["metadata"]["namespace"].as_str().unwrap_or_default());
    format!("http://{}:{port}", address.map_or_else(named, str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn service() -> Value {
        let ports = json!([{ "port": 80, "targetPort": 8080, "nodePort": 30080 }, { "port": 81 }, { "port": 82, "targetPort": "web" }]);
        json!({ "metadata": { "name": "front", "namespace": "n" }, "spec": { "clusterIP": "10.1.2.3", "ports": ports } })
    }

    #[test]
    fn ports_and_addresses_are_those_of_the_service() {
        let service = service();
        assert_eq!(
            (target_port(&service, 80), target_port(&service, 81), target_port(&service, 99)),
            (Some(8080), Some(81), None)
        );
        assert_eq!(from_inside(&service, 80), "http://10.1.2.3:80");
        let headless = json!({ "metadata": { "name": "front", "namespace": "n" }, "spec": { "clusterIP": "None" } });
        assert_eq!(from_inside(&headless, 80), "http://front.n.svc:80");
    }

    #[test]
    fn an_ingress_counts_when_it_leads_there_and_has_an_address() {
        let leading = |to: &str, ip: Option<&str>| {
            let path = json!({ "path": "/app/", "backend": { "service": { "name": to } } });
            json!({ "spec": { "rules": [{ "http": { "paths": [path] } }] },
                "status": { "loadBalancer": { "ingress": ip.map(|ip| json!([{ "ip": ip }])).unwrap_or_default() } } })
        };
        let all = [leading("front", None), leading("other", Some("1.1.1.1")), leading("front", Some("2.2.2.2"))];
        assert_eq!(ingress(&all, "front").as_deref(), Some("http://2.2.2.2/app"));
        assert_eq!(ingress(&all[..2], "front"), None);
    }
}
