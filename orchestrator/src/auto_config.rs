//! An experiment file for a cluster, from what is there: which nodes do what, how much interference they have room for,
//! which Prometheus is asked. Pure: a snapshot in, text out.

pub mod app;
pub mod pressure;
pub mod roles;
mod text;

use crate::experiment::Experiment;
use crate::experiment::collect::ServiceName;
use crate::plan::Plan;
use crate::platform::kubernetes::snapshot::Snapshot;
use aefm_workloads::unit::say_duration;
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
    let text = text::write(snapshot, wishes);
    let cores = wishes
        .roles
        .testbed
        .iter()
        .filter_map(|name| snapshot.node(name))
        .map(|node| whole_cores(node.allocatable.cpu))
        .min();
    let experiment = Experiment::read(&text, &|_| false).ok();
    let plan = experiment.and_then(|it| Plan::new(&it, "plan", 0, cores.unwrap_or(1)).ok());
    // Choices that make no experiment are told by whoever reads the file.
    let cost = plan.map(|plan| {
        format!(
            "# {} test cases, about {} in all: fewer values on an axis below make it shorter.\n",
            plan.cases.len(),
            say_duration(plan.estimate)
        )
    });
    cost.unwrap_or_default() + &text
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of cores"
)]
fn whole_cores(cores: f64) -> usize {
    cores.clamp(1.0, 1e6) as usize
}

#[cfg(test)]
mod tests;
