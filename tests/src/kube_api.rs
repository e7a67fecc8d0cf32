//! An API server in this process, for tests of what speaks to a cluster: no network but loopback, no cluster, and every
//! fault on a test's word. What it answers is held to the real server's behaviour by the suite in `tests/kube`, which
//! runs on both.
//!
//! A pure core (a store with revisions, server-side apply, controllers) and a shell (HTTP, watches, processes for
//! containers). It plays discovery, the kinds in `kube_api/resource.rs`, watches with bookmarks and 410, server-side
//! apply with owners and dry runs, deletion with finalizers and owners, deployments, stateful sets and jobs that come up,
//! logs, attach, port-forward and service proxies, ports of nodes and load balancers. Containers are processes of this machine: where one would listen on all
//! addresses, it listens on its pod's. It has no authentication, no custom resources, no pods of daemon sets, no figures of
//! containers, and no exec.

mod answer;
mod apply;
mod cluster;
mod control;
mod controllers;
mod defaults;
mod deletion;
mod discovery;
mod faults;
mod fields;
mod kubelet;
mod merge;
mod objects;
mod pods;
mod ports;
mod proxy;
mod refusal;
mod resource;
mod route;
mod selector;
mod server;
mod store;
mod watch;
mod write;

pub use faults::{Failure, Fault};
pub use kubelet::Image;

use cluster::Cluster;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc;

/// The minor version of Kubernetes it plays, if nothing else is said.
pub const MINOR: u32 = 34;

/// Time passes for controllers (deadlines, times to live) in steps of this.
const TICK: Duration = Duration::from_millis(200);

/// A running API server; it ends, and all its processes with it, when this is dropped.
pub struct KubeApi {
    cluster: Arc<Cluster>,
    address: SocketAddr,
    absences: Option<mpsc::UnboundedSender<Duration>>,
    thread: Option<JoinHandle<()>>,
    folder: tempfile::TempDir,
}

impl KubeApi {
    /// A cluster with two ready nodes of 8 cores and 32 GiB, `node-1` and `node-2`.
    #[must_use]
    pub fn start() -> Self {
        Self::start_as(MINOR)
    }

    /// One that plays an older server: kinds and fields that came later are not there.
    ///
    /// # Panics
    /// If there is no port, thread or folder to be had.
    #[must_use]
    pub fn start_as(minor: u32) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let cluster = Arc::new(Cluster::new(minor));
        let (absences, received) = mpsc::unbounded_channel();
        let (tell, told) = std::sync::mpsc::channel();
        let shared = cluster.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build();
            runtime.expect("threads").block_on(async {
                let port = server::Port::open().expect("a free port");
                let address = port.address().expect("a bound socket has an address");
                shared.kubelet.set_port(address.port());
                tell.send(address).expect("the test waits for it");
                tokio::spawn(kubelet::run(shared.clone()));
                tokio::spawn(ports::run(shared.clone()));
                tokio::spawn(tick(shared.clone()));
                server::serve(port, shared, received).await;
            });
        });
        let address = told.recv().expect("the server's thread tells");
        let api = Self {
            cluster,
            address,
            absences: Some(absences),
            thread: Some(thread),
            folder,
        };
        for name in ["default", "kube-system"] {
            api.put(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
        }
        for name in ["node-1", "node-2"] {
            api.node(name, "8", "32Gi", &[]);
        }
        std::fs::write(api.kubeconfig(), api.kubeconfig_text()).expect("the folder takes a file");
        api
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A file for `KUBECONFIG`.
    #[must_use]
    pub fn kubeconfig(&self) -> std::path::PathBuf {
        self.folder.path().join("kubeconfig")
    }

    fn kubeconfig_text(&self) -> String {
        let cluster = json!({"name": "double", "cluster": {"server": self.url()}});
        let context = json!({"name": "double", "context": {"cluster": "double", "user": "test"}});
        let user = json!({"name": "test", "user": {}});
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "double",
            "clusters": [cluster], "contexts": [context], "users": [user],
        })
        .to_string()
    }
}

impl Default for KubeApi {
    fn default() -> Self {
        Self::start()
    }
}

impl Drop for KubeApi {
    fn drop(&mut self) {
        self.absences = None;
        if let Some(thread) = self.thread.take() {
            // A server that panicked has failed its test already.
            let _ = thread.join();
        }
    }
}

async fn tick(cluster: Arc<Cluster>) {
    loop {
        tokio::time::sleep(TICK).await;
        cluster.write(|_, _| ());
    }
}
