//! A load that is cut off in a real cluster: by a signal to its container, and by an eviction of its pod. Left out without
//! a cluster, as the tests in `cluster` are.

use crate::cluster::{PATIENCE, Place};
use crate::session::{int, text};
use aefm_tests::processes::wait_for;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, EvictParams};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;

/// The process of a shard of this load: the nodes of the cluster are this machine, so that a signal from here is what
/// `ctr task kill` and a kubelet send.
fn shard_process(load: &str) -> Option<Pid> {
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.into_iter()
        .find(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            let mut words = line.split('\0');
            words.any(|word| word == "shard") && line.contains(load)
        })
        .map(Pid::from_raw)
}

fn load_of(pod: &Pod) -> String {
    let labels = pod.metadata.labels.as_ref().expect("it has labels");
    labels["aefm.io/load"].clone()
}

#[test]
fn a_load_that_is_cut_off_in_the_cluster_is_not_ok_and_says_how_many_requests_are_missing() {
    let Some(place) = Place::find("aefm-e2e-shortfall") else {
        return;
    };
    let run = place.start("rate: [20], round: [1, 2]", 10, ", load: 2");
    run.wait_for_log("second 0 of the load has all its outcomes");
    let load = load_of(&place.wait_for_running("load"));
    let process = wait_for(PATIENCE, || shard_process(&load)).expect("a shard runs here");
    kill(process, Signal::SIGTERM).expect("it can be signalled");

    // The second case's pod is evicted in the midst of its load.
    run.wait_for_journal("begin", "start_single_test_case", Some("c002"));
    let second = || {
        let pods = place.pods(Some("load"));
        pods.into_iter()
            .find(|pod| crate::cluster::runs(pod) && load_of(pod) != load)
    };
    let pod = wait_for(PATIENCE, second).expect("the second load runs");
    let api: Api<Pod> = Api::namespaced(place.client.clone(), place.namespace);
    let name = pod.metadata.name.as_deref().expect("it has a name");
    place
        .runtime
        .block_on(api.evict(name, &EvictParams::default()))
        .expect("it can be evicted");
    let run = run.finish();
    assert_eq!(run.code(), 3, "{}{}", run.stderr(), run.stdout());
    let cases = run.cases();
    assert!(
        cases.iter().all(|(_, status, _)| status != "ok"),
        "{cases:?}"
    );
    assert_eq!(cases[0].1, "degraded", "{cases:?}");
    assert!(
        cases[0].2.contains("requests of the schedule") && cases[0].2.contains("was ended early"),
        "{cases:?}"
    );
    let row = run
        .rows("quality")
        .into_iter()
        .find(|row| text(row, "case_id") == "c001" && text(row, "source") == "load")
        .expect("it is counted");
    let (expected, received) = (int(&row, "expected"), int(&row, "received"));
    assert!(received > 0 && received < expected, "{row:?}");
    place.assert_nothing_left();
}
