//! How objects of a run come to be: each by a request that makes it and takes nothing that is there, by its name or
//! otherwise, and is changed only as the one object that was made.

use super::super::cluster::{Cluster, ClusterError, name_of, title};
use super::super::deploy::{DeployError, Site};
use super::super::order;
use super::super::ownership::{RUN_LABEL, Root, RunOwner, claims, owners};
use super::super::root;
use super::{Made, RootObject, is_kept};
use futures_util::future::try_join_all;
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

/// Between two looks at whether something is gone.
const LOOK: Duration = Duration::from_millis(500);
/// How long something that is on its way out is awaited.
const LEAVING: Duration = Duration::from_secs(120);
/// How often an object is made whose name is taken and then is not.
const ATTEMPTS: u32 = 5;
/// Names that are looked up at a time.
const AT_ONCE: usize = 8;
/// What the server's own and a copied object's fields are; a new object has none of them.
const NOT_OURS_TO_SAY: [&str; 6] = [
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "managedFields",
];

/// What came of a request to make an object.
enum Creation {
    Made(Made),
    /// Somebody's object has that name.
    Taken(Value),
    /// One of that name is on its way out.
    Leaving,
}

impl Cluster {
    /// Makes an object that carries this run's marks.
    async fn make(&self, object: &Value, owner: &RunOwner) -> Result<Creation, ClusterError> {
        let mut attempts = 0;
        loop {
            let refused = match self.create(object, false).await {
                Ok(answer) => {
                    let made = Made::answered(answer);
                    return made.map(Creation::Made).ok_or_else(|| unnamed(object));
                }
                Err(error) if error.is(409) => error,
                Err(error) => return Err(error),
            };
            let Some(there) = self.get(object).await? else {
                // It went between the two requests, and may be made now.
                attempts += 1;
                if attempts == ATTEMPTS {
                    return Err(refused);
                }
                continue;
            };
            if self.is_leaving(&there).await? {
                return Ok(Creation::Leaving);
            }
            // A request whose answer was lost is sent again, and meets what it made.
            let wanted = |owner: &Value| owners(&there).any(|known| known["uid"] == owner["uid"]);
            if owner.made(&there) && owners(object).all(wanted) {
                let made = Made::answered(there);
                return made.map(Creation::Made).ok_or_else(|| unnamed(object));
            }
            return Ok(Creation::Taken(there));
        }
    }

