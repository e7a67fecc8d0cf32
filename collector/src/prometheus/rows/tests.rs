//! Series into rows.

use super::*;

fn rows_of(series: &[Series]) -> Vec<MetricRow> {
    metric_rows(&Once::of(series).0)
}

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
    let rows = rows_of(&[
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
    let rows = rows_of(&[
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
