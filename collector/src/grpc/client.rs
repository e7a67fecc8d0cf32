//! The calling side: one message out, a stream of messages back.

use super::{Status, frame, framed};
use bytes::{Buf, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, TE};
use hyper::{Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::time::Duration;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum GrpcError {
    /// Not an address.
    #[error("call {address}: {reason}")]
    Address {
        /// What was given.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No connection, or it ended in the middle.
    #[error("call {path}: {reason}")]
    Connection {
        /// The method.
        path: &'static str,
        /// What happened.
        reason: String,
    },
    /// It took too long.
    #[error("call {path}: not over within {timeout:?}")]
    Timeout {
        /// The method.
        path: &'static str,
        /// How long it was given.
        timeout: Duration,
    },
    /// The answer is no gRPC.
    #[error("call {path}: {reason}")]
    Answer {
        /// The method.
        path: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The server refused, or gave up in the middle.
    #[error("call {path}: status {}: {message}", status.0)]
    Status {
        /// The method.
        path: &'static str,
        /// Its status.
        status: Status,
        /// What it said.
        message: String,
    },
}

/// A server that can be called.
#[derive(Clone, Debug)]
pub(crate) struct Channel {
    client: Client<HttpConnector, Full<Bytes>>,
    address: String,
    timeout: Duration,
    message_bytes: usize,
}

impl Channel {
    /// To the server at `address` (host and port), in plain text.
    pub(crate) fn new(address: &str, timeout: Duration, message_bytes: usize) -> Self {
        let mut builder = Client::builder(TokioExecutor::new());
        builder.http2_only(true).timer(TokioTimer::new());
        // Traces come in megabytes: the default window of 64 KiB would make each wait for an acknowledgement.
        builder
            .http2_initial_stream_window_size(4 << 20)
            .http2_initial_connection_window_size(8 << 20);
        Self {
            client: builder.build_http(),
            address: address.to_owned(),
            timeout,
            message_bytes,
        }
    }

    /// Calls `path` and hands each message of the answer to `take`, as it comes.
    pub(crate) async fn call(
        &self,
        path: &'static str,
        message: &[u8],
        mut take: impl FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(), GrpcError> {
        let timeout = self.timeout;
        let call = self.stream(path, message, &mut take);
        tokio::time::timeout(timeout, call)
            .await
            .unwrap_or(Err(GrpcError::Timeout { path, timeout }))
    }

    async fn stream(
        &self,
        path: &'static str,
        message: &[u8],
        take: &mut impl FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(), GrpcError> {
        let address = |reason: String| GrpcError::Address {
            address: self.address.clone(),
            reason,
        };
        let lost = |reason: String| GrpcError::Connection { path, reason };
        let uri = Uri::builder()
            .scheme("http")
            .authority(&*self.address)
            .path_and_query(path)
            .build();
        let request = Request::post(uri.map_err(|error| address(error.to_string()))?)
            .header(CONTENT_TYPE, "application/grpc")
            .header(TE, "trailers")
            .body(Full::new(framed(message)))
            .map_err(|error| address(error.to_string()))?;
        let response = self
            .client
            .request(request)
            .await
            .map_err(|error| lost(chain(&error)))?;
        let (parts, body) = response.into_parts();
        if !parts.status.is_success() {
            return Err(GrpcError::Answer {
                path,
                reason: format!("HTTP status {}", parts.status),
            });
        }
        // A refusal has its status in the headers.
        check(path, &parts.headers)?;
        let trailers = self.messages(path, body, take).await?;
        match trailers {
            Some(trailers) => check(path, &trailers),
            None => Err(GrpcError::Answer {
                path,
                reason: "the answer ended without a status".to_owned(),
            }),
        }
    }

    async fn messages(
        &self,
        path: &'static str,
        mut body: Incoming,
        take: &mut impl FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<Option<HeaderMap>, GrpcError> {
        let wrong = |reason: String| GrpcError::Answer { path, reason };
        let mut buffer = BytesMut::new();
        let mut trailers = None;
        while let Some(part) = body.frame().await {
            let part = part.map_err(|error| GrpcError::Connection {
                path,
                reason: chain(&error),
            })?;
            match part.into_data() {
                Ok(data) => buffer.extend_from_slice(&data),
                Err(part) => trailers = part.into_trailers().ok().or(trailers),
            }
            while let Some((zipped, message, used)) =
                frame(&buffer, self.message_bytes).map_err(|error| wrong(error.to_string()))?
            {
                if zipped {
                    return Err(wrong(
                        "a message is compressed, which was not asked for".to_owned(),
                    ));
                }
                take(message).map_err(wrong)?;
                buffer.advance(used);
            }
        }
        if !buffer.is_empty() && trailers.is_none() {
            return Err(GrpcError::Connection {
                path,
                reason: "the answer was cut in a message".to_owned(),
            });
        }
        Ok(trailers)
    }
}

/// An error if the headers have a status that is not OK.
fn check(path: &'static str, headers: &HeaderMap) -> Result<(), GrpcError> {
    let text = |name: &'static str| {
        headers
            .get(HeaderName::from_static(name))
            .map(HeaderValue::as_bytes)
    };
    let Some(status) = text("grpc-status") else {
        return Ok(());
    };
    let status = std::str::from_utf8(status)
        .ok()
        .and_then(|status| status.parse().ok())
        .map_or(Status::INTERNAL, Status);
    if status == Status::OK {
        return Ok(());
    }
    let message = text("grpc-message").map_or_else(String::new, |text| {
        String::from_utf8_lossy(text).into_owned()
    });
    Err(GrpcError::Status {
        path,
        status,
        message,
    })
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    crate::http::chain(error)
}
