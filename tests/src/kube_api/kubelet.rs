//! What runs pods: a task a pod, that starts its containers (real processes where the test gave the image a program),
//! watches over them, and says in the pod's status how they are.

mod container;
mod log;
mod pod;
mod probe;
mod process;
mod slot;
mod start;
mod status;

pub(crate) use container::Container;
pub(crate) use log::Log;

use super::cluster::Cluster;
use super::resource;
use super::store::text;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many addresses there are for pods; nodes have those beyond.
const PODS: u8 = 200;

/// What an image's name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Image {
    /// Containers are Running and Ready, and nothing runs: what images are that nobody spoke of.
    Pretend,
    /// Containers end at once with this code.
    Ends(i32),
    /// It cannot be pulled.
    Missing,
    /// Containers are processes of this program, given the container's arguments and environment.
    Program(PathBuf),
}

/// A container that a test ends from outside.
#[derive(Clone, Debug)]
pub(crate) struct Blow {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    /// Whether it is the whole pod that goes (an eviction), never to be restarted.
    pub(crate) evicted: bool,
}

/// The images, and the containers by the uid of their pod and their name.
#[derive(Default)]
pub(crate) struct Kubelet {
    images: Mutex<BTreeMap<String, Image>>,
    containers: Mutex<HashMap<(String, String), Arc<Container>>>,
    blows: Mutex<HashMap<String, Blow>>,
    addresses: AtomicU8,
    port: AtomicU16,
}

impl Kubelet {
    pub(crate) fn set_image(&self, name: &str, image: Image) {
        open(&self.images).insert(name.to_owned(), image);
    }

    pub(crate) fn image(&self, name: &str) -> Image {
        open(&self.images)
            .get(name)
            .cloned()
            .unwrap_or(Image::Pretend)
    }

    pub(crate) fn container(&self, uid: &str, name: &str) -> Option<Arc<Container>> {
        open(&self.containers)
            .get(&(uid.to_owned(), name.to_owned()))
            .cloned()
    }

    pub(crate) fn strike(&self, uid: &str, blow: Blow) {
        open(&self.blows).insert(uid.to_owned(), blow);
    }

    fn blow(&self, uid: &str) -> Option<Blow> {
        open(&self.blows).remove(uid)
    }

    fn set_container(&self, uid: &str, name: &str, container: Arc<Container>) {
        open(&self.containers).insert((uid.to_owned(), name.to_owned()), container);
    }

    fn forget(&self, uid: &str) {
        open(&self.containers).retain(|(of, _), _| of != uid);
    }

    /// An address of this machine's own: all of 127.0.0.0/8 is loopback, and the server's port is nobody else's, so its
    /// two bytes tell what belongs to one double from what belongs to another.
    fn address(&self, last: u8) -> Ipv4Addr {
        let [high, low] = self.port().to_be_bytes();
        Ipv4Addr::new(127, high, low, last)
    }

    fn next_address(&self) -> Ipv4Addr {
        self.address(self.addresses.fetch_add(1, Ordering::Relaxed) % PODS + 1)
    }

    /// The address of the load balancer.
    pub(crate) fn balancer(&self) -> Ipv4Addr {
        self.address(PODS + 1)
    }

    /// The address of the node of that number.
    pub(crate) fn node(&self, number: usize) -> Ipv4Addr {
        let room = usize::from(u8::MAX - PODS - 2);
        self.address(
            u8::try_from(usize::from(PODS) + 2 + number % room).expect("it is within the bytes"),
        )
    }

    fn port(&self) -> u16 {
        self.port.load(Ordering::Relaxed)
    }

    /// The port that the server listens on.
    pub(crate) fn set_port(&self, port: u16) {
        self.port.store(port, Ordering::Relaxed);
    }
}

/// Starts a task for every pod that has a node, as pods come.
pub(crate) async fn run(cluster: Arc<Cluster>) {
    let mut changes = cluster.changes();
    let mut known = HashSet::new();
    let mut tasks = tokio::task::JoinSet::new();
    loop {
        changes.borrow_and_update();
        let pods: Vec<_> = cluster.read(|store| {
            let placed = store
                .list(resource::of("Pod"), None)
                .filter(|(_, pod)| !text(pod, "/spec/nodeName").is_empty());
            placed
                .map(|(key, pod)| (key.clone(), text(pod, "/metadata/uid").to_owned()))
                .collect()
        });
        for (key, uid) in pods {
            if known.insert(uid.clone()) {
                tasks.spawn(pod::live(cluster.clone(), key, uid));
            }
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            Some(_) = tasks.join_next() => {}
        }
    }
}

fn open<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
