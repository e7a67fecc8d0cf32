//! `platform: kubernetes` on a real cluster: `AEFM_KUBECONFIG` names it, `AEFM_IMAGE` an image on its nodes that has this
//! `aefm`. Without them these tests are left out, which is said; with `AEFM_TEST_ALL` they fail.

use crate::session::{Finished, Session, aefm, alone, int, text};
use aefm_tests::processes::wait_for;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{Api, DeleteParams, ListParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

/// A pod is up in seconds, but for a machine that does other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// The cluster, and a namespace of the test's own.
pub(crate) struct Place {
    pub(crate) kubeconfig: String,
    pub(crate) image: String,
    pub(crate) namespace: &'static str,
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) client: Client,
}

impl Place {
    pub(crate) fn find(namespace: &'static str) -> Option<Self> {
        let (kubeconfig, image) = aefm_tests::parts::cluster()?;
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let client = runtime.block_on(async {
            let file = Kubeconfig::read_from(&kubeconfig).expect("a kubeconfig");
            let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
            Client::try_from(config.expect("a cluster is named")).expect("a client")
        });
        Some(Self {
            kubeconfig,
            image,
            namespace,
            runtime,
            client,
        })
    }

    /// Starts an experiment of `axes` whose load takes `seconds`.
    pub(crate) fn start(&self, axes: &str, seconds: u32, more: &str) -> Session {
        let Self {
            image, namespace, ..
        } = self;
        let text = format!(
            "experiment: cluster\nplatform: kubernetes\naxes: {{{axes}}}\nshuffle: false\n\
             load: {{arrival: poisson, connections: 4, warmup: 500ms, duration: {seconds}s, timeout: 5s, grace: 2s}}\n\
             collect: {{settle: 20s}}\n\
             kubernetes: {{image: '{image}', namespace: {namespace}, pull_policy: Never{more}}}\n"
        );
        self.start_in(tempfile::tempdir().expect("a folder"), &text)
    }

    /// Starts an experiment of this text in a folder that has what it names.
    pub(crate) fn start_in(&self, dir: tempfile::TempDir, text: &str) -> Session {
        let alone = Some(alone());
        Session {
            alone,
            ..self.start_beside(dir, text)
        }
    }

    /// The same beside whatever runs.
    pub(crate) fn start_beside(&self, dir: tempfile::TempDir, text: &str) -> Session {
        let file = dir.path().join("experiment.yaml");
        fs::write(&file, text).expect("the file can be written");
        let mut command = aefm();
        command
            .arg("run")
            .arg(&file)
            .arg("--data")
            .arg(dir.path().join("data"));
        let process = command
            .env("KUBECONFIG", &self.kubeconfig)
            .spawn()
            .expect("aefm starts");
        Session {
            dir,
            process,
            alone: None,
        }
    }

    /// Names of pods that carry a run's label and, if one is named, that purpose.
    pub(crate) fn pods(&self, purpose: Option<&str>) -> Vec<Pod> {
        let selector = purpose.map_or("aefm.io/run".to_owned(), |purpose| {
            format!("aefm.io/purpose={purpose}")
        });
        let api: Api<Pod> = Api::namespaced(self.client.clone(), self.namespace);
        self.runtime
            .block_on(api.list(&ListParams::default().labels(&selector)))
            .expect("pods can be listed")
            .items
    }

    fn services(&self) -> usize {
        let api: Api<Service> = Api::namespaced(self.client.clone(), self.namespace);
        self.runtime
            .block_on(api.list(&ListParams::default().labels("aefm.io/run")))
            .expect("a list")
            .items
            .len()
    }

    /// Waits until a pod for that purpose runs; the pod.
    pub(crate) fn wait_for_running(&self, purpose: &str) -> Pod {
        let look = || self.pods(Some(purpose)).into_iter().find(runs);
        wait_for(PATIENCE, look).unwrap_or_else(|| panic!("no pod for {purpose} runs"))
    }

    pub(crate) fn assert_nothing_left(&self) {
        let look = || (self.pods(None).is_empty() && self.services() == 0).then_some(());
        wait_for(Duration::from_secs(30), look)
            .unwrap_or_else(|| panic!("left: {:?}", self.pods(None)));
    }
}

pub(crate) fn runs(pod: &Pod) -> bool {
    pod.status
        .as_ref()
        .is_some_and(|status| status.phase.as_deref() == Some("Running"))
}

fn shards(run: &Finished) -> BTreeSet<i64> {
    run.rows("load")
        .iter()
        .map(|row| int(row, "shard"))
        .collect()
}

