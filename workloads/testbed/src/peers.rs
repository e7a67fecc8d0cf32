//! Calls to other services over connections that are kept.

use crate::trace::TraceParent;
use aefm_workloads::graph::Call;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, StatusCode, Uri};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use std::collections::BTreeMap;
use std::time::Duration;

/// The most that is read of an answer.
const MAX_ANSWER: usize = 4 << 20;

/// The services that one service calls.
pub(crate) struct Peers {
    client: Client<HttpConnector, Empty<Bytes>>,
    /// `host:port` by service.
    addresses: BTreeMap<String, String>,
    timeout: Duration,
}

/// A call that did not bring what it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("call {call}: its address is not known")]
    Unknown { call: String },
    #[error("call {call}: no answer within {timeout:?}")]
    Timeout { call: String, timeout: Duration },
    #[error("call {call}: {reason}")]
    Transport { call: String, reason: String },
    #[error("call {call}: it answered {status}")]
    Status { call: String, status: StatusCode },
}

impl Peers {
    /// No connection is made before the first call.
    pub(crate) fn new(addresses: BTreeMap<String, String>, timeout: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(timeout));
        Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            addresses,
            timeout,
        }
    }

    /// Calls an operation and reads its answer to the end; `parent` is the caller's span, `state` the trace state it got.
    pub(crate) async fn call(
        &self,
        call: &Call,
        parent: Option<TraceParent>,
        state: Option<&str>,
    ) -> Result<Bytes, CallError> {
        match tokio::time::timeout(self.timeout, self.exchange(call, parent, state)).await {
            Ok(answer) => answer,
            Err(_) => Err(CallError::Timeout {
                call: call.to_string(),
                timeout: self.timeout,
            }),
        }
    }

    async fn exchange(
        &self,
        call: &Call,
        parent: Option<TraceParent>,
        state: Option<&str>,
    ) -> Result<Bytes, CallError> {
        let transport = |reason: String| CallError::Transport {
            call: call.to_string(),
            reason,
        };
        let address = self
            .addresses
            .get(&call.service)
            .ok_or_else(|| CallError::Unknown {
                call: call.to_string(),
            })?;
        let uri: Uri = format!("http://{address}/{}", call.operation)
            .parse()
            .map_err(|_| transport(format!("`{address}` is not an address, write host:port")))?;
        let mut request = Request::post(uri);
        if let Some(parent) = parent {
            request = request.header("traceparent", parent.to_string());
            if let Some(state) = state {
                request = request.header("tracestate", state);
            }
        }
        let request = request
            .body(Empty::new())
            .map_err(|error| transport(error.to_string()))?;
        let answer = self
            .client
            .request(request)
            .await
            .map_err(|error| transport(chain(&error)))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER);
        let body = body
            .collect()
            .await
            .map_err(|error| transport(chain(error.as_ref())))?;
        if status.is_success() {
            Ok(body.to_bytes())
        } else {
            Err(CallError::Status {
                call: call.to_string(),
                status,
            })
        }
    }
}

impl CallError {
    /// The status that the caller answers with in turn.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Timeout { .. } => StatusCode::GATEWAY_TIMEOUT,
            Self::Unknown { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Transport { .. } | Self::Status { .. } => StatusCode::BAD_GATEWAY,
        }
    }
}

/// An error with its causes: hyper's own text names the layer, the cause says what happened.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
