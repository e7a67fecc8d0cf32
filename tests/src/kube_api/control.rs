//! What a test says to the double, and what it asks it: objects, nodes, images, faults, and what is left.

use super::deletion::Deletion;
use super::faults::Fault;
use super::kubelet::{Blow, Image};
use super::store::{Key, Store, text};
use super::write::Patch;
use super::{KubeApi, apply, controllers, objects, refusal, resource};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

impl KubeApi {
    /// Applies an object, as an administrator would.
    ///
    /// # Panics
    /// If the double does not know its kind, or refuses it.
    pub fn put(&self, object: &Value) {
        let (version, kind) = (text(object, "/apiVersion"), text(object, "/kind"));
        let resource = resource::of_object(version, kind)
            .unwrap_or_else(|| panic!("the double has no {version} {kind}"));
        let key = Key::new(
            resource,
            text(object, "/metadata/namespace"),
            text(object, "/metadata/name"),
        );
        let mut object = object.clone();
        objects::forget_what_is_newer(self.cluster.minor, &mut object);
        let object = &object;
        let writer = apply::Writer {
            manager: "administrator".to_owned(),
            force: true,
            status: false,
        };
        let applied = self.cluster.write(|store, now| {
            store.patch(&key, &Patch::Apply(object), &writer, now)?;
            if object["status"].is_null() {
                return Ok(());
            }
            store
                .patch(
                    &key,
                    &Patch::Apply(object),
                    &apply::Writer {
                        status: true,
                        ..writer
                    },
                    now,
                )
                .map(|_| ())
        });
        applied.unwrap_or_else(|refusal: refusal::Refusal| panic!("{kind}: {}", refusal.message));
    }

