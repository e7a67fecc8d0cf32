//! What a deployment would change in the cluster, as a server-side dry run tells it.

use super::cluster::{Cluster, ClusterError, title};
use super::ownership::{PURPOSE_LABEL, RUN_LABEL};
use serde_json::Value;

/// Parts of an object that the cluster keeps for itself, and those that differ from run to run.
const NOT_COMPARED: [&str; 9] = [
    "managedFields",
    "resourceVersion",
    "generation",
    "uid",
    "creationTimestamp",
    "ownerReferences",
    "app.kubernetes.io/managed-by",
    RUN_LABEL,
    PURPOSE_LABEL,
];

/// One object's part of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It would be made.
    New,
    /// It would be made, and nothing could be checked, since its namespace is not there yet.
    NewUnchecked,
    /// It is as it should be.
    Same,
    /// These fields would change: path, then old and new value.
    Changed(Vec<String>),
}

/// What applying an object would change.
///
/// # Errors
/// When the cluster would refuse it.
pub async fn of(cluster: &Cluster, object: &Value) -> Result<Change, ClusterError> {
    let before = cluster.get(object).await?;
    match (cluster.apply(object, true).await, before) {
        (Ok(_), None) => Ok(Change::New),
        (Ok(after), Some(before)) => {
            let mut lines = Vec::new();
            compare("", &before, &after, &mut lines);
            Ok(if lines.is_empty() {
                Change::Same
            } else {
                Change::Changed(lines)
            })
        }
        (
            Err(ClusterError::Refused {
                code: Some(404), ..
            }),
            None,
        ) => Ok(Change::NewUnchecked),
        (Err(error), _) => Err(error),
    }
}

/// The lines of a plan for an object.
#[must_use]
pub fn show(object: &Value, change: &Change) -> String {
    let title = title(object);
    match change {
        Change::New => format!("+ {title}\n"),
        Change::NewUnchecked => {
            format!("+ {title} (not checked: the namespace is not there yet)\n")
        }
        Change::Same => format!("= {title}\n"),
        Change::Changed(lines) => lines.iter().fold(format!("~ {title}\n"), |shown, line| {
            shown + "    " + line + "\n"
        }),
    }
}

fn compare(path: &str, before: &Value, after: &Value, lines: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let mut keys: Vec<_> = old.keys().chain(new.keys()).collect();
            keys.sort_unstable();
            keys.dedup();
            let status = |key: &str| path.is_empty() && key == "status";
            for key in keys
                .into_iter()
                .filter(|key| !NOT_COMPARED.contains(&key.as_str()) && !status(key))
            {
                let of = |map: &serde_json::Map<String, Value>| {
                    map.get(key).cloned().unwrap_or_default()
                };
                let below = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                compare(&below, &of(old), &of(new), lines);
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (at, (old, new)) in old.iter().zip(new).enumerate() {
                compare(&format!("{path}[{at}]"), old, new, lines);
            }
        }
        (old, new) if old == new => {}
        (old, new) => lines.push(format!("{path}: {old} -> {new}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_changes_is_told_by_path_and_what_the_cluster_keeps_is_not() {
        let before = json!({ "metadata": { "uid": "u", "generation": 1, "labels": { RUN_LABEL: "old", "app": "a" } },
            "spec": { "replicas": 1, "containers": [{ "image": "x:1" }] }, "status": { "replicas": 1 } });
        let after = json!({ "metadata": { "uid": "u", "generation": 2, "labels": { RUN_LABEL: "new", "app": "a" } },
            "spec": { "replicas": 4, "containers": [{ "image": "x:2", "env": [] }] }, "status": {} });
        let mut lines = Vec::new();
        compare("", &before, &after, &mut lines);
        assert_eq!(
            lines,
            [
                "spec.containers[0].env: null -> []",
                r#"spec.containers[0].image: "x:1" -> "x:2""#,
                "spec.replicas: 1 -> 4"
            ]
        );
        lines.clear();
        compare("", &before, &before, &mut lines);
        assert_eq!(lines, Vec::<String>::new());
    }

    #[test]
    fn lines_begin_with_what_happens() {
        let object = json!({ "kind": "Service", "metadata": { "name": "web", "namespace": "n" } });
        assert_eq!(show(&object, &Change::New), "+ Service `web` in n\n");
        assert_eq!(
            show(&object, &Change::Changed(vec!["a: 1 -> 2".into()])),
            "~ Service `web` in n\n    a: 1 -> 2\n"
        );
    }
}
