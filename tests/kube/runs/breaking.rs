//! What breaks in mid-case: the case has the reason, and the next one begins anew.

use super::{NAMESPACE, Stage, runs, said};
use aefm_tests::processes::descendants;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

#[test]
fn what_breaks_in_mid_case_fails_that_case_and_no_other() {
    let stage = Stage::new();
    let run = stage.start("rate: [10], round: [1, 2, 3, 4, 5, 6]", 8, "");
    stage.wait_for_load(1);
    let (geo, _) = stage.wait_for_pod("application", "geo-", runs);
    stage.api.kill_for_memory(NAMESPACE, &geo);
    stage.wait_for_load(2);
    let (rate, _) = stage.wait_for_pod("application", "rate-", runs);
    stage.api.evict(NAMESPACE, &rate);
    stage.wait_for_load(3);
    let (_, node) = stage.wait_for_pod("application", "geo-", runs);
    stage.api.node_ready(&node, false);
    run.wait_for_journal("done", "start_data_collection", Some("c003"));
    stage.api.node_ready(&node, true);
    stage.wait_for_load(4);
    let (receiver, _) = stage.wait_for_pod("root", "", runs);
    stage.api.evict(NAMESPACE, &receiver);
    stage.wait_for_load(5);
    let (load, _) = stage.wait_for_pod("load", "", runs);
    stage.api.kill_for_memory(NAMESPACE, &load);
    let run = run.finish();
    assert_eq!(run.code(), 3, "{}", said(&run));
    let cases = run.cases();
    let reasons = [
        [format!("pod {geo}"), "OOMKilled".to_owned()],
        [
            format!("pod {rate}"),
            "Evicted: The node was low on resource".to_owned(),
        ],
        [format!("node {node} is not ready any more"), String::new()],
        [format!("pod {receiver}"), "Evicted".to_owned()],
        [format!("pod {load}"), "OOMKilled".to_owned()],
    ];
    for ((id, status, reason), words) in cases.iter().zip(reasons) {
        assert_eq!(status, "failed", "{id}: {reason}");
        assert!(
            words.iter().all(|word| reason.contains(word)),
            "{id}: {reason}, where {words:?} is to be said"
        );
    }
    assert_eq!(cases[5].1, "ok", "{cases:?}");
    stage.assert_nothing_left();
}

#[test]
fn a_stressor_that_is_killed_fails_its_case_and_the_next_one_has_another() {
    let stage = Stage::new();
    let run = stage.start("rate: [10], cpu: [5], round: [1, 2]", 6, "");
    stage.wait_for_load(1);
    let (stressor, _) = stage.wait_for_pod("interference", "aefm-cpu", runs);
    stage.api.kill_for_memory(NAMESPACE, &stressor);
    let run = run.finish();
    assert_eq!(run.code(), 3, "{}", said(&run));
    let (_, status, reason) = &run.cases()[0];
    assert_eq!(status, "failed", "{reason}");
    assert!(
        reason.contains("a stressor of cpu ended") && reason.contains("OOMKilled"),
        "{reason}"
    );
    run.assert_whole(&["c002"]);
    stage.assert_nothing_left();
}

/// As a kubelet does to a pod that it evicts, or `ctr task kill` to its container: the shard hands over what it has.
#[test]
fn a_load_that_is_told_to_stop_degrades_its_case_with_the_number_missing() {
    let stage = Stage::new();
    let run = stage.start("rate: [10], round: [1, 2]", 8, ", load: 2");
    run.wait_for_log("second 0 of the load has all its outcomes");
    let load = stage.pods("load", "")[0]["metadata"]["labels"]["aefm.io/load"].clone();
    let load = load.as_str().expect("it has a label").to_owned();
    let own = i32::try_from(std::process::id()).expect("a pid");
    let shard = descendants(own)
        .into_iter()
        .find(|process| process.command.contains("shard") && process.command.contains(&load));
    let shard = Pid::from_raw(shard.expect("its container is a process of ours").pid);
    kill(shard, Signal::SIGTERM).expect("it can be signalled");
    let run = run.finish();
    assert_eq!(run.code(), 3, "{}", said(&run));
    let cases = run.cases();
    let (_, status, reason) = &cases[0];
    assert_eq!(status, "degraded", "{reason}");
    for words in ["requests of the schedule", "was ended early"] {
        assert!(reason.contains(words), "{reason}");
    }
    run.assert_whole(&["c002"]);
    stage.assert_nothing_left();
}

#[test]
fn a_run_whose_root_is_removed_ends_and_says_so() {
    let stage = Stage::new();
    let run = stage.start("rate: [10], round: [1, 2]", 20, "");
    stage.wait_for_load(1);
    let root = stage
        .api
        .list("Job")
        .into_iter()
        .find(|job| job["metadata"]["labels"]["aefm.io/purpose"] == "root");
    let root = root.expect("it has a root");
    stage.api.delete(
        "Job",
        NAMESPACE,
        root["metadata"]["name"].as_str().expect("a name"),
    );
    let run = run.finish();
    assert!([1, 3].contains(&run.code()), "{}", said(&run));
    assert_eq!(run.cases()[0].1, "failed", "{:?}", run.cases());
    let told = run.run_file()["warnings"].to_string() + &said(&run) + &run.cases()[1].2;
    assert!(
        told.contains("was removed, by `aefm clean --run`"),
        "{told}"
    );
    stage.assert_nothing_left();
}
