//! The query side of a Jaeger (v1 or v2, or what speaks like one), by whichever API it has.
//!
//! In the order in which they are tried: `jaeger.api_v3.QueryService` over gRPC (where an address is given), `/api/v3`,
//! and `/api/traces`. Traces are asked for raw: clocks are ours to judge.

use super::json;
use super::messages::{FindTraces, GetTrace, Operations, Parameters, Texts, Time};
use super::search::Query;
use crate::grpc::{Channel, GrpcError, Status};
use crate::http::{Http, HttpError, HttpOptions, encode};
use crate::otlp;
use crate::span::{Names, Span};
use crate::trace::by_trace;
use aefm_workloads::ids::TraceId;
use serde::Deserialize;
use std::sync::{Mutex, PoisonError};

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
    /// Spans without valid ids, left out.
    pub invalid: u64,
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

const FIND: &str = "/jaeger.api_v3.QueryService/FindTraces";
const GET: &str = "/jaeger.api_v3.QueryService/GetTrace";
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

    /// The traces of a service that a query is about.
    ///
    /// # Errors
    /// It does not answer, or with an error.
    pub async fn find(&self, service: &str, query: &Query) -> Result<Found, JaegerError> {
        match self.api {
            Api::V1 => self.read_v1(&self.v1_query(service, query)).await,
            Api::V3 => self.read_v3(&self.v3_query(service, query)).await,
            Api::Grpc => self.read_grpc(FIND, &grpc_query(service, query)).await,
        }
    }

    /// All spans of one trace; none where it is not known.
    ///
    /// # Errors
    /// It does not answer, or with an error.
    pub async fn trace(&self, id: TraceId) -> Result<Found, JaegerError> {
        let answer = match self.api {
            Api::V1 => {
                self.read_v1(&format!("{}/api/traces/{id}?raw=true", self.url))
                    .await
            }
            Api::V3 => {
                self.read_v3(&format!(
                    "{}/api/v3/traces/{id}?rawTraces=true&raw_traces=true",
                    self.url
                ))
                .await
            }
            Api::Grpc => {
                self.read_grpc(
                    GET,
                    &GetTrace {
                        trace_id: id.to_string(),
                        raw_traces: true,
                    },
                )
                .await
            }
        };
        match answer {
            Err(JaegerError::Grpc(GrpcError::Status {
                status: Status::NOT_FOUND,
                ..
            })) => Ok(Found::default()),
            answer => answer,
        }
    }

    fn v1_query(&self, service: &str, query: &Query) -> String {
        let mut url = format!(
            "{}/api/traces?service={}&start={}&end={}&limit={}&raw=true",
            self.url,
            encode(service),
            query.from_us,
            query.to_us,
            query.limit
        );
        if let Some(operation) = &query.operation {
            url.push_str(&format!("&operation={}", encode(operation)));
        }
        if let Some(min) = query.min_us {
            url.push_str(&format!("&minDuration={min}us"));
        }
        if let Some(max) = query.max_us {
            url.push_str(&format!("&maxDuration={}us", above(max)));
        }
        url
    }

    fn v3_query(&self, service: &str, query: &Query) -> String {
        let mut pairs = vec![
            ("service_name", "serviceName", service.to_owned()),
            ("start_time_min", "startTimeMin", rfc3339(query.from_us)),
            ("start_time_max", "startTimeMax", rfc3339(query.to_us)),
            ("search_depth", "searchDepth", query.limit.to_string()),
            ("num_traces", "numTraces", query.limit.to_string()),
            ("raw_traces", "rawTraces", "true".to_owned()),
        ];
        if let Some(operation) = &query.operation {
            pairs.push(("operation_name", "operationName", operation.clone()));
        }
        if let Some(min) = query.min_us {
            pairs.push(("duration_min", "durationMin", format!("{min}us")));
        }
        if let Some(max) = query.max_us {
            pairs.push(("duration_max", "durationMax", format!("{}us", above(max))));
        }
        // Versions spell them in either way, and ignore the other.
        let pair = |(snake, camel, value): &(&str, &str, String)| {
            let value = encode(value);
            format!("query.{snake}={value}&query.{camel}={value}")
        };
        format!(
            "{}/api/v3/traces?{}",
            self.url,
            pairs.iter().map(pair).collect::<Vec<_>>().join("&")
        )
    }

    async fn read_v1(&self, url: &str) -> Result<Found, JaegerError> {
        let body = match self.http.get(url).await {
            // A trace that is not there.
            Err(error) if error.status().is_some_and(|status| status == 404) => {
                return Ok(Found::default());
            }
            body => body?,
        };
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let read = json::read_answer(&body, &mut names)?;
        Ok(Found {
            traces: read.traces,
            bytes: body.len(),
            invalid: read.invalid,
        })
    }

    async fn read_v3(&self, url: &str) -> Result<Found, JaegerError> {
        let body = match self.http.get(url).await {
            // Older versions say so when nothing was found.
            Err(error) if error.status().is_some_and(|status| status == 404) => {
                return Ok(Found::default());
            }
            body => body?,
        };
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let mut decoded = otlp::decode::Decoded::default();
        // Some versions stream several documents, one a line.
        for line in documents(&body) {
            let read = otlp::json::read(line, &mut names)?;
            decoded.spans.extend(read.spans);
            decoded.invalid += read.invalid;
        }
        Ok(Found {
            traces: by_trace(decoded.spans),
            bytes: body.len(),
            invalid: decoded.invalid,
        })
    }

    async fn read_grpc(
        &self,
        path: &'static str,
        request: &impl prost::Message,
    ) -> Result<Found, JaegerError> {
        let (mut spans, mut bytes, mut invalid) = (Vec::new(), 0, 0);
        let take = |message: &[u8]| {
            let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            let decoded =
                otlp::decode::decode(message, &mut names).map_err(|error| error.to_string())?;
            bytes += message.len();
            invalid += decoded.invalid;
            spans.extend(decoded.spans);
            Ok(())
        };
        self.channel(path)?
            .call(path, &request.encode_to_vec(), take)
            .await?;
        Ok(Found {
            traces: by_trace(spans),
            bytes,
            invalid,
        })
    }
}

