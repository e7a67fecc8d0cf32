//! The listener: HTTP/1.1 on loopback, away and back again on a test's word.

use super::answer;
use super::cluster::Cluster;
use crate::ports;
use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Bodies of answers: a stream that may break.
pub(crate) type Body = BoxBody<Bytes, io::Error>;

/// Connections that may wait to be accepted.
pub(crate) const BACKLOG: u32 = 1024;

/// A port that listens, can stop to, and come back.
pub(crate) struct Port {
    listener: TcpListener,
    /// Bound beside it and never listening: while it is alone, connections are refused, and nobody else takes the port.
    _held: TcpSocket,
}

impl Port {
    /// Any free one on loopback.
    pub(crate) fn open() -> io::Result<Self> {
        let socket = bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let held = bind(socket.local_addr()?)?;
        Ok(Self {
            listener: socket.listen(BACKLOG)?,
            _held: held,
        })
    }

    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Listens no more while something else goes on.
    async fn closed_during(self, absence: impl Future<Output = ()>) -> io::Result<Self> {
        let address = self.address()?;
        ports::close(self.listener);
        absence.await;
        Ok(Self {
            listener: bind(address)?.listen(BACKLOG)?,
            ..self
        })
    }
}

/// Serves until the sender of absences is gone. Each absence closes everything for so long.
pub(crate) async fn serve(
    mut port: Port,
    cluster: Arc<Cluster>,
    mut absences: mpsc::UnboundedReceiver<Duration>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = port.listener.accept() => if let Ok((stream, _)) = accepted {
                connections.spawn(connection(stream, cluster.clone()));
            },
            Some(_) = connections.join_next() => {}
            absence = absences.recv() => {
                let Some(absence) = absence else { return };
                let absent = async {
                    connections.shutdown().await;
                    cluster.cut();
                    tokio::time::sleep(absence).await;
                };
                port = port.closed_during(absent).await.expect("the port is ours");
            }
        }
    }
}

/// A socket that may share its address with others, as long as none of them listens.
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
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;
    use std::process::Command;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    /// As when tests beside this one start programs.
    #[tokio::test]
    async fn a_port_comes_back_while_children_are_started() {
        let over = Arc::new(AtomicBool::new(false));
        let seen = over.clone();
        let children = thread::spawn(move || {
            while !seen.load(Ordering::Relaxed) {
                Command::new("true").status().expect("it starts");
            }
        });
        let mut port = Port::open().expect("a free port");
        let address = port.address().expect("it is bound");
        for _ in 0..2_000 {
            let refused = async { assert!(TcpStream::connect(address).is_err(), "nobody listens") };
            port = port.closed_during(refused).await.expect("the port is ours");
            TcpStream::connect(address).expect("somebody listens again");
        }
        over.store(true, Ordering::Relaxed);
        children.join().expect("it starts them until it is told");
    }
}
