//! Traces out of a Jaeger's answers.

use super::super::json;
use super::super::messages::GetTrace;
use super::super::search::Query;
use super::query::grpc_query;
use super::{Api, Found, Jaeger, JaegerError};
use crate::grpc::{GrpcError, Status};
use crate::otlp;
use crate::trace::by_trace;
use aefm_workloads::ids::TraceId;
use std::sync::PoisonError;

const FIND: &str = "/jaeger.api_v3.QueryService/FindTraces";
const GET: &str = "/jaeger.api_v3.QueryService/GetTrace";

impl Jaeger {
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
            said: read.said,
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
            said: Vec::new(),
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
            said: Vec::new(),
        })
    }
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
