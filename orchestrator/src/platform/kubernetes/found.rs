//! Which Service of a cluster leads to a Prometheus or to a Jaeger's query side: by the labels that their charts and
//! operators put on it, else by its port. Pure.

use super::cluster::name_of;
use crate::experiment::collect::ServiceName;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A Prometheus server.
    Prometheus,
    /// The query side of a Jaeger.
    Jaeger,
}

/// A Service that leads there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its port.
    pub port: u16,
    /// Whether that speaks TLS.
    pub secure: bool,
    /// What says so, for people.
    pub because: String,
}

/// Why none was chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// There is none.
    #[error(
        "find a {target} in the cluster: no Service has the labels or the port of one; name its URL in `{}.url`, or its Service in `{0}.cluster`",
        target.key()
    )]
    None {
        /// What was looked for.
        target: Target,
    },
    /// There are several.
    #[error(
        "choose the {target} of the cluster: {candidates} may be it; name one in `{}.cluster`, such as `cluster: {example}`",
        target.key()
    )]
    Several {
        /// What was looked for.
        target: Target,
        /// All of them.
        candidates: String,
        /// The first one, as the key takes it.
        example: String,
    },
    /// The one that the experiment names is not there.
    #[error("find Service {name}, which `{}.cluster` names: {why}", target.key())]
    NotThere {
        /// What it should lead to.
        target: Target,
        /// The Service named.
        name: ServiceName,
        /// What is wrong, and what there is.
        why: String,
    },
}

impl Target {
    /// The key of the experiment file.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Prometheus => "collect.prometheus",
            Self::Jaeger => "collect.jaeger",
        }
    }

    /// The port that it listens on by itself.
    const fn port(self) -> u16 {
        match self {
            Self::Prometheus => 9090,
            Self::Jaeger => 16_686,
        }
    }

    /// Names that charts give its port, best first. (`reloader-web`, `grpc-query` and `admin` are others' beside it.)
    const fn port_names(self) -> &'static [&'static str] {
        match self {
            Self::Prometheus => &["http-web", "web", "http", "https"],
            Self::Jaeger => &["http-query", "query-http", "query"],
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prometheus => "Prometheus",
            Self::Jaeger => "Jaeger",
        })
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}:{} ({})",
            self.namespace, self.name, self.port, self.because
        )
    }
}

