//! A Prometheus and a Jaeger that run in the cluster, and the ways to them.

use super::cluster::{Cluster, ClusterError};
use super::entrance::from_inside;
use super::found::{self, FindError, Found, Target};
use super::service_proxy::ServiceProxy;
use crate::experiment::Experiment;
use crate::experiment::collect::{JaegerSource, PrometheusSource};
use kube::api::ListParams;
use serde_json::{Value, json};

/// The port of OTLP over HTTP.
const OTLP: u16 = 4318;

/// Why there is no way to a source.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The cluster does not say which Services it has.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// None of them is it, or several.
    #[error(transparent)]
    Find(#[from] FindError),
    /// This machine has no port.
    #[error("listen on a port of loopback: {0}")]
    Port(#[from] std::io::Error),
}

impl SourceError {
    /// Whether the experiment has to say more: there is none such, or several.
    #[must_use]
    pub const fn is_fault(&self) -> bool {
        matches!(self, Self::Find(_))
    }
}

/// What an experiment leaves to be found in its cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// A Prometheus.
    pub prometheus: Option<Found>,
    /// The query side of a Jaeger.
    pub jaeger: Option<Found>,
    /// Where emulated services may send their spans to that Jaeger, a URL within the cluster.
    pub otlp: Option<String>,
}

/// The ways to what was found, for as long as this is kept.
#[derive(Debug, Default)]
pub struct Sources {
    findings: Findings,
    prometheus: Option<ServiceProxy>,
    jaeger: Option<ServiceProxy>,
}

impl Findings {
    /// Whether there is anything to look for.
    #[must_use]
    pub fn are_wanted(experiment: &Experiment) -> bool {
        let (prometheus, jaeger) = left_open(experiment);
        prometheus.is_some() || jaeger.is_some()
    }

    /// Looks for what the experiment's `collect` gives no URL of. An application that is deployed comes with a Jaeger of
    /// its own: none is looked for here, unless it is named.
    ///
    /// # Errors
    /// When one is not there, or it is not clear which one it is.
    pub async fn look(cluster: &Cluster, experiment: &Experiment) -> Result<Self, SourceError> {
        let (prometheus, jaeger) = left_open(experiment);
        if !Self::are_wanted(experiment) {
            return Ok(Self::default());
        }
        let services = services(cluster).await?;
        let choose = |target, named| found::choose(target, &services, named, None);
        let prometheus = prometheus
            .map(|source| choose(Target::Prometheus, source.cluster.as_ref()))
            .transpose()?;
        let jaeger = jaeger
            .map(|source| choose(Target::Jaeger, source.cluster.as_ref()))
            .transpose()?;
        let otlp = jaeger
            .as_ref()
            .and_then(|found| otlp_beside(found, &services));
        Ok(Self {
            prometheus,
            jaeger,
            otlp,
        })
    }

    /// A line for each, for people.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let named = [
            (Target::Prometheus, &self.prometheus),
            (Target::Jaeger, &self.jaeger),
        ];
        named
            .into_iter()
            .filter_map(|(target, found)| Some(format!("{target} is {}", found.as_ref()?)))
    }
}

impl Sources {
    /// Opens the ways.
    ///
    /// # Errors
    /// When this machine has no port.
    pub async fn open(cluster: &Cluster, findings: Findings) -> Result<Self, SourceError> {
        let mut sources = Self::default();
        if let Some(found) = &findings.prometheus {
            sources.prometheus = Some(ServiceProxy::listen(cluster.client(), found).await?);
        }
        if let Some(found) = &findings.jaeger {
            sources.jaeger = Some(ServiceProxy::listen(cluster.client(), found).await?);
        }
        findings.lines().for_each(|line| tracing::info!("{line}"));
        sources.findings = findings;
        Ok(sources)
    }

