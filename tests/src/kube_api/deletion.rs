//! Deletion: at once, after a pod's grace, or when the last finalizer is off. Pure.

use super::refusal::Refusal;
use super::store::{Key, Store, is_terminating, list, number, text};
use super::write::stamp;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};
use std::sync::Arc;

/// What a deletion asks for (`DeleteOptions`).
#[derive(Clone, Debug, Default)]
pub(crate) struct Deletion {
    pub(crate) policy: String,
    pub(crate) grace_s: Option<i64>,
    /// Preconditions; empty where nothing is asked.
    pub(crate) uid: String,
    pub(crate) revision: String,
}

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

impl Store {
    /// Deletes an object, or notes that it is to go once its finalizers and its grace are over.
    pub(crate) fn delete(
        &mut self,
        key: &Key,
        how: &Deletion,
        now: Timestamp,
    ) -> Result<Arc<Value>, Refusal> {
        let live = self
            .get(key)
            .cloned()
            .ok_or_else(|| Refusal::not_found(key.resource, &key.name))?;
        for (what, wanted, pointer, happened) in [
            (
                "UID",
                &how.uid,
                "/metadata/uid",
                "deleted and then recreated",
            ),
            (
                "ResourceVersion",
                &how.revision,
                "/metadata/resourceVersion",
                "modified",
            ),
        ] {
            let there = text(&live, pointer);
            if !wanted.is_empty() && wanted != there {
                let why = format!(
                    "the {what} in the precondition ({wanted}) does not match the {what} in record ({there}). \
                     The object might have been {happened}"
                );
                return Err(Refusal::conflict(key.resource, &key.name, &why));
            }
        }
        let mut object = (*live).clone();
        let marker = match how.policy.as_str() {
            "Foreground" => Some(FOREGROUND),
            "Orphan" => Some(ORPHAN),
            _ => None,
        };
        if let Some(marker) =
            marker.filter(|marker| !list(&object, "/metadata/finalizers").contains(&json!(marker)))
        {
            let mut finalizers = list(&object, "/metadata/finalizers").to_vec();
            finalizers.push(json!(marker));
            object["metadata"]["finalizers"] = json!(finalizers);
        }
        let grace_s = grace_s(key, &live, how);
        let before = number(&live, "/metadata/deletionGracePeriodSeconds");
        let metadata = &mut object["metadata"];
        if !is_terminating(&live) || before.is_some_and(|before| grace_s < before) {
            let at = now.checked_add(grace_s.seconds()).unwrap_or(now);
            metadata["deletionTimestamp"] = json!(stamp(at));
            metadata["deletionGracePeriodSeconds"] = json!(grace_s);
            metadata["generation"] = json!(number(&live, "/metadata/generation").unwrap_or(0) + 1);
        }
        if key.resource.kind == "Namespace" {
            object["status"]["phase"] = json!("Terminating");
        }
        self.finish(key, &live, object)
    }

    /// Ends a deletion: the object goes, whatever its grace was (its finalizers still hold it).
    pub(crate) fn delete_now(&mut self, key: &Key, now: Timestamp) {
        // Gone already is what was wanted.
        let _ = self.delete(
            key,
            &Deletion {
                grace_s: Some(0),
                ..Deletion::default()
            },
            now,
        );
    }
}

/// Only pods that run somewhere have a grace.
fn grace_s(key: &Key, live: &Value, how: &Deletion) -> i64 {
    let ended = ["Succeeded", "Failed"].contains(&text(live, "/status/phase"));
    if key.resource.kind != "Pod" || text(live, "/spec/nodeName").is_empty() || ended {
        return 0;
    }
    how.grace_s
        .or(number(live, "/spec/terminationGracePeriodSeconds"))
        .unwrap_or(30)
}
