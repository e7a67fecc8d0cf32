//! One trial: contents are put into a cluster, a run comes and goes in some way, and the contents are compared.

use super::drawn::{Draw, application, contents};
use crate::ground::{Ground, PATIENCE};
use crate::session::{Session, aefm, said};
use kube::api::DeleteParams;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const IMAGE: &str = "aefm.local/aefm:test";
/// Kinds that a run makes and that are its own: none may be left with its label.
const KINDS: [&str; 11] = [
    "ClusterRole",
    "ConfigMap",
    "Deployment",
    "Job",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Pod",
    "Role",
    "RuntimeClass",
    "Service",
    "StatefulSet",
];

/// How a run ends.
#[derive(Debug)]
enum End {
    ByItself,
    Failing,
    Signalled(Signal, Duration),
}

/// Tries one draw; what happened.
pub(super) async fn run(ground: &Ground, mut draw: Draw) -> String {
    let namespace = &ground.namespace;
    let trial = Trial::new(ground);
    let mut before = BTreeMap::new();
    for object in contents(&mut draw, namespace) {
        ground.put(&object).await;
        before.insert(key(&object), Value::Null);
    }
    ground.settle(&mut before).await;
    let end = match draw.below(8) {
        0 | 1 => End::ByItself,
        2 => End::Failing,
        3 => End::Signalled(Signal::SIGINT, delay(ground, &mut draw)),
        _ => End::Signalled(Signal::SIGKILL, delay(ground, &mut draw)),
    };
    let killed = matches!(end, End::Signalled(Signal::SIGKILL, _));
    let (id, code, told) = trial.go(&end);
    ground
        .compare(&before, &format!("a run: {end:?}: {told}"))
        .await;
    for more in [&["--dry-run"][..], &[], &["--run", "01older"]] {
        let told = trial.clean(more);
        ground
            .compare(&before, &format!("clean {more:?}: {told}"))
            .await;
    }
    let mut copies = Vec::new();
    if let Some(id) = &id {
        // What its roots were like; their copies come back when they are gone, as a backup brings them.
        copies.extend(ground.roots(id).await);
        if killed {
            trial.clean(&["--run", id]);
        }
        ground.until_nothing_is_left(id, &before).await;
    }
    for copy in &copies {
        ground.put(copy).await;
        before.insert(key(copy), Value::Null);
    }
    ground.settle(&mut before).await;
    trial.clean(&[]);
    if let Some(id) = &id {
        trial.clean(&["--run", id]);
    }
    ground
        .compare(&before, "copies of the run's own roots")
        .await;
    if draw.one_in(3) {
        let (next, _, told) = trial.go(&End::ByItself);
        ground
            .compare(&before, &format!("the next run: {told}"))
            .await;
        if let Some(next) = next {
            ground.until_nothing_is_left(&next, &before).await;
        }
    }
    let count = before.len();
    ground.take_away(before.keys()).await;
    format!(
        "{count} objects, {end:?}, exit {code}, {} copies",
        copies.len()
    )
}

/// Some time within a run, which takes longer where its pods are pods.
fn delay(ground: &Ground, draw: &mut Draw) -> Duration {
    let longest = if ground.double.is_some() {
        8_000
    } else {
        40_000
    };
    Duration::from_millis(draw.below(longest))
}

/// Kind and name.
type Key = (String, String);

fn key(object: &Value) -> Key {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (text(&object["kind"]), text(&object["metadata"]["name"]))
}

/// What must not change: all but what the cluster itself counts and tells.
fn kept(mut object: Value) -> Value {
    for field in ["resourceVersion", "managedFields", "generation"] {
        object["metadata"]
            .as_object_mut()
            .map(|metadata| metadata.remove(field));
    }
    object.as_object_mut().map(|object| object.remove("status"));
    object
}

struct Trial {
    kubeconfig: PathBuf,
    dir: tempfile::TempDir,
    text: String,
}

impl Trial {
    fn new(ground: &Ground) -> Self {
        let (kubeconfig, image) = match &ground.double {
            Some(double) => {
                double.program(IMAGE, env!("CARGO_BIN_EXE_aefm"));
                (double.kubeconfig(), IMAGE.to_owned())
            }
            None => {
                let told = |name: &str| std::env::var(name).expect("a cluster is named");
                (told("AEFM_KUBECONFIG").into(), told("AEFM_IMAGE"))
            }
        };
        let dir = tempfile::tempdir().expect("a folder");
        let main = ground.script("httpd -f -h /bin -p $POD_IP:8080");
        let own: Vec<_> = application(&ground.namespace, main)
            .iter()
            .map(Value::to_string)
            .collect();
        let write = |name: &str, text: &str| {
            fs::write(dir.path().join(name), text).expect("it can be written");
        };
        fs::create_dir(dir.path().join("own")).expect("it can be made");
        write("own/all.yaml", &own.join("\n---\n"));
        write(
            "page.yaml",
            "name: page\nsessions: [{name: page, requests: [{path: /none}]}]\n",
        );
        let text = format!(
            "experiment: contents\nplatform: kubernetes\nworkload: scenario:page.yaml\naxes: {{rate: [5], round: [1, 2]}}\n\
             shuffle: false\nenvironment: {{on_change: {{round: restart}}}}\n\
             load: {{arrival: constant, connections: 1, warmup: 200ms, duration: 1s, timeout: 2s, grace: 1s}}\n\
             collect: {{settle: 1s}}\nkubernetes: {{image: '{image}', namespace: {}, manifests: own, entry: 'front:8080', \
             load: outside, pull_policy: IfNotPresent",
            ground.namespace
        );
        Self {
            kubeconfig,
            dir,
            text,
        }
    }

