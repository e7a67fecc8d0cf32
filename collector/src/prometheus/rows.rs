//! Series into rows of `metrics`: a row a subject and sample time, rates from counter differences.

use super::Series;
use super::counters::{Form, METRICS, Metric, Target};
use crate::proc::{MetricRow, Scope};
use std::collections::BTreeMap;

/// Who a series is about. Pods go by namespace and name as the labels say, never by a name's beginning.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Subject {
    pub(super) scope: &'static str,
    pub(super) namespace: String,
    pub(super) pod: String,
    pub(super) container: String,
    pub(super) node: String,
}

/// The subject of a series; none for what is neither a container's, a pod's nor a node's (a cgroup above the pods).
pub(super) fn subject(metric: &Metric, series: &Series) -> Option<Subject> {
    let own = |label: &str| series.label(label).to_owned();
    if metric.is_node {
        let name = ["node", "nodename", "instance"]
            .map(own)
            .into_iter()
            .find(|name| !name.is_empty())?;
        // The exporter's port is no part of a node's name.
        let name = name
            .rsplit_once(':')
            .map_or(name.clone(), |(host, _)| host.to_owned());
        return Some(Subject {
            scope: "node",
            namespace: String::new(),
            pod: String::new(),
            container: String::new(),
            node: name,
        });
    }
    let (pod, container) = (own("pod"), own("container"));
    if pod.is_empty() {
        return None;
    }
    let is_pod = container.is_empty() || container == "POD";
    // A pod's own series beside its containers' are their sum, but for the network, which only the pod has.
    if is_pod && !matches!(metric.target, Target::Received | Target::Sent) {
        return None;
    }
    Some(Subject {
        scope: if is_pod { "pod" } else { "container" },
        namespace: own("namespace"),
        pod,
        container: if is_pod { String::new() } else { container },
        node: own("node"),
    })
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
    interval_ns: Option<i64>,
    values: BTreeMap<Target, f64>,
}

/// Rows of all subjects, by subject and time. A subject without some metric keeps its rows, with nulls.
#[must_use]
pub fn metric_rows(series: &[Series]) -> Vec<MetricRow> {
    let mut cells: BTreeMap<(Subject, i64), Cells> = BTreeMap::new();
    for metric in METRICS.iter().filter(|metric| metric.form != Form::Limit) {
        for series in series.iter().filter(|series| metric.takes(series)) {
            let Some(subject) = subject(metric, series) else {
                continue;
            };
            let mut add = |t_ns: i64, interval_ns: Option<i64>, value: f64| {
                let cells = cells.entry((subject.clone(), t_ns)).or_default();
                cells.interval_ns = cells.interval_ns.max(interval_ns);
                // Series that differ in what is not the subject (devices, modes) are summed.
                *cells.values.entry(metric.target).or_default() += value;
            };
            if metric.form == Form::Counter {
                for (t_ns, elapsed, rate) in rates(&series.samples) {
                    add(t_ns, Some(elapsed), rate);
                }
            } else {
                series
                    .samples
                    .iter()
                    .for_each(|(t_ns, value)| add(*t_ns, None, *value));
            }
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
        _ => (
            Scope::Container,
            format!("{}/{}", subject.pod, subject.container),
        ),
    };
    MetricRow {
        scope,
        subject: name.into(),
        node: (!subject.node.is_empty()).then(|| subject.node.into()),
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
mod tests {
    use super::*;

    fn series(name: &str, labels: &[(&str, &str)], samples: &[(i64, f64)]) -> Series {
        let name = [("__name__", name)];
        let labels = labels
            .iter()
            .chain(&name)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Series {
            labels: labels.collect(),
            samples: samples
                .iter()
                .map(|(s, value)| (s * 1_000_000_000, *value))
                .collect(),
        }
    }

    #[test]
    fn rates_are_between_samples_and_survive_a_restart() {
        let found: Vec<_> = rates(&[
            (0, 10.0),
            (10_000_000_000, 15.0),
            (20_000_000_000, 1.0),
            (20_000_000_000, 1.0),
        ])
        .collect();
        assert_eq!(
            found,
            [
                (10_000_000_000, 10_000_000_000, 0.5),
                (20_000_000_000, 10_000_000_000, 0.1)
            ]
        );
    }

    #[test]
    fn subjects_go_by_their_labels_and_keep_rows_with_nulls() {
        let of = |pod: &'static str| {
            [
                ("namespace", "hotel"),
                ("pod", pod),
                ("container", "c"),
                ("node", "n1"),
            ]
        };
        let rows = metric_rows(&[
            series(
                "container_cpu_usage_seconds_total",
                &of("user-1"),
                &[(0, 0.0), (10, 5.0)],
            ),
            series(
                "container_cpu_usage_seconds_total",
                &of("user-timeline-1"),
                &[(0, 0.0), (10, 1.0)],
            ),
            series(
                "container_memory_working_set_bytes",
                &of("geo-1"),
                &[(10, 100.0)],
            ),
            series(
                "container_network_receive_bytes_total",
                &[("pod", "user-1"), ("interface", "eth0")],
                &[(0, 0.0), (10, 50.0)],
            ),
            series(
                "container_network_receive_bytes_total",
                &[("pod", "user-1"), ("interface", "lo")],
                &[(0, 0.0), (10, 900.0)],
            ),
            // The sum over a pod's containers, and a cgroup above all pods, would count twice.
            series(
                "container_cpu_usage_seconds_total",
                &[("pod", "user-1")],
                &[(0, 0.0), (10, 6.0)],
            ),
            series(
                "container_cpu_usage_seconds_total",
                &[("id", "/kubepods")],
                &[(0, 0.0), (10, 90.0)],
            ),
        ]);
        let row = |subject: &str| rows.iter().find(|row| &*row.subject == subject).unwrap();
        assert_eq!(
            (
                row("user-1/c").cpu_cores,
                row("user-timeline-1/c").cpu_cores
            ),
            (Some(0.5), Some(0.1))
        );
        assert_eq!(
            (row("geo-1/c").cpu_cores, row("geo-1/c").memory_bytes),
            (None, Some(100))
        );
        assert_eq!(
            (row("user-1").scope, row("user-1").network),
            (Scope::Pod, Some((5.0, 0.0)))
        );
        assert_eq!(rows.len(), 4);
    }

    #[test]
    fn a_nodes_modes_and_devices_are_summed() {
        let of = |mode: &'static str| [("instance", "10.0.0.1:9100"), ("mode", mode)];
        let rows = metric_rows(&[
            series(
                "node_cpu_seconds_total",
                &of("user"),
                &[(0, 0.0), (10, 5.0)],
            ),
            series(
                "node_cpu_seconds_total",
                &of("system"),
                &[(0, 0.0), (10, 2.0)],
            ),
            series(
                "node_cpu_seconds_total",
                &of("idle"),
                &[(0, 0.0), (10, 90.0)],
            ),
        ]);
        assert_eq!(
            (rows.len(), &*rows[0].subject, rows[0].cpu_cores),
            (1, "10.0.0.1", Some(0.7))
        );
    }
}
