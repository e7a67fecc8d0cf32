//! How stores are asked: with the HTTP client that sources are asked with, too.

use crate::http::{Certificates, HttpError as TlsError, chain, tls};
use async_trait::async_trait;
use http_body_util::BodyExt as _;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector as Tcp;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::TokioExecutor;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody,
    HttpResponse, HttpService,
};
use std::time::Duration;

/// A connection that is not there within this is tried again.
const CONNECT: Duration = Duration::from_secs(3);
/// An answer to a request without a body is given up after this...
const ANSWER: Duration = Duration::from_secs(30);
/// ...and one to a request with a body when it goes up more slowly than this, in bytes a second.
const SLOWEST: u64 = 64 << 10;

/// The client.
#[derive(Clone, Debug)]
pub(super) struct Connection(Client<HttpsConnector<Tcp>, HttpRequestBody>);

impl Connection {
    /// Trusts the web's certificates, or those that are named.
    pub(super) fn new(certificates: &Certificates) -> Result<Self, TlsError> {
        let tls = tls(certificates)?;
        let mut tcp = Tcp::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1();
        Ok(Self(
            Client::builder(TokioExecutor::new()).build(connector.wrap_connector(tcp)),
        ))
    }
}

impl HttpConnector for Connection {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Connection {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let patience = patience(request.body().content_length());
        let exchange = async {
            let (head, body) = self
                .0
                .request(request)
                .await
                .map_err(|error| lost(&error))?
                .into_parts();
            let body = body
                .collect()
                .await
                .map_err(|error| broken(HttpErrorKind::Interrupted, &error))?
                .to_bytes();
            Ok(HttpResponse::from_parts(head, body.into()))
        };
        let late = |_| {
            Err(broken(
                HttpErrorKind::Timeout,
                &std::io::Error::other(format!("no whole answer within {patience:?}")),
            ))
        };
        tokio::time::timeout(patience, exchange)
            .await
            .unwrap_or_else(late)
    }
}

/// How long an answer to a request of so many bytes is awaited.
fn patience(bytes: usize) -> Duration {
    ANSWER + Duration::from_secs(bytes as u64 / SLOWEST)
}

fn lost(error: &ClientError) -> HttpError {
    broken(
        if error.is_connect() {
            HttpErrorKind::Connect
        } else {
            HttpErrorKind::Request
        },
        error,
    )
}

/// The kind decides whether it is tried again.
fn broken(kind: HttpErrorKind, error: &(dyn std::error::Error + 'static)) -> HttpError {
    HttpError::new_boxed(kind, chain(error).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_part_has_the_time_that_a_slow_line_needs() {
        assert_eq!(patience(0), ANSWER);
        // 8 MiB at 1 Mbit/s are 67 s.
        assert!(patience(8 << 20) > Duration::from_secs(67));
    }
}
