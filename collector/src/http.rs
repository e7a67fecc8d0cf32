//! A small HTTP client for sources: bounded answers, bounded time, retries with back-off.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER,
};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;
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
    /// A PEM file of certificates to trust in place of the web's.
    pub ca: Option<PathBuf>,
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
            ca: None,
        }
    }
}

/// Why a source did not answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Not a URL that can be asked.
    #[error("ask {url}: {reason}")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Certificates to trust could not be read.
    #[error("read certificates from {}: {reason}", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No connection, or it ended in the middle.
    #[error("ask {url}: {reason}")]
    Connection {
        /// The URL without its query.
        url: String,
        /// What happened.
        reason: String,
    },
    /// It took too long.
    #[error("ask {url}: no whole answer within {timeout:?}")]
    Timeout {
        /// The URL without its query.
        url: String,
        /// How long it was given.
        timeout: Duration,
    },
    /// It was too large.
    #[error("ask {url}: the answer is larger than {bytes} bytes")]
    TooLarge {
        /// The URL without its query.
        url: String,
        /// The bound.
        bytes: usize,
    },
    /// Answered, with an error.
    #[error("ask {url}: {status}: {message}")]
    Status {
        /// The URL without its query.
        url: String,
        /// Its status.
        status: StatusCode,
        /// What it said, its beginning.
        message: String,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
}

impl HttpError {
    /// The same request may succeed later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Connection { .. } | Self::Timeout { .. } => true,
            Self::Status { status, .. } => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            Self::Url { .. } | Self::Certificates { .. } | Self::TooLarge { .. } => false,
        }
    }

    /// Asking for less may succeed.
    #[must_use]
    pub fn is_size(&self) -> bool {
        matches!(self, Self::Timeout { .. } | Self::TooLarge { .. })
            || matches!(self, Self::Status { status, .. } if *status == StatusCode::GATEWAY_TIMEOUT || *status == StatusCode::PAYLOAD_TOO_LARGE)
    }

    /// The status it was answered with, if it was.
    #[must_use]
    pub const fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
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
        let tls = tls(options.ca.as_ref())?;
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
        let answer = tokio::time::timeout(timeout, self.answer(method, url, body)).await;
        answer.unwrap_or_else(|_| {
            Err(HttpError::Timeout {
                url: bare(url),
                timeout,
            })
        })
    }

    async fn answer(&self, method: &Method, url: &str, body: &Bytes) -> Result<Bytes, HttpError> {
        let broken = |reason: String| HttpError::Url {
            url: bare(url),
            reason,
        };
        let uri: Uri = url
            .parse()
            .map_err(|error: hyper::http::uri::InvalidUri| broken(error.to_string()))?;
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header(ACCEPT_ENCODING, "gzip");
        if method == Method::POST {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        if let Some(value) = self.options.auth.header() {
            request = request.header(AUTHORIZATION, value);
        }
        let request = request
            .body(Full::new(body.clone()))
            .map_err(|error| broken(error.to_string()))?;
        let lost = |reason: String| HttpError::Connection {
            url: bare(url),
            reason,
        };
        let response = self
            .client
            .request(request)
            .await
            .map_err(|error| lost(chain(&error)))?;
        let (parts, body) = response.into_parts();
        let limit = self.options.answer_bytes;
        let body = Limited::new(body, limit)
            .collect()
            .await
            .map_err(|error| match error.downcast_ref::<LengthLimitError>() {
                Some(_) => HttpError::TooLarge {
                    url: bare(url),
                    bytes: limit,
                },
                None => lost(chain(&*error)),
            })?;
        let mut body = body.to_bytes();
        if parts
            .headers
            .get(CONTENT_ENCODING)
            .is_some_and(|encoding| encoding == "gzip")
        {
            body = gunzip(&body, limit)
                .ok_or_else(|| HttpError::TooLarge {
                    url: bare(url),
                    bytes: limit,
                })?
                .map_err(lost)?;
        }
        if parts.status.is_success() {
            return Ok(body);
        }
        let retry_after = parts
            .headers
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        Err(HttpError::Status {
            url: bare(url),
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

pub(crate) fn tls(ca: Option<&PathBuf>) -> Result<rustls::ClientConfig, HttpError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let bad = |path: &PathBuf, reason: String| HttpError::Certificates {
        path: path.clone(),
        reason,
    };
    let none = PathBuf::new();
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| bad(ca.unwrap_or(&none), error.to_string()))?;
    let Some(path) = ca else {
        return Ok(builder.with_webpki_roots().with_no_client_auth());
    };
    let mut roots = rustls::RootCertStore::empty();
    use rustls::pki_types::pem::PemObject as _;
    let certificates = rustls::pki_types::CertificateDer::pem_file_iter(path)
        .map_err(|error| bad(path, error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| bad(path, error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| bad(path, error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(bad(path, "there is no certificate in it".to_owned()));
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
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
