//! A small HTTP client for sources: bounded answers, bounded time, retries with back-off.

mod error;
mod hop;
mod tls;

pub use error::HttpError;
pub use tls::Certificates;
pub(crate) use tls::tls;

use bytes::Bytes;
use hop::Hop;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER,
};
use hyper::{Method, Request, Response};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::io::Read as _;
use std::time::Duration;

/// How to speak to a source.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// A request that is not answered within this is given up.
    pub timeout: Duration,
    /// An answer that is larger than this is given up.
    pub answer_bytes: usize,
    /// How often a request is tried, the first time included.
    pub attempts: u32,
    /// Wait before the second attempt; doubled for each further one.
    pub backoff: Duration,
    /// How to prove who we are.
    pub auth: Auth,
    /// Whom to trust, and who we are to TLS.
    pub certificates: Certificates,
}

/// How to prove who we are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// Not at all.
    #[default]
    None,
    /// User and password.
    Basic(String, String),
    /// A token.
    Bearer(String),
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(60),
            answer_bytes: 256 << 20,
            attempts: 4,
            backoff: Duration::from_millis(200),
            auth: Auth::None,
            certificates: Certificates::default(),
        }
    }
}

/// The client.
#[derive(Clone, Debug)]
pub struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    options: HttpOptions,
}

impl Http {
    /// A client of these options.
    ///
    /// # Errors
    /// The certificates cannot be read.
    pub fn new(options: HttpOptions) -> Result<Self, HttpError> {
        let tls = tls(&options.certificates)?;
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            options,
        })
    }

    /// The body of a GET, tried again while the failure may pass.
    ///
    /// # Errors
    /// The last attempt's.
    pub async fn get(&self, url: &str) -> Result<Bytes, HttpError> {
        self.send(&Method::GET, url, &Bytes::new()).await
    }

    /// The body that a form posted gets, tried again while the failure may pass (for questions too long for a URL).
    ///
    /// # Errors
    /// The last attempt's.
    pub async fn post_form(&self, url: &str, form: String) -> Result<Bytes, HttpError> {
        self.send(&Method::POST, url, &form.into()).await
    }

    async fn send(&self, method: &Method, url: &str, body: &Bytes) -> Result<Bytes, HttpError> {
        let mut backoff = self.options.backoff;
        let mut attempt = 1;
        loop {
            let error = match self.once(method, url, body).await {
                Ok(body) => return Ok(body),
                Err(error) => error,
            };
            if !error.is_passing() || attempt >= self.options.attempts {
                return Err(error);
            }
            tracing::debug!(%error, attempt, "a source will be asked again");
            let asked = match &error {
                HttpError::Status {
                    retry_after: Some(wait),
                    ..
                } => (*wait).min(Duration::from_secs(30)),
                _ => Duration::ZERO,
            };
            tokio::time::sleep(backoff.max(asked)).await;
            backoff *= 2;
            attempt += 1;
        }
    }

    async fn once(&self, method: &Method, url: &str, body: &Bytes) -> Result<Bytes, HttpError> {
        let timeout = self.options.timeout;
        let answer = tokio::time::timeout(timeout, self.follow(method, url, body)).await;
        answer.unwrap_or_else(|_| {
            Err(HttpError::Timeout {
                url: bare(url),
                timeout,
            })
        })
    }

    /// Sends a request to where it is sent on to.
    async fn follow(&self, method: &Method, url: &str, body: &Bytes) -> Result<Bytes, HttpError> {
        let mut hop = Hop::first(method, url)?;
        loop {
            let response = self.answer(&hop, body).await?;
            hop = match hop.next(&response)? {
                Some(next) => next,
                None => return self.read(&hop, response).await,
            };
        }
    }

    async fn answer(&self, hop: &Hop, body: &Bytes) -> Result<Response<Incoming>, HttpError> {
        let mut request = Request::builder()
            .method(&hop.method)
            .uri(&hop.uri)
            .header(ACCEPT_ENCODING, "gzip");
        let mut content = Bytes::new();
        if hop.method == Method::POST {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
            content = body.clone();
        }
        if let Some(value) = self.options.auth.header().filter(|_| hop.is_trusted()) {
            request = request.header(AUTHORIZATION, value);
        }
        let request = request
            .body(Full::new(content))
            .map_err(|error| HttpError::Url {
                url: hop.shown(),
                reason: error.to_string(),
            })?;
        let lost = |error| HttpError::Connection {
            url: hop.shown(),
            reason: chain(&error),
        };
        self.client.request(request).await.map_err(lost)
    }

    /// The body of a success, within its bound.
    async fn read(&self, hop: &Hop, response: Response<Incoming>) -> Result<Bytes, HttpError> {
        let lost = |reason: String| HttpError::Connection {
            url: hop.shown(),
            reason,
        };
        let (parts, body) = response.into_parts();
        let limit = self.options.answer_bytes;
        let too_large = || HttpError::TooLarge {
            url: hop.shown(),
            bytes: limit,
        };
        let body = Limited::new(body, limit)
            .collect()
            .await
            .map_err(|error| match error.downcast_ref::<LengthLimitError>() {
                Some(_) => too_large(),
                None => lost(chain(&*error)),
            })?;
        let mut body = body.to_bytes();
        if parts
            .headers
            .get(CONTENT_ENCODING)
            .is_some_and(|encoding| encoding == "gzip")
        {
            body = gunzip(&body, limit).ok_or_else(too_large)?.map_err(lost)?;
        }
        if parts.status.is_success() {
            return hop.check_page(&parts).map(|()| body);
        }
        let retry_after = parts
            .headers
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        Err(HttpError::Status {
            url: hop.shown(),
            status: parts.status,
            message: String::from_utf8_lossy(&body[..body.len().min(500)])
                .trim()
                .to_owned(),
            retry_after: retry_after.map(Duration::from_secs),
        })
    }
}

impl Auth {
    fn header(&self) -> Option<HeaderValue> {
        use base64::Engine as _;
        let text = match self {
            Self::None => return None,
            Self::Basic(user, password) => {
                let pair =
                    base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
                format!("Basic {pair}")
            }
            Self::Bearer(token) => format!("Bearer {token}"),
        };
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// None: it would be larger than `limit`.
fn gunzip(body: &[u8], limit: usize) -> Option<Result<Bytes, String>> {
    let mut plain = Vec::new();
    match flate2::read::MultiGzDecoder::new(body)
        .take(limit as u64 + 1)
        .read_to_end(&mut plain)
    {
        Ok(_) if plain.len() > limit => None,
        Ok(_) => Some(Ok(plain.into())),
        Err(error) => Some(Err(format!("the answer is not gzip: {error}"))),
    }
}

/// An error with its causes: hyper's own text says only `client error (Connect)`.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// The URL without its query (which is long) and without a password.
fn bare(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or(url);
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            format!("{}{}", &url[..scheme + 3], &url[at + 1..])
        }
        _ => url.to_owned(),
    }
}

/// Percent-encodes a query's value.
#[must_use]
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_and_queries_are_not_shown() {
        assert_eq!(bare("http://me:secret@host:1/api?x=y"), "http://host:1/api");

        assert_eq!(encode("a b&c=é"), "a%20b%26c%3D%C3%A9");
    }
}
