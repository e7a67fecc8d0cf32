//! From an HTTP request to a WebSocket that speaks one of the API's channel protocols.

use super::super::refusal::Refusal;
use super::super::server::Body;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper::{Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// The socket once it is one.
pub(super) type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Answers with the switch to a WebSocket in the first of `protocols` that the client offers, and serves it.
pub(super) fn upgrade<F>(
    mut http: hyper::Request<Incoming>,
    protocols: &[&'static str],
    serve: impl FnOnce(Socket) -> F + Send + 'static,
) -> Result<Response<Body>, Refusal>
where
    F: Future<Output = ()> + Send,
{
    let header = |name: header::HeaderName| {
        http.headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let offered: Vec<&str> = header(header::SEC_WEBSOCKET_PROTOCOL)
        .split(',')
        .map(str::trim)
        .collect();
    let protocol = protocols
        .iter()
        .find(|protocol| offered.contains(protocol))
        .copied();
    let key = header(header::SEC_WEBSOCKET_KEY).to_owned();
    if key.is_empty() {
        return Err(Refusal::bad_request("Upgrade request required"));
    }
    let upgraded = hyper::upgrade::on(&mut http);
    tokio::spawn(async move {
        // A client that went away before the switch wants nothing.
        if let Ok(upgraded) = upgraded.await {
            serve(
                WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await,
            )
            .await;
        }
    });
    let mut response = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(
            header::SEC_WEBSOCKET_ACCEPT,
            derive_accept_key(key.as_bytes()),
        );
    if let Some(protocol) = protocol {
        response = response.header(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    Ok(response
        .body(
            Empty::<Bytes>::new()
                .map_err(|never| match never {})
                .boxed(),
        )
        .expect("its parts are valid"))
}

/// Bytes on a channel.
pub(super) fn frame(channel: u8, bytes: &[u8]) -> Message {
    let mut message = vec![channel];
    message.extend_from_slice(bytes);
    Message::binary(message)
}
