//! The OTLP server: one port for HTTP/1 and HTTP/2, and so for OTLP/HTTP and OTLP/gRPC.

use super::export::{Bodies, answer};
use super::inbox::{Arrived, Inboxes, Limits, Taken, Totals};
use super::losses::Loss;
use crate::span::{Names, Span};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;

/// How to receive.
#[derive(Clone, Copy, Debug)]
pub struct ReceiverOptions {
    /// Where to listen; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Bounds on memory.
    pub limits: Limits,
    /// At most so many connections at a time; more wait in the system's queue.
    pub connections: usize,
    /// Spans of no expected prefix are kept, too, to be told by their time: see [`Receiver::take_between`].
    pub by_time: bool,
}

impl Default for ReceiverOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            limits: Limits::default(),
            connections: 1024,
            by_time: false,
        }
    }
}

/// Why there is no receiver.
#[derive(Debug, thiserror::Error)]
pub enum ReceiverError {
    /// The address cannot be had.
    #[error("listen for spans on {0}: {1}")]
    Listen(SocketAddr, #[source] std::io::Error),
}

/// Receives spans until it is dropped.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

pub(super) struct Shared {
    inboxes: Mutex<Inboxes>,
    pub(super) changed: Notify,
    pub(super) bodies: Bodies,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn inboxes(&self) -> MutexGuard<'_, Inboxes> {
        // Nothing in there is left half done by a panic elsewhere.
        self.inboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Receiver {
    /// Listens and serves on the current tokio runtime.
    ///
    /// # Errors
    /// The address cannot be had.
    pub async fn bind(options: ReceiverOptions) -> Result<Self, ReceiverError> {
        let error = |error| ReceiverError::Listen(options.listen, error);
        let listener = TcpListener::bind(options.listen).await.map_err(error)?;
        let address = listener.local_addr().map_err(error)?;
        let shared = Arc::new(Shared {
            inboxes: Mutex::new(Inboxes::new(options.limits, options.by_time)),
            changed: Notify::new(),
            bodies: Bodies::new(options.limits.body_bytes),
        });
        let server = tokio::spawn(serve(listener, Arc::clone(&shared), options.connections));
        Ok(Self {
            address,
            shared,
            server,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL that exporters post to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/v1/traces", self.address)
    }

    /// From now on spans of this prefix ([`aefm_workloads::ids::trace_prefix`]) are kept for [`Receiver::take`].
    pub fn expect(&self, prefix: u64) {
        self.shared.inboxes().expect(prefix);
    }

    /// What has come for this prefix; of a case that was taken, what had come then, and how many came since.
    #[must_use]
    pub fn arrived(&self, prefix: u64) -> Arrived {
        self.shared.inboxes().arrived(prefix)
    }

    /// Waits until `count` spans of this prefix have come, at most for `patience`; says how many there are then.
    pub async fn wait(&self, prefix: u64, count: u64, patience: Duration) -> u64 {
        let enough = async {
            loop {
                // Registered before the look, so that what comes in between wakes it.
                let changed = self.shared.changed.notified();
                if self.shared.inboxes().count(prefix) >= count {
                    return;
                }
                changed.await;
            }
        };
        // Too few is an answer, too: the count says so.
        let _ = tokio::time::timeout(patience, enough).await;
        self.shared.inboxes().count(prefix)
    }

    /// Ends the expectation and hands over its spans. Later ones are counted as late.
    #[must_use]
    pub fn take(&self, prefix: u64) -> Taken {
        self.shared.inboxes().take(prefix)
    }

    /// How many spans of traces that began in this time have come (ns since the epoch); 0 unless spans go by time.
    #[must_use]
    pub fn count_between(&self, from_ns: i64, to_ns: i64) -> u64 {
        self.shared.inboxes().count_between(from_ns, to_ns)
    }

    /// How many spans have come since [`Receiver::take_between`] took those of a time that begins so; 0 unless spans go by
    /// time.
    #[must_use]
    pub fn late_since(&self, from_ns: i64) -> u64 {
        self.shared.inboxes().late_since(from_ns)
    }

    /// Hands over all spans of traces that began in this time (ns since the epoch); none unless spans go by time.
    #[must_use]
    pub fn take_between(&self, from_ns: i64, to_ns: i64) -> Vec<Span> {
        self.shared.inboxes().take_between(from_ns, to_ns)
    }

    /// What was refused or dropped in this time (ns since the epoch, to the second), by reason.
    #[must_use]
    pub fn losses(&self, from_ns: i64, to_ns: i64) -> Vec<Loss> {
        self.shared.inboxes().losses.between(from_ns, to_ns)
    }

    /// What belongs to no case.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.shared.inboxes().totals
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>, connections: usize) {
    let places = Arc::new(Semaphore::new(connections));
    // Dropped with this task: connections end with their receiver.
    let mut tasks = tokio::task::JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let shared = Arc::clone(&shared);
                tasks.spawn(async move {
                    connection(stream, shared).await;
                    drop(place);
                });
            }
            Err(error) => {
                // Out of descriptors, most likely: others must close first.
                tracing::warn!(%error, "cannot accept a connection for spans");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        while tasks.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    // Answers are a few bytes: without this they wait for the sender's next packet.
    let _ = stream.set_nodelay(true);
    let names = Arc::new(Mutex::new(Names::default()));
    let service = service_fn(move |request| {
        let (shared, names) = (Arc::clone(&shared), Arc::clone(&names));
        async move { Ok::<_, std::convert::Infallible>(answer(request, &shared, &names).await) }
    });
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(120));
    // Without a larger window a sender of large batches waits for every 64 KiB.
    server
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20);
    if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection for spans ended");
    }
}
