//! Samples labelled as the charts of kube-prometheus-stack label them, in a real Prometheus: what its ServiceMonitors and
//! relabelings of version 39.11.0 (2022) and of today make of the same containers.

use crate::real_prometheus::end;
use aefm_collector::http::HttpOptions;
use aefm_collector::prometheus::{
    Prometheus, PrometheusOptions, Scraped, Selector, metric_rows, of,
};
use std::fmt::Write as _;

const BEGIN_S: i64 = 1_700_006_400;
const S: i64 = 1_000_000_000;

/// Labels that the kubelet's ServiceMonitor adds.
const KUBELET: &str = "endpoint=\"https-metrics\",instance=\"10.0.0.7:10250\",job=\"kubelet\",metrics_path=\"/metrics/cadvisor\",node=\"n1\",service=\"mon-kubelet\"";
/// Labels that kube-state-metrics' adds; its own `namespace`, `pod` and `container` are honoured.
const STATE: &str = "endpoint=\"http\",instance=\"10.2.0.4:8080\",job=\"kube-state-metrics\",service=\"mon-kube-state-metrics\"";

/// One pod `geo-1` with a container of half a core, its sandbox, and the same pod name in another namespace; `current`
/// charts drop what has no pod, throttling and specification, and keep a series for each network device.
fn samples(current: bool) -> String {
    let mut text = String::from("# TYPE container_cpu_usage_seconds counter\n");
    let cgroup = |namespace: &str, container: &str, value: f64, t: i64, more: &str| {
        let image = if container.is_empty() {
            String::new()
        } else {
            format!("image=\"img\",name=\"id-{container}\",")
        };
        format!(
            "container_cpu_usage_seconds_total{{container=\"{container}\",cpu=\"total\",{image}id=\"/kubepods/{container}\",namespace=\"{namespace}\",pod=\"geo-1\",{KUBELET}{more}}} {value} {t}\n"
        )
    };
    let times: Vec<(i64, f64)> = (0..=12)
        .map(|step| (BEGIN_S + step * 10, step as f64))
        .collect();
    for (t, step) in &times {
        text += &cgroup("hotel", "geo", step * 5.0, *t, "");
    }
    // The pod's own cgroup is the sum of its containers; the sandbox is called POD before containerd.
    for (t, step) in &times {
        text += &cgroup("hotel", "", step * 5.1, *t, "");
    }
    for (t, step) in &times {
        text += &cgroup("hotel", "POD", step * 0.1, *t, "");
    }
    for (t, step) in &times {
        text += &cgroup("other", "geo", step * 9.0, *t, "");
    }
    if !current {
        for (t, step) in &times {
            let id = format!("{{cpu=\"total\",id=\"/system.slice\",{KUBELET}}}");
            writeln!(
                text,
                "container_cpu_usage_seconds_total{id} {} {t}",
                step * 20.0
            )
            .unwrap();
        }
    }
    text += "# TYPE container_memory_working_set_bytes gauge\n";
    for (container, bytes) in [("geo", 4_096), ("", 5_000)] {
        for (t, _) in &times {
            let labels =
                format!("container=\"{container}\",namespace=\"hotel\",pod=\"geo-1\",{KUBELET}");
            writeln!(
                text,
                "container_memory_working_set_bytes{{{labels}}} {bytes} {t}"
            )
            .unwrap();
        }
    }
    text += "# TYPE container_network_receive_bytes counter\n";
    for device in ["eth0", "lo"] {
        for (t, step) in &times {
            let labels = format!(
                "id=\"/kubepods\",interface=\"{device}\",namespace=\"hotel\",pod=\"geo-1\",{KUBELET}"
            );
            writeln!(
                text,
                "container_network_receive_bytes_total{{{labels}}} {} {t}",
                step * 1_000.0
            )
            .unwrap();
        }
    }
    if !current {
        text += "# TYPE container_spec_memory_limit_bytes gauge\n";
        for (t, _) in &times {
            let labels = format!("container=\"geo\",namespace=\"hotel\",pod=\"geo-1\",{KUBELET}");
            writeln!(
                text,
                "container_spec_memory_limit_bytes{{{labels}}} 104857600 {t}"
            )
            .unwrap();
        }
    }
    text += "# TYPE kube_pod_container_resource_limits gauge\n";
    for (resource, unit, amount) in [("cpu", "core", "0.1"), ("memory", "byte", "104857600")] {
        for (t, _) in &times {
            let own = format!(
                "container=\"geo\",namespace=\"hotel\",node=\"n1\",pod=\"geo-1\",resource=\"{resource}\",uid=\"u\",unit=\"{unit}\""
            );
            writeln!(
                text,
                "kube_pod_container_resource_limits{{{own},{STATE}}} {amount} {t}"
            )
            .unwrap();
        }
    }
    text += "# TYPE node_cpu_seconds counter\n";
    for (core, mode) in [(0, "user"), (1, "user"), (0, "idle")] {
        for (t, step) in &times {
            let node = if current { ",node=\"n1\"" } else { "" };
            let labels = format!(
                "container=\"node-exporter\",cpu=\"{core}\",endpoint=\"http-metrics\",instance=\"10.0.0.7:9100\",job=\"node-exporter\",mode=\"{mode}\",namespace=\"mon\",pod=\"mon-node-exporter-x\"{node}"
            );
            writeln!(
                text,
                "node_cpu_seconds_total{{{labels}}} {} {t}",
                step * 2.0
            )
            .unwrap();
        }
    }
    text + "# EOF\n"
}

