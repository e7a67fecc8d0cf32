//! Spans as an OTLP export request.

use crate::trace::EndedSpan;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, InstrumentationScope, KeyValue, any_value::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{
    ResourceSpans, ScopeSpans, Span, Status, span::SpanKind, status::StatusCode,
};
use prost::Message;

/// Who the spans are of.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// `service.name`.
    pub(crate) service: String,
    /// `service.instance.id` and the pod's name.
    pub(crate) instance: String,
    /// `host.name` and the node's name.
    pub(crate) node: String,
}

impl Source {
    /// The body of an export request with these spans.
    pub(crate) fn encode(&self, spans: &[EndedSpan]) -> Bytes {
        let scope_spans = ScopeSpans {
            scope: Some(InstrumentationScope {
                name: "aefm-testbed".to_owned(),
                ..Default::default()
            }),
            spans: spans.iter().map(span).collect(),
            ..Default::default()
        };
        let resource_spans = ResourceSpans {
            resource: Some(self.resource()),
            scope_spans: vec![scope_spans],
            ..Default::default()
        };
        ExportTraceServiceRequest {
            resource_spans: vec![resource_spans],
        }
        .encode_to_vec()
        .into()
    }

    fn resource(&self) -> Resource {
        let attributes = vec![
            text("service.name", &self.service),
            text("service.instance.id", &self.instance),
            text("k8s.pod.name", &self.instance),
            text("host.name", &self.node),
            text("k8s.node.name", &self.node),
        ];
        Resource {
            attributes,
            ..Default::default()
        }
    }
}

fn span(span: &EndedSpan) -> Span {
    let failed = span.error.as_ref().map(|reason| Status {
        code: StatusCode::Error as i32,
        message: reason.clone(),
    });
    Span {
        trace_id: span.trace.0.to_vec(),
        span_id: span.span.0.to_vec(),
        parent_span_id: span
            .parent
            .map(|parent| parent.0.to_vec())
            .unwrap_or_default(),
        name: span.name.clone(),
        kind: SpanKind::Server as i32,
        start_time_unix_nano: span.start_ns,
        end_time_unix_nano: span.end_ns,
        attributes: vec![
            text("http.request.method", &span.method),
            attribute(
                "http.response.status_code",
                Value::IntValue(span.status.into()),
            ),
            text("url.path", &span.path),
        ],
        status: failed,
        // Sampled: there is no other kind here.
        flags: 1,
        ..Default::default()
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..Default::default()
    }
}
