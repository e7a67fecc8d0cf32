//! What a run provably made. Such objects come from [`creation`] and go in [`removal`], the one place that deletes.
//!
//! An object is a run's if its uid was in the answer to that run's own request to make it, or if it proves so: see
//! [`super::ownership`]. Everything else in a cluster is somebody's, whatever its name and its labels say, and is left as
//! it is.

pub mod creation;
pub mod removal;

use super::cluster::title;
use super::ownership::Root;
use serde_json::Value;

/// Kinds that take other people's objects along when they go. Whoever made one, only a person removes it.
const KEPT: [&str; 2] = ["Namespace", "CustomResourceDefinition"];

/// Whether objects of a kind stay, once they are there.
#[must_use]
pub fn is_kept(kind: &Value) -> bool {
    KEPT.iter().any(|kept| kind == kept)
}

/// An object that a run provably made. Nothing else can be removed or changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    object: Value,
    uid: String,
}

impl Made {
    /// The object in an answer to our own request to make it.
    fn answered(object: Value) -> Option<Self> {
        let uid = object["metadata"]["uid"].as_str()?.to_owned();
        (!is_kept(&object["kind"])).then_some(Self { object, uid })
    }

    /// An object that was found in the cluster, if it is a root or one of these roots proves that its run made it.
    #[must_use]
    pub fn proven(object: &Value, roots: &[Root]) -> Option<Self> {
        let proof = Root::read(object).is_some() || roots.iter().any(|root| root.proves(object));
        proof.then(|| Self::answered(object.clone())).flatten()
    }

    /// The object, as it was when it was made or found.
    #[must_use]
    pub fn object(&self) -> &Value {
        &self.object
    }

    /// What the cluster calls it.
    #[must_use]
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// Kind and name, for people.
    #[must_use]
    pub fn title(&self) -> String {
        title(&self.object)
    }
}

/// A root that was made, with what it proves.
#[derive(Clone, Debug, PartialEq)]
pub struct RootObject {
    /// The object.
    pub made: Made,
    /// What it proves.
    pub root: Root,
}

#[cfg(test)]
mod tests {
    use super::super::ownership::{RUN_LABEL, RunOwner};
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// An object as the cluster has it, made by a run under that root.
    fn made_by(root: &Root, kind: &str, name: &str) -> Value {
        let metadata = json!({ "name": name, "namespace": root.namespace });
        let mut object = json!({ "apiVersion": "v1", "kind": kind, "metadata": metadata });
        root.owner.mark(&mut object, "application");
        root.adopt(&mut object);
        object["metadata"]["uid"] = json!(format!("uid of {kind} {name}"));
        object
    }

    fn root(run: &str, nonce: &str, uid: &str) -> (Root, Value) {
        let owner = RunOwner::new(run, nonce).unwrap();
        let metadata = json!({ "name": format!("aefm-run-{run}"), "namespace": "n", "uid": uid });
        let mut job = json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": metadata });
        owner.mark_root(&mut job, "root");
        let root = Root::of(&job, uid, owner);
        let seal = root.seal()["metadata"]["annotations"].clone();
        for (key, value) in seal.as_object().unwrap() {
            job["metadata"]["annotations"][key] = value.clone();
        }
        (root, job)
    }

    #[test]
    fn a_root_is_read_back_and_its_copy_is_not() {
        let (root, mut job) = root("r1", "n0nce", "u1");
        assert_eq!(Root::read(&job), Some(root));
        assert!(!Root::is_copy(&job));
        // Restored from a backup: all as it was, but for what the cluster gives.
        job["metadata"]["uid"] = json!("u2");
        assert!(Root::read(&job).is_none() && Root::is_copy(&job));
        assert_eq!(Made::proven(&job, &[]), None);
    }

    #[test]
    fn a_root_that_was_not_sealed_yet_proves_nothing() {
        let (root, mut job) = root("r1", "n0nce", "u1");
        job["metadata"]["annotations"]
            .as_object_mut()
            .unwrap()
            .retain(|key, _| !key.ends_with("own-uid"));
        assert!(Root::read(&job).is_none() && !Root::is_copy(&job));
        assert!(Made::proven(&made_by(&root, "ConfigMap", "a"), &[]).is_none());
    }

    #[test]
    fn what_takes_others_along_is_never_removed() {
        let (root, _) = root("r1", "n0nce", "u1");
        for kind in KEPT {
            assert_eq!(
                Made::proven(&made_by(&root, kind, "a"), std::slice::from_ref(&root)),
                None
            );
        }
    }

    proptest! {
        #[test]
        fn a_root_proves_what_its_run_made_and_nothing_that_differs_in_anything(change in 0..6_usize) {
            let (root, _) = root("r1", "n0nce", "u1");
            let mut other = made_by(&root, "ConfigMap", "a");
            let roots = [root];
            prop_assert!(Made::proven(&other, &roots).is_some());
            match change {
                0 => other["metadata"]["name"] = json!("b"),
                1 => other["metadata"]["namespace"] = json!("m"),
                2 => other["kind"] = json!("Secret"),
                3 => other["metadata"]["labels"][RUN_LABEL] = json!("r2"),
                4 => other["metadata"]["ownerReferences"] = json!([]),
                _ => other["metadata"]["annotations"]["aefm.io/proof"] = json!("0"),
            }
            prop_assert_eq!(Made::proven(&other, &roots), None);
        }

        #[test]
        fn no_run_takes_what_another_made(nonces in prop::array::uniform2("[a-z0-9]{4}")) {
            prop_assume!(nonces[0] != nonces[1]);
            let (one, _) = root("r1", &nonces[0], "u1");
            let (two, _) = root("r1", &nonces[1], "u1");
            prop_assert_eq!(Made::proven(&made_by(&one, "ConfigMap", "a"), &[two]), None);
        }
    }
}
