//! Series that tell of one thing, in every way that is met.

use super::super::of;
use super::*;
use proptest::prelude::*;

const S: i64 = 1_000_000_000;
const CPU: &str = "container_cpu_usage_seconds_total";
const MEMORY: &str = "container_memory_working_set_bytes";

fn series(
    name: &str,
    labels: &[(&str, &str)],
    samples: impl IntoIterator<Item = (i64, f64)>,
) -> Series {
    let name = [("__name__", name)];
    let labels = labels.iter().chain(&name);
    Series {
        labels: labels
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        samples: samples
            .into_iter()
            .map(|(s, value)| (s * S, value))
            .collect(),
    }
}

fn geo<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let own = [("namespace", "h"), ("pod", "geo-1"), ("container", "geo")];
    own.into_iter().chain(more.iter().copied()).collect()
}

/// Half a core at these seconds.
fn half(seconds: impl Iterator<Item = i64>) -> Vec<(i64, f64)> {
    seconds.map(|s| (s, s as f64 / 2.0)).collect()
}

#[test]
fn two_jobs_or_replicas_of_a_container_are_one_container() {
    for (one, other) in [
        (
            [("job", "kubelet"), ("node", "n1")],
            [("job", "cadvisor"), ("instance", "10.0.0.1:8080")],
        ),
        (
            [("prometheus_replica", "p-0"), ("node", "n1")],
            [("prometheus_replica", "p-1"), ("node", "n1")],
        ),
    ] {
        // At equal instants, and at their own.
        for shift in [0, 3] {
            let at = |shift: i64| (0..=4).map(move |step| step * 10 + shift);
            let found = of(
                &[
                    series(CPU, &geo(&one), half(at(0))),
                    series(CPU, &geo(&other), half(at(shift))),
                    series(MEMORY, &geo(&one), at(0).map(|s| (s, 100.0))),
                    series(MEMORY, &geo(&other), at(shift).map(|s| (s, 100.0))),
                ],
                0,
                40 * S,
            );
            let rows: Vec<_> = found
                .metrics
                .iter()
                .filter_map(|row| row.cpu_cores)
                .collect();
            assert!(
                !rows.is_empty() && rows.iter().all(|cores| *cores == 0.5),
                "{rows:?}"
            );
            assert!(
                found
                    .metrics
                    .iter()
                    .all(|row| row.memory_bytes.is_none_or(|bytes| bytes == 100))
            );
            assert_eq!(found.usage.len(), 1);
            assert_eq!(
                (found.usage[0].cpu_cores, found.usage[0].memory_max_bytes),
                (Some(0.5), Some(100))
            );
            assert_eq!(found.usage[0].node.as_deref(), Some("n1"));
            assert_eq!(found.remarks.len(), 1, "{:?}", found.remarks);
            assert!(
                found.remarks[0].contains("2 metrics of subjects")
                    && found.remarks[0].contains(one[0].1)
            );
        }
    }
}

#[test]
fn sources_that_do_not_agree_are_told() {
    let found = of(
        &[
            series(CPU, &geo(&[("job", "a")]), half(0..=40)),
            series(
                CPU,
                &geo(&[("job", "b")]),
                (0..=4).map(|step| (step * 10, step as f64)),
            ),
        ],
        0,
        40 * S,
    );
    assert!(
        found.doubts[0].contains("container_cpu_usage_seconds_total of h/geo-1/geo: 0.500 by job=\"a\", 0.100 by job=\"b\""),
        "{:?}",
        found.doubts
    );
}

