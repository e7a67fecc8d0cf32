//! Whose an object is: labels that find everything of a run, the proof that the run made it, and the roots that take all of
//! it along.
//!
//! A label can be copied by anybody, so it proves nothing. What proves is this: a run draws a *nonce* and keeps it in a root
//! object of its own, which also has its *own uid* written into it, once the cluster has given it one: a copy of a root,
//! from a backup for instance, has another uid. Every other object is made with a digest of the nonce and of its own kind,
//! namespace and name, and with the root as its owner.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// Label that names the run.
pub const RUN_LABEL: &str = "aefm.io/run";
/// Label that names what an object is there for.
pub const PURPOSE_LABEL: &str = "aefm.io/purpose";
/// The field manager of what we write, and the value of `app.kubernetes.io/managed-by`.
pub const FIELD_MANAGER: &str = "aefm";
/// Annotation of a root: what its run has drawn. It is in the request that makes the root.
const NONCE: &str = "aefm.io/nonce";
/// Annotation of a root: its own uid, written when the cluster has given it one.
const OWN_UID: &str = "aefm.io/own-uid";
/// Annotation of everything that a run makes: the digest of the run's nonce with what and where the object is.
const PROOF: &str = "aefm.io/proof";

/// A run, as its objects know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunOwner {
    /// The run's id in the form that names and labels take.
    id: String,
    nonce: String,
}

/// A run's id that no label can hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "label objects with the run `{0}`: a label is 1 to 40 letters, digits and `-`, a letter or digit at both ends"
)]
pub struct BadRunId(pub String);

/// A root whose own uid is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// Its `apiVersion`.
    pub version: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its namespace; empty where it has none. Owners of namespaced objects must live beside them.
    pub namespace: String,
    /// What the cluster calls it.
    pub uid: String,
    /// Its run.
    pub owner: RunOwner,
}

impl RunOwner {
    /// The owner for a run's id. 40 characters leave room for what names add to it. The nonce is drawn for this run, and
    /// long enough that nobody draws it twice.
    ///
    /// # Errors
    /// When the id cannot be a part of names and labels.
    pub fn new(run: &str, nonce: &str) -> Result<Self, BadRunId> {
        let id = run.to_ascii_lowercase();
        let body = id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let ends = !id.starts_with('-') && !id.ends_with('-');
        if body && ends && (1..=40).contains(&id.len()) {
            let nonce = nonce.to_owned();
            Ok(Self { id, nonce })
        } else {
            Err(BadRunId(run.to_owned()))
        }
    }

    /// What `aefm doctor` makes, so that `aefm clean` removes it should doctor die.
    pub(super) fn doctor(nonce: &str) -> Self {
        Self {
            id: "doctor".to_owned(),
            nonce: nonce.to_owned(),
        }
    }

    /// The id in names and labels.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Selects everything of this run.
    #[must_use]
    pub fn selector(&self) -> String {
        format!("{RUN_LABEL}={}", self.id)
    }

    /// Labels of an object of that purpose.
    #[must_use]
    pub fn labels(&self, purpose: &str) -> Map<String, Value> {
        let pairs = [
            ("app.kubernetes.io/managed-by", FIELD_MANAGER),
            (RUN_LABEL, &self.id),
            (PURPOSE_LABEL, purpose),
        ];
        pairs
            .into_iter()
            .map(|(key, value)| (key.to_owned(), json!(value)))
            .collect()
    }

    /// Name and labels of an object of ours.
    #[must_use]
    pub fn metadata(&self, name: &str, namespace: &str, purpose: &str) -> Value {
        json!({ "name": name, "namespace": namespace, "labels": self.labels(purpose) })
    }

