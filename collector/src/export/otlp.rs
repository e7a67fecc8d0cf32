//! Spans as OTLP's JSON lines (`<case>.otlp.jsonl`), which `aefm import otlp` and OpenTelemetry's own receivers read.
//!
//! Format: <https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/>.

use super::attributes::{members, objects, push_otlp};
use super::file::Target;
use super::{ExportError, a_file_a_case};
use crate::json_text::{Object, push_string};
use crate::sink::Hex;
use crate::span::{Origin, Span};
use serde_json::value::RawValue;
use std::path::Path;

/// One line a trace, one file a case.
pub(super) fn write(run: &Path, cases: &[String], out: Target<'_>) -> Result<u64, ExportError> {
    a_file_a_case(run, cases, out, "otlp.jsonl", |file, traces| {
        let mut spans = 0;
        let mut line = String::new();
        for trace in traces {
            let trace = trace?;
            line.clear();
            push_trace(&mut line, &trace.spans);
            line.push('\n');
            file.write(&line)?;
            spans += trace.spans.len() as u64;
        }
        Ok(spans)
    })
}

/// Appends a trace as `TracesData`, the spans of one origin together.
fn push_trace(out: &mut String, spans: &[Span]) {
    let mut sorted: Vec<&Span> = spans.iter().collect();
    sorted.sort_by(|a, b| a.origin.cmp(&b.origin));
    out.push_str("{\"resourceSpans\":[");
    for (place, spans) in sorted.chunk_by(|a, b| a.origin == b.origin).enumerate() {
        if place > 0 {
            out.push(',');
        }
        push_resource(out, &spans[0].origin);
        out.push_str(",\"scopeSpans\":[{\"spans\":[");
        for (place, span) in spans.iter().enumerate() {
            if place > 0 {
                out.push(',');
            }
            push_span(out, span);
        }
        out.push_str("]}]}");
    }
    out.push_str("]}");
}

/// Appends a `ResourceSpans` up to its resource.
fn push_resource(out: &mut String, origin: &Origin) {
    let service = Some(&origin.service);
    // What names a pod or a node on any platform: the dataset does not say which attribute did.
    let names = [
        ("service.name", service),
        ("service.instance.id", origin.pod.as_ref()),
        ("host.name", origin.node.as_ref()),
    ];
    out.push_str("{\"resource\":{\"attributes\":[");
    for (place, (key, name)) in names
        .into_iter()
        .filter_map(|(key, name)| Some((key, name?)))
        .enumerate()
    {
        if place > 0 {
            out.push(',');
        }
        let mut pair = Object::begin(out);
        push_string(pair.key("key"), key);
        let mut value = Object::begin(pair.key("value"));
        push_string(value.key("stringValue"), name);
        value.end();
        pair.end();
    }
    out.push_str("]}");
}

fn push_span(out: &mut String, span: &Span) {
    let mut json = Object::begin(out);
    push_string(
        json.key("traceId"),
        Hex::<32>::of(&span.trace_id.0).as_str(),
    );
    push_string(json.key("spanId"), Hex::<16>::of(&span.span_id.0).as_str());
    if let Some(parent) = span.parent {
        push_string(json.key("parentSpanId"), Hex::<16>::of(&parent.0).as_str());
    }
    push_string(json.key("name"), &span.operation);
    if let Some(kind) = span.kind {
        json.key("kind").push_str(&(kind as u8).to_string());
    }
    // A span that ended before it started has no duration; one nanosecond keeps that visible.
    let end_ns = if span.negative {
        span.start_ns.saturating_sub(1)
    } else {
        span.end_ns()
    };
    push_string(json.key("startTimeUnixNano"), &span.start_ns.to_string());
    if !span.unfinished {
        push_string(json.key("endTimeUnixNano"), &end_ns.to_string());
    }
    if let Some(attributes) = &span.attributes {
        let members = members(attributes);
        push_list(
            json.key("attributes"),
            members.iter().map(|(key, value)| (&**key, *value)),
        );
    }
    let extra = span.extra.as_deref();
    if let Some(events) = extra.and_then(|extra| extra.events.as_deref()) {
        push_objects(
            json.key("events"),
            events,
            &[("t_ns", "timeUnixNano"), ("name", "name")],
        );
    }
    if let Some(links) = extra.and_then(|extra| extra.links.as_deref()) {
        push_objects(
            json.key("links"),
            links,
            &[("trace_id", "traceId"), ("span_id", "spanId")],
        );
    }
    let message = extra.and_then(|extra| extra.status_message.as_deref());
    if span.error || message.is_some() {
        let mut status = Object::begin(json.key("status"));
        if let Some(message) = message {
            push_string(status.key("message"), message);
        }
        if span.error {
            status.key("code").push('2');
        }
        status.end();
    }
    json.end();
}

fn push_list<'a>(out: &mut String, members: impl IntoIterator<Item = (&'a str, &'a RawValue)>) {
    out.push('[');
    push_otlp(out, members);
    out.push(']');
}

/// Appends events or links: `names` are their own members as the table and as OTLP calls them; the others are
/// `attributes.` and a name.
fn push_objects(out: &mut String, text: &str, names: &[(&str, &str)]) {
    out.push('[');
    for (place, object) in objects(text).iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        let mut json = Object::begin(out);
        for (ours, theirs) in names {
            if let Some((_, value)) = object.0.iter().find(|(key, _)| key == ours) {
                json.key(theirs).push_str(value.get());
            }
        }
        let own = object
            .0
            .iter()
            .filter_map(|(key, value)| Some((key.strip_prefix("attributes.")?, *value)));
        push_list(json.key("attributes"), own);
        json.end();
    }
    out.push(']');
}
