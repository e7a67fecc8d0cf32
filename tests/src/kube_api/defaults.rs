//! What the server fills in when an object leaves it out, as far as clients and controllers rely on it.

use super::resource;
use super::store::{Store, list, text};
use serde_json::{Value, json};

/// Fills in the defaults of a kind.
pub(crate) fn fill(kind: &str, object: &mut Value, store: &Store) {
    match kind {
        "Pod" => {
            pod(&mut object["spec"]);
            or(object, &["status", "phase"], json!("Pending"));
        }
        "Deployment" => {
            or(object, &["spec", "replicas"], json!(1));
            or(
                object,
                &["spec", "strategy", "type"],
                json!("RollingUpdate"),
            );
            or(object, &["spec", "progressDeadlineSeconds"], json!(600));
            or(object, &["spec", "revisionHistoryLimit"], json!(10));
            pod(&mut object["spec"]["template"]["spec"]);
        }
        "ReplicaSet" => {
            or(object, &["spec", "replicas"], json!(1));
            pod(&mut object["spec"]["template"]["spec"]);
        }
        "StatefulSet" => {
            or(object, &["spec", "replicas"], json!(1));
            or(
                object,
                &["spec", "podManagementPolicy"],
                json!("OrderedReady"),
            );
            pod(&mut object["spec"]["template"]["spec"]);
        }
        "Job" => job(object),
        "Service" => service(object, store),
        "Namespace" => {
            or(object, &["status", "phase"], json!("Active"));
            let name = object["metadata"]["name"].clone();
            object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
        }
        "PersistentVolume" => {
            or(
                object,
                &["spec", "persistentVolumeReclaimPolicy"],
                json!("Retain"),
            );
            or(object, &["spec", "volumeMode"], json!("Filesystem"));
            or(object, &["status", "phase"], json!("Pending"));
            protect(object, "kubernetes.io/pv-protection");
        }
        "PersistentVolumeClaim" => {
            or(object, &["spec", "volumeMode"], json!("Filesystem"));
            or(object, &["status", "phase"], json!("Pending"));
            protect(object, "kubernetes.io/pvc-protection");
        }
        _ => {}
    }
}

fn or(object: &mut Value, path: &[&str], default: Value) {
    let place = path.iter().fold(object, |value, key| &mut value[*key]);
    if place.is_null() {
        *place = default;
    }
}

/// A new object is held until nobody uses it.
fn protect(object: &mut Value, finalizer: &str) {
    if object["metadata"]["finalizers"].is_null()
        && object["metadata"]["deletionTimestamp"].is_null()
    {
        object["metadata"]["finalizers"] = json!([finalizer]);
    }
}

fn pod(spec: &mut Value) {
    if !spec.is_object() {
        return;
    }
    or(spec, &["restartPolicy"], json!("Always"));
    or(spec, &["dnsPolicy"], json!("ClusterFirst"));
    or(spec, &["terminationGracePeriodSeconds"], json!(30));
    or(spec, &["schedulerName"], json!("default-scheduler"));
    or(spec, &["securityContext"], json!({}));
    for kind in ["containers", "initContainers"] {
        for container in spec[kind].as_array_mut().into_iter().flatten() {
            let latest = !text(container, "/image")
                .rsplit('/')
                .next()
                .is_some_and(|last| last.contains(':'))
                || text(container, "/image").ends_with(":latest");
            or(
                container,
                &["imagePullPolicy"],
                json!(if latest { "Always" } else { "IfNotPresent" }),
            );
            or(
                container,
                &["terminationMessagePath"],
                json!("/dev/termination-log"),
            );
            or(container, &["terminationMessagePolicy"], json!("File"));
            or(container, &["resources"], json!({}));
            for port in container["ports"].as_array_mut().into_iter().flatten() {
                or(port, &["protocol"], json!("TCP"));
            }
            // What is not asked for is what is limited.
            let limits = container["resources"]["limits"]
                .as_object()
                .cloned()
                .unwrap_or_default();
            for (what, amount) in limits {
                or(container, &["resources", "requests", &what], amount);
            }
        }
    }
}

fn job(object: &mut Value) {
    or(object, &["spec", "parallelism"], json!(1));
    or(object, &["spec", "completions"], json!(1));
    or(object, &["spec", "backoffLimit"], json!(6));
    or(object, &["spec", "suspend"], json!(false));
    let (uid, name) = (
        object["metadata"]["uid"].clone(),
        object["metadata"]["name"].clone(),
    );
    if object["spec"]["selector"].is_null() {
        object["spec"]["selector"] =
            json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}});
    }
    let labels = &mut object["spec"]["template"]["metadata"]["labels"];
    for (label, value) in [
        ("batch.kubernetes.io/controller-uid", &uid),
        ("batch.kubernetes.io/job-name", &name),
        ("job-name", &name),
    ] {
        if labels[label].is_null() {
            labels[label] = value.clone();
        }
    }
    pod(&mut object["spec"]["template"]["spec"]);
}

fn service(object: &mut Value, store: &Store) {
    or(object, &["spec", "type"], json!("ClusterIP"));
    or(object, &["spec", "sessionAffinity"], json!("None"));
    let services = || store.list(resource::of("Service"), None);
    if text(object, "/spec/clusterIP").is_empty() && text(object, "/spec/type") != "ExternalName" {
        let taken =
            |address: &str| services().any(|(_, other)| text(other, "/spec/clusterIP") == address);
        let free = (1..=u16::MAX)
            .map(|at| format!("10.96.{}.{}", at >> 8, at & 255))
            .find(|address| !taken(address));
        object["spec"]["clusterIP"] = json!(free);
    }
    let outside = ["NodePort", "LoadBalancer"].contains(&text(object, "/spec/type"));
    let taken: Vec<i64> = services()
        .flat_map(|(_, other)| list(other, "/spec/ports"))
        .filter_map(|port| port["nodePort"].as_i64())
        .collect();
    let mut free = (30_000..32_768).filter(|port| !taken.contains(port));
    for port in object["spec"]["ports"].as_array_mut().into_iter().flatten() {
        or(port, &["protocol"], json!("TCP"));
        let same = port["port"].clone();
        or(port, &["targetPort"], same);
        if outside && port["nodePort"].is_null() {
            port["nodePort"] = json!(free.next());
        }
    }
}
