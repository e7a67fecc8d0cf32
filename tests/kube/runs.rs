//! `aefm run` on a cluster that fails it. The cluster is the double, whose faults come on a test's word; its containers are
//! real processes of the program under test. In each case the run says what happened, goes on where it can, and leaves
//! nothing.

mod beside;
mod breaking;
mod killed;
mod outside;
mod passing;
mod refusing;

use crate::session::{Finished, Session, aefm};
use aefm_tests::kube_api::KubeApi;
use aefm_tests::processes::wait_for;
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

/// Nothing here takes longer, even on a machine that does three other things.
const PATIENCE: Duration = Duration::from_secs(120);
/// How soon nothing may be left of a run whose orchestrator was killed; and what a busy machine adds to it.
const NOTHING_LEFT: Duration = Duration::from_secs(30 + 30);
const IMAGE: &str = "aefm.local/aefm:test";
const NAMESPACE: &str = "runs";

/// A double whose image is the program under test.
struct Stage {
    api: KubeApi,
}

impl Stage {
    fn new() -> Self {
        let api = KubeApi::start();
        api.program(IMAGE, env!("CARGO_BIN_EXE_aefm"));
        Self { api }
    }

    /// Starts an experiment of `axes` whose load takes `seconds`, with `more` in its section `kubernetes`.
    fn start(&self, axes: &str, seconds: u32, more: &str) -> Session {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("experiment.yaml");
        let text = format!(
            "experiment: faults\nplatform: kubernetes\naxes: {{{axes}}}\nshuffle: false\n\
             load: {{arrival: constant, connections: 4, warmup: 500ms, duration: {seconds}s, timeout: 5s, grace: 2s}}\n\
             collect: {{settle: 20s}}\n\
             kubernetes: {{image: '{IMAGE}', namespace: {NAMESPACE}{more}}}\n"
        );
        fs::write(&file, text).expect("the file can be written");
        let mut command = aefm();
        command
            .arg("run")
            .arg(&file)
            .arg("--data")
            .arg(dir.path().join("data"));
        let process = command
            .env("KUBECONFIG", self.api.kubeconfig())
            .spawn()
            .expect("aefm starts");
        Session {
            dir,
            process,
            alone: None,
        }
    }

    /// Names of the pods that are there for a purpose and begin so.
    fn pods(&self, purpose: &str, name: &str) -> Vec<Value> {
        let ours = |pod: &Value| {
            pod["metadata"]["labels"]["aefm.io/purpose"] == purpose
                && pod["metadata"]["name"]
                    .as_str()
                    .is_some_and(|own| own.starts_with(name))
        };
        self.api.list("Pod").into_iter().filter(ours).collect()
    }

    /// Waits until such a pod is as wanted; its name and its node.
    fn wait_for_pod(
        &self,
        purpose: &str,
        name: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> (String, String) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let look = || {
            let pod = self.pods(purpose, name).into_iter().find(&wanted)?;
            Some((
                text(&pod["metadata"]["name"]),
                text(&pod["spec"]["nodeName"]),
            ))
        };
        wait_for(PATIENCE, look)
            .unwrap_or_else(|| panic!("no pod {name} for {purpose} is as wanted"))
    }

    /// Waits until the load of this number in the run runs.
    fn wait_for_load(&self, number: u32) {
        let ours = |pod: &Value| {
            let load = pod["metadata"]["labels"]["aefm.io/load"]
                .as_str()
                .unwrap_or_default();
            load.ends_with(&format!("-{number}")) && runs(pod)
        };
        self.wait_for_pod("load", "", ours);
    }

    fn assert_nothing_left(&self) {
        wait_for(NOTHING_LEFT, || self.left().is_empty().then_some(()))
            .unwrap_or_else(|| panic!("left: {:?}", self.left()));
    }

    fn left(&self) -> Vec<String> {
        self.api.labelled("aefm.io/run")
    }
}

fn runs(pod: &Value) -> bool {
    pod["status"]["phase"] == "Running" && pod["metadata"]["deletionTimestamp"].is_null()
}

/// Everything that a run said.
fn said(run: &Finished) -> String {
    format!("{}\n{}", run.stderr(), run.stdout())
}

/// The namespace, with these objects in it before a run comes.
fn furnished(objects: &[Value]) -> Stage {
    let stage = Stage::new();
    stage
        .api
        .put(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}));
    objects.iter().for_each(|object| stage.api.put(object));
    stage
}
