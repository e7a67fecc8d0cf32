//! `aefm auto-config` and what a newcomer does next, against the API double: its nodes, its Services, its pods.

use crate::scraped::exporter;
use crate::session::{aefm, said};
use aefm_tests::kube_api::KubeApi;
use aefm_tests::parts::{Part, find};
use aefm_tests::processes::wait_for;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

/// Runs `aefm` against a double.
pub(crate) fn against(api: &KubeApi, args: &[&str]) -> Output {
    aefm()
        .args(args)
        .env("KUBECONFIG", api.kubeconfig())
        .output()
        .expect("aefm starts")
}

/// A Service labelled as a chart labels a Prometheus's.
pub(crate) fn prometheus_service(api: &KubeApi, namespace: &str, port: u16) {
    api.put(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}));
    let labels = json!({"app": "kube-prometheus-stack-prometheus", "self-monitor": "true", "release": "mon"});
    api.put(&json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "mon-kube-prometheus-stack-prometheus", "namespace": namespace, "labels": labels},
        "spec": {"selector": {"app.kubernetes.io/name": "prometheus"},
            "ports": [{"name": "reloader-web", "port": 8080}, {"name": "http-web", "port": port, "targetPort": 9090}]},
    }));
}

/// A real Prometheus as a pod of the double, behind that Service, which scrapes `target` every second.
pub(crate) fn real_prometheus(api: &KubeApi, dir: &Path, target: &str) -> Option<()> {
    let (binary, busybox) = (find(Part::Prometheus)?, find(Part::Busybox)?);
    let config = dir.join("prometheus.yml");
    fs::write(&config, format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs: [{{job_name: kubelet, static_configs: [{{targets: [\"{target}\"]}}]}}]\n"
    )).expect("it can be written");
    prometheus_service(api, "mon", 9090);
    api.program("aefm.local/busybox:1", busybox);
    let script = format!(
        "exec {} --config.file={} --storage.tsdb.path={} --web.listen-address=$POD_IP:9090",
        binary.display(),
        config.display(),
        dir.join("tsdb").display()
    );
    let container = json!({"name": "prometheus", "image": "aefm.local/busybox:1", "command": ["/bin/busybox", "sh", "-c", script],
        "env": [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
        "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}}});
    api.put(&json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "prometheus-0", "namespace": "mon", "labels": {"app.kubernetes.io/name": "prometheus"}},
        "spec": {"nodeName": "node-2", "terminationGracePeriodSeconds": 0, "containers": [container]}}));
    Some(())
}

#[test]
fn a_newcomer_goes_from_a_cluster_to_a_plan() {
    let api = KubeApi::start();
    let (dir, exporter) = (tempfile::tempdir().expect("a folder"), exporter());
    if real_prometheus(&api, dir.path(), &exporter.address().to_string()).is_none() {
        return;
    }
    api.node("node-3", "3920m", "16384Mi", &[("aefm.io/role", "load")]);
    let file = dir.path().join("experiment.yaml");
    let name = file.to_str().expect("a plain path");

    // Its samples have to be there first.
    let told = wait_for(Duration::from_secs(60), || {
        let _ = fs::remove_file(&file);
        let output = against(
            &api,
            &[
                "auto-config",
                "--app",
                "testbed",
                "--image",
                "x:1",
                "--out",
                name,
            ],
        );
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        fs::read_to_string(&file)
            .expect("it was written")
            .contains("scrape: 1s")
            .then(|| said(&output))
    });
    let told = told.expect("Prometheus has samples of a second");
    for part in [
        "found 3 nodes",
        "found Prometheus at Service mon/mon-kube-prometheus-stack-prometheus:9090",
        "aefm doctor",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let text = fs::read_to_string(&file).expect("it is there");
    for part in [
        "load: ['node-3']",
        "testbed: ['node-1']",
        "infra: ['node-2']",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let node = api.get("Node", "", "node-2").expect("it is there");
    let address = node["status"]["addresses"][1]["address"]
        .as_str()
        .expect("its InternalIP");
    let line =
        format!("node-2 ({address}): 8 cores and 32.0 GiB, free 7.5 cores and 31.0 GiB; infra");
    assert!(text.contains(&line), "{line}: {text}");
    // 15, 35, 55 and 75 % of 32 GiB.
    assert!(
        text.contains("mem_capacity: [4915MiB, 11468MiB, 18022MiB, 24576MiB]"),
        "{text}"
    );

    let doctor = against(&api, &["doctor", name, "--json"]);
    assert_eq!(doctor.status.code(), Some(0), "{}", said(&doctor));
    let rows: Vec<Value> = serde_json::from_slice(&doctor.stdout).expect("rows as JSON");
    let row = |check: &str| {
        rows.iter()
            .find(|row| row["check"] == check)
            .unwrap_or_else(|| panic!("no {check}: {rows:?}"))
    };
    assert!(
        row("Prometheus")["found"]
            .as_str()
            .is_some_and(|found| found.contains("samples 1s apart")),
        "{rows:?}"
    );
    assert_eq!(row("rights")["level"], "ok");
    assert!(
        row("images")["found"]
            .as_str()
            .is_some_and(|found| found.contains("last told of, which may be minutes ago: x:1")),
        "{rows:?}"
    );

    let plan = against(&api, &["plan", name]);
    assert_eq!(plan.status.code(), Some(0), "{}", said(&plan));
    assert!(
        said(&plan).contains(
            "Prometheus is mon/mon-kube-prometheus-stack-prometheus:9090 (named in `collect.prometheus.cluster`)"
        ),
        "{}",
        said(&plan)
    );
    assert!(said(&plan).contains("480 cases"), "{}", said(&plan));
}

#[test]
fn a_file_is_not_written_over_and_wrong_choices_say_what_there_is() {
    let api = KubeApi::start();
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("mine.yaml");
    let name = file.to_str().expect("a plain path");
    fs::write(&file, "mine").expect("it can be written");
    let run = |more: &[&str]| against(&api, &[&["auto-config", "--out", name][..], more].concat());
    let refused = run(&[]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(said(&refused).contains("--force"), "{}", said(&refused));
    for (wrong, part) in [
        (["--app", "hotel-reservaton"], "did you mean"),
        (
            ["--testbed", "node-9"],
            "no such node; node-1 takes pods, node-2 takes pods",
        ),
        (["--prometheus", "p:9090"], "namespace/name"),
        (["--name", "../up"], "becomes a folder"),
        (["--namespace", "My_Own"], "lower-case"),
    ] {
        let output = run(&[&["--force"][..], &wrong[..]].concat());
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains(part), "{part}: {}", said(&output));
        assert_eq!(
            fs::read_to_string(&file).expect("it is there"),
            "mine",
            "nothing was written"
        );
    }
    let forced = run(&["--force", "--app", "train", "--testbed", "node-1,node-2"]);
    assert_eq!(forced.status.code(), Some(0), "{}", said(&forced));
    assert!(
        said(&forced).contains("beware: load and testbed share"),
        "{}",
        said(&forced)
    );
    assert!(
        fs::read_to_string(&file)
            .expect("it is there")
            .contains("app: train-ticket")
    );
    let printed = against(&api, &["auto-config", "--out", "-"]);
    assert!(
        String::from_utf8_lossy(&printed.stdout).contains("deploy: catalogue"),
        "{}",
        said(&printed)
    );
}

#[test]
fn what_a_cluster_will_not_tell_is_said_and_done_without() {
    let api = KubeApi::start();
    api.deny("list", "pods");
    api.deny("list", "services");
    let output = against(&api, &["auto-config", "--out", "-", "--app", "social"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(
        said(&output).contains("not known: failed to list pods"),
        "{}",
        said(&output)
    );
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("free not known how much"),
        "{}",
        said(&output)
    );
    api.deny("list", "nodes");
    let refused = against(&api, &["auto-config", "--out", "-"]);
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    let nowhere = aefm()
        .args(["auto-config", "--out", "-"])
        .env("KUBECONFIG", "/nonexistent")
        .output()
        .expect("aefm starts");
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(
        said(&nowhere).contains("failed to reach the cluster"),
        "{}",
        said(&nowhere)
    );
}
