//! What a deployment would make in the cluster, as a dry run tells it, and which names are taken.

use super::cluster::{Cluster, ClusterError, title};
use super::provenance::creation::taken;
use super::provenance::is_kept;
use serde_json::Value;

/// One object's part of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It would be made.
    New,
    /// It would be made, and nothing could be checked, since its namespace is not there yet.
    NewUnchecked,
    /// It is there, and is used as it is.
    Used,
    /// Something of that name is there, so that a run would be refused: what and whose, and the way out.
    Taken(String),
}

/// What a run would do about an object.
///
/// # Errors
/// When the cluster would refuse it, or does not say.
pub async fn of(cluster: &Cluster, object: &Value) -> Result<Change, ClusterError> {
    match cluster.get(object).await? {
        Some(_) if is_kept(&object["kind"]) => return Ok(Change::Used),
        Some(there) => return Ok(Change::Taken(taken(&there).to_string())),
        None => {}
    }
    match cluster.create(object, true).await {
        Ok(_) => Ok(Change::New),
        Err(error) if error.is(404) => Ok(Change::NewUnchecked),
        Err(error) => Err(error),
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
        Change::Used => format!("= {title} (used as it is, and stays)\n"),
        Change::Taken(why) => format!("! {title}\n    a run would fail to {why}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lines_begin_with_what_happens() {
        let object = json!({ "kind": "Service", "metadata": { "name": "web", "namespace": "n" } });
        assert_eq!(show(&object, &Change::New), "+ Service `web` in n\n");
        let taken = Change::Taken(taken(&object).to_string());
        assert_eq!(
            show(&object, &taken),
            "! Service `web` in n\n    a run would fail to deploy Service `web` in n: it is there already and no run of ours made \
             it; it is left as it is: choose another namespace, or remove it yourself\n"
        );
    }
}
