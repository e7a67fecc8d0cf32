//! Whose an object is: labels that find everything of a run, and the one root object that takes all of it along.

use serde_json::{Map, Value, json};

/// Label that names the run.
pub const RUN_LABEL: &str = "aefm.io/run";
/// Label that names what an object is there for.
pub const PURPOSE_LABEL: &str = "aefm.io/purpose";
/// The field manager of our server-side applies, and the value of `app.kubernetes.io/managed-by`.
pub const FIELD_MANAGER: &str = "aefm";

/// A run, as its objects know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunOwner {
    /// The run's id in the form that names and labels take.
    id: String,
}

/// A run's id that no label can hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "label objects with the run `{0}`: a label is 1 to 40 letters, digits and `-`, a letter or digit at both ends"
)]
pub struct BadRunId(pub String);

/// The root object, once the cluster gave it a uid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// Its name.
    pub name: String,
    /// Its namespace: owners of namespaced objects must live beside them.
    pub namespace: String,
    /// What the cluster calls it.
    pub uid: String,
}

impl RunOwner {
    /// The owner for a run's id. 40 characters leave room for what names add to it.
    ///
    /// # Errors
    /// When the id cannot be a part of names and labels.
    pub fn new(run: &str) -> Result<Self, BadRunId> {
        let id = run.to_ascii_lowercase();
        let body = id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let ends = !id.starts_with('-') && !id.ends_with('-');
        if body && ends && (1..=40).contains(&id.len()) {
            Ok(Self { id })
        } else {
            Err(BadRunId(run.to_owned()))
        }
    }

