//! One OTLP/HTTP export request and what its answer means.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONTENT_TYPE, RETRY_AFTER};
use hyper::{HeaderMap, Request, StatusCode, Uri};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use std::time::Duration;

/// The most that is read of an answer.
const MAX_ANSWER: usize = 64 << 10;

/// A receiver's address.
pub(super) struct Endpoint {
    client: Client<HttpConnector, Full<Bytes>>,
    url: Uri,
}

/// A URL that cannot be a receiver's.
#[derive(Debug, thiserror::Error)]
#[error("use `{url}` as the OTLP receiver: write a URL such as http://127.0.0.1:4318")]
pub(crate) struct EndpointError {
    url: String,
}

/// Why a batch was not taken.
pub(super) enum Refusal {
    /// It may be sent again, after this time if the receiver named one.
    ForNow(Option<Duration>),
    /// It may not.
    ForGood,
}

impl Endpoint {
    pub(super) fn new(url: &str) -> Result<Self, EndpointError> {
        let refuse = || EndpointError {
            url: url.to_owned(),
        };
        let parsed: Uri = url.parse().map_err(|_| refuse())?;
        if parsed.scheme_str() != Some("http") || parsed.authority().is_none() {
            return Err(refuse());
        }
        // A base URL, as OTEL_EXPORTER_OTLP_ENDPOINT has it, is one without a path.
        let whole = if parsed.path() == "/" {
            format!("{}/v1/traces", url.trim_end_matches('/'))
        } else {
            url.to_owned()
        };
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self {
            client,
            url: whole.parse().map_err(|_| refuse())?,
        })
    }

    /// Posts a batch; tells how many of its spans the receiver took the batch without.
    pub(super) async fn post(&self, body: Bytes) -> Result<usize, Refusal> {
        let request = Request::post(self.url.clone())
            .header(CONTENT_TYPE, "application/x-protobuf")
            .body(Full::new(body))
            .map_err(|_| Refusal::ForGood)?;
        let answer = self
            .client
            .request(request)
            .await
            .map_err(|_| Refusal::ForNow(None))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, MAX_ANSWER)
            .collect()
            .await
            .map_err(|_| Refusal::ForNow(None))?
            .to_bytes();
        match head.status {
            status if status.is_success() => Ok(rejected(&body)),
            // The four that the protocol says may be repeated.
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Err(Refusal::ForNow(retry_after(&head.headers))),
            _ => Err(Refusal::ForGood),
        }
    }
}

/// Spans rejected by a receiver that took the rest. An answer that cannot be read is one without complaint.
fn rejected(body: &[u8]) -> usize {
    let answer = ExportTraceServiceResponse::decode(body).unwrap_or_default();
    answer.partial_success.map_or(0, |partial| {
        usize::try_from(partial.rejected_spans).unwrap_or(0)
    })
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
        .map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_gets_the_path_of_the_protocol() {
        let url = |text| {
            Endpoint::new(text)
                .map(|endpoint| endpoint.url.to_string())
                .map_err(|error| error.to_string())
        };
        for base in ["http://127.0.0.1:4318", "http://127.0.0.1:4318/"] {
            assert_eq!(url(base).unwrap(), "http://127.0.0.1:4318/v1/traces");
        }
        assert_eq!(
            url("http://jaeger:4318/v1/traces").unwrap(),
            "http://jaeger:4318/v1/traces"
        );
        for bad in ["127.0.0.1:4318", "https://x:1", "", "/v1/traces"] {
            assert!(url(bad).unwrap_err().contains("write a URL"), "{bad}");
        }
    }
}
