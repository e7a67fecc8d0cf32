//! The query side of a Jaeger (v1 or v2, or what speaks like one), by whichever API it has.
//!
//! In the order in which they are tried: `jaeger.api_v3.QueryService` over gRPC (where an address is given), `/api/v3`,
//! and `/api/traces`. Traces are asked for raw: clocks are ours to judge.

mod query;
mod traces;

use super::json;
use super::messages::{Operations, Texts};
use crate::grpc::{Channel, GrpcError, Status};
use crate::http::{Http, HttpError, HttpOptions, encode};
use crate::otlp;
use crate::span::{Names, Span};
use serde::Deserialize;
use std::sync::Mutex;

/// Where a Jaeger is.
#[derive(Clone, Debug)]
pub struct JaegerOptions {
    /// Its HTTP query side, such as `http://127.0.0.1:16686`, with its base path if it has one.
    pub url: String,
    /// Host and port of its gRPC query side (16685), if it may be asked.
    pub grpc: Option<String>,
    /// Bounds and credentials.
    pub http: HttpOptions,
}

/// The API in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// `/api/traces`: every version has it; microseconds.
    V1,
    /// `/api/v3`: OTLP as JSON.
    V3,
    /// `jaeger.api_v3.QueryService`: OTLP.
    Grpc,
}

