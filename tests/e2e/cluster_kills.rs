//! An orchestrator that is killed, at each step of a run on a real cluster: nothing presses or loads after 30 s, and all
//! that it made goes by itself, but for what has no namespace, which `aefm clean` removes.

use crate::cluster::{PATIENCE, Place, runs};
use crate::session::{Session, aefm, alone, said};
use crate::small::{SERVE, front};
use aefm_tests::parts::{self, Part};
use aefm_tests::processes::wait_for;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{Api, DynamicObject, ListParams};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::process::Output;
use std::time::{Duration, Instant};

/// A machine of its own needs 30 s; here other tests, and runs beside this one, have its processors for a while.
const NOTHING_LEFT: Duration = Duration::from_secs(60);

/// A step of a run.
struct Step {
    /// The namespace.
    name: &'static str,
    /// What is deployed.
    script: &'static str,
    /// An image that is not there, in place of our own.
    image: Option<&'static str>,
    /// Whether the run has come there.
    reached: fn(&Place, &Session) -> bool,
}

const fn step(name: &'static str, reached: fn(&Place, &Session) -> bool) -> Step {
    Step {
        name,
        script: SERVE,
        image: None,
        reached,
    }
}

fn any(place: &Place, purpose: &str, wanted: fn(&Pod) -> bool) -> bool {
    place.pods(Some(purpose)).iter().any(wanted)
}

fn waits_for_its_image(pod: &Pod) -> bool {
    let statuses = pod
        .status
        .as_ref()
        .and_then(|status| status.container_statuses.as_ref());
    let waiting = statuses
        .into_iter()
        .flatten()
        .filter_map(|status| status.state.as_ref()?.waiting.as_ref()?.reason.as_ref());
    waiting
        .into_iter()
        .any(|reason| reason.ends_with("ImagePull") || reason == "ImagePullBackOff")
}

const STEPS: [&[Step]; 2] = [
    &[
        step("aefm-kill-namespace", |place, _| {
            let api: Api<Namespace> = Api::all(place.client.clone());
            place
                .runtime
                .block_on(api.get_opt(place.namespace))
                .expect("it can be asked")
                .is_some()
        }),
        Step {
            image: Some("aefm.local/none:0"),
            ..step("aefm-kill-image", |place, _| {
                any(place, "root", waits_for_its_image)
            })
        },
        step("aefm-kill-deploying", |place, _| {
            any(place, "application", |_| true)
        }),
        Step {
            script: "/bin/busybox sleep 600",
            ..step("aefm-kill-waiting", |place, _| {
                any(place, "application", runs)
            })
        },
        step("aefm-kill-stressors", |place, _| {
            any(place, "interference", |_| true)
        }),
    ],
    &[
        step("aefm-kill-load", |place, _| {
            any(place, "load", runs) && any(place, "interference", runs)
        }),
        step("aefm-kill-collecting", |_, run| {
            run.has_journal("begin", "start_data_collection", Some("c001"))
        }),
        step("aefm-kill-renewing", |_, run| {
            run.has_journal("begin", "init_environment", Some("c002"))
        }),
        step("aefm-kill-removing", |_, run| {
            run.has_journal("begin", "end_experiment", None)
        }),
    ],
];

/// Kinds that a run makes, or that the cluster makes of them.
const KINDS: [(&str, &str); 6] = [
    ("v1", "Pod"),
    ("v1", "Service"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "ReplicaSet"),
    ("batch/v1", "Job"),
    ("v1", "PersistentVolumeClaim"),
];

impl Place {
    /// What a run has left in the namespace, `Kind/name`.
    fn left(&self) -> Vec<String> {
        let name = |object: &DynamicObject| object.metadata.name.clone().unwrap_or_default();
        let of_kind = |(version, kind): (&str, &str)| {
            let object = json!({"apiVersion": version, "kind": kind, "metadata": {"namespace": self.namespace}});
            let ours = ListParams::default().labels("aefm.io/run");
            let found = self
                .runtime
                .block_on(self.api(&object).list(&ours))
                .expect("a list");
            found
                .items
                .iter()
                .map(|object| format!("{kind}/{}", name(object)))
                .collect::<Vec<_>>()
        };
        KINDS.into_iter().flat_map(of_kind).collect()
    }

    fn clean(&self, more: &[&str]) -> Output {
        let mut command = aefm();
        command
            .args(["clean", "-n", self.namespace])
            .args(more)
            .env("KUBECONFIG", &self.kubeconfig);
        command.output().expect("aefm starts")
    }
}

