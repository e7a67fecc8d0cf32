//! A stressor as a pod: pinned to its node, bounded by a deadline of the cluster's and by a lease of ours.

use super::ownership::RunOwner;
use super::pod::{self, PodOptions, Rights, WORK_DIR};
use crate::experiment::kubernetes::Limits;
use aefm_workloads::interference::{CpuClass, InterferenceSpec, Kind};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// A stressor that hears nothing for this long stops: the longest that pressure outlives its orchestrator.
pub const LEASE: Duration = Duration::from_secs(30);
/// How often it hears something.
pub const RENEWAL: Duration = Duration::from_secs(5);
/// The label value of a stressor's purpose.
pub const PURPOSE: &str = "interference";
/// Time between samples.
const REPORT: Duration = Duration::from_millis(500);

/// The pod for one kind on one node, and the line that its standard input begins with.
#[derive(Clone, Debug, PartialEq)]
pub struct StressorPod {
    /// The object.
    pub object: Value,
    /// The first line to write after attaching: the spec. Every line after it renews the lease.
    pub first_line: String,
}

/// What a stressor presses on, and for how long.
#[derive(Clone, Debug)]
pub struct Placed<'a> {
    /// The node, by its name.
    pub node: &'a str,
    /// Tells apart two stressors of one kind on one node.
    pub role: &'a str,
    /// The last bound, kept by the stressor and by the kubelet.
    pub deadline: Duration,
    /// Requests and limits.
    pub limits: &'a Limits,
}

/// Renders a stressor. Its standard input stays open when a stream to it is cut, so that another may be attached; what
/// ends it then is the lease.
///
/// # Errors
/// When the spec cannot be written as JSON.
pub fn stressor_pod(
    owner: &RunOwner,
    options: &PodOptions,
    spec: &InterferenceSpec,
    placed: &Placed<'_>,
) -> Result<StressorPod, serde_json::Error> {
    let Placed {
        node,
        role,
        deadline,
        limits,
    } = placed;
    let mut spec = spec.clone();
    spec.lease_ms = Some(millis(LEASE));
    spec.deadline_ms = millis(*deadline);
    spec.report_ms = millis(REPORT);
    if spec.kind == Kind::Disk {
        // The volume lies on the node's own disk.
        spec.options.dir = Some(WORK_DIR.into());
    }
    let rights = if spec.options.class == CpuClass::Fair {
        Rights::Least
    } else {
        Rights::Nice
    };
    let args = ["interfere", "--spec", "-"].map(str::to_owned);
    let mut container = pod::container(options, "stressor", &args, rights);
    pod::limit(&mut container, limits);
    container.insert("stdin".into(), json!(true));
    container.insert("stdinOnce".into(), json!(false));
    let mut pod = pod::spec(options, container, "Never");
    pod.insert(
        "activeDeadlineSeconds".into(),
        json!(deadline.as_secs().max(1)),
    );
    pod.insert("affinity".into(), pod::on_nodes(&[(*node).to_owned()]));
    pod.insert("tolerations".into(), json!([{ "operator": "Exists" }]));
    let mut metadata = owner.metadata(
        &name(owner, spec.kind, node, role),
        &options.namespace,
        PURPOSE,
    );
    metadata["labels"]["aefm.io/kind"] = json!(spec.kind.name());
    metadata["annotations"] = json!({ "aefm.io/node": node });
    let object = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod });
    Ok(StressorPod {
        object,
        first_line: serde_json::to_string(&spec)?,
    })
}

