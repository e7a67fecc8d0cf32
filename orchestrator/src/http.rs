//! Requests to services nearby: one a connection, with a bound on the answer.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

/// No document of ours is larger.
const MAX_BYTES: usize = 1 << 20;

/// Gets `http://<address><path>` and reads it as JSON; the error is for people.
pub(crate) async fn get_json<T: DeserializeOwned>(address: &str, path: &str) -> Result<T, String> {
    let body = send(
        address,
        request(Method::GET, address, path, Bytes::new())?,
        MAX_BYTES,
    )
    .await?;
    serde_json::from_slice(&body).map_err(|error| format!("read {path} from {address}: {error}"))
}

/// Posts a value as JSON and reads the answer as JSON; the error is for people.
pub(crate) async fn post_json<T: DeserializeOwned>(
    address: &str,
    path: &str,
    value: &impl Serialize,
) -> Result<T, String> {
    let body = serde_json::to_vec(value).map_err(|error| format!("post to {path}: {error}"))?;
    let answer = send(
        address,
        request(Method::POST, address, path, body.into())?,
        MAX_BYTES,
    )
    .await?;
    serde_json::from_slice(&answer).map_err(|error| format!("read {path} from {address}: {error}"))
}

/// A request to a service.
pub(crate) fn request(
    method: Method,
    address: &str,
    path: &str,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, String> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(hyper::header::HOST, address);
    request
        .body(Full::new(body))
        .map_err(|error| format!("ask {address} for {path}: {error}"))
}

/// Sends a request on a connection of its own; an answer that is no success, or is longer than `most` bytes, is an
/// error.
pub(crate) async fn send(
    address: &str,
    request: Request<Full<Bytes>>,
    most: usize,
) -> Result<Bytes, String> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| format!("connect to {address}: {error}"))?;
    let what = format!("{} {} at {address}", request.method(), request.uri().path());
    let failed = |error: &dyn std::fmt::Display| format!("{what}: {error}");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failed(&error))?;
    let connection = tokio::spawn(connection);
    let answer = sender
        .send_request(request)
        .await
        .map_err(|error| failed(&error))?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), most)
        .collect()
        .await
        .map_err(|error| failed(&error))?
        .to_bytes();
    connection.abort();
    if status.is_success() {
        return Ok(body);
    }
    let said = String::from_utf8_lossy(&body);
    Err(failed(&format!("status {status}: {}", said.trim())))
}
