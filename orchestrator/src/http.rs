//! A GET of a JSON document from a service nearby.

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

/// No document of ours is larger.
const MAX_BYTES: usize = 1 << 20;

/// Gets `http://<address><path>` on a connection of its own and reads it as JSON; the error is for people.
pub(crate) async fn get_json<T: DeserializeOwned>(address: &str, path: &str) -> Result<T, String> {
    let stream = TcpStream::connect(address).await.map_err(|error| format!("connect to {address}: {error}"))?;
    let failed = |error: &dyn std::fmt::Display| format!("get {path} from {address}: {error}");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
    let connection = tokio::spawn(connection);
    let request = hyper::Request::get(path).header(hyper::header::HOST, address).body(Empty::<Bytes>::new());
    let answer = sender.send_request(request.map_err(|error| failed(&error))?).await.map_err(|error| failed(&error))?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MAX_BYTES).collect().await.map_err(|error| failed(&error))?.to_bytes();
    connection.abort();
    if !status.is_success() {
        return Err(failed(&format!("status {status}")));
    }
    serde_json::from_slice(&body).map_err(|error| failed(&error))
}
