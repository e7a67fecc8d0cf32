//! One stressor in the cluster: attached to, steered, listened to.

use super::cluster::{ClusterError, code};
use super::deploy::Site;
use super::logs;
use super::provenance::Made;
use super::stressor_pod::{RENEWAL, StressorPod};
use super::watched::{has_ended, pod};
use crate::platform::Held;
use aefm_workloads::interference::{Control, InterferenceSample, Kind};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{AttachParams, AttachedProcess};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How long a pod may take until it says something.
const START: Duration = Duration::from_secs(60);
/// How long an intensity may take until it is held.
const HOLD: Duration = Duration::from_secs(20);
/// Between attempts to attach.
const RETRY: Duration = Duration::from_millis(500);

/// A stressor of one kind on one node.
pub(super) struct Stressor {
    pub(super) node: String,
    pub(super) name: String,
    kind: Kind,
    made: Vec<Made>,
    intensity: watch::Sender<f64>,
    samples: watch::Receiver<Vec<InterferenceSample>>,
    /// Why it can never be steered or heard.
    refused: watch::Receiver<Option<ClusterError>>,
    keeper: JoinHandle<()>,
    reader: JoinHandle<()>,
}

impl Stressor {
    /// Makes the pod. What it says and does comes later: see [`Self::hold`].
    pub(super) async fn start(
        site: &Site,
        node: &str,
        kind: Kind,
        pod: StressorPod,
    ) -> Result<Self, String> {
        let StressorPod { object, first_line } = pod;
        let name = super::cluster::name_of(&object);
        let mut made = Vec::new();
        site.make(vec![object], super::stressor_pod::PURPOSE, &mut made)
            .await
            .map_err(|error| error.to_string())?;
        let (intensity, wanted) = watch::channel(0.0);
        let (sender, samples) = watch::channel(Vec::new());
        let (pods, listened, objects) = (site.pods(), name.clone(), site.watched.now());
        let (refusal, refused) = watch::channel(None);
        let told = refusal.clone();
        let reader = tokio::spawn(async move {
            if let Err(refused) =
                logs::follow(&pods, &listened, objects, |line| take(&sender, line)).await
            {
                told.send_replace(Some(refused));
            }
        });
        let keeper = Keeper {
            pods: site.pods(),
            name: name.clone(),
            first_line,
            wanted,
            samples: samples.clone(),
            refusal,
        };
        let keeper = tokio::spawn(keeper.keep(site.watched.now()));
        Ok(Self {
            node: node.to_owned(),
            name,
            kind,
            made,
            intensity,
            samples,
            refused,
            keeper,
            reader,
        })
    }

    /// Waits until it says something: then it does what it was told.
    pub(super) async fn speaks(&self) -> Result<(), String> {
        let mut samples = self.samples.clone();
        let mut refused = self.refused.clone();
        let spoke = tokio::select! {
            said = samples.wait_for(|samples| !samples.is_empty()) => said.is_ok(),
            Ok(refused) = refused.wait_for(Option::is_some) => return Err(tell(&refused)),
            () = tokio::time::sleep(START) => false,
        };
        if spoke {
            Ok(())
        } else {
            Err(format!("hear of pod {} within {START:?}", self.name))
        }
    }

    /// Asks for an intensity and waits until it is held, or the node has no room for more, or for as long as that may
    /// take.
    pub(super) async fn hold(&mut self, site: &Site, intensity: f64) -> Result<Held, String> {
        let what = format!(
            "hold {} interference of {intensity} on {}",
            self.kind.name(),
            self.node
        );
        let fresh = self.samples.borrow().is_empty();
        self.intensity.send_replace(intensity);
        let deadline = Instant::now() + if fresh { START + HOLD } else { HOLD };
        let before = self.samples.borrow_and_update().len();
        let mut samples = self.samples.clone();
        let held = samples.wait_for(|samples| {
            samples[before..]
                .iter()
                .any(|sample| sample.has_settled(intensity))
        });
        let ended = site.watched.until(deadline, |objects| {
            pod(objects, &self.name)
                .is_some_and(has_ended)
                .then_some(())
        });
        let mut refused = self.refused.clone();
        let ended = tokio::select! {
            held = held => held.is_err(),
            Some(()) = ended => true,
            Ok(refused) = refused.wait_for(Option::is_some) => return Err(format!("{what}: {}", tell(&refused))),
            () = tokio::time::sleep_until(deadline) => false,
        };
        let last = self.samples.borrow()[before..].last().cloned();
        match last {
            // Late is not never: what is reached under load is judged by what was measured then.
            Some(last) if !ended => Ok(Held {
                achieved: last.achieved,
                reached: last.is_at(intensity),
            }),
            _ => {
                let now = site.watched.now().borrow().clone();
                let state = match pod(&now, &self.name) {
                    Some(pod) => site.explain(pod).await,
                    None => format!("pod {} is not there", self.name),
                };
                let reached = last.map_or_else(
                    || "nothing was reported".to_owned(),
                    |last| format!("it reached {:.1}", last.achieved),
                );
                Err(format!("{what}: {reached}; {state}"))
            }
        }
    }

