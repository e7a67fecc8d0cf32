//! The listener: HTTP/1.1 on loopback, away and back again on a test's word.

use super::answer;
use super::cluster::Cluster;
use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Bodies of answers: a stream that may break.
pub(crate) type Body = BoxBody<Bytes, io::Error>;

/// Connections that may wait to be accepted.
pub(crate) const BACKLOG: u32 = 1024;

/// Serves until the sender of absences is gone. Each absence closes everything for so long.
pub(crate) async fn serve(
    mut listener: TcpListener,
    cluster: Arc<Cluster>,
    mut absences: mpsc::UnboundedReceiver<Duration>,
) {
    let address = listener.local_addr().expect("a bound socket has an address");
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                connections.spawn(connection(stream, cluster.clone()));
            },
            Some(_) = connections.join_next() => {}
            absence = absences.recv() => {
                let Some(absence) = absence else { return };
                drop(listener);
                // Bound and not listening: connections are refused, and nobody else takes the port.
                let held = bind(address).expect("the port was ours until now");
                connections.shutdown().await;
                cluster.cut();
                tokio::time::sleep(absence).await;
                listener = held.listen(BACKLOG).expect("the port is ours");
            }
        }
    }
}

/// A socket that may take an address right after another one had it.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

async fn connection(stream: tokio::net::TcpStream, cluster: Arc<Cluster>) {
    // Without it small answers wait for an acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer::answer(cluster.clone(), request));
    // A connection that breaks is the client's to notice.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await;
}