/// A name that fits and is the node's own: nodes' names are longer than a pod's may be, and differ past any cut.
fn name(owner: &RunOwner, kind: Kind, node: &str, role: &str) -> String {
    let digest = Sha256::digest(format!("{role}/{node}").as_bytes());
    let short = format!(
        "{:02x}{:02x}{:02x}{:02x}",
        digest[0], digest[1], digest[2], digest[3]
    );
    format!(
        "aefm-{}-{}-{short}",
        kind.name().replace('_', "-"),
        owner.id()
    )
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn options() -> PodOptions {
        let (image, namespace, pull_policy) = ("aefm:1".into(), "mine".into(), "Never".into());
        PodOptions {
            image,
            namespace,
            pull_policy,
            priority_class: Some("low".into()),
            ..PodOptions::default()
        }
    }

    fn pod_of(spec: &InterferenceSpec, node: &str, role: &str) -> StressorPod {
        let limits = Limits {
            cpu: Some("2".into()),
            memory: None,
        };
        let placed = Placed {
            node,
            role,
            deadline: Duration::from_secs(90),
            limits: &limits,
        };
        stressor_pod(
            &RunOwner::new("run1", "n").unwrap(),
            &options(),
            spec,
            &placed,
        )
        .unwrap()
    }

    fn pod(kind: Kind, node: &str) -> StressorPod {
        pod_of(&InterferenceSpec::new(kind, 40.0), node, "press")
    }

    #[test]
    fn all_pressure_is_bounded_by_deadline_and_lease() {
        for kind in Kind::ALL {
            let StressorPod { object, first_line } = pod(kind, "node-1");
            let spec: InterferenceSpec = serde_json::from_str(&first_line).unwrap();
            assert_eq!((spec.lease_ms, spec.deadline_ms), (Some(30_000), 90_000));
            assert_eq!((spec.kind, spec.intensity), (kind, 40.0));
            let pod = &object["spec"];
            assert_eq!(pod["activeDeadlineSeconds"], 90);
            // A Deployment, or a policy to restart, would bring it back.
            assert_eq!(
                (&object["kind"], &pod["restartPolicy"]),
                (&json!("Pod"), &json!("Never"))
            );
            assert_eq!(object["metadata"]["labels"]["aefm.io/run"], "run1");
            assert_eq!(pod["containers"][0]["stdinOnce"], false);
            assert_eq!(pod["containers"][0]["resources"]["limits"]["cpu"], "2");
            assert_eq!(pod["priorityClassName"], "low");
        }
    }

    #[test]
    fn it_is_pinned_by_name_even_where_names_look_like_numbers() {
        let pod = pod(Kind::Cpu, "06");
        let terms = &pod.object["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
        let field = json!({ "key": "metadata.name", "operator": "In", "values": ["06"] });
        assert_eq!(
            terms["nodeSelectorTerms"],
            json!([{ "matchFields": [field] }])
        );
    }

    #[test]
    fn names_are_one_a_node_kind_and_role_and_short_enough() {
        let long = format!("{}.example.org", "n".repeat(200));
        let nodes = ["a", "b", &long, &format!("{long}x")];
        let name = |kind, node, role| {
            let pod = pod_of(&InterferenceSpec::new(kind, 1.0), node, role);
            pod.object["metadata"]["name"].as_str().unwrap().to_owned()
        };
        let of_node = |node| {
            Kind::ALL
                .into_iter()
                .flat_map(move |kind| ["press", "serve"].map(|role| name(kind, node, role)))
        };
        let names: BTreeSet<_> = nodes.iter().flat_map(|node| of_node(node)).collect();
        assert_eq!(names.len(), 88);
        assert!(names.iter().all(|name| name.len() <= 63));
    }

    #[test]
    fn rights_are_the_least_that_the_stressor_needs() {
        let security = |spec: &InterferenceSpec| {
            pod_of(spec, "n", "press").object["spec"]["containers"][0]["securityContext"].clone()
        };
        let mut spec = InterferenceSpec::new(Kind::Cpu, 1.0);
        let least = security(&spec);
        assert_eq!(
            (&least["runAsNonRoot"], &least["capabilities"]["add"]),
            (&json!(true), &json!([]))
        );
        spec.options.class = CpuClass::Weight;
        let nice = security(&spec);
        assert_eq!(
            (&nice["runAsUser"], &nice["capabilities"]["add"]),
            (&json!(0), &json!(["SYS_NICE"]))
        );
        for rights in [least, nice] {
            assert_eq!(rights["capabilities"]["drop"], json!(["ALL"]));
            assert_eq!(rights["readOnlyRootFilesystem"], true);
        }
    }

    #[test]
    fn the_disk_kind_presses_on_a_volume() {
        let StressorPod { object, first_line } = pod(Kind::Disk, "n");
        let spec: InterferenceSpec = serde_json::from_str(&first_line).unwrap();
        let mount = &object["spec"]["containers"][0]["volumeMounts"][0]["mountPath"];
        assert_eq!(
            Some(mount.as_str().unwrap()),
            spec.options.dir.as_ref().and_then(|dir| dir.to_str())
        );
    }
}