fn grpc_query(service: &str, query: &Query) -> FindTraces {
    let time = |us: i64| {
        let nanos = i32::try_from(us.rem_euclid(1_000_000) * 1_000).unwrap_or(0);
        Time {
            seconds: us.div_euclid(1_000_000),
            nanos,
        }
    };
    FindTraces {
        query: Some(Parameters {
            service_name: service.to_owned(),
            operation_name: query.operation.clone().unwrap_or_default(),
            start_time_min: Some(time(query.from_us)),
            start_time_max: Some(time(query.to_us)),
            duration_min: query.min_us.map(time),
            duration_max: query.max_us.map(|max| time(above(max))),
            search_depth: i32::try_from(query.limit).unwrap_or(i32::MAX),
            raw_traces: true,
        }),
    }
}

/// Durations are compared in nanoseconds: 5.7 us is above 5 and below 6. An overlap loses nothing.
const fn above(max_us: i64) -> i64 {
    max_us.saturating_add(1)
}

fn rfc3339(us: i64) -> String {
    jiff::Timestamp::from_microsecond(us)
        .map_or_else(|_| us.to_string(), |instant| instant.to_string())
}

/// The JSON documents in a body: one, or one a line.
fn documents(body: &[u8]) -> Vec<&[u8]> {
    let lines: Vec<&[u8]> = body
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.trim_ascii().is_empty())
        .collect();
    if lines
        .iter()
        .all(|line| line.trim_ascii().ends_with(b"}") && line.trim_ascii().starts_with(b"{\""))
    {
        return lines;
    }
    vec![body]
}