#[test]
fn an_experiment_runs_in_a_cluster_and_leaves_a_whole_dataset_and_nothing_else() {
    let Some(place) = Place::find("aefm-e2e-whole") else {
        return;
    };
    let run = place
        .start("rate: [20], cpu: [0, 10]", 4, ", load: 2")
        .finish();
    assert!(
        [0, 3].contains(&run.code()),
        "{}{}",
        run.stderr(),
        run.stdout()
    );
    place.assert_nothing_left();
    run.assert_whole(&["c001", "c002"]);
    assert_eq!(shards(&run), [0, 1].into());
    let requests = run.rows("requests");
    let numbers: BTreeSet<_> = requests.iter().map(|row| int(row, "request")).collect();
    assert_eq!(
        run.rows("load")
            .iter()
            .map(|row| int(row, "intended"))
            .sum::<i64>(),
        i64::try_from(requests.len()).unwrap()
    );
    assert!(
        numbers.len() > 40 && numbers.contains(&0),
        "the shards have the schedule's requests between them"
    );
    let nodes: BTreeSet<_> = run
        .rows("spans")
        .iter()
        .map(|row| text(row, "node"))
        .collect();
    assert!(
        !nodes.is_empty() && !nodes.contains(""),
        "spans say on which node: {nodes:?}"
    );
    let pressed = run
        .rows("interference")
        .iter()
        .filter(|row| text(row, "node").starts_with("node"))
        .count();
    assert!(pressed > 0);
}

#[test]
fn an_image_that_is_not_there_is_told_with_the_pod_and_nothing_is_left() {
    let Some(place) = Place::find("aefm-e2e-image") else {
        return;
    };
    let place = Place {
        image: "aefm.local/none:0".to_owned(),
        ..place
    };
    let run = place.start("rate: [10]", 2, ", ready: 60s").finish();
    assert_eq!(run.code(), 1, "{}", run.stderr());
    assert!(
        run.stderr().contains("ErrImageNeverPull"),
        "{}",
        run.stderr()
    );
    place.assert_nothing_left();
}

#[test]
fn a_pod_that_dies_under_load_fails_its_case_and_the_run_goes_on() {
    let Some(place) = Place::find("aefm-e2e-dies") else {
        return;
    };
    let run = place.start("rate: [10], round: [1, 2]", 8, "");
    place.wait_for_running("load");
    let geo = place.pods(Some("application")).into_iter().find_map(|pod| {
        let name = pod.metadata.name?;
        name.starts_with("geo-").then_some(name)
    });
    let api: Api<Pod> = Api::namespaced(place.client.clone(), place.namespace);
    let deleted = place
        .runtime
        .block_on(api.delete(&geo.expect("geo is up"), &DeleteParams::default()));
    deleted.expect("it can be deleted");
    let run = run.finish();
    assert_eq!(run.code(), 3, "{}{}", run.stderr(), run.stdout());
    let cases = run.cases();
    assert_eq!(cases[0].1, "failed", "{cases:?}");
    assert!(cases[0].2.contains("pod geo-"), "{cases:?}");
    run.assert_whole(&["c002"]);
    place.assert_nothing_left();
}

#[test]
fn two_runs_in_one_namespace_do_not_touch_each_other() {
    let Some(place) = Place::find("aefm-e2e-two") else {
        return;
    };
    let first = place.start("rate: [10]", 6, "");
    place.wait_for_running("root");
    let dir = tempfile::tempdir().expect("a folder");
    let second = aefm()
        .arg("run")
        .arg(first.dir.path().join("experiment.yaml"))
        .arg("--data")
        .arg(dir.path())
        .env("KUBECONFIG", &place.kubeconfig)
        .output()
        .expect("aefm starts");
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(
        said.contains("is under way there") && said.contains("aefm clean --run"),
        "{said}"
    );
    let first = first.finish();
    // What else the machine does may degrade it.
    assert!(
        [0, 3].contains(&first.code()) && first.cases()[0].1 != "failed",
        "{}",
        first.stderr()
    );
    place.assert_nothing_left();
}

#[test]
fn without_a_cluster_a_plan_can_be_made_offline_and_a_run_says_what_is_missing() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("experiment.yaml");
    fs::write(&file, "platform: kubernetes\naxes: {rate: [10]}\n")
        .expect("the file can be written");
    let command = |name: &str, more: &[&str]| {
        let mut command = aefm();
        command
            .arg(name)
            .arg(&file)
            .args(more)
            .env("KUBECONFIG", "/nonexistent")
            .env("HOME", dir.path());
        command.output().expect("aefm starts")
    };
    let planned = command("plan", &["--offline"]);
    let shown = String::from_utf8_lossy(&planned.stdout).into_owned();
    assert_eq!(
        planned.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&planned.stderr)
    );
    assert!(
        shown.contains("+ Deployment `frontend`") && shown.contains("c001"),
        "{shown}"
    );
    let run = command("run", &[]);
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert_eq!(run.status.code(), Some(1), "{said}");
    assert!(said.contains("failed to reach the cluster"), "{said}");
}
