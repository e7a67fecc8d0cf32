//! Watches: every change after a revision, bookmarks, and 410 for a revision that is forgotten.

use super::cluster::Cluster;
use super::refusal::Refusal;
use super::resource::Resource;
use super::route::Request;
use super::selector::Selector;
use super::server::Body;
use super::store::Change;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// An idle watch hears of the revision this often.
const BOOKMARK: Duration = Duration::from_secs(1);
/// How long a watch lasts that does not say.
const LONG: Duration = Duration::from_secs(300);

struct Watch {
    cluster: Arc<Cluster>,
    resource: &'static Resource,
    namespace: String,
    selector: Selector,
    /// What has been told so far.
    revision: u64,
    bookmarks: bool,
    until: Instant,
    pending: VecDeque<Value>,
    changes: watch::Receiver<u64>,
    cuts: watch::Receiver<u64>,
    over: bool,
}

/// The body of a watch's answer.
pub(crate) fn body(
    cluster: Arc<Cluster>,
    resource: &'static Resource,
    request: &Request,
    selector: Selector,
) -> Body {
    let timeout = request
        .option("timeoutSeconds")
        .parse()
        .map_or(LONG, Duration::from_secs);
    let (changes, cuts) = (cluster.changes(), cluster.cuts());
    let revision = request.option("resourceVersion").parse().unwrap_or(0);
    let mut watch = Watch {
        cluster,
        resource,
        namespace: request.namespace.clone(),
        selector,
        revision,
        bookmarks: request.flag("allowWatchBookmarks"),
        until: Instant::now() + timeout,
        pending: VecDeque::new(),
        changes,
        cuts,
        over: false,
    };
    if revision == 0 || request.flag("sendInitialEvents") {
        watch.begin(request.flag("sendInitialEvents"));
    }
    let lines = stream::unfold(watch, async |mut watch| Some((watch.next().await?, watch)));
    StreamBody::new(lines).boxed()
}

impl Watch {
    /// Without a revision to go on from, what there is comes first.
    fn begin(&mut self, marked: bool) {
        let namespace = Some(self.namespace.as_str()).filter(|name| !name.is_empty());
        self.cluster.read(|store| {
            let there = store
                .list(self.resource, namespace)
                .filter(|(_, object)| self.selector.matches(object));
            self.pending
                .extend(there.map(|(_, object)| json!({"type": "ADDED", "object": **object})));
            self.revision = store.revision();
        });
        if marked {
            let mut bookmark = self.bookmark();
            bookmark["object"]["metadata"]["annotations"] =
                json!({"k8s.io/initial-events-end": "true"});
            self.pending.push_back(bookmark);
        }
    }

    async fn next(&mut self) -> Option<io::Result<Frame<Bytes>>> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(Ok(Frame::data(Bytes::from(format!("{event}\n")))));
            }
            if self.over {
                return None;
            }
            self.changes.borrow_and_update();
            self.gather();
            if !self.pending.is_empty() {
                continue;
            }
            tokio::select! {
                changed = self.changes.changed() => self.over = changed.is_err(),
                _ = self.cuts.changed() => return Some(Err(io::Error::from(io::ErrorKind::ConnectionAborted))),
                () = tokio::time::sleep_until(self.until) => self.over = true,
                () = tokio::time::sleep(BOOKMARK), if self.bookmarks => self.pending.push_back(self.bookmark()),
            }
        }
    }

    fn gather(&mut self) {
        let (events, revision) = self.cluster.read(|store| {
            let events = store.since(self.revision).map(|changes| {
                changes
                    .filter_map(|change| self.event(change))
                    .collect::<Vec<_>>()
            });
            (events, store.revision())
        });
        if let Some(events) = events {
            self.pending.extend(events);
            self.revision = revision;
        } else {
            let refusal = Refusal::expired(format!(
                "too old resource version: {} ({revision})",
                self.revision
            ));
            self.pending
                .push_back(json!({"type": "ERROR", "object": refusal.status()}));
            self.over = true;
        }
    }

    /// A change as this watch sees it: what comes to match is added, what no longer does is deleted.
    fn event(&self, change: &Change) -> Option<Value> {
        let ours = change.key.resource == self.resource
            && (self.namespace.is_empty() || change.key.namespace == self.namespace);
        let matching = |object: &Option<Arc<Value>>| {
            object
                .clone()
                .filter(|object| ours && self.selector.matches(object))
        };
        let (kind, object) = match (matching(&change.before), matching(&change.after)) {
            (None, None) => return None,
            (None, Some(after)) => ("ADDED", after),
            (Some(_), Some(after)) => ("MODIFIED", after),
            (Some(before), None) => ("DELETED", change.after.clone().unwrap_or(before)),
        };
        Some(json!({"type": kind, "object": *object}))
    }

    fn bookmark(&self) -> Value {
        json!({"type": "BOOKMARK", "object": {
            "kind": self.resource.kind, "apiVersion": self.resource.api_version(),
            "metadata": {"resourceVersion": self.revision.to_string(), "creationTimestamp": null},
        }})
    }
}
