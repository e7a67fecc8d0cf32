//! One export request: OTLP/HTTP (`POST /v1/traces`) or OTLP/gRPC, protobuf or JSON, plain or gzip.
//!
//! Protocol: <https://opentelemetry.io/docs/specs/otlp/>. A full receiver answers 503 with `Retry-After` (gRPC:
//! UNAVAILABLE), upon which exporters keep their spans and try again: back-pressure, not loss.

use super::decode::{Decoded, decode};
use super::json;
use super::losses::Reason;
use super::receiver::Shared;
use super::wire::WireError;
use crate::clock::now_ns;
use crate::grpc;
use crate::span::Names;
use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full as FullBody, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use std::convert::Infallible;
use std::io::Read as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// What we answer with.
pub(super) type Answer = Response<BoxBody<Bytes, Infallible>>;

/// So many bodies are read and decoded at a time: with their bound, this bounds what lies outside of the inboxes.
const BODIES: usize = 4;

/// A body that is slower than this is given up, so that it cannot hold its place for ever.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

const GRPC_PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// Places for bodies.
pub(super) struct Bodies {
    places: Semaphore,
    bytes: usize,
}

impl Bodies {
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            places: Semaphore::new(BODIES),
            bytes,
        }
    }
}

/// Why an export request is not taken.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("spans are posted to /v1/traces")]
    Path,
    #[error("spans are posted")]
    Method,
    #[error("content type {0:?} is neither application/x-protobuf nor application/json")]
    ContentType(String),
    #[error("content encoding {0:?} is neither gzip nor identity")]
    Encoding(String),
    #[error("the body is larger than {0} bytes; export smaller batches")]
    TooLarge(usize),
    #[error("the body did not arrive: {0}")]
    Body(String),
    #[error("the body did not arrive within {BODY_TIMEOUT:?}")]
    Slow,
    #[error("the body is not gzip: {0}")]
    Gzip(std::io::Error),
    #[error("the body is not an ExportTraceServiceRequest: {0}")]
    Malformed(#[from] WireError),
    #[error("the body is not an ExportTraceServiceRequest: {0}")]
    Json(#[from] json::JsonError),
    #[error("the body is not one gRPC message: {0}")]
    Frame(#[from] grpc::FrameError),
    #[error("no room for more spans now; try again")]
    Full,
    #[error("{0}")]
    Elsewhere(String),
}

/// The content type of what a receiver in front of this one has refused, and behind it why: it comes here to be counted.
pub const REFUSED: &str = "application/x-refused;";

/// The form of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Protobuf,
    Json,
    Grpc,
}

impl Refusal {
    const fn status(&self) -> StatusCode {
        match self {
            Self::Path => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::ContentType(_) | Self::Encoding(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Body(_)
            | Self::Gzip(_)
            | Self::Malformed(_)
            | Self::Json(_)
            | Self::Frame(_)
            | Self::Elsewhere(_) => StatusCode::BAD_REQUEST,
            Self::Full => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The gRPC status that makes exporters do the same.
    const fn grpc_status(&self) -> grpc::Status {
        match self {
            Self::Path | Self::Method | Self::ContentType(_) => grpc::Status::UNIMPLEMENTED,
            Self::Full | Self::Slow | Self::Body(_) => grpc::Status::UNAVAILABLE,
            _ => grpc::Status::INVALID_ARGUMENT,
        }
    }

    /// What is lost with the request; nothing where it was no export of spans.
    const fn reason(&self) -> Option<Reason> {
        match self {
            Self::Path => Some(Reason::Path),
            Self::Method => None,
            Self::ContentType(_) | Self::Encoding(_) => Some(Reason::Type),
            Self::TooLarge(_) => Some(Reason::TooLarge),
            Self::Body(_) | Self::Slow => Some(Reason::Cut),
            Self::Gzip(_)
            | Self::Malformed(_)
            | Self::Json(_)
            | Self::Frame(_)
            | Self::Elsewhere(_) => Some(Reason::Undecodable),
            Self::Full => Some(Reason::Full),
        }
    }

    /// The body came, and was no spans.
    const fn is_malformed(&self) -> bool {
        matches!(
            self,
            Self::Gzip(_) | Self::Malformed(_) | Self::Json(_) | Self::Frame(_) | Self::TooLarge(_)
        )
    }
}

/// Answers one request.
pub(super) async fn answer(
    request: Request<Incoming>,
    shared: &Shared,
    names: &Mutex<Names>,
) -> Answer {
    let content_type = header(&request, CONTENT_TYPE);
    let path = request.uri().path().to_owned();
    let may_carry_spans = may_carry_spans(request.method(), &path);
    let is_grpc = content_type.starts_with("application/grpc");
    let taken = match form(&request, &content_type) {
        Ok(form) => export(request, form, shared, names)
            .await
            .map(|invalid| (form, invalid)),
        Err(refusal) => Err(refusal),
    };
    match taken {
        Ok((Form::Protobuf, invalid)) => respond(
            StatusCode::OK,
            "application/x-protobuf",
            partial_success(invalid),
        ),
        Ok((Form::Json, invalid)) => respond(
            StatusCode::OK,
            "application/json",
            partial_success_json(invalid),
        ),
        Ok((Form::Grpc, invalid)) => grpc::reply(&partial_success(invalid)),
        Err(refusal) => {
            if refusal.is_malformed() {
                let mut inboxes = shared.inboxes();
                inboxes.totals.requests += 1;
                inboxes.totals.malformed += 1;
            }
            if let Some(reason) = refusal.reason().filter(|_| may_carry_spans) {
                let example = || format!("POST {path}: {refusal}");
                shared.inboxes().losses.note(now_ns(), reason, 1, example);
            }
            tracing::debug!(%refusal, "spans were refused");
            if is_grpc {
                grpc::refuse(refusal.grpc_status(), &refusal.to_string())
            } else {
                refuse(&refusal)
            }
        }
    }
}

/// Exporters of metrics and logs post to the same server, others look whether it lives: no spans are lost with these.
#[must_use]
pub fn may_carry_spans(method: &Method, path: &str) -> bool {
    let path = path.to_lowercase();
    let others = ["metrics", "logs", "profiles", "health", "reflection"];
    method == Method::POST && !others.iter().any(|other| path.contains(other))
}

fn form(request: &Request<Incoming>, content_type: &str) -> Result<Form, Refusal> {
    let (form, path) = match content_type.split(';').next().unwrap_or_default().trim() {
        "application/x-protobuf" => (Form::Protobuf, "/v1/traces"),
        "application/json" => (Form::Json, "/v1/traces"),
        "application/grpc" | "application/grpc+proto" => (Form::Grpc, GRPC_PATH),
        _ if content_type.starts_with(REFUSED) => {
            let why = content_type.trim_start_matches(REFUSED).trim();
            return Err(Refusal::Elsewhere(why.to_owned()));
        }
        // What is asked of another path or by another method is told so first.
        _ if request.uri().path() != "/v1/traces" => return Err(Refusal::Path),
        _ if request.method() != Method::POST => return Err(Refusal::Method),
        _ => return Err(Refusal::ContentType(content_type.to_owned())),
    };
    if request.uri().path() != path {
        return Err(Refusal::Path);
    }
    if request.method() == Method::POST {
        Ok(form)
    } else {
        Err(Refusal::Method)
    }
}

fn refuse(refusal: &Refusal) -> Answer {
    let mut response = respond(refusal.status(), "text/plain", refusal.to_string().into());
    match refusal {
        Refusal::Full => {
            _ = response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        Refusal::Method => {
            _ = response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("POST"));
        }
        _ => {}
    }
    response
}

fn respond(status: StatusCode, content_type: &'static str, body: Bytes) -> Answer {
    let mut response = Response::new(FullBody::new(body).boxed());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

const INVALID: &str = "a span without a valid trace id and span id cannot be kept";

/// An `ExportTraceServiceResponse`: an empty message if everything was taken.
fn partial_success(invalid: u64) -> Bytes {
    use opentelemetry_proto::tonic::collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceResponse,
    };
    use prost::Message as _;
    if invalid == 0 {
        return Bytes::new();
    }
    let rejected_spans = i64::try_from(invalid).unwrap_or(i64::MAX);
    let partial_success = Some(ExportTracePartialSuccess {
        rejected_spans,
        error_message: INVALID.to_owned(),
    });
    ExportTraceServiceResponse { partial_success }
        .encode_to_vec()
        .into()
}

fn partial_success_json(invalid: u64) -> Bytes {
    if invalid == 0 {
        return Bytes::from_static(b"{}");
    }
    format!(r#"{{"partialSuccess":{{"rejectedSpans":"{invalid}","errorMessage":"{INVALID}"}}}}"#)
        .into()
}

/// Takes the spans of a request in and says how many had no valid ids.
async fn export(
    request: Request<Incoming>,
    form: Form,
    shared: &Shared,
    names: &Mutex<Names>,
) -> Result<u64, Refusal> {
    let limit = shared.bodies.bytes;
    let encoding = match form {
        Form::Grpc => header(&request, HeaderName::from_static("grpc-encoding")),
        Form::Protobuf | Form::Json => header(&request, CONTENT_ENCODING),
    };
    if !matches!(&*encoding, "" | "identity" | "gzip") {
        return Err(Refusal::Encoding(encoding));
    }
    let Ok(_place) = shared.bodies.places.acquire().await else {
        return Err(Refusal::Full);
    };
    let mut body = read(request.into_body(), limit).await?;
    let mut zipped = encoding == "gzip";
    if form == Form::Grpc {
        (zipped, body) = grpc::only_frame(&body)?;
    }
    if zipped {
        body = gunzip(&body, limit)?;
    }
    let decoded = decode_form(form, &body, names)?;
    let mut inboxes = shared.inboxes();
    let now_ns = now_ns();
    inboxes
        .admit(decoded.spans, now_ns)
        .map_err(|_| Refusal::Full)?;
    inboxes.totals.invalid += decoded.invalid;
    if decoded.invalid > 0 {
        let example = || INVALID.to_owned();
        inboxes
            .losses
            .note(now_ns, Reason::Invalid, decoded.invalid, example);
    }
    drop(inboxes);
    shared.changed.notify_waiters();
    Ok(decoded.invalid)
}

fn decode_form(form: Form, body: &[u8], names: &Mutex<Names>) -> Result<Decoded, Refusal> {
    let mut names = names.lock().unwrap_or_else(PoisonError::into_inner);
    match form {
        Form::Json => Ok(json::read(body, &mut names)?),
        Form::Protobuf | Form::Grpc => Ok(decode(body, &mut names)?),
    }
}

async fn read(body: Incoming, limit: usize) -> Result<Bytes, Refusal> {
    let body = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, limit).collect()).await;
    let body = body.map_err(|_| Refusal::Slow)?;
    let body = body.map_err(|error| match error.downcast_ref::<LengthLimitError>() {
        Some(_) => Refusal::TooLarge(limit),
        None => Refusal::Body(error.to_string()),
    })?;
    Ok(body.to_bytes())
}

fn header(request: &Request<Incoming>, name: HeaderName) -> String {
    let value = request.headers().get(name);
    value.map_or_else(String::new, |value| {
        String::from_utf8_lossy(value.as_bytes()).to_lowercase()
    })
}

/// Decompresses at most `limit` bytes: a small body must not become an endless one.
fn gunzip(body: &[u8], limit: usize) -> Result<Bytes, Refusal> {
    let mut plain = Vec::with_capacity(body.len().saturating_mul(4).min(limit));
    let mut reader = flate2::read::MultiGzDecoder::new(body).take(limit as u64 + 1);
    reader.read_to_end(&mut plain).map_err(Refusal::Gzip)?;
    if plain.len() > limit {
        Err(Refusal::TooLarge(limit))
    } else {
        Ok(plain.into())
    }
}
