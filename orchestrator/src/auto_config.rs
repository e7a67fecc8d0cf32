//! An experiment file for a cluster, from what is there: which nodes do what, how much interference they have room for,
//! which Prometheus is asked. Pure: a snapshot in, text out.

pub mod app;
pub mod pressure;
pub mod roles;
mod text;

use crate::experiment::collect::ServiceName;
use crate::platform::kubernetes::snapshot::Snapshot;
use app::App;
use roles::Roles;
use std::time::Duration;

/// What was asked for, or chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Wishes {
    /// The application.
    pub app: App,
    /// The experiment's name.
    pub name: String,
    /// Nodes by role.
    pub roles: Roles,
    /// The image with `aefm`.
    pub image: String,
    /// The namespace, unless it is to be the application's own.
    pub namespace: Option<String>,
    /// The kubeconfig's context, unless it is to be the current one.
    pub context: Option<String>,
    /// Where metrics come from beside the kubelets.
    pub prometheus: Option<Prometheus>,
}

/// A Prometheus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prometheus {
    /// Where it is.
    pub place: PrometheusPlace,
    /// How often it scrapes, where that is known.
    pub scrape: Option<Duration>,
}

/// Where a Prometheus is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrometheusPlace {
    /// Behind a Service of the cluster.
    Cluster(ServiceName),
    /// At a URL.
    Url(String),
}

/// An experiment file, commented: what was found, what was chosen and why.
#[must_use]
pub fn write(snapshot: &Snapshot, wishes: &Wishes) -> String {
    text::write(snapshot, wishes)
}

#[cfg(test)]
mod tests;
