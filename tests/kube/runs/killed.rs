//! An orchestrator that is killed: nothing is left of its run after 30 s, whatever it was about.

use super::{IMAGE, PATIENCE, Stage, runs};
use aefm_tests::kube_api::Image;
use aefm_tests::processes::wait_for;
use nix::sys::signal::Signal;
use serde_json::Value;

#[test]
fn killed_while_its_root_waits_for_an_image_it_leaves_nothing() {
    let stage = Stage::new();
    stage.api.image(IMAGE, Image::Missing);
    let run = stage.start("rate: [10]", 2, "");
    let waits = |pod: &Value| {
        pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "ImagePullBackOff"
    };
    stage.wait_for_pod("root", "", waits);
    run.signal(Signal::SIGKILL);
    stage.assert_nothing_left();
    drop(run.finish());
}

#[test]
fn killed_in_mid_deployment_it_leaves_nothing() {
    let stage = Stage::new();
    let run = stage.start("rate: [10]", 2, "");
    stage.wait_for_pod("application", "", |_| true);
    run.signal(Signal::SIGKILL);
    assert!(!stage.left().is_empty(), "there is something to remove");
    stage.assert_nothing_left();
    drop(run.finish());
}

#[test]
fn a_root_that_takes_its_time_is_held_for_as_long_as_its_orchestrator_lives() {
    let stage = Stage::new();
    stage.api.image(IMAGE, Image::Missing);
    let run = stage.start("rate: [10]", 2, "");
    let (root, _) = stage.wait_for_pod("root", "", |_| true);
    // Longer than the root would be there by itself.
    let limit = || {
        let job = stage.api.list("Job").pop()?;
        job["spec"]["activeDeadlineSeconds"]
            .as_u64()
            .filter(|limit| *limit > 25 + 6)
    };
    wait_for(PATIENCE, limit).expect("the deadline is put off");
    stage.api.program(IMAGE, env!("CARGO_BIN_EXE_aefm"));
    stage.wait_for_pod("root", &root, runs);
    let run = run.finish();
    assert_eq!(run.code(), 0, "{}", run.stderr());
    stage.assert_nothing_left();
}
