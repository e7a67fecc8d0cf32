//! Jaeger's own JSON (`/api/traces`, and what its page saves): traces into spans.

mod shape;

use crate::json_text::{Object, push_int};
use crate::otlp::decode::{Decoded, UNKNOWN_SERVICE};
use crate::span::{Extra, Names, Origin, Span};
use aefm_workloads::ids::{SpanId, TraceId};
use foldhash::fast::RandomState;
use shape::{Answer, JsonSpan, Log, Process, Reference, Trace};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// Why an answer is none.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// Not JSON, or not Jaeger's.
    #[error("read traces as Jaeger's JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// JSON is UTF-8.
    #[error("read traces as Jaeger's JSON: {0}")]
    Text(#[from] std::str::Utf8Error),
    /// The server says what went wrong.
    #[error("search traces: the server says: {0}")]
    Server(String),
}

/// What an answer held.
#[derive(Debug, Default)]
pub struct Traces {
    /// The spans of each trace.
    pub traces: Vec<Vec<Span>>,
    /// Spans whose ids are no hex numbers, and that were left out.
    pub invalid: u64,
}

/// Reads an answer of `/api/traces` (or a file saved from it).
///
/// # Errors
/// It is not Jaeger's JSON, or it holds an error in place of traces.
pub fn read_answer(text: &[u8], names: &mut Names) -> Result<Traces, JsonError> {
    let answer: Answer<'_> = serde_json::from_str(std::str::from_utf8(text)?)?;
    let data = answer.data.unwrap_or_default();
    if data.is_empty()
        && let Some(error) = answer.errors.into_iter().flatten().next()
    {
        // "trace not found" is how nothing found is said when ids were asked for.
        if !error.msg.contains("not found") {
            return Err(JsonError::Server(error.msg));
        }
    }
    let mut traces = Traces::default();
    for trace in data {
        let decoded = convert(trace, names);
        traces.invalid += decoded.invalid;
        traces.traces.push(decoded.spans);
    }
    Ok(traces)
}

/// Reads one trace, an element of an answer's `data`.
///
/// # Errors
/// It is not Jaeger's JSON.
pub fn read_trace(text: &[u8], names: &mut Names) -> Result<Decoded, JsonError> {
    // As a whole, not text by text.
    let trace: Trace<'_> = serde_json::from_str(std::str::from_utf8(text)?)?;
    Ok(convert(trace, names))
}

fn convert(trace: Trace<'_>, names: &mut Names) -> Decoded {
    let origins: HashMap<&str, Arc<Origin>, RandomState> = trace
        .processes
        .iter()
        .map(|(id, process)| (&**id, origin(process, names)))
        .collect();
    let mut decoded = Decoded {
        spans: Vec::with_capacity(trace.spans.len()),
        invalid: 0,
    };
    let id = trace_of(&trace.trace_id);
    for json in trace.spans {
        let origin = match (&json.process, origins.get(&*json.process_id)) {
            (Some(process), None) => origin(process, names),
            (_, Some(origin)) => Arc::clone(origin),
            (None, None) => names.origin(UNKNOWN_SERVICE, None, None),
        };
        match span(json, (&trace.trace_id, id), origin, names) {
            Some(span) => decoded.spans.push(span),
            None => decoded.invalid += 1,
        }
    }
    decoded
}

fn origin(process: &Process<'_>, names: &mut Names) -> Arc<Origin> {
    let tag = |key: &str| {
        let tag = process.tags.iter().find(|tag| tag.key == key)?;
        serde_json::from_str::<Cow<'_, str>>(tag.value.get())
            .ok()
            .filter(|value| !value.is_empty())
    };
    // Jaeger's clients call the pod `hostname`.
    let pod = crate::otlp::decode::POD_KEYS
        .iter()
        .find_map(|key| tag(key));
    let node = crate::otlp::decode::NODE_KEYS
        .iter()
        .find_map(|key| tag(key));
    let service = if process.service_name.is_empty() {
        UNKNOWN_SERVICE
    } else {
        &process.service_name
    };
    names.origin(service, pod.as_deref(), node.as_deref())
}

