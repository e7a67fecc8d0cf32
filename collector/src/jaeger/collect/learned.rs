//! What a run's collections learn about its application, for those that come after: which calls have a server side that
//! is traced, and how late spans come.

use crate::span::Span;
use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Shared by all collections of a run.
#[derive(Debug, Default)]
pub struct Learned(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    traced: HashSet<Call>,
    latest: Duration,
}

/// A kind of call, as its client names it: the service that calls, its operation, and whom it calls where that is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Call {
    service: String,
    operation: String,
    peer: String,
}

/// Attributes that name who is called, over the years.
const PEERS: [&str; 7] = [
    "peer.service",
    "server.address",
    "net.peer.name",
    "peer.hostname",
    "peer.address",
    "net.peer.ip",
    "db.system",
];

impl Learned {
    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing in there is left half done by a panic elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The longest time after its end at which a span was first seen, of all that came while they were awaited.
    #[must_use]
    pub fn latest(&self) -> Duration {
        self.known().latest
    }

    /// A span was first seen so long after its end.
    pub fn came_late(&self, by: Duration) {
        let mut known = self.known();
        known.latest = known.latest.max(by);
    }

    /// The server side of such a call is traced.
    pub(super) fn is_traced(&self, call: Call) {
        self.known().traced.insert(call);
    }

    /// Whether such calls have had a server side that is traced.
    pub(super) fn knows(&self, call: &Call) -> bool {
        self.known().traced.contains(call)
    }
}

impl Call {
    /// The call that a client's span stands for.
    pub(super) fn of(span: &Span) -> Self {
        let attributes: serde_json::Map<String, serde_json::Value> = span
            .attributes
            .as_deref()
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        let peer = PEERS.iter().find_map(|name| attributes.get(*name));
        Self {
            service: span.origin.service.to_string(),
            operation: span.operation.to_string(),
            peer: peer.map(ToString::to_string).unwrap_or_default(),
        }
    }
}