/// What a label's value must be.
enum Wanted {
    Is(&'static str),
    Ends(&'static str),
}

/// Labels of Prometheus servers' Services: kube-prometheus-stack (any release name), the operator's own Service,
/// kube-prometheus and the chart `prometheus`, and that chart before its version 20.
const PROMETHEUS: &[(&str, Wanted)] = &[
    ("app", Wanted::Ends("kube-prometheus-stack-prometheus")),
    ("operated-prometheus", Wanted::Is("true")),
    ("app.kubernetes.io/name", Wanted::Is("prometheus")),
    ("app", Wanted::Is("prometheus")),
];
/// Labels of Jaeger's: its charts (also the all-in-one of today's), its operator, the catalogue's applications.
const JAEGER: &[(&str, Wanted)] = &[
    ("app.kubernetes.io/name", Wanted::Is("jaeger")),
    ("app.kubernetes.io/part-of", Wanted::Is("jaeger")),
    ("app", Wanted::Is("jaeger")),
    ("app-name", Wanted::Is("jaeger")),
];
/// Components of a Prometheus that answer queries; others share its labels in the same chart.
const SERVERS: [&str; 2] = ["server", "prometheus"];

/// The Service that a source is behind. `named` is the user's choice; `home` is the namespace whose own source is
/// preferred, where there is one.
///
/// # Errors
/// There is none, there are several, or the one that is named is none.
pub fn choose(
    target: Target,
    services: &[Value],
    named: Option<&ServiceName>,
    home: Option<&str>,
) -> Result<Found, FindError> {
    let mut candidates = candidates(target, services);
    if let Some(named) = named {
        return by_name(target, services, named, &candidates);
    }
    if let [own] = candidates
        .iter()
        .filter(|one| Some(one.namespace.as_str()) == home)
        .collect::<Vec<_>>()
        .as_slice()
    {
        return Ok((*own).clone());
    }
    match candidates.len() {
        0 => Err(FindError::None { target }),
        1 => Ok(candidates.remove(0)),
        _ => {
            let Found {
                namespace,
                name,
                port,
                ..
            } = &candidates[0];
            let example = format!("{namespace}/{name}:{port}");
            Err(FindError::Several {
                target,
                candidates: tell(&candidates),
                example,
            })
        }
    }
}

/// All Services that may lead there, each pod once.
#[must_use]
pub fn candidates(target: Target, services: &[Value]) -> Vec<Found> {
    let labelled: Vec<_> = services
        .iter()
        .filter_map(|one| Some((one, by_label(target, one)?)))
        .collect();
    let found = if labelled.is_empty() {
        services
            .iter()
            .filter_map(|one| Some((one, by_port(target, one)?)))
            .collect()
    } else {
        labelled
    };
    let all: Vec<&Value> = found.iter().map(|(service, _)| *service).collect();
    found
        .into_iter()
        .filter(|(service, _)| !is_twin(service, &all))
        .map(|(_, found)| found)
        .collect()
}

/// Whether a better Service leads to the same pods.
fn is_twin(service: &Value, all: &[&Value]) -> bool {
    let near = |other: &&&Value| other["metadata"]["namespace"] == service["metadata"]["namespace"];
    // The operator's own Service leads to every Prometheus that it runs in the namespace.
    let operated = |service: &Value| service["metadata"]["labels"]["operated-prometheus"] == "true";
    if operated(service) {
        return all.iter().filter(near).any(|other| !operated(other));
    }
    // One with an address of its own is better than one without.
    let rank = |service: &Value| (service["spec"]["clusterIP"] == "None", name_of(service));
    all.iter().filter(near).any(|other| {
        other["spec"]["selector"] == service["spec"]["selector"] && rank(other) < rank(service)
    })
}

fn by_label(target: Target, service: &Value) -> Option<Found> {
    let labels = &service["metadata"]["labels"];
    let marks = match target {
        Target::Prometheus => PROMETHEUS,
        Target::Jaeger => JAEGER,
    };
    let fits = |(key, wanted): &&(&str, Wanted)| {
        labels[*key].as_str().is_some_and(|value| match wanted {
            Wanted::Is(text) => value == *text,
            Wanted::Ends(text) => value.ends_with(text),
        })
    };
    let (key, _) = marks.iter().find(fits)?;
    let component = ["app.kubernetes.io/component", "component"]
        .iter()
        .find_map(|key| labels[*key].as_str());
    if target == Target::Prometheus
        && (component.is_some_and(|component| !SERVERS.contains(&component)) || is_agent(service))
    {
        return None;
    }
    let port = query_port(target, service)?;
    found(
        service,
        port,
        format!(
            "labelled {key}={}",
            labels[*key].as_str().unwrap_or_default()
        ),
    )
}

/// A Prometheus in agent mode sends what it scrapes elsewhere and answers no queries.
fn is_agent(service: &Value) -> bool {
    service["spec"]["selector"]["app.kubernetes.io/name"] == "prometheus-agent"
}

/// Without labels, Jaeger's port is nobody else's; Prometheus's is many a thing's, so that the name must say it, too.
fn by_port(target: Target, service: &Value) -> Option<Found> {
    if target == Target::Prometheus
        && (!name_of(service).contains("prometheus") || is_agent(service))
    {
        return None;
    }
    let port = ports(service).find(|port| leads_to(port, target.port()))?;
    found(service, port, format!("its port is {}", target.port()))
}

fn ports(service: &Value) -> impl Iterator<Item = &Value> {
    service["spec"]["ports"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|port| port["protocol"] != "UDP")
}

fn leads_to(port: &Value, number: u16) -> bool {
    port["port"] == number || port["targetPort"] == number
}

fn query_port(target: Target, service: &Value) -> Option<&Value> {
    let named = |name: &str| ports(service).find(|port| port["name"] == name);
    let by_number = || ports(service).find(|port| leads_to(port, target.port()));
    target
        .port_names()
        .iter()
        .find_map(|name| named(name))
        .or_else(by_number)
}

fn found(service: &Value, port: &Value, because: String) -> Option<Found> {
    let number = u16::try_from(port["port"].as_u64()?).ok()?;
    let secure = number == 443
        || port["appProtocol"] == "https"
        || port["name"]
            .as_str()
            .is_some_and(|name| name.starts_with("https"));
    let namespace = service["metadata"]["namespace"]
        .as_str()
        .unwrap_or("default")
        .to_owned();
    Some(Found {
        namespace,
        name: name_of(service),
        port: number,
        secure,
        because,
    })
}

fn by_name(
    target: Target,
    services: &[Value],
    named: &ServiceName,
    known: &[Found],
) -> Result<Found, FindError> {
    let not_there = |why: String| FindError::NotThere {
        target,
        name: named.clone(),
        why,
    };
    let is_it = |one: &&Value| {
        name_of(one) == named.name && one["metadata"]["namespace"] == named.namespace.as_str()
    };
    let service = services.iter().find(is_it).ok_or_else(|| {
        let may = if known.is_empty() {
            "nor any other that may be it".to_owned()
        } else {
            format!("but {}", tell(known))
        };
        not_there(format!("it is not there, {may}"))
    })?;
    let has = || {
        ports(service)
            .map(|port| port["port"].to_string())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let port = match named.port {
        Some(number) => ports(service).find(|port| port["port"] == number),
        None => query_port(target, service).or_else(|| {
            ports(service)
                .next()
                .filter(|_| ports(service).count() == 1)
        }),
    };
    port.and_then(|port| {
        found(
            service,
            port,
            format!("named in `{}.cluster`", target.key()),
        )
    })
    .ok_or_else(|| not_there(format!("say which port, {named}:PORT; it has {}", has())))
}

fn tell(found: &[Found]) -> String {
    found
        .iter()
        .map(Found::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests;