/// `trace` is the whole trace's id, as text and as bytes: mostly that of all its spans and references, too.
fn span(
    json: JsonSpan<'_>,
    trace: (&str, Option<TraceId>),
    origin: Arc<Origin>,
    names: &mut Names,
) -> Option<Span> {
    let trace_of = |text: &str| {
        if text.is_empty() || text == trace.0 {
            trace.1
        } else {
            trace_of(text)
        }
    };
    let own = trace_of(&json.trace_id)?;
    let events = json
        .logs
        .as_deref()
        .filter(|logs| !logs.is_empty())
        .map(events);
    Some(Span {
        trace_id: own,
        span_id: span_of(&json.span_id)?,
        parent: parent(&json, |text| text.is_empty() || trace_of(text) == Some(own)),
        origin,
        operation: names.name(&json.operation_name),
        kind: json.tags.kind,
        start_ns: json.start_time.saturating_mul(1_000),
        duration_ns: json.duration.max(0).saturating_mul(1_000),
        negative: json.duration < 0,
        error: json.tags.error,
        http_status: json.tags.http_status,
        attributes: json.tags.text,
        extra: events.map(|events| {
            Box::new(Extra {
                events: Some(events),
                ..Extra::default()
            })
        }),
    })
}

/// The parent in this trace: a `CHILD_OF` before any other reference.
fn parent(json: &JsonSpan<'_>, is_this_trace: impl Fn(&str) -> bool) -> Option<SpanId> {
    let within = |reference: &&Reference<'_>| is_this_trace(&reference.trace_id);
    let references = json.references.as_deref().unwrap_or_default();
    let child_of = references
        .iter()
        .filter(within)
        .find(|reference| reference.ref_type == "CHILD_OF");
    let reference = child_of
        .or_else(|| references.iter().find(within))
        .map(|reference| &*reference.span_id);
    reference
        .or(json.parent_span_id.as_deref())
        .and_then(span_of)
}

fn events(logs: &[Log<'_>]) -> Box<str> {
    let mut text = String::from("[");
    for (place, log) in logs.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        let mut object = Object::begin(&mut text);
        push_int(object.key("t_ns"), log.timestamp.saturating_mul(1_000));
        for field in &log.fields {
            let name = if field.key == "event" {
                "name".into()
            } else {
                format!("attributes.{}", field.key)
            };
            object.key(&name).push_str(field.value.get());
        }
        object.end();
    }
    text.push(']');
    text.into()
}

fn trace_of(hex: &str) -> Option<TraceId> {
    from_hex(hex).map(TraceId)
}

fn span_of(hex: &str) -> Option<SpanId> {
    from_hex(hex).map(SpanId)
}

/// The value of each byte as a hex digit; [`NO_DIGIT`] of those that are none.
const VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        values[b"0123456789abcdef"[value] as usize] = value as u8;
        values[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    values
};
const NO_DIGIT: u8 = 0x80;

