//! Ways into a real cluster and what is found in it: a node's port, the network between nodes, a Jaeger by its label, and
//! what a newcomer's first commands say of it.

use crate::cluster::Place;
use crate::parts::jaeger_config;
use crate::session::{aefm, flag, float, said, text};
use crate::small::{SERVE, front};
use aefm_tests::parts::{Part, busybox_image, find};
use kube::api::DeleteParams;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;

#[test]
fn a_load_from_outside_enters_at_a_node_s_port_and_through_a_forwarded_one() {
    let Some(place) = Place::find("aefm-e2e-ways") else {
        return;
    };
    for (entrance, starts) in [
        ("nodeport", "http://10.78."),
        ("port-forward", "http://127.0.0.1:"),
    ] {
        let more = format!(", load: outside, entrance: {entrance}");
        let run = place
            .start_small(&front(SERVE), "rate: [10]", 2, &more, "")
            .finish();
        assert!(
            [0, 3].contains(&run.code()),
            "{entrance}: {}{}",
            run.stderr(),
            run.stdout()
        );
        let log = fs::read_to_string(run.run_dir().join("run.log")).expect("it has a log");
        let url = log
            .split("the application is up at ")
            .nth(1)
            .and_then(|rest| rest.split_whitespace().next());
        assert!(
            url.is_some_and(|url| url.starts_with(starts)),
            "{entrance}: {url:?}"
        );
        let outcomes: Vec<_> = run
            .rows("requests")
            .iter()
            .map(|row| text(row, "outcome"))
            .collect();
        assert_eq!(outcomes, vec!["ok"; 25], "{entrance}");
        place.assert_nothing_left();
    }
}

#[test]
fn network_interference_is_a_ring_over_the_nodes_and_its_rate_is_in_the_dataset() {
    const ASKED: f64 = 20e6;
    let Some(place) = Place::find("aefm-e2e-ring") else {
        return;
    };
    let run = place
        .start_small(&front(SERVE), "rate: [5], network: [20Mbit/s]", 5, "", "")
        .finish();
    assert!(
        [0, 3].contains(&run.code()),
        "{}{}",
        run.stderr(),
        run.stdout()
    );
    let mut achieved: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for row in run.rows("interference") {
        assert_eq!(
            (text(&row, "kind").as_str(), text(&row, "unit").as_str()),
            ("network", "bit/s")
        );
        assert_eq!(float(&row, "requested"), ASKED);
        achieved
            .entry(text(&row, "node"))
            .or_default()
            .push(float(&row, "achieved"));
    }
    assert_eq!(achieved.keys().collect::<Vec<_>>(), ["node-1", "node-2"]);
    for (node, samples) in achieved {
        let mean = samples.iter().sum::<f64>() / samples.len() as f64;
        eprintln!(
            "{node}: {:.1} Mbit/s in {} samples",
            mean / 1e6,
            samples.len()
        );
        assert!(
            (0.5 * ASKED..1.5 * ASKED).contains(&mean),
            "{node}: {samples:?}"
        );
    }
    place.assert_nothing_left();
}