/// Why Jaeger did not answer.
#[derive(Debug, thiserror::Error)]
pub enum JaegerError {
    /// Over HTTP.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// Over gRPC.
    #[error(transparent)]
    Grpc(#[from] GrpcError),
    /// With what is not its JSON, or an error in it.
    #[error(transparent)]
    Json(#[from] json::JsonError),
    /// With what is not OTLP's JSON, or an error in it.
    #[error(transparent)]
    Otlp(#[from] otlp::json::JsonError),
    /// With a list that is none.
    #[error("read Jaeger's list of {0}: {1}")]
    List(&'static str, #[source] serde_json::Error),
    /// Not at all, by any of its APIs.
    #[error("find a Jaeger at {url}: {reasons}; is this its query side (port 16686)?")]
    None {
        /// Where.
        url: String,
        /// What each API said.
        reasons: String,
    },
}

impl JaegerError {
    /// Asking for less may succeed.
    pub(super) fn is_size(&self) -> bool {
        match self {
            Self::Http(error) => error.is_size(),
            Self::Grpc(GrpcError::Timeout { .. }) => true,
            Self::Grpc(GrpcError::Status { status, .. }) => *status == Status::RESOURCE_EXHAUSTED,
            _ => false,
        }
    }

    /// It speaks of the limit (more than its memory holds; a bad `limit`).
    pub(super) fn is_limit(&self) -> bool {
        let text = self.to_string().to_lowercase();
        [
            "searchdepth",
            "search depth",
            "search_depth",
            "numtraces",
            "num_traces",
            "limit",
        ]
        .iter()
        .any(|word| text.contains(word))
    }
}

/// What an answer held.
#[derive(Debug, Default)]
pub struct Found {
    /// The spans of each trace.
    pub traces: Vec<Vec<Span>>,
    /// Size of the answer.
    pub bytes: usize,
    /// Spans without valid ids or times, left out.
    pub invalid: u64,
    /// What the server says of what is missing.
    pub said: Vec<String>,
}

/// A Jaeger that answers.
#[derive(Debug)]
pub struct Jaeger {
    url: String,
    http: Http,
    grpc: Option<Channel>,
    api: Api,
    names: Mutex<Names>,
}

const SERVICES: &str = "/jaeger.api_v3.QueryService/GetServices";
const OPERATIONS: &str = "/jaeger.api_v3.QueryService/GetOperations";

/// `{"data": [...]}` of v1, `{"services": [...]}` and `{"operations": [{"name": ...}]}` of v3.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct List {
    data: Option<Vec<String>>,
    services: Option<Vec<String>>,
    operations: Option<Vec<Named>>,
}

#[derive(Debug, Deserialize)]
struct Named {
    name: String,
}

impl Jaeger {
    /// Finds out how the Jaeger there can be asked.
    ///
    /// # Errors
    /// It cannot, or certificates cannot be read.
    pub async fn connect(options: JaegerOptions) -> Result<Self, JaegerError> {
        let http = Http::new(options.http.clone())?;
        let channel = |address: &String| {
            Channel::new(address, options.http.timeout, options.http.answer_bytes)
        };
        let mut jaeger = Self {
            url: options.url.trim_end_matches('/').to_owned(),
            http,
            grpc: options.grpc.as_ref().map(channel),
            api: Api::Grpc,
            names: Mutex::default(),
        };
        let mut reasons = Vec::new();
        for api in [Api::Grpc, Api::V3, Api::V1] {
            jaeger.api = api;
            if api == Api::Grpc && jaeger.grpc.is_none() {
                continue;
            }
            match jaeger.services().await {
                Ok(_) => return Ok(jaeger),
                Err(error) => reasons.push(error.to_string()),
            }
        }
        Err(JaegerError::None {
            url: jaeger.url,
            reasons: reasons.join("; "),
        })
    }

    /// The same Jaeger, asked by this API.
    #[must_use]
    pub fn with_api(mut self, api: Api) -> Self {
        self.api = api;
        self
    }

    /// The API in use.
    #[must_use]
    pub const fn api(&self) -> Api {
        self.api
    }

    /// The services it knows.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn services(&self) -> Result<Vec<String>, JaegerError> {
        match self.api {
            Api::Grpc => Ok(self
                .unary::<Texts>(SERVICES, &Texts::default())
                .await?
                .texts),
            Api::V3 => Ok(self
                .list("services", "/api/v3/services")
                .await?
                .services
                .unwrap_or_default()),
            Api::V1 => Ok(self
                .list("services", "/api/services")
                .await?
                .data
                .unwrap_or_default()),
        }
    }

    /// The operations of a service.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn operations(&self, service: &str) -> Result<Vec<String>, JaegerError> {
        let mut names = match self.api {
            Api::Grpc => {
                let request = Texts {
                    texts: vec![service.to_owned()],
                };
                let answer = self.unary::<Operations>(OPERATIONS, &request).await?;
                answer
                    .operations
                    .into_iter()
                    .map(|operation| operation.text)
                    .collect()
            }
            Api::V3 => {
                let list = self
                    .list(
                        "operations",
                        &format!("/api/v3/operations?service={}", encode(service)),
                    )
                    .await?;
                list.operations
                    .into_iter()
                    .flatten()
                    .map(|operation| operation.name)
                    .collect()
            }
            Api::V1 => {
                let path = format!("/api/services/{}/operations", encode(service));
                self.list("operations", &path)
                    .await?
                    .data
                    .unwrap_or_default()
            }
        };
        // One operation may be listed once for each kind of span.
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    async fn list(&self, what: &'static str, path: &str) -> Result<List, JaegerError> {
        let body = self.http.get(&format!("{}{path}", self.url)).await?;
        crate::json::read(&body).map_err(|error| JaegerError::List(what, error))
    }

    async fn unary<A: prost::Message + Default>(
        &self,
        path: &'static str,
        request: &impl prost::Message,
    ) -> Result<A, JaegerError> {
        let mut answer = A::default();
        let take = |message: &[u8]| answer.merge(message).map_err(|error| error.to_string());
        self.channel(path)?
            .call(path, &request.encode_to_vec(), take)
            .await?;
        Ok(answer)
    }

    fn channel(&self, path: &'static str) -> Result<&Channel, GrpcError> {
        let none = || GrpcError::Connection {
            path,
            reason: "no address for gRPC was given".to_owned(),
        };
        self.grpc.as_ref().ok_or_else(none)
    }
}
