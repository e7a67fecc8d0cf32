//! Spans as Jaeger's JSON (`<case>.json`), as its page opens it and CRISP reads it. Jaeger keeps microseconds: what is
//! below them is cut off.

use super::attributes::{members, objects, push_tag};
use super::file::Target;
use super::{ExportError, a_file_a_case};
use crate::jaeger::json::{FOLLOWS_FROM, REF_TYPE};
use crate::json_text::{Object, push_string};
use crate::sink::Hex;
use crate::span::{Origin, Span};
use std::path::Path;

/// One file a case.
pub(super) fn write(run: &Path, cases: &[String], out: Target<'_>) -> Result<u64, ExportError> {
    a_file_a_case(run, cases, out, "json", |file, traces| {
        let mut spans = 0;
        let mut text = String::from("{\"data\":[");
        for (place, trace) in traces.enumerate() {
            let trace = trace?;
            text.push_str(if place > 0 { ",\n" } else { "\n" });
            push_trace(&mut text, &trace.spans);
            file.write(&text)?;
            text.clear();
            spans += trace.spans.len() as u64;
        }
        text.push_str("\n],\"total\":0,\"limit\":0,\"offset\":0,\"errors\":null}\n");
        file.write(&text)?;
        Ok(spans)
    })
}

fn push_trace(out: &mut String, spans: &[Span]) {
    let mut origins: Vec<&Origin> = spans.iter().map(|span| &*span.origin).collect();
    origins.sort();
    origins.dedup();
    let process = |span: &Span| origins.binary_search(&&*span.origin).unwrap_or_default() + 1;
    let mut trace = Object::begin(out);
    if let Some(first) = spans.first() {
        push_string(
            trace.key("traceID"),
            Hex::<32>::of(&first.trace_id.0).as_str(),
        );
    }
    push_array(trace.key("spans"), spans, |out, span| {
        push_span(out, span, process(span));
    });
    let mut processes = Object::begin(trace.key("processes"));
    for (number, origin) in (1..).zip(&origins) {
        push_process(processes.key(&format!("p{number}")), origin);
    }
    processes.end();
    trace.key("warnings").push_str("null");
    trace.end();
}

fn push_process(out: &mut String, origin: &Origin) {
    let mut process = Object::begin(out);
    push_string(process.key("serviceName"), &origin.service);
    let tags: Vec<_> = [("hostname", &origin.pod), ("host.name", &origin.node)]
        .into_iter()
        .filter(|(_, name)| name.is_some())
        .collect();
    push_array(process.key("tags"), &tags, |out, (key, name)| {
        let mut text = String::new();
        push_string(&mut text, name.as_deref().unwrap_or_default());
        push_tag(out, key, &text);
    });
    process.end();
}

fn push_span(out: &mut String, span: &Span, process: usize) {
    let mut json = Object::begin(out);
    let trace_id = Hex::<32>::of(&span.trace_id.0);
    push_string(json.key("traceID"), trace_id.as_str());
    push_string(json.key("spanID"), Hex::<16>::of(&span.span_id.0).as_str());
    push_string(json.key("operationName"), &span.operation);
    push_references(json.key("references"), span);
    // The end is cut off, too, rather than the duration: what was within its parent stays there.
    let duration_us = if span.negative {
        -1
    } else {
        span.end_ns().div_euclid(1_000) - span.start_ns.div_euclid(1_000)
    };
    json.key("startTime")
        .push_str(&span.start_ns.div_euclid(1_000).to_string());
    if !span.unfinished {
        json.key("duration").push_str(&duration_us.to_string());
    }
    push_tags(json.key("tags"), span);
    let events = span
        .extra
        .as_deref()
        .and_then(|extra| extra.events.as_deref());
    push_logs(json.key("logs"), events.unwrap_or("[]"));
    push_string(json.key("processID"), &format!("p{process}"));
    json.key("warnings").push_str("null");
    json.end();
}

/// The parent, and what the links lead to: what they are not said to be a child of, they follow.
fn push_references(out: &mut String, span: &Span) {
    let trace_id = Hex::<32>::of(&span.trace_id.0);
    let quoted = |text: &str| format!("\"{text}\"");
    let mut references: Vec<(&str, String, String)> = Vec::new();
    references.extend(span.parent.map(|parent| {
        let parent = Hex::<16>::of(&parent.0);
        (
            "CHILD_OF",
            quoted(trace_id.as_str()),
            quoted(parent.as_str()),
        )
    }));
    let links = span
        .extra
        .as_deref()
        .and_then(|extra| extra.links.as_deref());
    for link in objects(links.unwrap_or("[]")) {
        let get = |name: &str| {
            let member = link.0.iter().find(|(key, _)| key == name);
            member.map_or("\"\"", |(_, value)| value.get())
        };
        let kind = match get(REF_TYPE) {
            "\"child_of\"" => "CHILD_OF",
            _ => FOLLOWS_FROM,
        };
        references.push((kind, get("trace_id").to_owned(), get("span_id").to_owned()));
    }
    push_array(out, &references, |out, (kind, trace_id, span_id)| {
        let mut reference = Object::begin(out);
        push_string(reference.key("refType"), kind);
        reference.key("traceID").push_str(trace_id);
        reference.key("spanID").push_str(span_id);
        reference.end();
    });
}

/// The attributes, and what else Jaeger says by tags where these do not say it.
fn push_tags(out: &mut String, span: &Span) {
    let attributes = members(span.attributes.as_deref().unwrap_or("{}"));
    let has = |key: &str| attributes.iter().any(|(name, _)| name == key);
    let mut tags: Vec<(&str, String)> = attributes
        .iter()
        .map(|(key, value)| (&**key, value.get().to_owned()))
        .collect();
    if let Some(kind) = span.kind.filter(|_| !has("span.kind")) {
        tags.push(("span.kind", format!("\"{}\"", kind.name())));
    }
    if span.error && !has("error") {
        tags.push(("error", "true".to_owned()));
    }
    if let Some(message) = span
        .extra
        .as_deref()
        .and_then(|extra| extra.status_message.as_deref())
    {
        let mut text = String::new();
        push_string(&mut text, message);
        tags.push(("otel.status_description", text));
    }
    push_array(out, &tags, |out, (key, value)| push_tag(out, key, value));
}

fn push_logs(out: &mut String, events: &str) {
    push_array(out, &objects(events), |out, event| {
        let mut log = Object::begin(out);
        let t_ns = event
            .0
            .iter()
            .find(|(key, _)| key == "t_ns")
            .and_then(|(_, value)| value.get().parse::<i64>().ok());
        log.key("timestamp")
            .push_str(&t_ns.unwrap_or_default().div_euclid(1_000).to_string());
        let fields: Vec<_> = event.0.iter().filter(|(key, _)| key != "t_ns").collect();
        push_array(log.key("fields"), &fields, |out, (key, value)| {
            let name = if key == "name" {
                "event"
            } else {
                key.strip_prefix("attributes.").unwrap_or(key)
            };
            push_tag(out, name, value.get());
        });
        log.end();
    });
}

fn push_array<T>(out: &mut String, items: &[T], mut push: impl FnMut(&mut String, &T)) {
    out.push('[');
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        push(out, item);
    }
    out.push(']');
}
