//! Contents of a cluster, drawn: objects that have the names of a run's own or others, with and without labels and annotations
//! that look like a run's, and what the run itself will make.

use serde_json::{Value, json};

/// A stream of draws; the same seed draws the same.
pub(super) struct Draw(u64);

impl Draw {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    pub(super) fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    fn hex(&mut self) -> String {
        format!("{:016x}{:016x}", self.below(u64::MAX), self.below(u64::MAX))
    }
}

/// Kinds of a namespace, and of none, that contents have.
const IN_NAMESPACE: [&str; 6] = [
    "ConfigMap",
    "Deployment",
    "PersistentVolumeClaim",
    "Role",
    "Service",
    "StatefulSet",
];
const OUTSIDE: [&str; 3] = ["ClusterRole", "Namespace", "PersistentVolume"];

/// What the run makes of that kind, whose names outside of the namespace begin with it.
pub(super) fn own_name(kind: &str, namespace: &str) -> String {
    match kind {
        "ClusterRole" | "Namespace" | "PersistentVolume" => format!("{namespace}-own"),
        "StatefulSet" => "db".to_owned(),
        "PersistentVolumeClaim" => "store".to_owned(),
        _ => "front".to_owned(),
    }
}

/// An object of that kind, without pods.
fn object(kind: &str, name: &str, namespace: &str) -> Value {
    let (version, rest) = match kind {
        "ConfigMap" => ("v1", json!({ "data": { "theirs": name } })),
        "Deployment" | "StatefulSet" => {
            let container = json!({ "name": "main", "image": "theirs.local/none:1" });
            let template = json!({ "metadata": { "labels": { "app": name } }, "spec": { "containers": [container] } });
            let selector = json!({ "matchLabels": { "app": name } });
            let mut spec = json!({ "replicas": 0, "selector": selector, "template": template });
            if kind == "StatefulSet" {
                spec["serviceName"] = json!(name);
            }
            ("apps/v1", json!({ "spec": spec }))
        }
        "PersistentVolumeClaim" => (
            "v1",
            json!({ "spec": { "accessModes": ["ReadWriteOnce"], "storageClassName": "theirs",
                "resources": { "requests": { "storage": "1Mi" } } } }),
        ),
        "PersistentVolume" => ("v1", volume(name, "others")),
        "Service" => (
            "v1",
            json!({ "spec": { "selector": { "app": name }, "ports": [{ "port": 80 }] } }),
        ),
        "Namespace" => ("v1", json!({})),
        _ => (
            "rbac.authorization.k8s.io/v1",
            json!({ "rules": [{ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"] }] }),
        ),
    };
    let mut object = rest;
    (object["apiVersion"], object["kind"]) = (json!(version), json!(kind));
    object["metadata"] = json!({ "name": name });
    if IN_NAMESPACE.contains(&kind) {
        object["metadata"]["namespace"] = json!(namespace);
    }
    object
}

fn volume(name: &str, class: &str) -> Value {
    json!({ "spec": { "capacity": { "storage": "1Mi" }, "accessModes": ["ReadWriteOnce"], "storageClassName": class,
        "persistentVolumeReclaimPolicy": "Retain", "hostPath": { "path": format!("/tmp/{name}") } } })
}

/// Labels and annotations as a run's objects have them; nothing behind them.
fn disguise(draw: &mut Draw, object: &mut Value) {
    let labels = json!({ "app.kubernetes.io/managed-by": "aefm", "aefm.io/run": "01older", "aefm.io/purpose": "application" });
    let annotations =
        json!({ "aefm.io/proof": draw.hex(), "aefm.io/nonce": draw.hex(), "kept": "yes" });
    let mixed = draw.below(4);
    if mixed != 1 {
        object["metadata"]["labels"] = labels;
    }
    if mixed != 2 {
        object["metadata"]["annotations"] = annotations;
    }
}

/// What is in the cluster before a run.
pub(super) fn contents(draw: &mut Draw, namespace: &str) -> Vec<Value> {
    // Half of the time nothing is in the run's way, so that it gets on.
    let in_the_way = draw.one_in(2);
    let mut objects = Vec::new();
    for kind in IN_NAMESPACE.into_iter().chain(OUTSIDE) {
        for name in [
            own_name(kind, namespace),
            format!("{namespace}-{}", kind.to_lowercase()),
        ] {
            let is_own = name == own_name(kind, namespace);
            // A namespace that is there is used, and in nobody's way.
            let wanted = !is_own || kind == "Namespace" || (in_the_way && draw.one_in(4));
            if wanted && !draw.one_in(3) {
                let mut object = object(kind, &name, namespace);
                if !draw.one_in(3) {
                    disguise(draw, &mut object);
                }
                objects.push(object);
            }
        }
    }
    if draw.one_in(2) {
        objects.push(copied_root(draw, namespace));
        objects.push(copied_anchor(draw, namespace));
    }
    objects
}

/// A root of some run as a backup brings it back: all that it had, under another uid. It has no pods.
fn copied_root(draw: &mut Draw, namespace: &str) -> Value {
    let container = json!({ "name": "main", "image": "theirs.local/none:1" });
    let pod = json!({ "restartPolicy": "Never", "containers": [container], "nodeSelector": { "theirs": "nowhere" } });
    let mut job = json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "aefm-run-01older", "namespace": namespace },
        "spec": { "suspend": true, "template": { "spec": pod } } });
    disguise(draw, &mut job);
    job["metadata"]["labels"] = json!({ "aefm.io/run": "01older", "aefm.io/purpose": "root" });
    job["metadata"]["annotations"]["aefm.io/own-uid"] = json!(draw.hex());
    job
}

fn copied_anchor(draw: &mut Draw, namespace: &str) -> Value {
    let holds = OUTSIDE.map(|kind| {
        let version = if kind == "ClusterRole" {
            "rbac.authorization.k8s.io/v1"
        } else {
            "v1"
        };
        json!([version, kind, own_name(kind, namespace)])
    });
    let annotations = json!({ "aefm.io/nonce": draw.hex(), "aefm.io/own-uid": draw.hex(), "aefm.io/proof": draw.hex(),
        "aefm.io/namespace": namespace, "aefm.io/holds": json!(holds).to_string() });
    let labels = json!({ "aefm.io/run": "01older", "aefm.io/purpose": "anchor" });
    json!({ "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "handler": "none",
        "metadata": { "name": format!("{namespace}-older"), "labels": labels, "annotations": annotations } })
}

/// What a run deploys: one object at least of every kind that contents have. `main` is a container that serves on 8080.
pub(super) fn application(namespace: &str, mut main: Value) -> Vec<Value> {
    let own = |kind: &str| {
        let mut object = object(kind, &own_name(kind, namespace), namespace);
        object["metadata"]
            .as_object_mut()
            .expect("metadata")
            .remove("namespace");
        object
    };
    main["readinessProbe"] = json!({ "tcpSocket": { "port": 8080 }, "periodSeconds": 1 });
    let pods = |name: &str| {
        json!({ "metadata": { "labels": { "app": name } },
        "spec": { "terminationGracePeriodSeconds": 0, "containers": [main.clone()] } })
    };
    let (mut front, mut db) = (own("Deployment"), own("StatefulSet"));
    (front["spec"]["replicas"], front["spec"]["template"]) = (json!(1), pods("front"));
    (db["spec"]["replicas"], db["spec"]["template"]) = (json!(1), pods("db"));
    let class = |name: &str| format!("{namespace}-{name}");
    let mut data = own("PersistentVolumeClaim");
    data["metadata"]["name"] = json!("data");
    data["spec"]["storageClassName"] = json!(class("db"));
    db["spec"]["volumeClaimTemplates"] =
        json!([{ "metadata": data["metadata"], "spec": data["spec"] }]);
    let mut service = own("Service");
    service["spec"]["ports"] = json!([{ "port": 8080 }]);
    let (mut claim, mut store) = (own("PersistentVolumeClaim"), own("PersistentVolume"));
    claim["spec"]["storageClassName"] = json!(class("own"));
    claim["spec"]["volumeName"] = store["metadata"]["name"].clone();
    store["spec"] = volume(&class("own"), &class("own"))["spec"].clone();
    let mut of_db = own("PersistentVolume");
    of_db["metadata"]["name"] = json!(class("db"));
    of_db["spec"] = volume(&class("db"), &class("db"))["spec"].clone();
    let more = ["ConfigMap", "Role", "ClusterRole", "Namespace"].map(own);
    [vec![front, db, service, claim, store, of_db], more.to_vec()].concat()
}
