//! The run's receiver, which is the root's pod: raised, held until it holds its own lease, found again when it had to move.

use super::anchor;
use super::cluster::{ClusterError, name_of};
use super::deploy::{DeployError, Site};
use super::explain::is_final;
use super::forward::{Finder, Forward};
use super::opening::OpenError;
use super::pod::{PORT, PodOptions};
use super::provenance::RootObject;
use super::ready::waits_for;
use super::watched::Objects;
use super::{Kubernetes, root};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The root's lease until its pod runs: together with its removal less than the 30 s after which nothing may be left.
const HOLD: Duration = Duration::from_secs(25);
/// How often it is renewed.
const RENEWAL: Duration = Duration::from_secs(3);

/// Makes the root and waits until its pod receives; the receiver's address within the cluster.
///
/// # Errors
/// When it cannot be made, or is not ready in time.
pub(super) async fn raise(
    site: &mut Site,
    options: &PodOptions,
    nodes: &[String],
    patience: Duration,
) -> Result<String, OpenError> {
    let begun = Instant::now();
    let job = root::job(&site.owner, options, nodes, Some(HOLD))?;
    let made = site.cluster.make_root(job, &site.owner, root::PURPOSE);
    site.root = Some(made.await?);
    let ready = address(site, patience);
    tokio::pin!(ready);
    let address = loop {
        tokio::select! {
            address = &mut ready => break address?,
            () = tokio::time::sleep(RENEWAL) => {
                site.renew(Some(begun.elapsed() + HOLD)).await?;
            }
        }
    };
    site.renew(None).await?;
    Ok(address)
}

/// The receiver's address within the cluster, once it is ready.
async fn address(site: &Site, patience: Duration) -> Result<String, OpenError> {
    let ready = site.watched.until(Instant::now() + patience, |objects| {
        let pod = root::pod(objects)?;
        let ready = waits_for(pod, &[]).is_none();
        (ready || is_final(pod)).then(|| {
            pod["status"]["podIP"]
                .as_str()
                .filter(|_| ready)
                .map(str::to_owned)
        })
    });
    if let Some(address) = ready.await.flatten() {
        return Ok(format!("{address}:{PORT}"));
    }
    let now = site.watched.now().borrow().clone();
    let reasons = match root::pod(&now) {
        Some(pod) => site.explain(pod).await,
        None => site.why_no_pod(&root::name(&site.owner)).await,
    };
    Err(DeployError::NotReady {
        what: "the run's receiver".to_owned(),
        reasons,
    }
    .into())
}

/// The way to the receiver from here; tried, since without it the receiver would take us for dead.
///
/// # Errors
/// When the cluster allows none, or this machine has no port.
pub(super) async fn way(site: &Site) -> Result<Forward, OpenError> {
    let objects = site.watched.now();
    let finder: Finder = Arc::new(move || root::pod(&objects.borrow()).map(name_of));
    if let Some(pod) = finder() {
        let (action, pods) = (format!("forward a port of pod {pod}"), site.pods());
        let (pods, pod) = (&pods, pod.as_str());
        let tried = site
            .cluster
            .ask(
                &action,
                || async move { pods.portforward(pod, &[PORT]).await },
            )
            .await;
        tried.map_err(|error| error.naming("pods/portforward"))?;
    }
    Ok(Forward::listen(site.pods(), finder, PORT).await?)
}

impl Site {
    /// Puts the deadline of the root off, or takes it away.
    async fn renew(&self, deadline: Option<Duration>) -> Result<(), ClusterError> {
        let Some(RootObject { made, .. }) = &self.root else {
            return Ok(());
        };
        let seconds = deadline.map(|deadline| deadline.as_secs().max(1));
        let fields = json!({ "spec": { "activeDeadlineSeconds": seconds } });
        self.cluster.amend(made, fields).await.map(drop)
    }

    /// Removes what of the run has no namespace, and then the root, and with it whatever is left; whether all is gone. What
    /// could not be removed is left to the lease, and to `aefm clean`.
    pub(super) async fn remove_roots(&mut self) -> bool {
        let mut gone = true;
        if let Some(RootObject { made, .. }) = self.anchor.take() {
            for reason in anchor::release(&self.cluster, &made).await.failed {
                tracing::error!("it is left to `aefm clean`: failed to {reason}");
                gone = false;
            }
        }
        if let Some(RootObject { made, .. }) = self.root.take()
            && let Err(error) = self.remove(&[made]).await
        {
            tracing::error!("the run's root is left to its lease: failed to {error}");
            gone = false;
        }
        gone
    }

    /// Whether the root is there, and to stay.
    async fn has_root(&self) -> Result<bool, ClusterError> {
        let Some(RootObject { made, .. }) = &self.root else {
            return Ok(false);
        };
        let there = self.cluster.find(made).await?;
        Ok(there.is_some_and(|there| there["metadata"]["deletionTimestamp"].is_null()))
    }
}

impl Kubernetes {
    /// Waits until the nodes are there that this run was begun on, and its receiver, which may have had to move.
    ///
    /// # Errors
    /// When they are not there in time, or the root was removed.
    pub(super) async fn regain_ground(&mut self) -> Result<(), OpenError> {
        let patience = self.experiment.kubernetes.ready;
        let survey = &self.survey;
        let lacks = |objects: &Objects| survey.lacks(objects);
        let there = self
            .site
            .watched
            .until(Instant::now() + patience, |objects| {
                lacks(objects).is_none().then_some(())
            });
        if there.await.is_none()
            && let Some(lacking) = lacks(&self.site.watched.now().borrow())
        {
            return Err(OpenError::NoNode { lacking, patience });
        }
        let root = root::name(&self.site.owner);
        if !self.site.has_root().await? {
            return Err(OpenError::Removed(root));
        }
        // One whose lease has lapsed is still there until its node has told so.
        let key = ("Job", root);
        let removed = |objects: &Objects| (!objects.contains_key(&key)).then_some(());
        tokio::select! {
            address = address(&self.site, patience) => self.receiver = address?,
            Some(()) = self.site.watched.until(Instant::now() + patience, removed) => return Err(OpenError::Removed(key.1.clone())),
        }
        Ok(())
    }
}
