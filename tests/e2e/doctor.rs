//! `aefm doctor`, on this machine and against the API double.

use crate::auto_config::{against, prometheus_service};
use crate::session::aefm;
use crate::session::said;
use aefm_tests::kube_api::{Image, KubeApi};
use aefm_tests::ports;
use aefm_tests::processes::wait_for;
use serde_json::Value;
use std::fs;
use std::time::Duration;

const CLUSTER: [&str; 4] = ["doctor", "--platform", "kubernetes", "--json"];

fn rows(output: &std::process::Output) -> Vec<Value> {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", said(output)))
}

fn found(rows: &[Value], check: &str, level: &str) -> String {
    let row = rows
        .iter()
        .find(|row| row["check"] == check && row["level"] == level);
    row.unwrap_or_else(|| panic!("no {check} is {level}: {rows:?}"))["found"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn this_machine_is_checked_against_the_plan() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("experiment.yaml");
    let held = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = held.local_addr().expect("an address");
    let text = format!(
        "axes: {{rate: [20]}}\nlocal: {{entrance: '{address}'}}\ndata: {}\n",
        dir.path().display()
    );
    fs::write(&file, text).expect("it can be written");
    let run = |args: &[&str]| {
        aefm()
            .arg("doctor")
            .args(args)
            .output()
            .expect("aefm starts")
    };
    let name = file.to_str().expect("a plain path");
    let taken = run(&[name, "--json"]);
    assert_eq!(taken.status.code(), Some(1), "{}", said(&taken));
    assert!(found(&rows(&taken), "port", "fail").contains(&address.to_string()));
    ports::close(held);
    let free = run(&[name]);
    assert_eq!(free.status.code(), Some(0), "{}", said(&free));
    assert!(
        said(&free).contains("is free (local.entrance)") && said(&free).contains("0 failed"),
        "{}",
        said(&free)
    );
    assert_eq!(run(&[]).status.code(), Some(0), "the default experiment");

    assert_eq!(
        run(&[name, "--platform", "kubernetes"]).status.code(),
        Some(2)
    );
    assert_eq!(run(&["nowhere.yaml"]).status.code(), Some(2));
    assert_eq!(run(&["--platfrm", "local"]).status.code(), Some(2));
    fs::write(&file, "axes: {ratee: [20]}\n").expect("it can be written");
    let faulty = run(&[name]);
    assert_eq!(faulty.status.code(), Some(2));
    assert!(
        said(&faulty).contains("did you mean `rate`"),
        "{}",
        said(&faulty)
    );
}

#[test]
fn a_cluster_that_lacks_something_is_told_with_the_way_out() {
    let api = KubeApi::start();
    let well = against(&api, &CLUSTER);
    assert_eq!(well.status.code(), Some(0), "{}", said(&well));
    let well = rows(&well);
    assert!(found(&well, "rights", "ok").starts_with("all "));
    assert!(
        found(&well, "clocks", "ok").contains("within"),
        "the API server runs here"
    );
    assert!(found(&well, "nodes", "warn").contains("share node-1, node-2"));
    assert!(found(&well, "namespace", "ok").contains("will be made"));

    api.deny("create", "pods/attach");
    api.deny("list", "pods");
    let denied = against(&api, &CLUSTER);
    assert_eq!(denied.status.code(), Some(1), "{}", said(&denied));
    let asked = rows(&denied);
    let all: Vec<_> = asked
        .iter()
        .filter(|row| row["check"] == "rights")
        .map(|row| row["found"].as_str().unwrap_or_default())
        .collect();
    assert!(
        all.iter().any(|row| row
            .contains("may not create pods/attach in hotel-reserv, needed to steer stressors")),
        "{all:?}"
    );
    assert!(
        asked
            .iter()
            .filter(|row| row["level"] == "fail")
            .all(|row| row["way_out"].is_string()),
        "{asked:?}"
    );

    let nowhere = aefm()
        .args(CLUSTER)
        .env("KUBECONFIG", "/nonexistent")
        .output()
        .expect("aefm starts");
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(
        found(&rows(&nowhere), "reach", "fail").contains("/nonexistent"),
        "{}",
        said(&nowhere)
    );
}

#[test]
fn an_experiments_own_wishes_are_checked() {
    let api = KubeApi::start();
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("experiment.yaml");
    let name = file.to_str().expect("a plain path");
    let write = |more: &str| {
        let text =
            format!("platform: kubernetes\naxes: {{rate: [20], mem_capacity: [64GiB]}}\n{more}\n");
        fs::write(&file, text).expect("it can be written");
    };
    write(
        "kubernetes: {deploy: catalogue, limits: {cpu: '9', memory: 1Gi}, nodes: {testbed: node-1, infra: node-2, load: node-2}}\ncollect: {prometheus: cluster}",
    );
    let none = against(&api, &["doctor", name, "--json"]);
    assert_eq!(none.status.code(), Some(1), "{}", said(&none));
    let asked = rows(&none);
    assert!(
        found(&asked, "capacity", "fail").contains("one asks for 9 cores"),
        "{asked:?}"
    );
    assert!(
        found(&asked, "interference", "warn").contains("64.0 GiB of memory"),
        "{asked:?}"
    );
    assert!(
        found(&asked, "Prometheus", "fail").contains("no Service has the labels"),
        "{asked:?}"
    );
    assert!(
        found(&asked, "Jaeger", "ok").contains("200000 traces"),
        "{asked:?}"
    );
    assert!(
        !asked
            .iter()
            .any(|row| row["check"] == "rights" && row["level"] == "fail"),
        "{asked:?}"
    );

    prometheus_service(&api, "a", 9090);
    prometheus_service(&api, "b", 9090);
    let several = against(&api, &["doctor", name, "--json"]);
    let told = found(&rows(&several), "Prometheus", "fail");
    assert!(
        told.contains("a/mon-kube")
            && told.contains("b/mon-kube")
            && told.contains("`collect.prometheus.cluster`"),
        "{told}"
    );
    let planned = against(&api, &["plan", name]);
    assert_eq!(planned.status.code(), Some(2), "{}", said(&planned));
    assert!(
        said(&planned).contains("`collect.prometheus.cluster`"),
        "{}",
        said(&planned)
    );
}

#[test]
fn images_are_tried_where_that_is_asked_for() {
    let api = KubeApi::start();
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("experiment.yaml");
    let text = "platform: kubernetes\naxes: {rate: [20], cpu: [0, 10]}\nkubernetes: {image: 'there:1', nodes: {testbed: node-1, load: node-2}}\n";
    fs::write(&file, text).expect("it can be written");
    let name = file.to_str().expect("a plain path");
    let tried = against(&api, &["doctor", name, "--json", "--try-images"]);
    assert_eq!(tried.status.code(), Some(0), "{}", said(&tried));
    let images = |output: &std::process::Output| {
        let rows = rows(output);
        let images = rows.iter().filter(|row| row["check"] == "images");
        images
            .map(|row| row["found"].as_str().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        images(&tried),
        ["there:1 began on node-1", "there:1 began on node-2"]
    );
    api.image("there:1", Image::Missing);
    let missing = against(&api, &["doctor", name, "--json", "--try-images"]);
    assert_eq!(missing.status.code(), Some(1), "{}", said(&missing));
    assert!(
        images(&missing)
            .iter()
            .all(|row| row.contains("ErrImagePull") || row.contains("ImagePullBackOff")),
        "{:?}",
        images(&missing)
    );
    let gone = wait_for(Duration::from_secs(30), || {
        api.labelled("aefm.io/run").is_empty().then_some(())
    });
    assert!(
        gone.is_some(),
        "its pods are there: {:?}",
        api.labelled("aefm.io/run")
    );
}
