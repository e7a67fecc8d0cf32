//! A well-behaved HTTP/2 server (of the h2 crate) that remembers what it was asked, and how much at a time.

use h2::server::SendResponse;
use h2::{RecvStream, server};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

/// What the server does.
#[derive(Clone, Default)]
pub(crate) struct Manner {
    /// How long it thinks.
    pub(crate) delay: Duration,
    /// The answer's body, bytes.
    pub(crate) body_bytes: usize,
    /// Streams it allows.
    pub(crate) streams_max: Option<u32>,
    pub(crate) status: Option<u16>,
    pub(crate) tls: Option<Arc<rustls::ServerConfig>>,
}

/// What the server saw.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) connections: AtomicUsize,
    /// The most requests that one connection had under way.
    pub(crate) at_a_time: AtomicUsize,
    /// Requests, each with the length of its body.
    pub(crate) requests: Mutex<Vec<(http::request::Parts, usize)>>,
}

/// A running server; it ends when this is dropped.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Arc<Seen>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Served {
    pub(crate) fn start(manner: Manner) -> Self {
        let seen = Arc::new(Seen::default());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let own = Arc::clone(&seen);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = accept(TcpListener::from_std(listener).unwrap(), manner, own) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            address,
            seen,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.thread.take().map(std::thread::JoinHandle::join);
    }
}

async fn accept(listener: TcpListener, manner: Manner, seen: Arc<Seen>) {
    while let Ok((socket, _)) = listener.accept().await {
        let _ = socket.set_nodelay(true);
        seen.connections.fetch_add(1, Ordering::Relaxed);
        let (manner, seen) = (manner.clone(), Arc::clone(&seen));
        tokio::spawn(async move {
            match manner.tls.clone() {
                None => serve(socket, manner, seen).await,
                Some(config) => {
                    if let Ok(socket) = TlsAcceptor::from(config).accept(socket).await {
                        serve(socket, manner, seen).await;
                    }
                }
            }
        });
    }
}

async fn serve(socket: impl AsyncRead + AsyncWrite + Unpin, manner: Manner, seen: Arc<Seen>) {
    let mut builder = server::Builder::new();
    if let Some(streams_max) = manner.streams_max {
        builder.max_concurrent_streams(streams_max);
    }
    let Ok(mut connection) = builder.handshake::<_, bytes::Bytes>(socket).await else {
        return;
    };
    let open = Arc::new(AtomicUsize::new(0));
    while let Some(Ok((request, respond))) = connection.accept().await {
        let at_a_time = open.fetch_add(1, Ordering::Relaxed) + 1;
        seen.at_a_time.fetch_max(at_a_time, Ordering::Relaxed);
        let (manner, seen, open) = (manner.clone(), Arc::clone(&seen), Arc::clone(&open));
        tokio::spawn(async move {
            answer(request, respond, &manner, &seen, &open).await;
        });
    }
}

async fn answer(
    request: http::Request<RecvStream>,
    mut respond: SendResponse<bytes::Bytes>,
    manner: &Manner,
    seen: &Seen,
    open: &AtomicUsize,
) {
    let (parts, mut body) = request.into_parts();
    let mut length = 0;
    while let Some(Ok(piece)) = body.data().await {
        length += piece.len();
        let _ = body.flow_control().release_capacity(piece.len());
    }
    seen.requests.lock().unwrap().push((parts, length));
    tokio::time::sleep(manner.delay).await;
    // It is the client's turn as soon as the answer is on its way.
    open.fetch_sub(1, Ordering::Relaxed);
    let head = http::Response::builder()
        .status(manner.status.unwrap_or(200))
        .header("x-name", "some value");
    if let Ok(mut body) = respond.send_response(head.body(()).unwrap(), manner.body_bytes == 0)
        && manner.body_bytes > 0
    {
        let _ = body.send_data(vec![b'x'; manner.body_bytes].into(), true);
    }
}
