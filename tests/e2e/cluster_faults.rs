//! What a real cluster refuses, and what breaks in it in mid-case: the case says so in the cluster's own words, the next one
//! begins anew, and nothing is left. More faults are in `tests/kube/runs`, on the double; those that take a part of the
//! cluster away from every other test are in `cluster_outages`.

use crate::cluster::Place;
use crate::session::Finished;
use crate::small::{SERVE, deployment, front};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{Api, AttachParams, DeleteParams, EvictParams, Patch, PatchParams};
use serde_json::json;

/// One case.
const CASE: &str = "rate: [5]";
/// Two that are alike.
const TWICE: &str = "rate: [5], round: [1, 2]";

impl Finished {
    /// The first case failed for that reason, and the second one is none the worse.
    pub(crate) fn assert_first_failed_for(&self, words: &[&str]) {
        assert_eq!(self.code(), 3, "{}{}", self.stderr(), self.stdout());
        let cases = self.cases();
        let (_, status, reason) = &cases[0];
        assert_eq!(status, "failed", "{cases:?}");
        assert!(
            words.iter().all(|word| reason.contains(word)),
            "{reason}, where {words:?} is to be said"
        );
        assert!(
            cases[1..]
                .iter()
                .all(|(_, status, _)| status != "failed" && status != "skipped"),
            "{cases:?}"
        );
        eprintln!("{reason}");
    }
}

#[test]
fn a_quota_that_refuses_is_told_in_its_words() {
    let Some(place) = Place::find("aefm-e2e-quota") else {
        return;
    };
    place.make_namespace();
    place.apply(&json!({"apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": {"name": "few", "namespace": place.namespace}, "spec": {"hard": {"pods": "1"}}}));
    let run = place
        .start_small(&front(SERVE), CASE, 2, ", ready: 8s", "")
        .finish();
    run.assert_first_failed_for(&["bring up the components under test", "exceeded quota: few"]);
    place.assert_nothing_left();
}

#[test]
fn a_namespace_that_does_not_go_is_told_with_what_holds_it() {
    let Some(place) = Place::find("aefm-e2e-stuck") else {
        return;
    };
    place.make_namespace();
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "held", "namespace": place.namespace, "finalizers": ["aefm.test/hold"]}});
    place.apply(&map);
    let namespaces: Api<Namespace> = Api::all(place.client.clone());
    place
        .runtime
        .block_on(namespaces.delete(place.namespace, &DeleteParams::default()))
        .expect("it is to go");
    let run = place
        .start_small(&front(SERVE), CASE, 2, ", ready: 8s", "")
        .finish();
    let freed = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    place
        .runtime
        .block_on(
            place
                .api(&map)
                .patch("held", &PatchParams::default(), &freed),
        )
        .expect("nothing holds it");
    assert_eq!(run.code(), 1, "{}", run.stderr());
    let words = [
        "still being deleted after 8s",
        "aefm.test/hold",
        "kubernetes.namespace",
    ];
    assert!(
        words.iter().all(|word| run.stderr().contains(word)),
        "{}",
        run.stderr()
    );
}

#[test]
fn an_application_s_image_that_cannot_be_pulled_is_named() {
    let Some(place) = Place::find("aefm-e2e-pull") else {
        return;
    };
    let [mut front, service] = front(SERVE);
    front["spec"]["template"]["spec"]["containers"][0]["image"] = json!("aefm.local/none:0");
    let run = place
        .start_small(&[front, service], CASE, 2, ", ready: 10s", "")
        .finish();
    run.assert_first_failed_for(&[
        "Deployment `front`",
        "pod front-",
        "ImagePull",
        "aefm.local/none:0",
    ]);
    place.assert_nothing_left();
}

#[test]
fn a_pod_that_is_killed_for_its_memory_in_mid_case_is_that_case_s_reason() {
    let Some(place) = Place::find("aefm-e2e-memory") else {
        return;
    };
    // The last line that tail is to keep never ends.
    let eater = deployment(
        "eater",
        "until [ -e /eat ]; do /bin/busybox sleep 0.2; done; exec /bin/busybox tail /dev/zero",
    );
    let [front, service] = front(SERVE);
    let run = place.start_small(&[eater, front, service], TWICE, 12, "", "");
    place.wait_for_running("load");
    let eats = |pod: &Pod| {
        pod.metadata
            .name
            .as_deref()
            .is_some_and(|name| name.starts_with("eater-"))
    };
    let pod = place
        .pods(Some("application"))
        .into_iter()
        .find(eats)
        .expect("it is up");
    let pods: Api<Pod> = Api::namespaced(place.client.clone(), place.namespace);
    place.runtime.block_on(async {
        let (name, parameters) = (
            pod.metadata.name.as_deref().expect("a name"),
            AttachParams::default().stdin(false),
        );
        let told = pods
            .exec(name, ["/bin/busybox", "touch", "/eat"], &parameters)
            .await;
        told.expect("it can be told")
            .take_status()
            .expect("it has one")
            .await
            .expect("it was told");
    });
    let run = run.finish();
    run.assert_first_failed_for(&["pod eater-", "OOMKilled, exit code 137"]);
    place.assert_nothing_left();
}

#[test]
fn a_pod_that_is_evicted_in_mid_case_is_that_case_s_reason() {
    let Some(place) = Place::find("aefm-e2e-evicted") else {
        return;
    };
    let run = place.start_small(&front(SERVE), TWICE, 8, "", "");
    place.wait_for_running("load");
    let name = place
        .wait_for_running("application")
        .metadata
        .name
        .expect("a name");
    let pods: Api<Pod> = Api::namespaced(place.client.clone(), place.namespace);
    place
        .runtime
        .block_on(pods.evict(&name, &EvictParams::default()))
        .expect("nothing speaks against it");
    let run = run.finish();
    run.assert_first_failed_for(&[&format!("pod {name} is")]);
    place.assert_nothing_left();
}

#[test]
fn two_runs_at_once_in_one_cluster_have_their_own() {
    let (Some(one), Some(two)) = (Place::find("aefm-e2e-one"), Place::find("aefm-e2e-other"))
    else {
        return;
    };
    let start = |place: &Place| place.start_small(&front(SERVE), "rate: [5], cpu: [5]", 6, "", "");
    let runs = [start(&one), start(&two)];
    for (place, run) in [&one, &two].into_iter().zip(runs) {
        let run = run.finish();
        assert!(
            [0, 3].contains(&run.code()),
            "{}{}",
            run.stderr(),
            run.stdout()
        );
        assert!(run.cases()[0].1 != "failed", "{:?}", run.cases());
        let ok = run
            .rows("requests")
            .iter()
            .filter(|row| crate::session::text(row, "outcome") == "ok")
            .count();
        assert_eq!(
            (run.rows("requests").len(), ok),
            (33, 33),
            "{}",
            place.namespace
        );
        place.assert_nothing_left();
    }
}
