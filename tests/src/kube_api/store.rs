//! The objects, their revisions, and the log that watches read. Pure: the shell around it says what time it is.

use super::resource::Resource;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Changes that are kept for watches that come back.
const LOG_MAX: usize = 20_000;

/// Which object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) resource: &'static Resource,
    /// "" for objects of the cluster.
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Key {
    pub(crate) fn new(resource: &'static Resource, namespace: &str, name: &str) -> Self {
        let namespace = if resource.namespaced {
            namespace.to_owned()
        } else {
            String::new()
        };
        Self {
            resource,
            namespace,
            name: name.to_owned(),
        }
    }
}

/// One write: the object before and after it.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) revision: u64,
    pub(crate) key: Key,
    pub(crate) before: Option<Arc<Value>>,
    /// Of a deletion: nothing.
    pub(crate) after: Option<Arc<Value>>,
}

/// Everything the cluster knows. A clone is what a dry run works on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    objects: BTreeMap<Key, Arc<Value>>,
    log: VecDeque<Change>,
    revision: u64,
    /// Changes up to this revision are forgotten.
    floor: u64,
    uids: u64,
    births: u64,
}

impl Store {
    pub(crate) fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(key)
    }

    /// Objects of a resource in the order of their names; of all namespaces without one.
    pub(crate) fn list<'a>(
        &'a self,
        resource: &'static Resource,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a Key, &'a Arc<Value>)> + 'a {
        let from = Key::new(resource, namespace.unwrap_or_default(), "");
        let rest = self.objects.range(from..);
        rest.take_while(move |(key, _)| {
            key.resource == resource && namespace.is_none_or(|only| key.namespace == only)
        })
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        self.objects.iter()
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// A uid that no object had before.
    pub(crate) fn next_uid(&mut self) -> String {
        self.uids += 1;
        format!("00000000-0000-4000-8000-{:012x}", self.uids)
    }

    /// A number for the next name that is drawn. Neither what is refused nor the event that tells of it moves it on: a
    /// controller that tries again tries the same.
    pub(crate) fn births(&self) -> u64 {
        self.births
    }

    /// Writes an object; one that is as it was keeps its revision, as on the real server.
    pub(crate) fn put(&mut self, key: Key, mut object: Value) -> Arc<Value> {
        let before = self.objects.get(&key).cloned();
        if let Some(before) = &before {
            object["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"].clone();
            if **before == object {
                return before.clone();
            }
        }
        self.births += u64::from(before.is_none() && key.resource.kind != "Event");
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let after = Arc::new(object);
        self.objects.insert(key.clone(), after.clone());
        self.record(key, before, Some(after.clone()));
        after
    }

    /// Takes an object away; what is returned carries the revision of its deletion.
    pub(crate) fn remove(&mut self, key: &Key) -> Option<Arc<Value>> {
        let before = self.objects.remove(key)?;
        self.revision += 1;
        let mut last = (*before).clone();
        last["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let last = Arc::new(last);
        self.record(key.clone(), Some(last.clone()), None);
        Some(last)
    }

    fn record(&mut self, key: Key, before: Option<Arc<Value>>, after: Option<Arc<Value>>) {
        self.log.push_back(Change {
            revision: self.revision,
            key,
            before,
            after,
        });
        if self.log.len() > LOG_MAX {
            self.floor = self
                .log
                .pop_front()
                .map_or(self.floor, |change| change.revision);
        }
    }

    /// What happened after a revision; nothing if that is forgotten.
    pub(crate) fn since(&self, revision: u64) -> Option<impl Iterator<Item = &Change>> {
        let from = self
            .log
            .partition_point(|change| change.revision <= revision);
        (revision >= self.floor).then(|| self.log.iter().skip(from))
    }

    /// Forgets all changes, as a compaction does: watches from before it are refused with 410.
    pub(crate) fn compact(&mut self) {
        self.revision += 1;
        self.floor = self.revision;
        self.log.clear();
    }
}

/// A text field by its JSON pointer; "" where there is none.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// A number by its JSON pointer.
pub(crate) fn number(object: &Value, pointer: &str) -> Option<i64> {
    object.pointer(pointer).and_then(Value::as_i64)
}

/// A list by its JSON pointer; empty where there is none.
pub(crate) fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object
        .pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// Whether its deletion has been asked for.
pub(crate) fn is_terminating(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

#[cfg(test)]
mod tests {
    use super::super::resource;
    use super::*;
    use proptest::prelude::*;

    fn objects(store: &Store) -> BTreeMap<Key, Value> {
        store
            .all()
            .map(|(key, object)| (key.clone(), (**object).clone()))
            .collect()
    }

    proptest! {
        /// What a list had and a watch from its revision tells come to what is there.
        #[test]
        fn the_log_after_a_list_leads_to_now(writes in proptest::collection::vec((0..4_u8, 0..3_u8), 0..40), at in 0..40_usize) {
            let mut store = Store::default();
            let mut listed = (objects(&store), store.revision());
            for (step, (name, value)) in writes.iter().enumerate() {
                if step == at {
                    listed = (objects(&store), store.revision());
                }
                let key = Key::new(resource::of("ConfigMap"), "a", &name.to_string());
                if *value == 0 {
                    store.remove(&key);
                } else {
                    store.put(key, json!({"metadata": {}, "data": {"k": value}}));
                }
            }
            let (mut seen, revision) = listed;
            for change in store.since(revision).expect("nothing is forgotten yet") {
                match &change.after {
                    Some(after) => drop(seen.insert(change.key.clone(), (**after).clone())),
                    None => prop_assert!(seen.remove(&change.key).is_some(), "what goes was there"),
                }
            }
            prop_assert_eq!(seen, objects(&store));
            store.compact();
            prop_assert!(store.since(revision).is_none(), "the past is gone");
        }
    }
}
