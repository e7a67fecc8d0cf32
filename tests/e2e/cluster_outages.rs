//! A part of a real cluster that goes away in mid-case and comes back: a node's kubelet, the API server, once hanging and
//! once not there. No other test may use the cluster meanwhile, so these are run by hand, with the cluster that
//! `.ci/cluster start FOLDER` made (`AEFM_KUBECONFIG=FOLDER/admin.kubeconfig`):
//!
//! `cargo test --workspace --test e2e cluster_outages -- --ignored --test-threads 1`

use crate::cluster::{PATIENCE, Place};
use crate::session::{Finished, Session};
use crate::small::{SERVE, front};
use aefm_tests::processes::wait_for;
use k8s_openapi::api::core::v1::Node;
use kube::api::Api;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// How long the API server is away.
const AWAY: Duration = Duration::from_secs(20);
/// Of that, about the time that it takes to start.
const START_UP: Duration = Duration::from_secs(2);
/// Components under test on the one node, load and root on the other.
const NODES: &str = ", nodes: {testbed: node-1, infra: node-1, load: node-2}";
/// Longer than it takes the cluster to notice that a kubelet is silent: 50 s from the last it heard.
const LOAD: u32 = 80;

/// A program of the cluster; it is started again, and goes on, whatever becomes of the test.
struct Part {
    folder: PathBuf,
    name: &'static str,
}

impl Part {
    fn of(place: &Place, name: &'static str) -> Self {
        let folder = Path::new(&place.kubeconfig)
            .parent()
            .expect("the cluster's folder")
            .to_owned();
        assert!(
            folder.join("pids").join(name).exists(),
            "{} is no folder of .ci/cluster",
            folder.display()
        );
        Self { folder, name }
    }

    fn cluster(&self, what: &str) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.ci/cluster");
        let ended = Command::new(script)
            .arg(what)
            .arg(&self.folder)
            .arg(self.name)
            .status()
            .expect("it starts");
        assert!(ended.success(), "{what} {}", self.name);
    }

    fn signal(&self, signal: Signal) {
        let pid = fs::read_to_string(self.folder.join("pids").join(self.name)).unwrap_or_default();
        // One that was ended hears nothing.
        let _ = pid
            .trim()
            .parse()
            .map(|pid| kill(Pid::from_raw(pid), signal));
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.signal(Signal::SIGCONT);
        self.cluster("start");
    }
}

fn wait_for_nodes(place: &Place) {
    let nodes: Api<Node> = Api::all(place.client.clone());
    let ready = |node: &Node| {
        let conditions = node
            .status
            .iter()
            .filter_map(|status| status.conditions.as_ref())
            .flatten();
        conditions
            .into_iter()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True")
    };
    let all = || {
        place
            .runtime
            .block_on(nodes.list(&Default::default()))
            .is_ok_and(|nodes| nodes.iter().all(ready))
    };
    wait_for(PATIENCE, || all().then_some(())).expect("all nodes are ready");
}

fn start(place: &Place, axes: &str, load: u32) -> Session {
    wait_for_nodes(place);
    place.start_small(&front(SERVE), axes, load, NODES, "")
}

fn assert_none_failed(run: &Finished, cases: usize) {
    assert!(
        [0, 3].contains(&run.code()),
        "{}{}",
        run.stderr(),
        run.stdout()
    );
    let told = run.cases();
    assert_eq!(told.len(), cases, "{told:?}");
    assert!(
        told.iter()
            .all(|(_, status, _)| status != "failed" && status != "skipped"),
        "{told:?}"
    );
    eprintln!("{told:?}");
}

/// Seconds of the load's table: none may be lost, and none come twice.
fn assert_all_seconds(run: &Finished, load: u32, cases: usize) {
    // The warm-up's half second, a half, whole ones, and a half.
    assert_eq!(run.rows("load").len(), cases * (load as usize + 2));
}

fn node_is_silent(namespace: &'static str, kubelet: &'static str, node: &str) {
    let Some(place) = Place::find(namespace) else {
        return;
    };
    let run = start(&place, "rate: [5], cpu: [5], round: [1, 2]", LOAD);
    place.wait_for_running("load");
    let part = Part::of(&place, kubelet);
    part.cluster("stop");
    run.wait_for_journal("done", "start_data_collection", Some("c001"));
    drop(part);
    wait_for_nodes(&place);
    let run = run.finish();
    run.assert_first_failed_for(&[&format!("node {node} is not ready any more")]);
    place.assert_nothing_left();
}

#[test]
#[ignore = "takes a node away from all other tests: by hand"]
fn a_testbed_node_that_is_not_ready_fails_its_case_and_no_other() {
    node_is_silent("aefm-outage-node", "kubelet-1", "node-1");
}

#[test]
#[ignore = "takes a node away from all other tests: by hand"]
fn a_load_node_that_is_not_ready_fails_its_case_and_no_other() {
    node_is_silent("aefm-outage-load", "kubelet-2", "node-2");
}

#[test]
#[ignore = "takes the API server away from all other tests: by hand"]
fn an_api_server_that_hangs_for_20_s_costs_no_case() {
    let Some(place) = Place::find("aefm-outage-hangs") else {
        return;
    };
    let run = start(&place, "rate: [5], cpu: [5], round: [1, 2]", 30);
    place.wait_for_running("load");
    let part = Part::of(&place, "kube-apiserver");
    part.signal(Signal::SIGSTOP);
    std::thread::sleep(AWAY);
    drop(part);
    let run = run.finish();
    assert_none_failed(&run, 2);
    assert_all_seconds(&run, 30, 2);
    place.assert_nothing_left();
}

#[test]
#[ignore = "takes the API server away from all other tests: by hand"]
fn an_api_server_that_is_not_there_for_20_s_costs_no_case() {
    let Some(place) = Place::find("aefm-outage-gone") else {
        return;
    };
    let run = start(&place, "rate: [5], cpu: [5], round: [1, 2]", 40);
    place.wait_for_running("load");
    let part = Part::of(&place, "kube-apiserver");
    let killed = Instant::now();
    part.signal(Signal::SIGKILL);
    std::thread::sleep(AWAY - START_UP);
    drop(part);
    eprintln!("it was away for {:.1?}", killed.elapsed());
    let run = run.finish();
    assert_none_failed(&run, 2);
    assert_all_seconds(&run, 40, 2);
    place.assert_nothing_left();
}

#[test]
#[ignore = "takes the API server away from all other tests: by hand"]
fn an_api_server_that_hangs_in_mid_deployment_costs_no_case() {
    let Some(place) = Place::find("aefm-outage-deploys") else {
        return;
    };
    let run = start(&place, "rate: [5]", 3);
    let deploys = || (!place.pods(Some("application")).is_empty()).then_some(());
    wait_for(PATIENCE, deploys).expect("it deploys");
    let part = Part::of(&place, "kube-apiserver");
    part.signal(Signal::SIGSTOP);
    std::thread::sleep(AWAY);
    drop(part);
    let run = run.finish();
    assert_none_failed(&run, 1);
    assert_all_seconds(&run, 3, 1);
    place.assert_nothing_left();
}
