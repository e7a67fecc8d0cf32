//! The one place of this program that deletes in a cluster: what a run provably made, by its uid, and nothing else. A test
//! of the house rules holds the verb to this file.

use super::super::cluster::{Cluster, ClusterError, title};
use super::super::deploy::{DeployError, Site, pods_of};
use super::super::ownership::claims;
use super::super::trouble::silent_node;
use super::Made;
use kube::api::{DeleteParams, Preconditions, PropagationPolicy};
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

/// Between two looks at whether an object that is not watched is gone.
const LOOK: Duration = Duration::from_millis(500);
/// How long objects may take to be gone.
pub(in super::super) const REMOVAL: Duration = Duration::from_secs(120);

/// What becomes of the objects that an object owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependents {
    /// The cluster removes them.
    Go,
    /// They are nobody's from then on.
    Stay,
}

impl Cluster {
    /// Removes an object that a run made, if it is there. Another one that has its name by now is left alone.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub async fn remove(&self, made: &Made, dependents: Dependents) -> Result<(), ClusterError> {
        let (api, name) = (
            self.api(made.object()).await?,
            super::super::cluster::name_of(made.object()),
        );
        let mut parameters = DeleteParams::background().preconditions(Preconditions {
            uid: Some(made.uid().to_owned()),
            resource_version: None,
        });
        if dependents == Dependents::Stay {
            parameters.propagation_policy = Some(PropagationPolicy::Orphan);
        }
        let deleted = self
            .ask(&format!("delete {}", made.title()), || {
                api.delete(&name, &parameters)
            })
            .await;
        match deleted {
            Ok(_) => Ok(()),
            Err(error) if error.is(404) => Ok(()),
            Err(error) if error.is(409) && self.find(made).await?.is_none() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The object that a run made, as it is now; none if it is gone, whatever has its name.
    pub(in super::super) async fn find(&self, made: &Made) -> Result<Option<Value>, ClusterError> {
        let same = |there: &Value| there["metadata"]["uid"] == made.uid();
        Ok(self.get(made.object()).await?.filter(same))
    }
}

impl Site {
    /// Removes what was made in the order that is opposite to making, and waits until it, its pods and what stores have
    /// claimed for those are gone. Where one does not go, the others do all the same.
    ///
    /// # Errors
    /// When the cluster refuses, or something does not go.
    pub(in super::super) async fn remove(&self, made: &[Made]) -> Result<(), DeployError> {
        let mut first = Ok(());
        let mut tell = |result: Result<(), ClusterError>| {
            if first.is_ok()
                && let Err(error) = result
            {
                first = Err(DeployError::from(error));
            }
        };
        for one in made.iter().rev() {
            tell(self.cluster.remove(one, Dependents::Go).await);
        }
        let roots: Vec<_> = self.root.iter().map(|owner| owner.root.clone()).collect();
        let mut claimed = Vec::new();
        for claim in made.iter().flat_map(|one| claims(one.object())) {
            let there = self.cluster.get(&claim).await?;
            claimed.extend(there.and_then(|there| Made::proven(&there, &roots)));
        }
        for one in &claimed {
            tell(self.cluster.remove(one, Dependents::Go).await);
        }
        first?;
        let deadline = Instant::now() + REMOVAL;
        for one in made.iter().chain(&claimed) {
            while let Some(there) = self.cluster.find(one).await? {
                if self.is_stranded(&there) {
                    break;
                }
                if Instant::now() >= deadline {
                    return Err(DeployError::NotGone(one.title()));
                }
                tokio::time::sleep(LOOK).await;
            }
        }
        let gone = |now: &super::super::watched::Objects| {
            let left = made
                .iter()
                .flat_map(|one| pods_of(now, one.object()))
                .any(|pod| silent_node(now, pod).is_none());
            (!left).then_some(())
        };
        let pods_gone = self.watched.until(deadline, gone).await;
        pods_gone.ok_or_else(|| DeployError::NotGone("pods of the application".to_owned()))
    }

    /// Whether this is a pod whose node says nothing any more. It is removed when the node is back; until then nobody can
    /// tell, and nobody waits.
    fn is_stranded(&self, object: &Value) -> bool {
        let now = self.watched.now();
        let silent = silent_node(&now.borrow(), object).filter(|_| object["kind"] == "Pod");
        if let Some((node, why)) = &silent {
            tracing::warn!("{} goes when node {node} is back: {why}", title(object));
        }
        silent.is_some()
    }
}