#[test]
fn a_newcomer_goes_from_a_cluster_to_a_plan_that_it_takes() {
    let Some(place) = Place::find("aefm-e2e-new") else {
        return;
    };
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("experiment.yaml");
    let name = file.to_str().expect("a plain path");
    let told = |args: &[&str], code: i32| {
        let output = aefm()
            .args(args)
            .env("KUBECONFIG", &place.kubeconfig)
            .output()
            .expect("aefm starts");
        assert_eq!(
            output.status.code(),
            Some(code),
            "{args:?}: {}",
            said(&output)
        );
        output
    };
    let (image, own) = (place.image.as_str(), place.namespace);
    let written = said(&told(
        &[
            "auto-config",
            "--app",
            "testbed",
            "--yes",
            "--image",
            image,
            "-n",
            own,
            "--out",
            name,
        ],
        0,
    ));
    assert!(written.contains("found 2 nodes"), "{written}");
    let text = fs::read_to_string(&file).expect("it was written");
    assert!(
        text.contains("node-1 (10.78.1.1)") && text.contains("node-2 (10.78.2.1)"),
        "{text}"
    );
    let doctor = told(&["doctor", name, "--json"], 0);
    let rows: Vec<Value> = serde_json::from_slice(&doctor.stdout).expect("rows as JSON");
    let found = |check: &str, level: &str| {
        let row = rows
            .iter()
            .find(|row| row["check"] == check && row["level"] == level);
        row.unwrap_or_else(|| panic!("no {check} is {level}: {rows:?}"))["found"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    assert!(found("reach", "ok").contains("1.34"), "{rows:?}");
    assert!(found("rights", "ok").starts_with("all "), "{rows:?}");
    assert!(
        found("clocks", "ok").contains("within"),
        "the API server runs here"
    );
    assert!(
        found("nodes", "warn").contains("node-1"),
        "two nodes of one machine are small"
    );
    assert!(
        !rows
            .iter()
            .any(|row| row["check"] == "images" && row["level"] != "ok"),
        "it is on both nodes: {rows:?}"
    );
    let plan = said(&told(&["plan", name], 0));
    assert!(
        plan.contains("+ Deployment `frontend`") && plan.contains("480 cases"),
        "{plan}"
    );
}

#[test]
fn a_jaeger_of_the_cluster_is_found_by_its_label_and_has_the_spans() {
    let Some(place) = Place::find("aefm-e2e-jaeger") else {
        return;
    };
    let Some(binary) = find(Part::Jaeger) else {
        return;
    };
    place.make_namespace();
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(
        dir.path().join("jaeger.yaml"),
        jaeger_config("0.0.0.0", [4318, 16_686, 16_685]),
    )
    .expect("written");
    // Its program, and the libraries that it is linked to, are the machine's own.
    let folders = [
        ("config", dir.path().to_str()),
        (
            "program",
            binary.parent().and_then(|folder| folder.to_str()),
        ),
        ("lib", Some("/lib")),
        ("lib64", Some("/lib64")),
    ];
    let volume = |(name, path): (&str, Option<&str>)| json!({"name": name, "hostPath": {"path": path.expect("a plain path")}});
    let mount =
        |(name, _)| json!({"name": name, "mountPath": format!("/{name}"), "readOnly": true});
    let image = busybox_image();
    let program = format!(
        "/program/{}",
        binary
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a plain name")
    );
    let container = json!({"name": "jaeger", "image": image, "command": [program, "--config", "/config/jaeger.yaml"],
        "readinessProbe": {"tcpSocket": {"port": 16686}, "periodSeconds": 1},
        "volumeMounts": folders.map(mount)});
    let labels = json!({"app.kubernetes.io/name": "jaeger"});
    place.apply(&json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "jaeger", "namespace": place.namespace, "labels": labels},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [container], "volumes": folders.map(volume)}}));
    let ports = [("http-query", 16_686), ("otlp-http", 4318)];
    let service = json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "jaeger", "namespace": place.namespace, "labels": labels},
        "spec": {"selector": labels, "ports": ports.map(|(name, port)| json!({"name": name, "port": port}))}});
    place.apply(&service);
    let experiment = format!(
        "experiment: jaeger\nplatform: kubernetes\naxes: {{rate: [10]}}\n\
         load: {{arrival: constant, connections: 4, warmup: 500ms, duration: 4s, timeout: 5s, grace: 2s}}\n\
         collect: {{settle: 30s, jaeger: cluster}}\n\
         kubernetes: {{image: '{}', namespace: {}, pull_policy: Never}}\n",
        place.image, place.namespace
    );
    let run = place
        .start_in(tempfile::tempdir().expect("a folder"), &experiment)
        .finish();
    assert_eq!(run.code(), 0, "{}{}", run.stderr(), run.stdout());
    let sources = run.run_file()["machine"]["sources"].to_string();
    assert!(
        sources.contains("aefm-e2e-jaeger/jaeger:16686"),
        "{sources}"
    );
    let answered = run
        .rows("requests")
        .iter()
        .filter(|row| text(row, "outcome") == "ok")
        .count();
    let complete = run
        .rows("traces")
        .iter()
        .filter(|row| flag(row, "complete"))
        .count();
    assert!(
        answered == 45 && complete == answered,
        "{complete} of {answered} are traced"
    );
    // Runs in other namespaces would find it, too.
    for kind in ["Pod", "Service"] {
        let object =
            json!({"apiVersion": "v1", "kind": kind, "metadata": {"namespace": place.namespace}});
        place
            .runtime
            .block_on(
                place
                    .api(&object)
                    .delete("jaeger", &DeleteParams::default()),
            )
            .expect("it was there");
    }
    place.assert_nothing_left();
}
