//! Tries an image on a node: a pod that does nothing there, since only a kubelet can say whether it can have an image.

use super::cluster::{Cluster, ClusterError};
use super::ownership::RunOwner;
use super::pod;
use super::provenance::removal::Dependents;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;
use ulid::Ulid;

/// A registry that has not given an image in this time is too slow for a run, too.
const PATIENCE: Duration = Duration::from_secs(180);
/// Between two looks at the pod.
const LOOK: Duration = Duration::from_millis(500);
/// The label value of the pod's purpose.
const PURPOSE: &str = "doctor";
/// Reasons by which a kubelet says that it has no image.
const MISSING: [&str; 6] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "RegistryUnavailable",
    "ImageInspectError",
];

/// An image that is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial<'a> {
    /// Its name.
    pub image: &'a str,
    /// `imagePullPolicy`.
    pub policy: &'a str,
    /// The node.
    pub node: &'a str,
    /// The namespace of the pod, which must be there.
    pub namespace: &'a str,
    /// Tells this pod from others there.
    pub number: usize,
}

impl Trial<'_> {
    /// Makes the pod, waits until its kubelet has the image or says why not, and removes it.
    ///
    /// # Errors
    /// When there is no image, for people.
    pub async fn run(&self, cluster: &Cluster) -> Result<(), String> {
        let nonce = format!("{}{}", Ulid::generate(), Ulid::generate());
        let owner = RunOwner::doctor(&nonce);
        // A root of itself: whoever cleans up after a doctor that was killed can tell it from others' pods.
        let pod = cluster.make_root(self.pod(&owner), &owner, PURPOSE);
        let made = pod.await.map_err(|error| error.to_string())?.made;
        let outcome = wait(cluster, made.object()).await;
        if let Err(error) = cluster.remove(&made, Dependents::Go).await {
            tracing::warn!("a pod is left to its deadline: failed to {error}");
        }
        outcome
    }

    fn pod(&self, owner: &RunOwner) -> Value {
        let name = format!("aefm-doctor-{}-{}", std::process::id(), self.number);
        // Nothing of the image is begun: that there is no such program is told only when there is the image.
        let container = json!({ "name": "trial", "image": self.image, "imagePullPolicy": self.policy,
            "command": ["/no-such-program-of-aefm-doctor"] });
        json!({ "apiVersion": "v1", "kind": "Pod", "metadata": owner.metadata(&name, self.namespace, PURPOSE),
            "spec": { "containers": [container], "restartPolicy": "Never", "activeDeadlineSeconds": PATIENCE.as_secs() + 60,
                "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": false,
                "affinity": pod::on_nodes(&[self.node.to_owned()]), "tolerations": [{ "operator": "Exists" }] } })
    }
}

async fn wait(cluster: &Cluster, pod: &Value) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let told = |error: ClusterError| error.to_string();
        let now = cluster
            .get(pod)
            .await
            .map_err(told)?
            .ok_or("its pod was removed by somebody else")?;
        if let Some(outcome) = outcome(&now) {
            return outcome;
        }
        if Instant::now() >= deadline {
            return Err(format!("nothing came of it within {PATIENCE:?}"));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What a pod's state says of its image; none yet, where it is still on its way.
fn outcome(pod: &Value) -> Option<Result<(), String>> {
    let container = &pod["status"]["containerStatuses"][0];
    let waiting = &container["state"]["waiting"];
    let reason = waiting["reason"].as_str().unwrap_or_default();
    if MISSING.contains(&reason) {
        let message = waiting["message"].as_str().unwrap_or_default();
        return Some(Err(format!("{reason}: {message}")));
    }
    let created = container["imageID"]
        .as_str()
        .is_some_and(|id| !id.is_empty());
    let begun =
        !container["state"]["terminated"].is_null() || !container["state"]["running"].is_null();
    if created || begun || reason == "RunContainerError" || reason == "CreateContainerError" {
        return Some(Ok(()));
    }
    let ended = pod["status"]["phase"] == "Failed";
    ended.then(|| {
        Err(super::explain::state(pod)
            .unwrap_or_else(|| "its pod failed without a word".to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_proves_that_the_image_is() {
        let with = |state: Value| json!({ "status": { "phase": "Pending", "containerStatuses": [{ "state": state }] } });
        let waiting =
            |reason: &str| with(json!({ "waiting": { "reason": reason, "message": "m" } }));
        assert_eq!(outcome(&waiting("ContainerCreating")), None);
        assert_eq!(outcome(&json!({ "status": { "phase": "Pending" } })), None);
        assert_eq!(
            outcome(&waiting("ErrImagePull")),
            Some(Err("ErrImagePull: m".to_owned()))
        );
        assert_eq!(outcome(&waiting("RunContainerError")), Some(Ok(())));
        assert_eq!(
            outcome(&with(
                json!({ "terminated": { "reason": "StartError", "exitCode": 128 } })
            )),
            Some(Ok(()))
        );
        let evicted =
            json!({ "status": { "phase": "Failed", "reason": "Evicted", "message": "disk" } });
        assert_eq!(outcome(&evicted), Some(Err("Evicted: disk".to_owned())));
    }
}