async fn scraped(current: bool) -> Option<Scraped> {
    let dir = tempfile::tempdir().unwrap();
    let (_server, url) = crate::real_prometheus::start(dir.path(), &samples(current)).await?;
    // What the platform asks for where the experiment says nothing: the pods of its namespace.
    let selector = Selector {
        pods: r#"namespace="hotel""#.to_owned(),
        nodes: String::new(),
    };
    let prometheus = Prometheus::new(PrometheusOptions {
        url,
        http: HttpOptions::default(),
        selector,
    })
    .unwrap();
    Some(
        prometheus
            .scrape((BEGIN_S + 20) * S, (BEGIN_S + 100) * S, 20 * S, end())
            .await,
    )
}

async fn assert_chart(current: bool) {
    let Some(scraped) = scraped(current).await else {
        return;
    };
    assert!(scraped.failures.is_empty(), "{:?}", scraped.failures);
    let used = of(&scraped.series, (BEGIN_S + 20) * S, (BEGIN_S + 100) * S).usage;
    let geo: Vec<_> = used.iter().filter(|row| row.container == "geo").collect();
    let [geo] = geo.as_slice() else {
        panic!("one container, of this namespace: {used:?}")
    };
    assert!(
        (geo.cpu_cores.unwrap() - 0.5).abs() < 1e-6,
        "neither the pod's sum nor another namespace's: {geo:?}"
    );
    assert_eq!(
        (geo.memory_max_bytes, geo.node.as_deref()),
        (Some(4_096), Some("n1"))
    );
    assert_eq!(
        (geo.cpu_limit_cores, geo.memory_limit_bytes),
        (Some(0.1), Some(104_857_600))
    );
    let rows = metric_rows(&scraped.series);
    let network: Vec<_> = rows
        .iter()
        .filter(|row| &*row.subject == "geo-1")
        .filter_map(|row| row.network)
        .collect();
    assert!(
        !network.is_empty()
            && network
                .iter()
                .all(|(received, _)| (received - 100.0).abs() < 1e-6),
        "{network:?}"
    );
    let node: Vec<_> = rows
        .iter()
        .filter(|row| {
            row.cpu_cores
                .is_some_and(|_| row.subject == row.node.clone().unwrap_or_default())
        })
        .collect();
    let name = if current { "n1" } else { "10.0.0.7" };
    assert!(
        !node.is_empty() && node.iter().all(|row| &*row.subject == name),
        "{node:?}"
    );
    assert!(
        node.iter()
            .all(|row| (row.cpu_cores.unwrap() - 0.4).abs() < 1e-6),
        "two cores without idle time: {node:?}"
    );
    let strangers: Vec<_> = rows
        .iter()
        .filter(|row| row.subject.contains("system.slice"))
        .collect();
    assert!(strangers.is_empty(), "{strangers:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_labels_of_chart_39_11_0_give_the_containers_own_use() {
    assert_chart(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_labels_of_a_current_chart_give_the_containers_own_use() {
    assert_chart(true).await;
}