/// Jaeger leaves out leading zeros, and old clients have ids of 64 bits. Zero is no id.
fn from_hex<const N: usize>(hex: &str) -> Option<[u8; N]> {
    if hex.len() > 2 * N {
        return None;
    }
    let (mut bytes, mut seen) = ([0; N], 0);
    for (place, digit) in hex.bytes().rev().enumerate() {
        let value = VALUES[usize::from(digit)];
        seen |= value;
        bytes[N - 1 - place / 2] |= value << (place % 2 * 4);
    }
    (seen & NO_DIGIT == 0 && bytes != [0; N]).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::SpanKind;
    use proptest::prelude::*;

    const ANSWER: &str = r#"{"data":[{"traceID":"2a","spans":[
        {"traceID":"2a","spanID":"b","operationName":"HTTP \"GET\"","references":[
            {"refType":"FOLLOWS_FROM","traceID":"2a","spanID":"9"},{"refType":"CHILD_OF","traceID":"2a","spanID":"a"}],
         "startTime":1600000000000001,"duration":250,"processID":"p1","warnings":null,
         "tags":[{"key":"span.kind","type":"string","value":"server"},{"key":"http.status_code","type":"int64","value":503},
                 {"key":"error","type":"bool","value":true}],
         "logs":[{"timestamp":1600000000000002,"fields":[{"key":"event","type":"string","value":"retry"},{"key":"n","type":"int64","value":2}]}]},
        {"traceID":"2a","spanID":"nothex","operationName":"x","startTime":1,"duration":1,"processID":"p1"},
        {"traceID":"2a","spanID":"a","operationName":"root","references":[],"startTime":1600000000000000,"duration":-3,"processID":"p9","tags":[],"logs":[]}],
        "processes":{"p1":{"serviceName":"geo","tags":[{"key":"hostname","type":"string","value":"geo-0"},{"key":"ip","type":"string","value":"10.0.0.1"}]}},"warnings":null}],
        "total":0,"limit":0,"offset":0,"errors":null}"#;

    #[test]
    fn traces_are_read_as_jaeger_writes_them() {
        let traces = read_answer(ANSWER.as_bytes(), &mut Names::default()).unwrap();
        assert_eq!(
            (traces.traces.len(), traces.traces[0].len(), traces.invalid),
            (1, 2, 1)
        );
        let span = &traces.traces[0][0];
        assert_eq!(span.trace_id, TraceId(42_u128.to_be_bytes()));
        assert_eq!(
            (span.span_id, span.parent),
            (
                SpanId(11_u64.to_be_bytes()),
                Some(SpanId(10_u64.to_be_bytes()))
            )
        );
        assert_eq!(
            (&*span.operation, span.kind),
            (r#"HTTP "GET""#, Some(SpanKind::Server))
        );
        assert_eq!(
            (span.start_ns, span.duration_ns),
            (1_600_000_000_000_001_000, 250_000)
        );
        assert_eq!(
            (span.error, span.http_status, span.origin.pod.as_deref()),
            (true, Some(503), Some("geo-0"))
        );
        assert_eq!(
            span.attributes.as_deref(),
            Some(r#"{"span.kind":"server","http.status_code":503,"error":true}"#)
        );
        let events = span.extra.as_ref().unwrap().events.as_deref().unwrap();
        assert_eq!(
            events,
            r#"[{"t_ns":1600000000000002000,"name":"retry","attributes.n":2}]"#
        );
        let root = &traces.traces[0][1];
        assert_eq!(
            (root.negative, &*root.origin.service),
            (true, UNKNOWN_SERVICE)
        );
    }

    proptest! {
        #[test]
        fn any_id_is_read_with_and_without_its_leading_zeros(id: u64, is_upper: bool) {
            let text = |text: String| if is_upper { text.to_uppercase() } else { text };
            let expected = (id != 0).then(|| SpanId(id.to_be_bytes()));
            prop_assert_eq!(span_of(&text(format!("{id:016x}"))), expected);
            prop_assert_eq!(span_of(&text(format!("{id:x}"))), expected);
            let wide = (id != 0).then(|| TraceId(u128::from(id).to_be_bytes()));
            prop_assert_eq!(trace_of(&text(format!("{id:032x}"))), wide);
            let (long, signed) = (format!("{id:017x}"), format!("+{id:x}"));
            prop_assert!(span_of(&long).is_none() && span_of(&signed).is_none());
        }
    }

    #[test]
    fn errors_are_told_from_nothing_found() {
        let read = |text: &str| read_answer(text.as_bytes(), &mut Names::default());
        let error =
            read(r#"{"data":null,"errors":[{"code":500,"msg":"storage is down"}]}"#).unwrap_err();
        assert!(error.to_string().contains("storage is down"));
        assert!(
            read(r#"{"data":null,"errors":[{"code":404,"msg":"trace not found"}]}"#)
                .unwrap()
                .traces
                .is_empty()
        );
        assert!(
            read(r#"{"data":[],"errors":null}"#)
                .unwrap()
                .traces
                .is_empty()
        );
        assert!(matches!(read("<html>"), Err(JsonError::Json(_))));
    }
}
