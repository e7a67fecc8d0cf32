//! `aefm receive`: what a run on a cluster has in the cluster. It takes spans and files in, keeps them on disk until
//! the orchestrator has fetched them, lets the shards of a load start together, asks services for their counts, and ends
//! itself when it has not heard of the orchestrator for the length of its lease.

pub mod kubelets;
mod lease;
mod serve;
pub mod spool;

use crate::platform::Census;
use aefm_collector::clock::now_ns;
use lease::Lease;
pub use lease::NODE_ADDRESS;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// How to receive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiveSpec {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where to keep what was received.
    pub dir: PathBuf,
    /// Spans that may wait there; beyond, exporters are asked to try again later.
    pub spool_bytes: u64,
    /// End when nobody fetched for this long, although the API server and the kubelet answer.
    pub lease_ms: u64,
    /// End when nobody fetched for this long, whatever the reason.
    pub outage_ms: u64,
    /// The kubelets to ask for figures of containers.
    #[serde(default)]
    pub asked: kubelets::Asked,
}

/// `POST /census`: which services to ask for the spans of one trace-id prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CensusQuestion {
    /// The prefix.
    pub prefix: u64,
    /// Services and where their counts are told.
    pub services: Vec<(String, String)>,
}

/// The answer to it.
pub type CensusAnswer = Vec<Census>;

/// `POST /barrier`: one shard of a load is ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// The load.
    pub load_name: String,
    /// The shard.
    pub index: u32,
    /// How many there are.
    pub shards: u32,
}

/// The answer to it, when all have arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Departure {
    /// Time zero of the schedule, ns since the epoch.
    pub start_at_ns: i64,
}

/// Why it could not receive.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The spec is not one.
    #[error("read the spec: {0}")]
    Spec(#[from] serde_json::Error),
    /// Its folder cannot be used.
    #[error("keep spans in {dir}: {source}", dir = dir.display())]
    Dir {
        /// The folder.
        dir: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Its address cannot be had.
    #[error("listen on {0}: {1}")]
    Listen(SocketAddr, #[source] std::io::Error),
    /// The system refuses something else.
    #[error("start: {0}")]
    Start(#[source] std::io::Error),
}

/// Receives until it is told to stop or its lease lapses.
///
/// # Errors
/// When it cannot begin.
pub fn run(spec: &str) -> Result<(), ReceiveError> {
    let spec: ReceiveSpec = serde_json::from_str(spec)?;
    // A clock never goes back by as much as a receiver's life: numbers are beyond those of the one before.
    let first = now_ns().unsigned_abs();
    let spool = spool::Spool::open(&spec.dir, spec.spool_bytes, first).map_err(|source| {
        ReceiveError::Dir {
            dir: spec.dir.clone(),
            source,
        }
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ReceiveError::Start)?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(ReceiveError::Start)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(ReceiveError::Start)?;
        let listener =
            TcpListener::bind(spec.listen).await.map_err(|error| ReceiveError::Listen(spec.listen, error))?;
        let lease = Lease::default();
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = lease.lapse(Duration::from_millis(spec.lease_ms), Duration::from_millis(spec.outage_ms)) => {
                eprintln!("aefm receive: nobody fetches any more: the run's orchestrator is gone");
            }
            () = serve::serve(listener, serve::Served::new(spool, spec.dir.clone(), lease.clone(), spec.asked.clone())) => {}
        }
        Ok(())
    })
}
