//! Who made a span: what a resource's attributes, or a process's tags, say of service, pod, node and clock.

use super::{Name, Names};
use std::borrow::Cow;
use std::sync::Arc;

/// Who made a span.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    /// `service.name`.
    pub service: Name,
    /// The pod or instance, where it was said.
    pub pod: Option<Name>,
    /// The node (host), where it was said.
    pub node: Option<Name>,
    /// The name that its host has for itself, which tells clocks apart where no node is named.
    pub host: Option<Name>,
    /// Its host's address, likewise.
    pub ip: Option<Name>,
}

impl Origin {
    /// Whether the two are known to be on different hosts, whose clocks may differ: by their nodes, or where one of these is
    /// not named, by the name or the address of the host.
    #[must_use]
    pub fn is_elsewhere(&self, other: &Self) -> bool {
        let differ =
            |own: &Option<Name>, other: &Option<Name>| Some(own.as_ref()? != other.as_ref()?);
        differ(&self.node, &other.node).unwrap_or_else(|| {
            differ(&self.host, &other.host) == Some(true)
                || differ(&self.ip, &other.ip) == Some(true)
        })
    }
}

/// What OpenTelemetry calls a service without a name.
pub(crate) const UNKNOWN_SERVICE: &str = "unknown_service";

/// Keys that name the pod or instance, the best first. Jaeger's clients call it `hostname`.
const POD_KEYS: [&str; 4] = [
    "k8s.pod.name",
    "hostname",
    "service.instance.id",
    "container.id",
];
/// The one that names the node.
const NODE_KEY: &str = "k8s.node.name";
/// The one that names the machine, or a pod that takes itself for one.
const HOST_KEY: &str = "host.name";
/// Keys of the host's address.
const IP_KEYS: [&str; 3] = ["ip", "host.ip", "net.host.ip"];
/// Keys that only Jaeger's clients set; the second is what the collector makes of the first.
const JAEGER_KEYS: [&str; 3] = [
    "jaeger.version",
    "opencensus.exporterversion",
    "client-uuid",
];

/// An origin in the making: what its attributes said so far.
#[derive(Default)]
pub(crate) struct Maker<'a> {
    service: Option<Cow<'a, str>>,
    pods: [Option<Cow<'a, str>>; POD_KEYS.len()],
    node: Option<Cow<'a, str>>,
    host: Option<Cow<'a, str>>,
    ip: Option<Cow<'a, str>>,
    is_jaegers: bool,
}

impl<'a> Maker<'a> {
    /// Takes an attribute into account; empty values say nothing.
    pub(crate) fn note(&mut self, key: &str, value: Cow<'a, str>) {
        if value.is_empty() {
            return;
        }
        if JAEGER_KEYS.contains(&key) {
            // OpenCensus has exporters of its own.
            self.is_jaegers |= key != JAEGER_KEYS[1] || value.starts_with("Jaeger");
        } else if let Some(place) = POD_KEYS.iter().position(|name| *name == key) {
            self.pods[place] = Some(value);
        } else if IP_KEYS.contains(&key) {
            self.ip = Some(value);
        } else {
            match key {
                "service.name" => self.service = Some(value),
                NODE_KEY => self.node = Some(value),
                HOST_KEY => self.host = Some(value),
                _ => {}
            }
        }
    }

    /// The shared origin.
    pub(crate) fn origin(self, names: &mut Names) -> Arc<Origin> {
        let own_name = self.pods[1].clone();
        // Clients of Jaeger's give the name that their container has for itself, which is the pod's: taken for the node's,
        // replicas would be one instance.
        let is_pod = self.is_jaegers && own_name.is_none();
        let host = own_name.or_else(|| self.host.clone());
        let pod = self.pods.into_iter().flatten().next();
        let (pod, node) = match self.host {
            Some(name) if is_pod => (pod.or(Some(name)), self.node),
            name => (pod, self.node.or(name)),
        };
        let service = self.service.unwrap_or(Cow::Borrowed(UNKNOWN_SERVICE));
        let mut name = |text: Option<Cow<'_, str>>| text.map(|text| names.name(&text));
        let origin = Origin {
            pod: name(pod),
            node: name(node),
            host: name(host),
            ip: name(self.ip),
            service: names.name(&service),
        };
        names.shared(origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(attributes: &[(&str, &'static str)]) -> Arc<Origin> {
        let mut maker = Maker::default();
        for (key, value) in attributes {
            maker.note(key, Cow::Borrowed(value));
        }
        maker.origin(&mut Names::default())
    }

    #[test]
    fn host_name_is_the_node_but_with_jaegers_clients_it_is_the_pod() {
        let machine = origin(&[("service.name", "geo"), ("host.name", "m1")]);
        assert_eq!(
            (machine.pod.as_deref(), machine.node.as_deref()),
            (None, Some("m1"))
        );
        for marker in [
            ("jaeger.version", "Go-2.30.0"),
            ("opencensus.exporterversion", "Jaeger-Go-2.30.0"),
        ] {
            let pod = origin(&[("host.name", "geo-5c4"), marker]);
            assert_eq!(
                (pod.pod.as_deref(), pod.node.as_deref(), pod.host.as_deref()),
                (Some("geo-5c4"), None, Some("geo-5c4"))
            );
        }
        // Beside a pod's own name it is the machine's.
        let both = origin(&[
            ("jaeger.version", "Go-2.30.0"),
            ("hostname", "geo-5c4"),
            ("host.name", "m1"),
        ]);
        assert_eq!(
            (both.pod.as_deref(), both.node.as_deref()),
            (Some("geo-5c4"), Some("m1"))
        );
        assert_eq!(&*origin(&[("service.name", "")]).service, UNKNOWN_SERVICE);
    }

    #[test]
    fn hosts_are_told_apart_by_nodes_and_else_by_names_and_addresses() {
        let is_elsewhere = |a: &[(&str, &'static str)], b: &[(&str, &'static str)]| {
            let (a, b) = (origin(a), origin(b));
            assert_eq!(a.is_elsewhere(&b), b.is_elsewhere(&a));
            a.is_elsewhere(&b)
        };
        let (a, b) = (("hostname", "a"), ("hostname", "b"));
        let (m, n) = (("k8s.node.name", "m"), ("k8s.node.name", "n"));
        assert!(is_elsewhere(&[a], &[b]) && !is_elsewhere(&[a], &[a]));
        assert!(is_elsewhere(&[("ip", "1")], &[("ip", "2")]));
        assert!(is_elsewhere(&[a, ("ip", "1")], &[a, ("ip", "2")]));
        assert!(!is_elsewhere(&[a, m], &[b, m]) && is_elsewhere(&[a, m], &[a, n]));
        assert!(is_elsewhere(&[a, m], &[b]) && !is_elsewhere(&[a], &[("ip", "1")]));
    }
}