    /// A ready node with labels.
    pub fn node(&self, name: &str, cpu: &str, memory: &str, labels: &[(&str, &str)]) {
        let others = self
            .list("Node")
            .iter()
            .filter(|node| node["metadata"]["name"] != name)
            .count();
        let address = self.cluster.kubelet.node(others);
        let mut node = json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
            "status": {
                "capacity": {"cpu": cpu, "memory": memory, "pods": "110"},
                "allocatable": {"cpu": cpu, "memory": memory, "pods": "110"},
                "addresses": [{"type": "Hostname", "address": name}, {"type": "InternalIP", "address": address.to_string()}],
                "nodeInfo": {"kubeletVersion": format!("v1.{}.0", self.cluster.minor), "architecture": "amd64", "operatingSystem": "linux"},
                "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
            },
        });
        for (label, value) in labels {
            node["metadata"]["labels"][*label] = json!(value);
        }
        self.put(&node);
    }

    /// A node's kubelet falls silent, or comes back: its pods are not ready meanwhile, and nothing starts or ends there.
    pub fn node_ready(&self, name: &str, ready: bool) {
        let reason = if ready {
            "KubeletReady"
        } else {
            "NodeStatusUnknown"
        };
        self.cluster.write(|store, now| {
            let key = Key::new(resource::of("Node"), "", name);
            let mut status = store
                .get(&key)
                .map(|node| node["status"].clone())
                .unwrap_or_default();
            controllers::set_condition(&mut status, "Ready", ready, reason, "", now);
            controllers::set_status(store, &key, status);
            let pods: Vec<_> = store
                .list(resource::of("Pod"), None)
                .map(|(key, pod)| (key.clone(), pod.clone()))
                .collect();
            for (key, pod) in pods
                .iter()
                .filter(|(_, pod)| !ready && text(pod, "/spec/nodeName") == name)
            {
                let mut status = pod["status"].clone();
                controllers::set_condition(&mut status, "Ready", false, "NodeNotReady", "", now);
                controllers::set_status(store, key, status);
            }
        });
    }

    /// What an image's name stands for; one that nobody spoke of is [`Image::Pretend`].
    pub fn image(&self, name: &str, image: Image) {
        self.cluster.kubelet.set_image(name, image);
    }

    /// An image whose containers are processes of this program.
    pub fn program(&self, name: &str, program: impl AsRef<Path>) {
        self.image(name, Image::Program(program.as_ref().to_owned()));
    }

    /// The next requests that fit fare as the fault says.
    pub fn inject(&self, fault: Fault) {
        self.cluster.faults().inject(fault);
    }

    /// How many requests are still to fare as injected faults say.
    #[must_use]
    pub fn unmet(&self) -> usize {
        self.cluster.faults().unmet()
    }

    /// Deletes an object, as an administrator would.
    ///
    /// # Panics
    /// If it is not there.
    pub fn delete(&self, kind: &str, namespace: &str, name: &str) {
        let key = Key::new(resource::of(kind), namespace, name);
        let deleted = self
            .cluster
            .write(|store, now| store.delete(&key, &Deletion::default(), now));
        deleted.unwrap_or_else(|refusal| panic!("{kind} {name}: {}", refusal.message));
    }

    /// A verb on a resource is forbidden from now on, and access reviews say so (`*` is any).
    pub fn deny(&self, verb: &str, resource: &str) {
        self.cluster.faults().deny(verb, resource);
    }

    /// The server is gone for so long: connections break, new ones are refused; what runs in the cluster goes on.
    pub fn gone_for(&self, time: Duration) {
        if let Some(absences) = &self.absences {
            absences
                .send(time)
                .expect("the server's thread lives as long as this");
        }
    }

    /// Breaks all watches, logs and other streams; new ones are welcome.
    pub fn cut_streams(&self) {
        self.cluster.cut();
    }

    /// Forgets the past: watches that go on from before are refused with 410.
    pub fn compact(&self) {
        self.cluster.write(|store, _| store.compact());
        self.cluster.cut();
    }

    /// The kernel kills a pod's containers for their memory (exit code 137, reason `OOMKilled`).
    pub fn kill_for_memory(&self, namespace: &str, pod: &str) {
        self.strike(
            namespace,
            pod,
            Blow {
                reason: "OOMKilled",
                message: String::new(),
                evicted: false,
            },
        );
    }

    /// A pod is thrown off its node (phase `Failed`, reason `Evicted`).
    pub fn evict(&self, namespace: &str, pod: &str) {
        let message = "The node was low on resource: memory.".to_owned();
        self.strike(
            namespace,
            pod,
            Blow {
                reason: "Evicted",
                message,
                evicted: true,
            },
        );
    }

    fn strike(&self, namespace: &str, pod: &str, blow: Blow) {
        let key = Key::new(resource::of("Pod"), namespace, pod);
        let uid = self.cluster.read(|store| {
            store
                .get(&key)
                .map(|pod| text(pod, "/metadata/uid").to_owned())
        });
        self.cluster.kubelet.strike(
            &uid.unwrap_or_else(|| panic!("no pod {namespace}/{pod}")),
            blow,
        );
    }

    /// Requests on objects so far, a line each: `patch deployments shop/frontend`.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.cluster.requests().clone()
    }

    /// An object as it is now.
    #[must_use]
    pub fn get(&self, kind: &str, namespace: &str, name: &str) -> Option<Value> {
        let key = Key::new(resource::of(kind), namespace, name);
        self.cluster
            .read(|store| store.get(&key).map(|object| (**object).clone()))
    }

    /// All objects of a kind as they are now, in every namespace.
    #[must_use]
    pub fn list(&self, kind: &str) -> Vec<Value> {
        self.cluster.read(|store: &Store| {
            store
                .list(resource::of(kind), None)
                .map(|(_, object)| (**object).clone())
                .collect()
        })
    }

    /// `Kind namespace/name` of everything with this label: what a run has left.
    #[must_use]
    pub fn labelled(&self, label: &str) -> Vec<String> {
        self.cluster.read(|store| {
            let found = store
                .all()
                .filter(|(_, object)| !object["metadata"]["labels"][label].is_null());
            found
                .map(|(key, _)| format!("{} {}/{}", key.resource.kind, key.namespace, key.name))
                .collect()
        })
    }
}