    /// Samples that end in a window of wall-clock time.
    pub(super) fn between(&self, from_ns: i64, to_ns: i64) -> Vec<InterferenceSample> {
        let within = |sample: &&InterferenceSample| {
            !sample.summary && (from_ns..to_ns).contains(&sample.wall_ns)
        };
        self.samples
            .borrow()
            .iter()
            .filter(within)
            .cloned()
            .collect()
    }

    /// Removes the pod and waits until it is gone.
    pub(super) async fn stop(self, site: &Site) -> Result<(), String> {
        self.keeper.abort();
        let removed = site
            .remove(&self.made)
            .await
            .map_err(|error| error.to_string());
        self.reader.abort();
        removed
    }
}

impl Drop for Stressor {
    fn drop(&mut self) {
        self.keeper.abort();
        self.reader.abort();
    }
}

/// Keeps what comes later than the last: where the log was read again, lines come twice.
fn take(samples: &watch::Sender<Vec<InterferenceSample>>, line: &str) {
    let Ok(sample) = serde_json::from_str::<InterferenceSample>(line) else {
        tracing::debug!("a stressor said `{line}`");
        return;
    };
    samples.send_if_modified(|samples| {
        let later = samples
            .last()
            .is_none_or(|last| last.mono_ns < sample.mono_ns);
        if later {
            samples.push(sample);
        }
        later
    });
}

fn tell(refused: &Option<ClusterError>) -> String {
    refused
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// Holds a stream to the stressor's standard input: orders, and in between the lease.
struct Keeper {
    pods: Api<Pod>,
    name: String,
    first_line: String,
    wanted: watch::Receiver<f64>,
    samples: watch::Receiver<Vec<InterferenceSample>>,
    refusal: watch::Sender<Option<ClusterError>>,
}

impl Keeper {
    async fn keep(mut self, mut objects: watch::Receiver<super::watched::Objects>) {
        loop {
            let name = self.name.clone();
            let running = objects.wait_for(|objects| {
                pod(objects, &name).is_some_and(|pod| pod["status"]["phase"] == "Running")
            });
            if running.await.is_err() {
                return;
            }
            let parameters = AttachParams {
                stdin: true,
                stdout: false,
                stderr: false,
                ..AttachParams::default()
            };
            match self.pods.attach(&self.name, &parameters).await {
                Ok(attached) => {
                    let ended = self.serve(attached).await;
                    tracing::debug!("the stream to pod {} is opened again: {ended}", self.name);
                }
                Err(error) if matches!(code(&error), Some(401 | 403)) => {
                    let refused =
                        ClusterError::refused(&format!("attach to pod {}", self.name), &error);
                    self.refusal
                        .send_replace(Some(refused.naming("pods/attach")));
                    return;
                }
                Err(error) => {
                    tracing::debug!("pod {} cannot be attached to now: {error}", self.name);
                }
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Writes until the stream breaks.
    async fn serve(&mut self, mut attached: AttachedProcess) -> String {
        let (Some(mut stdin), Some(status)) = (attached.stdin(), attached.take_status()) else {
            return "it has no input".to_owned();
        };
        tokio::pin!(status);
        // A spec that is already obeyed is no control, and is refused without harm.
        let begun = !self.samples.borrow().is_empty();
        let mut line = if begun {
            String::new()
        } else {
            format!("{}\n", self.first_line)
        };
        line += &self.order();
        loop {
            if let Err(error) = stdin.write_all(line.as_bytes()).await {
                return error.to_string();
            }
            tokio::select! {
                _ = &mut status => return "the server ended it".to_owned(),
                changed = self.wanted.changed() => {
                    if changed.is_err() {
                        return "nobody steers it any more".to_owned();
                    }
                    line = self.order();
                }
                () = tokio::time::sleep(RENEWAL) => "\n".clone_into(&mut line),
            }
        }
    }

    fn order(&mut self) -> String {
        let intensity = *self.wanted.borrow_and_update();
        serde_json::to_string(&Control { intensity })
            .map(|order| order + "\n")
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_come_twice_count_once() {
        let (sender, samples) = watch::channel(Vec::new());
        let sample = |mono_ns| InterferenceSample {
            kind: Kind::Cpu,
            requested: 1.0,
            achieved: 1.0,
            unit: "percent".into(),
            saturated: false,
            held: true,
            why: None,
            detail: None,
            wall_ns: 0,
            mono_ns,
            bytes_per_s: None,
            summary: false,
        };
        for mono_ns in [1, 2, 1, 2, 3] {
            take(&sender, &serde_json::to_string(&sample(mono_ns)).unwrap());
        }
        take(&sender, "not a sample");
        assert_eq!(
            samples
                .borrow()
                .iter()
                .map(|sample| sample.mono_ns)
                .collect::<Vec<_>>(),
            [1, 2, 3]
        );
    }
}