    /// Looks for a Jaeger that the application did not bring along, in its own namespace first.
    ///
    /// # Errors
    /// When there is none, or several.
    pub async fn find_jaeger(&mut self, cluster: &Cluster, home: &str) -> Result<(), SourceError> {
        let found = found::choose(Target::Jaeger, &services(cluster).await?, None, Some(home))?;
        tracing::info!("Jaeger is {found}");
        self.jaeger = Some(ServiceProxy::listen(cluster.client(), &found).await?);
        self.findings.jaeger = Some(found);
        Ok(())
    }

    /// The URL of the Prometheus.
    #[must_use]
    pub fn prometheus(&self) -> Option<String> {
        self.prometheus.as_ref().map(|way| way.url().to_owned())
    }

    /// The URL of the Jaeger's query side.
    #[must_use]
    pub fn jaeger(&self) -> Option<String> {
        self.jaeger.as_ref().map(|way| way.url().to_owned())
    }

    /// Where emulated services may send their spans, if the Jaeger found takes OTLP.
    #[must_use]
    pub fn otlp(&self) -> Option<&String> {
        self.findings.otlp.as_ref()
    }

    /// What `run.json` tells of them.
    #[must_use]
    pub fn describe(&self) -> Value {
        let tell = |found: &Option<Found>| found.as_ref().map(Found::to_string);
        json!({ "prometheus": tell(&self.findings.prometheus), "jaeger": tell(&self.findings.jaeger) })
    }
}

/// The sources whose place the experiment does not say.
fn left_open(experiment: &Experiment) -> (Option<&PrometheusSource>, Option<&JaegerSource>) {
    let collect = &experiment.collect;
    let prometheus = collect
        .prometheus
        .as_ref()
        .filter(|source| source.url.is_none());
    let jaeger = collect
        .jaeger
        .as_ref()
        .filter(|source| source.url.is_none());
    (
        prometheus,
        jaeger.filter(|source| source.cluster.is_some() || experiment.is_emulated()),
    )
}

/// All Services of the cluster.
///
/// # Errors
/// When the cluster does not say.
pub async fn services(cluster: &Cluster) -> Result<Vec<Value>, ClusterError> {
    cluster
        .list("v1", "Service", None, &ListParams::default())
        .await
}

/// Where the Jaeger behind a Service takes OTLP: at that Service, or at another one of the same namespace that Jaeger's
/// charts made for its collector.
fn otlp_beside(jaeger: &Found, services: &[Value]) -> Option<String> {
    let takes = |service: &&Value| {
        let ports = service["spec"]["ports"].as_array();
        service["metadata"]["namespace"] == jaeger.namespace.as_str()
            && ports.into_iter().flatten().any(|port| port["port"] == OTLP)
    };
    let own = |service: &&Value| service["metadata"]["name"] == jaeger.name.as_str();
    let named = |service: &&Value| {
        service["metadata"]["name"]
            .as_str()
            .is_some_and(|name| name.contains("jaeger") || name.ends_with("-collector"))
    };
    let found = services
        .iter()
        .filter(takes)
        .find(own)
        .or_else(|| services.iter().filter(takes).find(named))?;
    Some(from_inside(found, OTLP))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_go_to_the_same_service_or_to_the_collectors_beside_it() {
        let service = |namespace: &str, name: &str, port: u16, address: &str| {
            json!({ "metadata": { "namespace": namespace, "name": name },
                "spec": { "clusterIP": address, "ports": [{ "port": 16686 }, { "port": port }] } })
        };
        let jaeger = Found {
            namespace: "t".into(),
            name: "q".into(),
            port: 16_686,
            secure: false,
            because: String::new(),
        };
        let other = service("t", "simplest-collector", OTLP, "10.0.0.2");
        let all = [
            service("u", "q", OTLP, "10.0.0.9"),
            other,
            service("t", "q", OTLP, "10.0.0.1"),
        ];
        assert_eq!(
            otlp_beside(&jaeger, &all).as_deref(),
            Some("http://10.0.0.1:4318")
        );
        assert_eq!(
            otlp_beside(&jaeger, &all[..2]).as_deref(),
            Some("http://10.0.0.2:4318")
        );
        assert_eq!(
            otlp_beside(&jaeger, &[service("t", "q", 4317, "10.0.0.1")]),
            None
        );
    }
}
