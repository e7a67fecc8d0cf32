//! Jaeger's own JSON (`/api/traces`, and what its page saves): traces into spans.

mod shape;

use crate::json;
use crate::json_text::{Object, push_instant, push_string};
use crate::otlp::decode::Decoded;
use crate::sink::Hex;
use crate::span::{
    Extra, Maker, Names, NoId, Origin, Span, Times, UNKNOWN_SERVICE, id_of, of_us, parent_of,
};
use aefm_workloads::ids::{SpanId, TraceId};
use foldhash::fast::RandomState;
use serde_json::value::RawValue;
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
    /// The server says what went wrong.
    #[error("search traces: the server says: {0}")]
    Server(String),
}

/// What an answer held.
#[derive(Debug, Default)]
pub struct Traces {
    /// The spans of each trace.
    pub traces: Vec<Vec<Span>>,
    /// Spans without valid ids or times, which were left out.
    pub invalid: u64,
    /// What the server says of what is missing.
    pub said: Vec<String>,
}

/// Reads an answer of `/api/traces` (or a file saved from it).
///
/// # Errors
/// It is not Jaeger's JSON, or it holds an error in place of traces.
pub fn read_answer(text: &[u8], names: &mut Names) -> Result<Traces, JsonError> {
    // One span that is none costs itself alone.
    json::read_or(text, names, take::<JsonSpan<'_>>, take::<&RawValue>)?
}

fn take<'a, S: Spelt<'a>>(answer: Answer<'a, S>, names: &mut Names) -> Result<Traces, JsonError> {
    let mut traces = Traces::default();
    // "trace not found" is how nothing found is said when ids were asked for.
    let errors = answer.errors.into_iter().map(|error| error.msg);
    traces
        .said
        .extend(errors.filter(|said| !said.contains("not found")));
    if answer.data.is_empty()
        && let Some(said) = traces.said.pop()
    {
        return Err(JsonError::Server(said));
    }
    for trace in answer.data {
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
    Ok(json::read_or(
        text,
        names,
        convert::<JsonSpan<'_>>,
        convert::<&RawValue>,
    )?)
}

/// Reads one span by itself, with its process in it: a document of Jaeger's in Elasticsearch.
///
/// # Errors
/// It is not Jaeger's JSON.
pub fn read_span(text: &[u8], names: &mut Names) -> Result<Decoded, JsonError> {
    let alone = Trace {
        trace_id: Cow::default(),
        spans: vec![json::read::<JsonSpan<'_>>(text)?],
        processes: HashMap::default(),
        data: Vec::new(),
    };
    Ok(convert(alone, names))
}

/// A span as it stands in an answer: read, or a text that may be none.
trait Spelt<'a> {
    fn span(self) -> Option<JsonSpan<'a>>;
}

impl<'a> Spelt<'a> for JsonSpan<'a> {
    fn span(self) -> Option<Self> {
        Some(self)
    }
}

impl<'a> Spelt<'a> for &'a RawValue {
    fn span(self) -> Option<JsonSpan<'a>> {
        json::read(self.get().as_bytes()).ok()
    }
}

fn convert<'a, S: Spelt<'a>>(trace: Trace<'a, S>, names: &mut Names) -> Decoded {
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
        let Some(json) = json.span() else {
            decoded.invalid += 1;
            continue;
        };
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
    for inner in trace.data {
        let inner = convert(inner, names);
        decoded.invalid += inner.invalid;
        decoded.spans.extend(inner.spans);
    }
    decoded
}

fn origin(process: &Process<'_>, names: &mut Names) -> Arc<Origin> {
    let mut maker = Maker::default();
    maker.note("service.name", Cow::Borrowed(&*process.service_name));
    let text = |value| serde_json::from_str::<Cow<'_, str>>(value).ok();
    for tag in &process.tags {
        // The service has its own place; a tag of that name is the application's.
        if let Some(value) = text(tag.value()).filter(|_| tag.key != "service.name") {
            maker.note(&tag.key, value);
        }
    }
    for (key, value) in &process.tag.0 {
        if let Some(value) = text(value.get()) {
            maker.note(&key.replace('@', "."), value);
        }
    }
    maker.origin(names)
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
    let times = Times::lasting_us(json.start_time.0, json.duration.0)?;
    let (parent, links) = related(&json, own, trace_of).ok()?;
    let extra = Extra {
        events: (!json.logs.is_empty()).then(|| events(&json.logs)),
        links,
        status_message: None,
    };
    let mut tags = json.tags;
    tags.add(&json.tag);
    Some(Span {
        trace_id: own,
        span_id: span_of(&json.span_id)?,
        parent,
        origin,
        operation: names.name(&json.operation_name),
        kind: tags.kind,
        start_ns: times.start_ns,
        duration_ns: times.duration_ns,
        negative: times.negative,
        unfinished: times.unfinished,
        error: tags.error,
        http_status: tags.http_status,
        attributes: tags.text,
        extra: (extra != Extra::default()).then(|| Box::new(extra)),
    })
}

