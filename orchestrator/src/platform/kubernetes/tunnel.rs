//! Spans on their way from the receiver in the cluster to ours: fetched in order, forgotten there when they are here.
//! Fetching is also what tells the receiver that its orchestrator lives.

use crate::http;
use crate::receive::spool::{self, Parcel};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::SendRequest;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// The longest batch.
const MAX_BATCH: usize = 128 << 20;
/// An answer takes the receiver's patience at most; beyond this the way is broken.
const DEADLINE: Duration = Duration::from_secs(10);
/// Between attempts while the way is broken, or our own receiver is full.
const RETRY: Duration = Duration::from_millis(500);
/// Between fetches: many small export requests travel together.
const PACE: Duration = Duration::from_millis(100);

/// Fetches until it is dropped.
#[derive(Debug)]
pub(super) struct Tunnel(JoinHandle<()>);

impl Tunnel {
    /// Fetches from the receiver at `from` and exports to the one at `to`, both `host:port`.
    #[must_use]
    pub(super) fn dig(from: String, to: String) -> Self {
        Self(tokio::spawn(async move {
            let mut after = 0;
            loop {
                if let Err(reason) = travel(&from, &to, &mut after).await {
                    tracing::debug!("spans wait in the cluster: failed to {reason}");
                }
                tokio::time::sleep(RETRY).await;
            }
        }))
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Fetches and exports on two connections until one of them breaks.
async fn travel(from: &str, to: &str, after: &mut u64) -> Result<(), String> {
    let (mut source, mut sink) = (connect(from).await?, connect(to).await?);
    loop {
        let request = http::request(
            Method::GET,
            from,
            &format!("/spool?after={after}"),
            Bytes::new(),
        )?;
        let (status, batch) = send(&mut source, request).await?;
        if status != StatusCode::OK {
            return Err(format!(
                "fetch spans: status {status}: {}",
                String::from_utf8_lossy(&batch).trim()
            ));
        }
        for (number, parcel) in spool::decode(batch).ok_or("fetch spans: the batch is broken")? {
            deliver(&mut sink, to, parcel).await?;
            *after = number;
        }
        tokio::time::sleep(PACE).await;
    }
}

/// Exports a request again for as long as our receiver has no room.
async fn deliver(
    sink: &mut SendRequest<Full<Bytes>>,
    to: &str,
    parcel: Parcel,
) -> Result<(), String> {
    loop {
        let mut request = http::request(Method::POST, to, "/v1/traces", parcel.body.clone())?;
        for (name, value) in [
            (CONTENT_TYPE, &parcel.content_type),
            (CONTENT_ENCODING, &parcel.encoding),
        ] {
            if let Ok(value) = value.parse()
                && !parcel.encoding.is_empty() | (name == CONTENT_TYPE)
            {
                request.headers_mut().insert(name, value);
            }
        }
        match send(sink, request).await? {
            (StatusCode::SERVICE_UNAVAILABLE, _) => tokio::time::sleep(RETRY).await,
            (status, _) if status.is_success() => return Ok(()),
            (status, said) => {
                // Whoever exported it must know better; our receiver has counted it.
                tracing::warn!(
                    "spans were refused: status {status}: {}",
                    String::from_utf8_lossy(&said).trim()
                );
                return Ok(());
            }
        }
    }
}

async fn connect(address: &str) -> Result<SendRequest<Full<Bytes>>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("connect to {address}: {error}");
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| failed(&error))?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (sender, connection) = handshake.map_err(|error| failed(&error))?;
    // It ends when the sender is dropped.
    tokio::spawn(connection);
    Ok(sender)
}

async fn send(
    sender: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), String> {
    let path = request.uri().path().to_owned();
    let exchange = async {
        let answer = sender
            .send_request(request)
            .await
            .map_err(|error| error.to_string())?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_BATCH)
            .collect()
            .await
            .map_err(|error| error.to_string())?;
        Ok::<_, String>((status, body.to_bytes()))
    };
    let outcome = tokio::time::timeout(DEADLINE, exchange)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {DEADLINE:?}")));
    outcome.map_err(|reason| format!("ask for {path}: {reason}"))
}