#[test]
fn a_container_that_restarts_under_a_new_id_counts_in_both_its_lives() {
    // Half a core until 20 s, a tenth from 30 s on; the old series lingers.
    let old = [
        (0, 100.0),
        (10, 105.0),
        (20, 110.0),
        (30, 110.0),
        (40, 110.0),
    ];
    let new = [(30, 0.5), (40, 1.5), (50, 2.5)];
    let memory = |id: &'static str, at: &[i64], bytes: f64| {
        series(
            MEMORY,
            &geo(&[("id", id)]),
            at.iter().map(|s| (*s, bytes)).collect::<Vec<_>>(),
        )
    };
    let found = of(
        &[
            series(CPU, &geo(&[("id", "/a"), ("name", "a")]), old),
            series(CPU, &geo(&[("id", "/b"), ("name", "b")]), new),
            memory("/a", &[0, 10, 20, 30], 900.0),
            memory("/b", &[30, 40, 50], 200.0),
        ],
        0,
        50 * S,
    );
    let cpu: Vec<_> = found
        .metrics
        .iter()
        .filter_map(|row| Some((row.t_ns / S, row.cpu_cores?)))
        .collect();
    assert_eq!(cpu, [(10, 0.5), (20, 0.5), (40, 0.1), (50, 0.1)]);
    let bytes: Vec<_> = found
        .metrics
        .iter()
        .filter_map(|row| Some((row.t_ns / S, row.memory_bytes?)))
        .collect();
    assert_eq!(
        bytes,
        [
            (0, 900),
            (10, 900),
            (20, 900),
            (30, 200),
            (40, 200),
            (50, 200)
        ]
    );
    assert_eq!(
        (
            found.usage[0].cpu_max_cores,
            found.usage[0].memory_max_bytes
        ),
        (Some(0.5), Some(900))
    );
    assert!((found.usage[0].cpu_cores.unwrap() - 0.3).abs() < 1e-9);
    assert_eq!(found.remarks, [] as [String; 0]);
}

#[test]
fn where_one_source_misses_scrapes_another_stands_in() {
    // One misses what is between 30 s and 80 s, and all after 100 s.
    let seen = (0..=30).chain(80..=100).filter(|s| s % 10 == 0);
    let found = of(
        &[
            series(CPU, &geo(&[("replica", "a")]), half(seen)),
            series(
                CPU,
                &geo(&[("replica", "b")]),
                half([35, 45, 55, 65, 105, 115].into_iter()),
            ),
        ],
        0,
        120 * S,
    );
    let rows: Vec<_> = found
        .metrics
        .iter()
        .map(|row| (row.t_ns / S, row.cpu_cores.unwrap()))
        .collect();
    assert_eq!(
        rows.iter().map(|(t, _)| *t).collect::<Vec<_>>(),
        [10, 20, 30, 45, 55, 65, 90, 100, 115]
    );
    assert!(rows.iter().all(|(_, cores)| *cores == 0.5), "{rows:?}");
    assert!((found.usage[0].cpu_cores.unwrap() - 0.5).abs() < 1e-9);
}

#[test]
fn a_node_has_the_traffic_of_its_cards_and_disks_once() {
    let at = |device: &'static str| [("instance", "10.0.0.1:9100"), ("device", device)];
    let moved = |name: &'static str, device: &'static str| {
        series(
            name,
            &at(device),
            (0..=3).map(|step| (step * 10, step as f64 * 1e7)),
        )
    };
    let mut all = Vec::new();
    for device in ["eth0", "veth77", "cni0", "bond0", "lo", "eth0.12"] {
        all.push(moved("node_network_receive_bytes_total", device));
        all.push(moved("node_network_transmit_bytes_total", device));
    }
    for device in ["nvme0n1", "dm-0", "md0"] {
        all.push(moved("node_disk_read_bytes_total", device));
        all.push(moved("node_disk_written_bytes_total", device));
    }
    for (mode, cores) in [
        ("user", 0.5),
        ("system", 0.2),
        ("steal", 0.9),
        ("guest", 0.4),
        ("idle", 2.0),
    ] {
        let labels = [("instance", "10.0.0.1:9100"), ("cpu", "0"), ("mode", mode)];
        all.push(series(
            "node_cpu_seconds_total",
            &labels,
            (0..=3).map(|step| (step * 10, step as f64 * 10.0 * cores)),
        ));
    }
    // Another job knows the node by its name, too.
    let named = [
        ("instance", "10.0.0.1:9100"),
        ("node", "n1"),
        ("job", "b"),
        ("device", "eth0"),
    ];
    all.push(series(
        "node_network_receive_bytes_total",
        &named,
        (0..=3).map(|step| (step * 10, step as f64 * 1e7)),
    ));
    let found = of(&all, 0, 30 * S);
    assert_eq!(found.metrics.len(), 3, "{:?}", found.metrics);
    for row in &found.metrics {
        assert_eq!(
            (&*row.subject, row.network, row.disk),
            ("n1", Some((1e6, 1e6)), Some((1e6, 1e6)))
        );
        assert!((row.cpu_cores.unwrap() - 0.7).abs() < 1e-9, "{row:?}");
    }
}