/// The parent, which is the first that it is a child of in its own trace, and all other references as links. What only
/// follows is nobody's child.
fn related(
    json: &JsonSpan<'_>,
    own: TraceId,
    trace_of: impl Fn(&str) -> Option<TraceId>,
) -> Result<(Option<SpanId>, Option<Box<str>>), NoId> {
    let is_parent = |reference: &Reference<'_>| {
        reference.ref_type != FOLLOWS_FROM
            && (reference.trace_id.is_empty() || trace_of(&reference.trace_id) == Some(own))
    };
    let parent = json.references.iter().position(is_parent);
    let id = match parent {
        Some(place) => Some(&*json.references[place].span_id),
        // What it follows is named here by some, too.
        None => json.parent_span_id.as_deref().filter(|parent| {
            let mut named = json.references.iter().map(|reference| &*reference.span_id);
            !named.any(|id| id == *parent)
        }),
    };
    let mut others = (0..)
        .zip(&json.references)
        .filter(|(place, _)| Some(*place) != parent)
        .map(|(_, reference)| reference)
        .peekable();
    let links = others.peek().is_some().then(|| {
        let mut text = String::from("[");
        for (place, reference) in others.enumerate() {
            if place > 0 {
                text.push(',');
            }
            push_link(&mut text, reference, own, &trace_of);
        }
        text.push(']');
        text.into()
    });
    Ok((parent_of(id.unwrap_or_default())?, links))
}

/// The reference of what comes after another, and is no call of it.
pub(crate) const FOLLOWS_FROM: &str = "FOLLOWS_FROM";
/// The link's attribute that says which kind of reference it was, as OpenTelemetry has it.
pub(crate) const REF_TYPE: &str = "attributes.opentracing.ref_type";

fn push_link(
    out: &mut String,
    reference: &Reference<'_>,
    own: TraceId,
    trace_of: impl Fn(&str) -> Option<TraceId>,
) {
    let mut link = Object::begin(out);
    let trace = if reference.trace_id.is_empty() {
        Some(own)
    } else {
        trace_of(&reference.trace_id)
    };
    match trace {
        Some(id) => push_string(link.key("trace_id"), Hex::<32>::of(&id.0).as_str()),
        None => push_string(link.key("trace_id"), &reference.trace_id),
    }
    match span_of(&reference.span_id) {
        Some(id) => push_string(link.key("span_id"), Hex::<16>::of(&id.0).as_str()),
        None => push_string(link.key("span_id"), &reference.span_id),
    }
    push_string(
        link.key(REF_TYPE),
        if reference.ref_type == FOLLOWS_FROM {
            "follows_from"
        } else {
            "child_of"
        },
    );
    link.end();
}

fn events(logs: &[Log<'_>]) -> Box<str> {
    let mut text = String::from("[");
    for (place, log) in logs.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        let mut object = Object::begin(&mut text);
        push_instant(object.key("t_ns"), of_us(log.timestamp.0));
        for field in &log.fields {
            let name = if field.key == "event" {
                "name".into()
            } else {
                format!("attributes.{}", field.key)
            };
            object.key(&name).push_str(field.value());
        }
        object.end();
    }
    text.push(']');
    text.into()
}

fn trace_of(text: &str) -> Option<TraceId> {
    id_of(text).map(TraceId)
}

fn span_of(text: &str) -> Option<SpanId> {
    id_of(text).map(SpanId)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::SpanKind;

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

    #[test]
    fn null_is_absent_at_every_place() {
        let document: serde_json::Value = serde_json::from_str(ANSWER).unwrap();
        let spans = |document: &serde_json::Value| {
            let read = read_answer(document.to_string().as_bytes(), &mut Names::default()).unwrap();
            (read.traces.concat(), read.invalid)
        };
        let pairs = crate::json::tests::nulled(&document);
        assert!(pairs.len() > 60);
        for (null, absent) in pairs {
            assert_eq!(spans(&null), spans(&absent), "{null}");
        }
    }

    #[test]
    fn every_reference_but_the_parent_is_a_link() {
        let text = r#"{"traceID":"2a","spans":[{"traceID":"2a","spanID":"3","operationName":"x","startTime":1,"duration":"2","processID":"p",
            "references":[{"refType":"FOLLOWS_FROM","traceID":"7","spanID":"9"},{"refType":"CHILD_OF","traceID":"2a","spanID":"A"},
            {"refType":"CHILD_OF","traceID":"2a","spanID":"b"}]},
            {"traceID":"2a","spanID":"4","startTime":1,"duration":2,"parentSpanID":"3","references":[{"refType":"FOLLOWS_FROM","traceID":"2a","spanID":"3"}]}],"processes":{}}"#;
        let spans = read_trace(text.as_bytes(), &mut Names::default())
            .unwrap()
            .spans;
        assert_eq!(spans[0].parent, Some(SpanId(10_u64.to_be_bytes())));
        assert_eq!(
            spans[0].extra.as_ref().unwrap().links.as_deref(),
            Some(
                r#"[{"trace_id":"00000000000000000000000000000007","span_id":"0000000000000009","attributes.opentracing.ref_type":"follows_from"},{"trace_id":"0000000000000000000000000000002a","span_id":"000000000000000b","attributes.opentracing.ref_type":"child_of"}]"#
            )
        );
        assert_eq!(spans[1].parent, None);
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
