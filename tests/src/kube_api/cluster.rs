//! The double's state: the store behind its lock, who waits for its changes, and what is wrong at present.

use super::controllers;
use super::faults::Faults;
use super::kubelet::Kubelet;
use super::store::Store;
use jiff::Timestamp;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// What all requests share.
pub(crate) struct Cluster {
    store: Mutex<Store>,
    faults: Mutex<Faults>,
    /// Requests so far, a line each.
    requests: Mutex<Vec<String>>,
    revision: watch::Sender<u64>,
    /// Counts up when all open streams are to be cut.
    cuts: watch::Sender<u64>,
    pub(crate) kubelet: Kubelet,
    /// The minor version it plays.
    pub(crate) minor: u32,
}

impl Cluster {
    pub(crate) fn new(minor: u32) -> Self {
        Self {
            store: Mutex::default(),
            faults: Mutex::default(),
            requests: Mutex::default(),
            revision: watch::Sender::new(0),
            cuts: watch::Sender::new(0),
            kubelet: Kubelet::default(),
            minor,
        }
    }

    /// Changes the store; the controllers follow at once, then whoever waits is told.
    pub(crate) fn write<T>(&self, change: impl FnOnce(&mut Store, Timestamp) -> T) -> T {
        let now = Timestamp::now();
        let (made, revision) = {
            let mut store = open(&self.store);
            let made = change(&mut store, now);
            controllers::reconcile(&mut store, now);
            (made, store.revision())
        };
        self.revision
            .send_if_modified(|known| std::mem::replace(known, revision) != revision);
        made
    }

    pub(crate) fn read<T>(&self, look: impl FnOnce(&Store) -> T) -> T {
        look(&open(&self.store))
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        open(&self.faults)
    }

    pub(crate) fn requests(&self) -> MutexGuard<'_, Vec<String>> {
        open(&self.requests)
    }

    /// Tells of every new revision.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// Tells when streams are to be cut.
    pub(crate) fn cuts(&self) -> watch::Receiver<u64> {
        self.cuts.subscribe()
    }

    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|count| *count += 1);
    }
}

/// A lock whose holder may have panicked: the test that caused it has failed already.
fn open<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
