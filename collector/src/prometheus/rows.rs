//! Series into rows of `metrics`: a row a subject and sample time, rates from counter differences.

use super::Series;
use super::counters::{Form, Metric, Target};
use super::once::Once;
use crate::proc::{MetricRow, Scope};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Who a series is about. Pods go by namespace and name as the labels say, never by a name's beginning.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Subject {
    pub(super) scope: &'static str,
    pub(super) namespace: String,
    pub(super) pod: String,
    pub(super) container: String,
    /// Of a node only: where a pod is, not all of its series say.
    pub(super) node: String,
}

impl Subject {
    /// How it is called to people.
    pub(super) fn shown(&self) -> String {
        [&self.namespace, &self.pod, &self.container, &self.node]
            .into_iter()
            .filter(|part| !part.is_empty())
            .cloned()
            .collect::<Vec<_>>()
            .join("/")
    }
}

/// Who a series is about, if anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// It counts for this one.
    Of(Subject),
    /// A sum over what other series tell of: a pod's beside its containers', a cgroup's above all pods.
    Sum,
    /// Its labels do not say.
    Unknown,
}

/// What is known of series by others beside them.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Names of nodes by their addresses, which is all that some of their series have.
    nodes: HashMap<String, String>,
    /// Jobs whose own `container` stands on their series, as `exported_container` shows.
    jobs: HashSet<String>,
}

impl Names {
    pub(super) fn of(series: &[Series]) -> Self {
        let named = series
            .iter()
            .filter(|series| series.name().starts_with("node_"));
        let pair = |series: &Series| {
            let name = ["node", "nodename"]
                .map(|label| series.label(label))
                .into_iter()
                .find(|name| !name.is_empty())?;
            Some((host(series.label("instance")).to_owned(), name.to_owned()))
        };
        let exported = series
            .iter()
            .filter(|series| !series.label("exported_container").is_empty());
        Self {
            nodes: named.filter_map(pair).collect(),
            jobs: exported
                .map(|series| series.label("job").to_owned())
                .collect(),
        }
    }

    /// Who a series is about.
    pub(super) fn subject(&self, metric: &Metric, series: &Series) -> About {
        if metric.is_node {
            self.node(series)
        } else {
            self.container(metric, series)
        }
    }

    fn node(&self, series: &Series) -> About {
        let own = |label: &str| series.label(label).to_owned();
        let address = host(series.label("instance"));
        let name = ["node", "nodename"]
            .map(own)
            .into_iter()
            .find(|name| !name.is_empty())
            .or_else(|| self.nodes.get(address).cloned())
            .unwrap_or_else(|| address.to_owned());
        if name.is_empty() {
            return About::Unknown;
        }
        About::Of(Subject {
            scope: "node",
            namespace: String::new(),
            pod: String::new(),
            container: String::new(),
            node: name,
        })
    }

    fn container(&self, metric: &Metric, series: &Series) -> About {
        // Where an exporter is a pod itself and its labels were not to be kept, `pod` is the exporter's.
        let is_exported = !series.label("exported_pod").is_empty();
        let first = |labels: &[&str]| {
            let mut all = labels.iter().map(|label| series.label(label));
            all.find(|value| !value.is_empty())
                .unwrap_or_default()
                .to_owned()
        };
        // Kubernetes before 1.16 has `pod_name` and `container_name`.
        let pod = first(&["exported_pod", "pod", "pod_name"]);
        let container = if is_exported && self.jobs.contains(series.label("job")) {
            first(&["exported_container"])
        } else {
            first(&["exported_container", "container", "container_name"])
        };
        let namespace = if is_exported {
            first(&["exported_namespace", "namespace"])
        } else {
            first(&["namespace"])
        };
        if pod.is_empty() {
            return outside_of_pods(series);
        }
        let is_pod = container.is_empty() || container == "POD";
        // A pod's own series beside its containers' are their sum, but for the network, which only the pod has.
        if is_pod && !matches!(metric.target, Target::Received | Target::Sent) {
            return About::Sum;
        }
        About::Of(Subject {
            scope: if is_pod { "pod" } else { "container" },
            namespace,
            pod,
            container: if is_pod { String::new() } else { container },
            node: String::new(),
        })
    }
}