    /// What `aefm doctor` makes, so that `aefm clean` removes it should doctor die.
    pub(super) fn doctor() -> Self {
        Self {
            id: "doctor".to_owned(),
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

    /// Puts our labels on an object and, where it has pods or claims of its own, on those; other labels stay as they are.
    /// Selectors are not touched: they cannot change once an object is there.
    pub fn label(&self, object: &mut Value, purpose: &str) {
        let labels = self.labels(purpose);
        extend(&mut object["metadata"]["labels"], &labels);
        if object["spec"]["template"].is_object() {
            extend(
                &mut object["spec"]["template"]["metadata"]["labels"],
                &labels,
            );
        }
        for claim in claim_templates_mut(object) {
            extend(&mut claim["metadata"]["labels"], &labels);
        }
    }
}

impl Root {
    /// Makes an object go away with this root, if it can: an owner must live in its object's namespace, and objects
    /// without a namespace cannot be owned by ours. Returns whether it did; the others are found by their label.
    pub fn adopt(&self, object: &mut Value) -> bool {
        if object["metadata"]["namespace"] != self.namespace.as_str() {
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
        let reference =
            json!({ "apiVersion": "batch/v1", "kind": "Job", "name": self.name, "uid": self.uid });
        let owners = &mut metadata["ownerReferences"];
        match owners.as_array_mut() {
            Some(owners) if owners.iter().any(|owner| owner["uid"] == self.uid.as_str()) => {}
            Some(owners) => owners.push(reference),
            None => *owners = json!([reference]),
        }
    }
}

/// Whether an object that is there belongs to this run, and if not, whose it is.
///
/// # Errors
/// The other run, or nobody we know.
pub fn claim(object: &Value, owner: &RunOwner) -> Result<(), Option<String>> {
    match object["metadata"]["labels"][RUN_LABEL].as_str() {
        Some(run) if run == owner.id() => Ok(()),
        other => Err(other.map(str::to_owned)),
    }
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
        let text = |object: &Value, field: &str| {
            object["metadata"][field]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
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
mod tests {
    use super::*;
    use aefm_workloads::catalogue::{Application, render};

    fn owner() -> RunOwner {
        RunOwner::new("01HX5Z").unwrap()
    }

    #[test]
    fn ids_fit_into_labels_or_are_refused() {
        assert_eq!(owner().selector(), "aefm.io/run=01hx5z");
        for bad in ["", "-a", "a-", "a b", "a/b", "a.b", &"x".repeat(41), "ä"] {
            assert_eq!(RunOwner::new(bad), Err(BadRunId(bad.to_owned())));
        }
    }

    #[test]
    fn every_object_and_its_pods_are_labelled_and_selectors_stay() {
        let rendered = render::render(
            &Application::by_name("train").unwrap(),
            &render::Options::default(),
        )
        .unwrap();
        for mut object in rendered.infra.into_iter().chain(rendered.under_test) {
            let selector = object["spec"]["selector"].clone();
            let name = object["metadata"]["labels"]["app.kubernetes.io/name"].clone();
            owner().label(&mut object, "application");
            assert_eq!(object["metadata"]["labels"][RUN_LABEL], "01hx5z");
            assert_eq!(object["metadata"]["labels"]["app.kubernetes.io/name"], name);
            assert_eq!(object["spec"]["selector"], selector);
            if object["kind"] == "Deployment" {
                assert_eq!(
                    object["spec"]["template"]["metadata"]["labels"][PURPOSE_LABEL],
                    "application"
                );
            }
        }
    }

    #[test]
    fn a_root_owns_once_and_only_in_its_namespace() {
        let root = Root {
            name: "aefm-run-x".into(),
            namespace: "mine".into(),
            uid: "u1".into(),
        };
        let other = json!([{ "uid": "u0" }]);
        let mut object = json!({ "metadata": { "namespace": "mine", "ownerReferences": other } });
        assert!(root.adopt(&mut object) && root.adopt(&mut object));
        let owners: Vec<_> = object["metadata"]["ownerReferences"]
            .as_array()
            .unwrap()
            .iter()
            .collect();
        assert_eq!(
            owners.iter().map(|owner| &owner["uid"]).collect::<Vec<_>>(),
            ["u0", "u1"]
        );
        for mut foreign in [
            json!({ "metadata": { "namespace": "other" } }),
            json!({ "metadata": { "name": "pv" } }),
        ] {
            let before = foreign.clone();
            assert!(!root.adopt(&mut foreign));
            assert_eq!(
                foreign["metadata"].get("ownerReferences"),
                before["metadata"].get("ownerReferences")
            );
        }
    }

    #[test]
    fn what_is_not_ours_is_not_claimed() {
        let of = |run: &str| json!({ "metadata": { "labels": { RUN_LABEL: run } } });
        assert_eq!(claim(&of("01hx5z"), &owner()), Ok(()));
        assert_eq!(claim(&of("other"), &owner()), Err(Some("other".into())));
        assert_eq!(claim(&json!({ "metadata": {} }), &owner()), Err(None));
    }

    #[test]
    fn the_claims_of_a_stateful_set_are_the_runs_too() {
        let template = json!({ "metadata": { "name": "data" } });
        let mut set = json!({ "kind": "StatefulSet", "metadata": { "name": "db", "namespace": "mine" },
            "spec": { "replicas": 2, "volumeClaimTemplates": [template] } });
        let names: Vec<_> = claims(&set)
            .iter()
            .map(|claim| claim["metadata"]["name"].clone())
            .collect();
        assert_eq!(names, ["data-db-0", "data-db-1"]);
        assert_eq!(claims(&set)[0]["metadata"]["namespace"], "mine");
        assert!(claims(&json!({ "kind": "Deployment", "spec": { "replicas": 2 } })).is_empty());
        owner().label(&mut set, "application");
        let root = Root {
            name: "r".into(),
            namespace: "mine".into(),
            uid: "u".into(),
        };
        assert!(root.adopt(&mut set) && root.adopt(&mut set));
        let metadata = &set["spec"]["volumeClaimTemplates"][0]["metadata"];
        assert_eq!(
            (&metadata["labels"][RUN_LABEL], &metadata["name"]),
            (&json!("01hx5z"), &json!("data"))
        );
        assert_eq!(metadata["ownerReferences"].as_array().unwrap().len(), 1);
    }
}
