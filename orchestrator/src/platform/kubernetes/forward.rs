//! A port of this machine that leads to a pod's, through the API server.

use super::cluster::reason;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Tells to which pod a connection leads now, if there is one.
pub(super) type Finder = Arc<dyn Fn() -> Option<String> + Send + Sync>;

/// Forwards connections until it is dropped.
#[derive(Debug)]
pub(super) struct Forward {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Forward {
    /// Listens on a port of loopback that the system chooses; each connection leads to `port` of the pod found then.
    ///
    /// # Errors
    /// When there is no port.
    pub(super) async fn listen(pods: Api<Pod>, pod: Finder, port: u16) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            // Dropped with this task: connections end with their forwarder.
            let mut connections = JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    continue;
                };
                let (pods, pod) = (pods.clone(), pod());
                connections.spawn(async move {
                    let Some(pod) = pod else { return };
                    if let Err(reason) = carry(&pods, &pod, port, stream).await {
                        tracing::debug!("the way to port {port} of pod {pod} ended: {reason}");
                    }
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, task })
    }

    /// Where it listens, `127.0.0.1:34567`.
    #[must_use]
    pub(super) fn address(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Carries bytes both ways until one side ends.
async fn carry(pods: &Api<Pod>, pod: &str, port: u16, mut stream: TcpStream) -> Result<(), String> {
    stream
        .set_nodelay(true)
        .map_err(|error| error.to_string())?;
    let mut forwarder = pods
        .portforward(pod, &[port])
        .await
        .map_err(|error| reason(&error))?;
    let mut upstream = forwarder.take_stream(port).ok_or("the port is taken")?;
    let copied = tokio::io::copy_bidirectional(&mut stream, &mut upstream).await;
    forwarder.abort();
    copied.map(drop).map_err(|error| error.to_string())
}