/// Containers of Docker alone go by their `name`; cgroups above them, such as a machine's, have an `id` only.
fn outside_of_pods(series: &Series) -> About {
    let has = |label: &str| !series.label(label).is_empty();
    if has("name") {
        About::Of(Subject {
            scope: "container",
            namespace: String::new(),
            pod: String::new(),
            container: series.label("name").to_owned(),
            node: String::new(),
        })
    } else if has("id") && !has("image") && !has("container") && !has("container_name") {
        About::Sum
    } else {
        About::Unknown
    }
}

/// The exporter's port is no part of a node's name.
fn host(instance: &str) -> &str {
    match instance.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|c| c.is_ascii_digit()) => host,
        _ => instance,
    }
}

/// Gains of a counter between neighbouring samples, per second, at the later one, with the time between. After a reset
/// a counter begins at zero: what it then shows is its gain.
pub(super) fn rates(samples: &[(i64, f64)]) -> impl Iterator<Item = (i64, i64, f64)> {
    samples.windows(2).filter_map(|pair| {
        let [(before_ns, before), (now_ns, now)] = pair else {
            return None;
        };
        let elapsed_ns = now_ns
            .checked_sub(*before_ns)
            .filter(|elapsed| *elapsed > 0)?;
        let gain = if now >= before { now - before } else { *now };
        Some((*now_ns, elapsed_ns, gain * 1e9 / elapsed_ns as f64))
    })
}

#[derive(Clone, Debug, Default)]
struct Cells {
    node: Option<String>,
    interval_ns: Option<i64>,
    values: BTreeMap<Target, f64>,
}

/// Rows of all subjects, by subject and time. A subject without some metric keeps its rows, with nulls.
#[must_use]
pub(super) fn metric_rows(all: &[Once]) -> Vec<MetricRow> {
    let mut cells: BTreeMap<(Subject, i64), Cells> = BTreeMap::new();
    for once in all.iter().filter(|once| once.metric.form != Form::Limit) {
        let mut add = |t_ns: i64, interval_ns: Option<i64>, value: f64| {
            let cells = cells.entry((once.subject.clone(), t_ns)).or_default();
            cells.node = cells.node.take().or_else(|| once.node.clone());
            cells.interval_ns = cells.interval_ns.max(interval_ns);
            // Parts of the subject (devices, modes) are summed.
            *cells.values.entry(once.metric.target).or_default() += value;
        };
        if once.metric.form == Form::Counter {
            for (t_ns, elapsed, rate) in once.rates() {
                add(t_ns, Some(elapsed), rate);
            }
        } else {
            once.samples()
                .for_each(|(t_ns, value)| add(t_ns, None, value));
        }
    }
    cells
        .into_iter()
        .map(|((subject, t_ns), cells)| row(subject, t_ns, &cells))
        .collect()
}

fn row(subject: Subject, t_ns: i64, cells: &Cells) -> MetricRow {
    let value = |target: Target| cells.values.get(&target).copied();
    let pair = |one: Target, other: Target| match (value(one), value(other)) {
        (None, None) => None,
        (one, other) => Some((one.unwrap_or_default(), other.unwrap_or_default())),
    };
    let share = |target: Target| value(target).map(|share| share.min(1.0));
    let (scope, name) = match subject.scope {
        "node" => (Scope::Node, subject.node.clone()),
        "pod" => (Scope::Pod, subject.pod),
        _ if subject.pod.is_empty() => (Scope::Container, subject.container),
        _ => (
            Scope::Container,
            format!("{}/{}", subject.pod, subject.container),
        ),
    };
    MetricRow {
        scope,
        subject: name.into(),
        node: [Some(&subject.node), cells.node.as_ref()]
            .into_iter()
            .flatten()
            .find(|node| !node.is_empty())
            .map(|node| node.as_str().into()),
        t_ns,
        interval_ns: cells.interval_ns,
        cpu_cores: value(Target::Cpu),
        cpu_throttled: value(Target::Throttled),
        memory_bytes: value(Target::Memory).map(|bytes| bytes as i64),
        network: pair(Target::Received, Target::Sent),
        disk: pair(Target::DiskRead, Target::DiskWritten),
        pressure: [
            Target::PressureCpu,
            Target::PressureMemory,
            Target::PressureIo,
        ]
        .map(share),
    }
}

#[cfg(test)]
mod tests;
