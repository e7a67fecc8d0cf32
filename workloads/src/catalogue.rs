//! The application catalogue: what each application is made of, as facts, one YAML file an application under
//! `workloads/catalogue/`. The Kubernetes objects are rendered from them ([`render`]).

mod check;
mod component;
pub mod names;
pub mod render;

pub use check::CatalogueFault;
pub use component::{Component, Content, Copy, Limits, Port, Protocol, Ready, Role, Storage};

use component::Group;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const SHIPPED: [&str; 4] = [
    include_str!("../catalogue/hotel-reservation.yaml"),
    include_str!("../catalogue/social-network.yaml"),
    include_str!("../catalogue/media-microservices.yaml"),
    include_str!("../catalogue/train-ticket.yaml"),
];

/// An application.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Application {
    /// Its name, the same as that of its service graph and the first part of its workloads' names.
    pub name: String,
    /// Short names, those of the original.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// The namespace it is deployed to unless said otherwise.
    pub namespace: String,
    /// Where it comes from.
    pub upstream: String,
    /// Where its requests go.
    pub entry: Entry,
    /// How it is traced.
    pub traces: TraceFacts,
    /// Which data it must be given before use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataSet>,
    /// Container images by key; `{name}` stands for the component's name.
    pub images: BTreeMap<String, String>,
    groups: Vec<Group>,
    /// Kubernetes Services beyond the one that each component has.
    #[serde(default)]
    pub services: Vec<ExtraService>,
}

/// Where an application takes its requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The component.
    pub component: String,
    /// Its port within the cluster.
    pub port: u16,
    /// Its port on every node.
    pub node_port: u16,
}

/// What must be known to find an application's traces and to join them to requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceFacts {
    /// The header by which the entry takes up a caller's trace.
    pub header: TraceHeader,
    /// The entry's service name in traces.
    pub entry_service: String,
    /// The same service's name as a workload, which its pods' names begin with.
    pub entry_workload: String,
    /// How every request comes to be traced.
    pub sampling: String,
    /// Where traces are kept.
    pub store: TraceStore,
}

/// A header that carries a trace context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TraceHeader {
    /// Jaeger's.
    UberTraceId,
    /// Zipkin's family.
    B3,
    /// W3C's.
    Traceparent,
    /// No header is taken up: requests and traces are joined by time and operation, and `quality` says so.
    None,
}

impl TraceHeader {
    /// The context that the load generator is to inject.
    #[must_use]
    pub const fn context(self) -> crate::load::TraceContext {
        match self {
            Self::UberTraceId => crate::load::TraceContext::Jaeger,
            Self::B3 => crate::load::TraceContext::B3,
            Self::Traceparent => crate::load::TraceContext::W3c,
            Self::None => crate::load::TraceContext::None,
        }
    }
}

/// The Jaeger that comes with an application. Its store is bounded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceStore {
    /// The component.
    pub component: String,
    /// Port of its query API within the cluster.
    pub query_port: u16,
    /// The same on every node.
    pub node_port: u16,
    /// The protocols by which it takes spans from the application's images, with their ports.
    pub takes: Vec<String>,
}

/// Data that an application is initialised with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataSet {
    /// Users, who follows whom, posts.
    SocialNetwork,
    /// Casts, movies, plots, users.
    MediaMicroservices,
}

/// A Kubernetes Service without a Deployment of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtraService {
    /// Its name.
    pub name: String,
    /// The component whose pods it leads to.
    pub selects: String,
    /// Its ports.
    pub ports: Vec<Port>,
}

/// Why there is no application.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// None of that name.
    #[error("find an application called `{name}`: there are {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The text describes none.
    #[error("read the application: {0}")]
    Syntax(String),
    /// It is described, and wrong.
    #[error("use the application `{name}`: {}", .faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Faults {
        /// The application.
        name: String,
        /// All that is wrong.
        faults: Vec<CatalogueFault>,
    },
}

impl Application {
    /// All applications that come with AEFM.
    ///
    /// # Errors
    /// Never for those that come with AEFM: a test reads them all.
    pub fn shipped() -> Result<Vec<Self>, CatalogueError> {
        SHIPPED.iter().map(|text| Self::from_yaml(text)).collect()
    }

    /// The application of that name, or of one of the original's (`social`, `$MODULE_DEFAULT/social`).
    ///
    /// # Errors
    /// When there is none.
    pub fn by_name(name: &str) -> Result<Self, CatalogueError> {
        let wanted = names::application(name);
        let mut all = Self::shipped()?;
        match all.iter().position(|app| Some(app.name.as_str()) == wanted) {
            Some(at) => Ok(all.swap_remove(at)),
            None => {
                let known = all
                    .iter()
                    .map(|app| app.name.as_str())
                    .collect::<Vec<_>>()
                    .join(", ");
                Err(CatalogueError::Unknown {
                    name: name.to_owned(),
                    known,
                })
            }
        }
    }

    /// The application that a YAML text describes, checked.
    ///
    /// # Errors
    /// When it is unreadable (with line and column) or has faults (all of them).
    pub fn from_yaml(text: &str) -> Result<Self, CatalogueError> {
        let app: Self = serde_saphyr::from_str(text)
            .map_err(|error| CatalogueError::Syntax(error.to_string()))?;
        let faults = check::check(&app);
        if faults.is_empty() {
            Ok(app)
        } else {
            Err(CatalogueError::Faults {
                name: app.name,
                faults,
            })
        }
    }

    /// All components, those under test first, each in the order of the file.
    #[must_use]
    pub fn components(&self) -> Vec<Component> {
        self.groups
            .iter()
            .flat_map(|group| group.components(&self.images))
            .collect()
    }

    /// The component of that name.
    #[must_use]
    pub fn component(&self, name: &str) -> Option<Component> {
        self.components()
            .into_iter()
            .find(|component| component.name == name)
    }
}

#[cfg(test)]
mod tests;