#[test]
fn a_pod_in_its_nodes_network_and_a_volume_of_a_container_count_once() {
    let pod = |interface: &'static str| [("pod", "agent"), ("interface", interface)];
    let disk = |device: &'static str| geo(&[("device", device)]);
    let moved = |s: i64| (s, s as f64 * 1e6);
    let found = of(
        &[
            series(
                "container_network_receive_bytes_total",
                &pod("eth0"),
                [moved(0), moved(10)],
            ),
            series(
                "container_network_receive_bytes_total",
                &pod("cni0"),
                [moved(0), moved(10)],
            ),
            series(
                "container_fs_reads_bytes_total",
                &disk("/dev/sda"),
                [moved(0), moved(10)],
            ),
            series(
                "container_fs_reads_bytes_total",
                &disk("/dev/dm-1"),
                [moved(0), moved(10)],
            ),
        ],
        0,
        10 * S,
    );
    let row = |subject: &str| {
        found
            .metrics
            .iter()
            .find(|row| &*row.subject == subject)
            .unwrap()
    };
    assert_eq!(row("agent").network, Some((1e6, 0.0)));
    assert_eq!(row("geo-1/geo").disk, Some((1e6, 0.0)));
}

proptest! {
    /// However many tell of a counter, in whatever pieces, nobody is said to have used more than was used.
    #[test]
    fn many_who_tell_of_one_thing_add_nothing(
        seen in prop::collection::vec((0..5_i64, prop::collection::btree_set(0..60_i64, 0..30)), 1..5),
    ) {
        let all: Vec<_> = seen
            .iter()
            .enumerate()
            .map(|(number, (shift, at))| {
                let job = number.to_string();
                // Each at its own tenths of a second.
                let samples = at.iter().map(|s| (s * 10 + shift, (s * 10 + shift) as f64 / 2.0));
                series(CPU, &geo(&[("job", &job)]), samples.collect::<Vec<_>>())
            })
            .collect();
        let found = of(&all, 0, 600 * S);
        let mut times: Vec<_> = found.metrics.iter().map(|row| row.t_ns).collect();
        times.dedup();
        prop_assert_eq!(times.len(), found.metrics.len());
        let gained: f64 = found
            .metrics
            .iter()
            .filter_map(|row| Some(row.cpu_cores? * row.interval_ns? as f64 / 1e9))
            .sum();
        prop_assert!(gained <= 300.0 + 1e-6, "{gained}");
        for row in &found.metrics {
            prop_assert!(row.cpu_cores.is_none_or(|cores| (cores - 0.5).abs() < 1e-9));
        }
    }
}