/// Kills a run at that step; how it went.
fn kill(step: &Step) -> Option<String> {
    let mut place = Place::find(step.name)?;
    if let Some(image) = step.image {
        image.clone_into(&mut place.image);
    }
    let top = "environment: {on_change: {round: restart}}";
    let run = place.start_small(
        &front(step.script),
        "rate: [5], cpu: [5], round: [1, 2]",
        3,
        "",
        top,
    );
    let reached = wait_for(PATIENCE, || (step.reached)(&place, &run).then_some(()));
    run.signal(Signal::SIGKILL);
    let killed = Instant::now();
    let there = place.left();
    let ended = run.finish();
    assert!(
        reached.is_some(),
        "{}: never reached: {}{there:?}",
        step.name,
        ended.stderr()
    );
    let press =
        || place.pods(Some("load")).is_empty() && place.pods(Some("interference")).is_empty();
    wait_for(NOTHING_LEFT, || press().then_some(()))
        .unwrap_or_else(|| panic!("{}: {:?}", step.name, place.left()));
    let pressed = killed.elapsed();
    wait_for(NOTHING_LEFT, || place.left().is_empty().then_some(()))
        .unwrap_or_else(|| panic!("{}: left: {:?}", step.name, place.left()));
    let gone = killed.elapsed();
    let clean = said(&place.clean(&["--dry-run"]));
    assert!(
        clean.contains("nothing is left of any run that is over"),
        "{}: {clean}",
        step.name
    );
    Some(format!(
        "{}: {} objects then, no load or stressor after {pressed:.1?}, nothing after {gone:.1?}",
        step.name,
        there.len()
    ))
}

fn kill_all(steps: &'static [Step]) {
    // Looked up here, in the thread that has the test's name: what is left out is said by it.
    if !parts::has(Part::Cluster) {
        return;
    }
    let _alone = alone();
    let kills: Vec<_> = steps
        .iter()
        .map(|step| std::thread::spawn(|| kill(step)))
        .collect();
    let told: Vec<_> = kills
        .into_iter()
        .map(std::thread::JoinHandle::join)
        .collect();
    for told in told {
        if let Some(told) = told.expect("nothing is left") {
            eprintln!("{told}");
        }
    }
}

#[test]
fn killed_before_there_is_load_it_leaves_nothing_after_30_s() {
    kill_all(STEPS[0]);
}

#[test]
fn killed_from_the_first_load_on_it_leaves_nothing_after_30_s() {
    kill_all(STEPS[1]);
}

/// A volume without a namespace, which nothing in the cluster removes.
fn volume(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": {
        "capacity": {"storage": "1Mi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": name,
        "hostPath": {"path": format!("/var/tmp/{name}"), "type": "DirectoryOrCreate"}}})
}

#[test]
fn clean_removes_what_a_killed_run_left_at_once_and_leaves_others_alone() {
    let (Some(place), Some(other)) = (
        Place::find("aefm-e2e-clean"),
        Place::find("aefm-e2e-unclean"),
    ) else {
        return;
    };
    let _alone = alone();
    let [front, service] = front(SERVE);
    let started = |place: &Place| {
        let objects = [volume(place.namespace), front.clone(), service.clone()];
        place.start_small(&objects, "rate: [5], cpu: [5]", 60, "", "")
    };
    let (run, beside) = (started(&place), started(&other));
    let there = |place: &Place| {
        let name = place.namespace;
        place
            .runtime
            .block_on(place.api(&volume(name)).get_opt(name))
            .expect("it can be asked")
            .is_some()
    };
    for place in [&place, &other] {
        place.wait_for_running("load");
        assert!(there(place));
    }
    run.signal(Signal::SIGKILL);
    let id = place
        .wait_for_running("root")
        .metadata
        .labels
        .expect("labels")["aefm.io/run"]
        .clone();
    let left_alone = place.clean(&[]);
    assert!(
        said(&left_alone).contains(&format!("run {id} is under way and is left alone")),
        "{}",
        said(&left_alone)
    );
    assert!(
        !place.left().is_empty() && there(&place) && there(&other),
        "{}",
        said(&left_alone)
    );
    let cleaned = place.clean(&["--run", &id]);
    assert_eq!(cleaned.status.code(), Some(0), "{}", said(&cleaned));
    assert!(
        said(&cleaned).contains("PersistentVolume"),
        "{}",
        said(&cleaned)
    );
    let gone = || (place.left().is_empty() && !there(&place)).then_some(());
    wait_for(NOTHING_LEFT, gone).unwrap_or_else(|| panic!("left: {:?}", place.left()));
    drop(run.finish());
    // What its neighbour has is not touched, although a volume is in no namespace.
    assert!(there(&other) && !other.pods(Some("load")).is_empty());
    beside.signal(Signal::SIGKILL);
    drop(beside.finish());
    wait_for(NOTHING_LEFT, || other.left().is_empty().then_some(()))
        .unwrap_or_else(|| panic!("{:?}", other.left()));
    assert!(there(&other), "nothing in a namespace can own it");
    let cleaned = other.clean(&[]);
    assert!(
        said(&cleaned).contains(&format!("removes PersistentVolume `{}`", other.namespace)),
        "{}",
        said(&cleaned)
    );
    wait_for(NOTHING_LEFT, || (!there(&other)).then_some(())).expect("it goes");
}
