//! Faults that pass: a run that meets them is none the worse.

use super::{Stage, said};
use aefm_tests::kube_api::{Failure, Fault};
use aefm_tests::processes::wait_for;
use std::time::Duration;

/// Rows of a load that measures for so many seconds: one for its warm-up of half a second, and measured are a half, whole
/// ones, and a half.
const fn seconds(measured: usize) -> usize {
    1 + measured + 1
}

#[test]
fn requests_that_fail_in_passing_are_made_again() {
    let stage = Stage::new();
    for (verb, resource, times, answer) in [
        ("list", "nodes", 1, Failure::Internal),
        ("list", "pods", 2, Failure::Expired),
        ("create", "jobs", 2, Failure::CutAfter),
        ("patch", "jobs", 2, Failure::CutAfter),
        ("get", "pods/portforward", 2, Failure::Internal),
        ("create", "deployments", 3, Failure::Conflict),
        ("create", "services", 2, Failure::TooManyRequests),
        ("create", "pods", 2, Failure::Cut),
        ("get", "pods/attach", 1, Failure::Internal),
        ("get", "pods/log", 2, Failure::Cut),
        ("delete", "", 2, Failure::CutAfter),
        ("delete", "", 2, Failure::TooManyRequests),
    ] {
        stage.api.inject(Fault {
            verb,
            resource,
            times,
            answer,
        });
    }
    let run = stage.start("rate: [10], cpu: [10]", 6, "");
    stage.wait_for_load(1);
    stage.api.cut_streams();
    stage.api.compact();
    let run = run.finish();
    assert!([0, 3].contains(&run.code()), "{}", said(&run));
    run.assert_whole(&["c001"]);
    assert_eq!(
        run.rows("load").len(),
        seconds(6),
        "no second is lost, and none comes twice"
    );
    assert_eq!(stage.api.unmet(), 0, "every fault was met");
    stage.assert_nothing_left();
}

#[test]
fn a_server_that_is_away_for_20_s_costs_no_case() {
    let stage = Stage::new();
    let run = stage.start("rate: [10], cpu: [10], round: [1, 2]", 28, "");
    // In mid-deployment, and in mid-load.
    let begun = || stage.api.list("Deployment").first().map(|_| ());
    wait_for(super::PATIENCE, begun).expect("a deployment is made");
    stage.api.gone_for(Duration::from_secs(20));
    stage.wait_for_load(1);
    stage.api.gone_for(Duration::from_secs(20));
    let run = run.finish();
    assert!([0, 3].contains(&run.code()), "{}", said(&run));
    run.assert_whole(&["c001", "c002"]);
    assert_eq!(
        run.rows("load").len(),
        2 * seconds(28),
        "no second is lost, and none comes twice"
    );
    stage.assert_nothing_left();
}