    /// Puts our labels on an object that is to be made and, where it has pods or claims of its own, on those; and the proof
    /// that it is of this run. Other labels stay as they are. A selector of pods wants the run's label, too, since the
    /// cluster's controllers would else take pods of the same labels that were there before.
    pub fn mark(&self, object: &mut Value, purpose: &str) {
        let labels = self.labels(purpose);
        extend(&mut object["metadata"]["labels"], &labels);
        for template in [
            "/spec/template",
            "/spec/jobTemplate",
            "/spec/jobTemplate/spec/template",
        ] {
            if let Some(template) = object.pointer_mut(template).filter(|it| it.is_object()) {
                extend(&mut template["metadata"]["labels"], &labels);
            }
        }
        let selects = matches!(
            object["kind"].as_str(),
            Some("Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
        );
        if selects && object["spec"]["selector"].is_object() {
            object["spec"]["selector"]["matchLabels"][RUN_LABEL] = json!(self.id);
        }
        let (namespace, set) = (text(object, "namespace"), text(object, "name"));
        for claim in claim_templates_mut(object) {
            extend(&mut claim["metadata"]["labels"], &labels);
            let names = format!("{}-{set}", text(claim, "name"));
            claim["metadata"]["annotations"][PROOF] =
                json!(self.digest(["", "PersistentVolumeClaim", &namespace, &names]));
        }
        object["metadata"]["annotations"][PROOF] = json!(self.proof_of(object));
    }

    /// Makes an object that is to be made a root of this run.
    pub fn mark_root(&self, object: &mut Value, purpose: &str) {
        self.mark(object, purpose);
        object["metadata"]["annotations"][NONCE] = json!(self.nonce);
    }

    /// Whether an object was made by a request of this run's. Only what has the nonce can know it; who copies the object
    /// copies the proof, too, but not to another place or name.
    #[must_use]
    pub fn made(&self, object: &Value) -> bool {
        if object["metadata"]["labels"][RUN_LABEL] != self.id.as_str() {
            return false;
        }
        let proof = &object["metadata"]["annotations"][PROOF];
        if *proof == self.proof_of(object) {
            return true;
        }
        // A claim that the cluster made of a template has the template's proof, and a number in its name.
        let (namespace, name) = (text(object, "namespace"), text(object, "name"));
        let numbered = name.rsplit_once('-').filter(|(_, number)| {
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        });
        object["kind"] == "PersistentVolumeClaim"
            && numbered.is_some_and(|(names, _)| {
                *proof == self.digest(["", "PersistentVolumeClaim", &namespace, names])
            })
    }

    fn proof_of(&self, object: &Value) -> String {
        let version = object["apiVersion"].as_str().unwrap_or_default();
        let group = version.split_once('/').map_or("", |(group, _)| group);
        let kind = object["kind"].as_str().unwrap_or_default();
        self.digest([
            group,
            kind,
            &text(object, "namespace"),
            &text(object, "name"),
        ])
    }

    fn digest(&self, identity: [&str; 4]) -> String {
        let mut digest = Sha256::new();
        for part in std::iter::once(self.nonce.as_str()).chain(identity) {
            digest.update(part.as_bytes());
            digest.update([0]);
        }
        let bytes = digest.finalize();
        bytes
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

impl Root {
    /// A root of which the cluster says that it is there and is no copy: its own uid is written into it.
    #[must_use]
    pub fn read(object: &Value) -> Option<Self> {
        let metadata = &object["metadata"];
        let owner = RunOwner {
            id: metadata["labels"][RUN_LABEL].as_str()?.to_owned(),
            nonce: metadata["annotations"][NONCE].as_str()?.to_owned(),
        };
        let uid = metadata["uid"].as_str()?;
        let whole = metadata["annotations"][OWN_UID] == uid && owner.made(object);
        whole.then(|| Self::of(object, uid, owner))
    }

    /// The root that the cluster has just made for this run.
    #[must_use]
    pub fn of(object: &Value, uid: &str, owner: RunOwner) -> Self {
        let part = |name: &str| object[name].as_str().unwrap_or_default().to_owned();
        Self {
            version: part("apiVersion"),
            kind: part("kind"),
            name: text(object, "name"),
            namespace: text(object, "namespace"),
            uid: uid.to_owned(),
            owner,
        }
    }

    /// The fields that tell a root from its copies.
    #[must_use]
    pub fn seal(&self) -> Value {
        json!({ "metadata": { "annotations": { OWN_UID: self.uid } } })
    }

    /// Whether a root says of itself that it is a copy: another uid is written into it.
    #[must_use]
    pub fn is_copy(object: &Value) -> bool {
        let own = &object["metadata"]["annotations"][OWN_UID];
        !own.is_null() && *own != object["metadata"]["uid"]
    }

    /// Makes an object go away with this root, if it can: an owner of a namespaced object must live in its namespace, and
    /// an object without a namespace needs an owner without one. Returns whether it did.
    pub fn adopt(&self, object: &mut Value) -> bool {
        if text(object, "namespace") != self.namespace {
            return false;
        }
        self.own(&mut object["metadata"]);
        // The cluster makes claims of a StatefulSet's templates, and keeps them when that is gone.
        for claim in claim_templates_mut(object) {
            self.own(&mut claim["metadata"]);
        }
        true
    }

    fn own(&self, metadata: &mut Value) {
        let reference = json!({ "apiVersion": self.version, "kind": self.kind, "name": self.name, "uid": self.uid });
        let owners = &mut metadata["ownerReferences"];
        match owners.as_array_mut() {
            Some(owners) if owners.iter().any(|owner| owner["uid"] == self.uid.as_str()) => {}
            Some(owners) => owners.push(reference),
            None => *owners = json!([reference]),
        }
    }

    /// Whether this root's run provably made an object: it has the proof, and this root for an owner.
    #[must_use]
    pub fn proves(&self, object: &Value) -> bool {
        let mut owners = owners(object);
        owners.any(|owner| owner["uid"] == self.uid.as_str()) && self.owner.made(object)
    }
}

/// References to an object's owners.
pub fn owners(object: &Value) -> impl Iterator<Item = &Value> {
    let owners = object["metadata"]["ownerReferences"].as_array();
    owners.into_iter().flatten()
}

fn text(object: &Value, field: &str) -> String {
    object["metadata"][field]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn claim_templates_mut(object: &mut Value) -> impl Iterator<Item = &mut Value> {
    object
        .pointer_mut("/spec/volumeClaimTemplates")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
}

/// The claims that a StatefulSet's pods have, by name alone.
#[must_use]
pub fn claims(object: &Value) -> Vec<Value> {
    let spec = &object["spec"];
    let (first, count) = (
        spec["ordinals"]["start"].as_u64().unwrap_or(0),
        spec["replicas"].as_u64().unwrap_or(1),
    );
    let templates = spec["volumeClaimTemplates"]
        .as_array()
        .into_iter()
        .flatten();
    let claim = |template: &Value, ordinal: u64| {
        let name = format!(
            "{}-{}-{ordinal}",
            text(template, "name"),
            text(object, "name")
        );
        let metadata = json!({ "name": name, "namespace": text(object, "namespace") });
        json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata })
    };
    templates
        .flat_map(|template| (first..first + count).map(move |ordinal| claim(template, ordinal)))
        .collect()
}

fn extend(labels: &mut Value, ours: &Map<String, Value>) {
    match labels.as_object_mut() {
        Some(labels) => labels.extend(ours.clone()),
        None => *labels = Value::Object(ours.clone()),
    }
}

#[cfg(test)]
mod tests;