    /// Whether an object is on its way out: its deletion was asked for, or the run's root that owns it is gone, so that the
    /// cluster will remove it.
    async fn is_leaving(&self, object: &Value) -> Result<bool, ClusterError> {
        if !object["metadata"]["deletionTimestamp"].is_null() {
            return Ok(true);
        }
        let roots = owners(object).filter(|owner| root::is_name(&owner["name"]));
        for owner in roots {
            let mut owner = owner.clone();
            owner["metadata"] = serde_json::json!({ "name": owner["name"], "namespace": object["metadata"]["namespace"] });
            let there = self.get(&owner).await?;
            if there.is_none_or(|there| there["metadata"]["uid"] != owner["uid"]) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Makes a root of a run, and writes into it what tells it from its copies. One that is killed in between leaves a root
    /// that proves nothing.
    ///
    /// # Errors
    /// When the cluster refuses, or something of that name is there.
    pub(in super::super) async fn make_root(
        &self,
        mut object: Value,
        owner: &RunOwner,
        purpose: &str,
    ) -> Result<RootObject, DeployError> {
        owner.mark_root(&mut object, purpose);
        let made = match self.make(&object, owner).await? {
            Creation::Made(made) => made,
            Creation::Taken(there) => return Err(taken(&there)),
            Creation::Leaving => return Err(DeployError::NotGone(title(&object))),
        };
        let root = Root::of(made.object(), made.uid(), owner.clone());
        match self.change(made.object(), made.uid(), root.seal()).await {
            Ok(sealed) => Ok(RootObject {
                made: Made::answered(sealed).unwrap_or(made),
                root,
            }),
            Err(error) => {
                // Its answer is in hand, so that it is ours for certain.
                if let Err(error) = self.remove(&made, super::removal::Dependents::Go).await {
                    tracing::warn!("a root is left behind: failed to {error}");
                }
                Err(error.into())
            }
        }
    }

    /// Changes fields of an object that a run made; the object then.
    ///
    /// # Errors
    /// When the cluster refuses, or that object is gone.
    pub(in super::super) async fn amend(
        &self,
        made: &Made,
        fields: Value,
    ) -> Result<Made, ClusterError> {
        let changed = self.change(made.object(), made.uid(), fields).await?;
        Ok(Made::answered(changed).unwrap_or_else(|| made.clone()))
    }

    /// The object with its namespace where its kind has one, as the cluster says.
    async fn placed(&self, mut object: Value) -> Result<Value, ClusterError> {
        let part = |name: &str| object[name].as_str().unwrap_or_default().to_owned();
        let (version, kind) = (part("apiVersion"), part("kind"));
        let (.., is_namespaced) = self.resource(&version, &kind).await?;
        if let Some(metadata) = object["metadata"].as_object_mut() {
            if !is_namespaced {
                metadata.remove("namespace");
            }
            metadata.retain(|field, _| !NOT_OURS_TO_SAY.contains(&field.as_str()));
        }
        Ok(object)
    }
}

impl Site {
    /// Makes objects in their order, each after those that it refers to, and puts them behind `made` as soon as they are
    /// there: what an error leaves is known, too. Namespaces and kinds that are there already are used as they are.
    ///
    /// # Errors
    /// When the cluster refuses one, or something of that name is there.
    pub(in super::super) async fn make(
        &self,
        mut objects: Vec<Value>,
        purpose: &str,
        made: &mut Vec<Made>,
    ) -> Result<(), DeployError> {
        order::sort(&mut objects);
        for object in objects {
            let mut object = self.cluster.placed(object).await?;
            if is_kept(&object["kind"]) {
                self.provide(&object).await?;
                continue;
            }
            self.owner.mark(&mut object, purpose);
            for owner in self.root.iter().chain(&self.anchor) {
                owner.root.adopt(&mut object);
            }
            made.push(self.make_one(&object).await?);
        }
        Ok(())
    }

    /// Makes one object, once what had its name and is on its way out is gone.
    async fn make_one(&self, object: &Value) -> Result<Made, DeployError> {
        for claim in claims(object) {
            self.await_free(&claim).await?;
        }
        let deadline = Instant::now() + LEAVING;
        loop {
            match self.cluster.make(object, &self.owner).await? {
                Creation::Made(made) => return Ok(made),
                Creation::Taken(there) => return Err(taken(&there)),
                Creation::Leaving if Instant::now() >= deadline => {
                    return Err(DeployError::NotGone(title(object)));
                }
                Creation::Leaving => tokio::time::sleep(LOOK).await,
            }
        }
    }

    /// Makes an object that stays, if nothing of that name is there.
    pub(in super::super) async fn provide(&self, object: &Value) -> Result<(), ClusterError> {
        let made = match self.cluster.get(object).await? {
            Some(_) => return Ok(()),
            None => self.cluster.create(object, false).await,
        };
        match made {
            Ok(_) => tracing::info!("{} was not there; it was made, and stays", title(object)),
            Err(error) if error.is(409) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Checks that nothing has the name of what is to be made; what is on its way out is awaited.
    ///
    /// # Errors
    /// When something has, or the cluster does not say.
    pub(in super::super) async fn check_free(&self, planned: &[Value]) -> Result<(), DeployError> {
        let planned = self.placed_names(planned).await?;
        let made = planned.iter().filter(|object| !is_kept(&object["kind"]));
        let names = made.flat_map(|object| std::iter::once(object.clone()).chain(claims(object)));
        let names: Vec<_> = names.collect();
        for names in names.chunks(AT_ONCE) {
            try_join_all(names.iter().map(|name| self.await_free(name))).await?;
        }
        Ok(())
    }

    /// What is to be made, each with a namespace if its kind has one. Kinds that the cluster does not have yet are left out:
    /// those that come with the application.
    ///
    /// # Errors
    /// When the cluster does not say.
    pub(in super::super) async fn placed_names(
        &self,
        planned: &[Value],
    ) -> Result<Vec<Value>, ClusterError> {
        let mut placed = Vec::new();
        for object in planned {
            match self.cluster.placed(object.clone()).await {
                Ok(object) => placed.push(object),
                Err(error) if error.is(404) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(placed)
    }

    /// Waits until what has that name and is on its way out is gone. A claim of that name that is this run's is free for it.
    async fn await_free(&self, name: &Value) -> Result<(), DeployError> {
        let deadline = Instant::now() + LEAVING;
        while let Some(there) = self.cluster.get(name).await? {
            if !self.cluster.is_leaving(&there).await? {
                let ours = self.root.iter().any(|owner| owner.root.proves(&there));
                return if ours { Ok(()) } else { Err(taken(&there)) };
            }
            if Instant::now() >= deadline {
                return Err(DeployError::NotGone(title(name)));
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }
}

/// That something of a name is there, whose it seems to be, and what to do about it.
pub(in super::super) fn taken(there: &Value) -> DeployError {
    let run = there["metadata"]["labels"][RUN_LABEL].as_str();
    let place = match there["metadata"]["namespace"].as_str() {
        Some(_) => "choose another namespace",
        None => "give yours another name",
    };
    let (whose, way_out) = match run {
        Some(run) => (
            format!("its label says that it is of run {run}"),
            format!("{place}, or see what `aefm clean --run {run} --dry-run` says of it"),
        ),
        None => (
            "no run of ours made it".to_owned(),
            format!("{place}, or remove it yourself"),
        ),
    };
    DeployError::Taken {
        object: title(there),
        whose,
        way_out,
    }
}

fn unnamed(object: &Value) -> ClusterError {
    ClusterError::Refused {
        action: format!("make {} `{}`", object["kind"], name_of(object)),
        reason: "the cluster's answer has no uid".to_owned(),
        code: None,
    }
}