#[test]
fn the_labels_of_every_installation_name_the_container() {
    let cpu = |labels: &[(&str, &str)], share: f64| {
        series(
            CPU,
            labels,
            (0..=4).map(|step| (step * 10, step as f64 * 10.0 * share)),
        )
    };
    // Kubernetes before 1.16.
    let old = of(
        &[
            cpu(
                &[
                    ("namespace", "h"),
                    ("pod_name", "geo-1"),
                    ("container_name", "geo"),
                ],
                0.5,
            ),
            cpu(
                &[
                    ("namespace", "h"),
                    ("pod_name", "geo-1"),
                    ("container_name", "POD"),
                ],
                0.1,
            ),
            cpu(&[("namespace", "h"), ("pod_name", "geo-1")], 0.6),
        ],
        0,
        40 * S,
    );
    let found: Vec<_> = old
        .usage
        .iter()
        .map(|row| (&*row.pod, &*row.container))
        .collect();
    assert_eq!((found, old.doubts), (vec![("geo-1", "geo")], Vec::new()));
    // Docker alone, one series a core.
    let docker = |core: &'static str| {
        [
            ("id", "/docker/1"),
            ("image", "geo:1"),
            ("name", "geo"),
            ("cpu", core),
        ]
    };
    let found = of(
        &[cpu(&docker("cpu00"), 0.5), cpu(&docker("cpu01"), 0.25)],
        0,
        40 * S,
    );
    let row = &found.usage[0];
    assert_eq!(
        (&*row.pod, &*row.container, row.cpu_cores, row.cpu_max_cores),
        ("", "geo", Some(0.75), Some(0.75))
    );
    assert_eq!(&*found.metrics[0].subject, "geo");
    // cAdvisor as a pod, scraped with labels of its own.
    let exporter = [
        ("job", "k"),
        ("namespace", "mon"),
        ("pod", "cadvisor-x"),
        ("container", "cadvisor"),
    ];
    let exported = |pod: &'static str| {
        let own = [
            ("exported_namespace", "h"),
            ("exported_pod", pod),
            ("exported_container", "c"),
        ];
        [&exporter[..], &own].concat()
    };
    let all = ["a", "b", "c"].map(|pod| cpu(&exported(pod), 0.1));
    // A pod's own series has no container to be renamed.
    let sum = cpu(&[&exporter[..], &[("exported_pod", "a")]].concat(), 0.3);
    let found = of(&[&all[..], &[sum]].concat(), 0, 40 * S);
    let names: Vec<_> = found
        .usage
        .iter()
        .map(|row| (&*row.namespace, &*row.pod, &*row.container))
        .collect();
    assert_eq!(names, [("h", "a", "c"), ("h", "b", "c"), ("h", "c", "c")]);
    assert_eq!(found.doubts, [] as [String; 0]);
    // Nobody can say whose these are.
    let found = of(
        &[cpu(&[("id", "/1"), ("image", "x")], 0.1), cpu(&[], 0.1)],
        0,
        40 * S,
    );
    assert_eq!(
        found.doubts,
        [
            "2 series of container_cpu_usage_seconds_total say neither a pod nor a container or node: their labels are \
          id, image"
        ]
    );
}

proptest! {
    /// A series is in a row, or told, or a sum over others.
    #[test]
    fn no_series_goes_missing(labels in proptest::collection::btree_map(
        "pod|pod_name|exported_pod|container|container_name|exported_container|name|image|id|job|cpu", "[ab]", 0..7))
    {
        let labels: Vec<_> = labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let found = of(&[series(CPU, &labels, half((0..=4).map(|step| step * 10)))], 0, 40 * S);
        let has = |names: &[&str]| labels.iter().any(|(name, _)| names.contains(name));
        let is_pod_sum = has(&["pod", "pod_name", "exported_pod"]) && !has(&["exported_container"])
            && !has(&["container", "container_name"]);
        let is_cgroup = has(&["id"]) && !has(&["pod", "pod_name", "exported_pod", "name", "image", "container", "container_name"]);
        prop_assert_eq!(found.usage.len() + found.doubts.len(), usize::from(!is_pod_sum && !is_cgroup), "{:?}", labels);
    }
}