    /// A run from its begin to its end; its id if it has one, how it ended, and what it said.
    fn go(&self, end: &End) -> (Option<String>, i32, String) {
        let more = match end {
            End::Failing => ", images: {front: 'aefm.local/missing:1'}, ready: 4s}\n",
            _ => ", ready: 90s}\n",
        };
        let (file, data) = (
            self.dir.path().join("experiment.yaml"),
            self.dir.path().join("data"),
        );
        fs::write(&file, format!("{}{more}", self.text)).expect("it can be written");
        let _ = fs::remove_dir_all(&data);
        let mut command = aefm();
        command
            .arg("run")
            .arg(&file)
            .arg("--data")
            .arg(&data)
            .env("KUBECONFIG", &self.kubeconfig);
        let process = command.spawn().expect("aefm starts");
        let run = Session {
            dir: tempfile::tempdir().expect("a folder"),
            process,
            alone: None,
        };
        if let End::Signalled(signal, after) = end {
            std::thread::sleep(*after);
            run.signal(*signal);
        }
        let run = run.finish();
        let runs = fs::read_dir(data.join("contents"))
            .into_iter()
            .flatten()
            .flatten();
        let id = runs
            .map(|run| run.file_name().to_string_lossy().to_lowercase())
            .next();
        (id, run.code(), format!("{}{}", run.stderr(), run.stdout()))
    }

    fn clean(&self, more: &[&str]) -> String {
        let cleaned = aefm()
            .arg("clean")
            .args(more)
            .env("KUBECONFIG", &self.kubeconfig)
            .output();
        said(&cleaned.expect("aefm starts"))
    }
}

impl Ground {
    /// Makes an object that was there before any run, as somebody would.
    async fn put(&self, object: &Value) {
        let made = self.create(object).await;
        made.unwrap_or_else(|(code, why)| panic!("{code} {why}: {object}"));
    }

    /// Waits until the cluster's own controllers have had their say, and remembers what is there.
    async fn settle(&self, before: &mut BTreeMap<Key, Value>) {
        let mut last = BTreeMap::new();
        loop {
            for (kind, name) in before.keys() {
                let there = self.get(kind, name).await.expect("it is there");
                last.insert((kind.clone(), name.clone()), kept(there));
            }
            if last == *before {
                return;
            }
            before.clone_from(&last);
            let pause = if self.double.is_some() { 100 } else { 1_000 };
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    async fn compare(&self, before: &BTreeMap<Key, Value>, after: &str) {
        for ((kind, name), was) in before {
            let there = self.get(kind, name).await;
            let is = there.map(kept).unwrap_or_else(|(code, _)| json!(code));
            assert_eq!(
                is, *was,
                "{kind} {name} in {} is not as it was after {after}",
                self.namespace
            );
        }
    }

    /// Objects that carry a run's label.
    async fn of_run(&self, id: &str) -> Vec<Value> {
        let mut found = Vec::new();
        for kind in KINDS {
            for mut object in self.list(kind, &format!("aefm.io/run={id}")).await {
                object["kind"] = json!(kind);
                found.push(object);
            }
        }
        found
    }

    /// The run's roots, as somebody copies them who keeps what they say and no pods.
    async fn roots(&self, id: &str) -> Vec<Value> {
        let mut copies = Vec::new();
        for mut object in self.of_run(id).await {
            let version = match object["kind"].as_str() {
                Some("Job") => "batch/v1",
                Some("RuntimeClass") => "node.k8s.io/v1",
                _ => continue,
            };
            if object["metadata"]["labels"]["aefm.io/purpose"] == "load" {
                continue;
            }
            let metadata = &object["metadata"];
            let metadata = json!({ "name": metadata["name"], "labels": metadata["labels"], "annotations": metadata["annotations"] });
            (object["metadata"], object["apiVersion"]) = (metadata, json!(version));
            if version == "batch/v1" {
                let mut pod = object["spec"]["template"]["spec"].clone();
                pod["nodeSelector"] = json!({ "theirs": "nowhere" });
                object["spec"] = json!({ "suspend": true, "template": { "spec": pod } });
            }
            object.as_object_mut().map(|object| object.remove("status"));
            copies.push(object);
        }
        copies
    }

    async fn until_nothing_is_left(&self, id: &str, before: &BTreeMap<Key, Value>) {
        let begun = Instant::now();
        loop {
            let mut left: Vec<_> = self.of_run(id).await.iter().map(key).collect();
            left.retain(|key| !before.contains_key(key));
            if left.is_empty() {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "left of run {id}: {left:?}");
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    /// Removes what is outside of the namespace; the rest goes with that.
    async fn take_away(&self, keys: impl Iterator<Item = &Key>) {
        let made = [
            "PersistentVolume",
            "ClusterRole",
            "RuntimeClass",
            "Namespace",
        ];
        for (kind, name) in keys.filter(|(kind, _)| made.contains(&kind.as_str())) {
            self.delete(kind, name, &DeleteParams::default()).await.ok();
        }
        // One that the run made, and left as it says.
        let own = super::drawn::own_name("Namespace", &self.namespace);
        self.delete("Namespace", &own, &DeleteParams::default())
            .await
            .ok();
    }
}
