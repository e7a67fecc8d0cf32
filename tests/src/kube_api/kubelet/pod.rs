//! One pod from its start to its end.

use super::super::cluster::Cluster;
use super::super::controllers::{event, holds, set_status};
use super::super::resource;
use super::super::store::{Key, is_terminating, list, number, text};
use super::slot::{Setting, Slot};
use super::status::{self, State, Verdict, View};
use futures_util::future::select_all;
use jiff::{Timestamp, ToSpan};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Deadlines, probes and pauses between restarts are looked at this often.
const TICK: Duration = Duration::from_millis(100);

struct Pod {
    cluster: Arc<Cluster>,
    key: Key,
    uid: String,
    setting: Setting,
    init: Vec<Slot>,
    main: Vec<Slot>,
    verdict: Option<Verdict>,
    /// When what was told to end is killed.
    kill_at: Option<Instant>,
}

/// Runs a pod until it is gone from the store.
pub(super) async fn live(cluster: Arc<Cluster>, key: Key, uid: String) {
    let folder = tempfile::tempdir().expect("a folder for the pod's volumes");
    let setting = Setting {
        folder: folder.path().to_owned(),
        address: cluster.kubelet.next_address().to_string(),
    };
    let mut changes = cluster.changes();
    let mut pod = Pod {
        cluster,
        key,
        uid,
        setting,
        init: Vec::new(),
        main: Vec::new(),
        verdict: None,
        kill_at: None,
    };
    loop {
        changes.borrow_and_update();
        let Some(object) = pod.object() else { break };
        if pod.node_is_up(&object) {
            pod.step(&object).await;
            if is_terminating(&object) && pod.all_ended() {
                pod.cluster
                    .write(|store, now| store.delete_now(&pod.key, now));
                break;
            }
            pod.publish(&object);
        }
        let running: Vec<_> = pod
            .running()
            .map(|container| Box::pin(async move { container.ended().await }))
            .collect();
        let some_end = async {
            if running.is_empty() {
                std::future::pending().await
            } else {
                select_all(running).await.0
            }
        };
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { break },
            _ = some_end => {}
            () = tokio::time::sleep(TICK) => {}
        }
    }
    pod.signal(Signal::SIGKILL);
    pod.cluster.kubelet.forget(&pod.uid);
}

impl Pod {
    fn object(&self) -> Option<Arc<Value>> {
        let found = self.cluster.read(|store| store.get(&self.key).cloned());
        found.filter(|pod| text(pod, "/metadata/uid") == self.uid)
    }

    fn node_is_up(&self, pod: &Value) -> bool {
        let node = Key::new(resource::of("Node"), "", text(pod, "/spec/nodeName"));
        // A node that nobody made is one of a test that cares for none.
        self.cluster
            .read(|store| store.get(&node).is_none_or(|node| holds(node, "Ready")))
    }

    fn slots(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.init.iter_mut().chain(&mut self.main)
    }

    fn running(&self) -> impl Iterator<Item = Arc<super::Container>> {
        self.init
            .iter()
            .chain(&self.main)
            .filter_map(|slot| slot.container.clone())
            .filter(|one| one.code().is_none())
    }

    fn all_ended(&self) -> bool {
        self.running().next().is_none()
    }

    fn signal(&self, signal: Signal) {
        self.running()
            .for_each(|container| container.signal(signal));
    }

    async fn step(&mut self, object: &Value) {
        if self.main.is_empty() {
            self.init = list(object, "/spec/initContainers")
                .iter()
                .map(Slot::new)
                .collect();
            self.main = list(object, "/spec/containers")
                .iter()
                .map(Slot::new)
                .collect();
        }
        self.suffer(object);
        let policy = text(object, "/spec/restartPolicy").to_owned();
        // A container that prepares is run until it succeeds, or for good if it never is to be run again.
        let init_policy = if policy == "Never" {
            "Never"
        } else {
            "OnFailure"
        };
        self.init.iter_mut().for_each(|slot| slot.look(init_policy));
        self.main.iter_mut().for_each(|slot| slot.look(&policy));
        if is_terminating(object) || self.verdict.is_some() {
            self.end(object);
            return;
        }
        let (cluster, uid, setting) =
            (self.cluster.clone(), self.uid.clone(), self.setting.clone());
        for slot in &mut self.init {
            match slot.view.state {
                State::Ended { code: 0, .. } => {}
                State::Ended { .. } => {
                    self.verdict = Some(Verdict {
                        reason: "InitFailed",
                        message: format!("{} failed", slot.view.name),
                    });
                    return;
                }
                _ => return slot.advance(&cluster, object, &uid, &setting).await,
            }
        }
        for slot in &mut self.main {
            slot.advance(&cluster, object, &uid, &setting).await;
        }
    }

    /// What comes from outside: a test's blow, or the pod's own deadline.
    fn suffer(&mut self, object: &Value) {
        if let Some(blow) = self.cluster.kubelet.blow(&self.uid) {
            if blow.evicted {
                self.verdict = Some(Verdict {
                    reason: blow.reason,
                    message: blow.message,
                });
            } else {
                self.slots().for_each(|slot| slot.fate = Some(blow.reason));
                self.signal(Signal::SIGKILL);
            }
        }
        let started: Option<Timestamp> = text(object, "/status/startTime").parse().ok();
        let limit = number(object, "/spec/activeDeadlineSeconds");
        if let (Some(started), Some(limit), None) = (started, limit, &self.verdict)
            && started
                .checked_add(limit.seconds())
                .is_ok_and(|end| end <= Timestamp::now())
            && !self.all_ended()
        {
            let message =
                "Pod was active on the node longer than the specified deadline".to_owned();
            self.verdict = Some(Verdict {
                reason: "DeadlineExceeded",
                message,
            });
        }
    }

    /// Ends what runs: SIGTERM, and SIGKILL when the grace is over.
    fn end(&mut self, object: &Value) {
        let grace = number(object, "/metadata/deletionGracePeriodSeconds")
            .or(number(object, "/spec/terminationGracePeriodSeconds"));
        let at =
            Instant::now() + Duration::from_secs(u64::try_from(grace.unwrap_or(30)).unwrap_or(0));
        let kill_at = *self.kill_at.get_or_insert_with(|| {
            self.init
                .iter()
                .chain(&self.main)
                .filter_map(|slot| slot.container.as_ref())
                .for_each(|one| one.signal(Signal::SIGTERM));
            at
        });
        // A later deletion may allow less.
        self.kill_at = Some(kill_at.min(at));
        if Instant::now() >= kill_at {
            self.signal(Signal::SIGKILL);
        }
    }

    fn publish(&mut self, object: &Value) {
        let views = |slots: &[Slot]| {
            slots
                .iter()
                .map(|slot| slot.view.clone())
                .collect::<Vec<View>>()
        };
        let (init, main) = (views(&self.init), views(&self.main));
        let warnings: Vec<_> = self
            .slots()
            .filter_map(|slot| slot.warning.take())
            .collect();
        let status = status::status(
            object,
            &init,
            &main,
            &self.setting.address,
            self.verdict.as_ref(),
            Timestamp::now(),
        );
        if object["status"] != status || !warnings.is_empty() {
            self.cluster.write(|store, now| {
                for (reason, message) in &warnings {
                    event(store, object, true, reason, message, now);
                }
                let same = store
                    .get(&self.key)
                    .is_some_and(|pod| text(pod, "/metadata/uid") == self.uid);
                if same {
                    set_status(store, &self.key, status);
                }
            });
        }
    }
}
