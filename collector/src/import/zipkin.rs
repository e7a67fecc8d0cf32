//! Zipkin's JSON, version 2: <https://zipkin.io/zipkin-api/#/default/get_trace__traceId_>.

use crate::json::{self, Members, Whole};
use crate::json_text::{Object, push_instant, push_string};
use crate::otlp::decode::Decoded;
use crate::span::{
    Extra, Maker, Names, Span, SpanKind, Times, http_status, id_of, of_us, parent_of,
};
use aefm_workloads::ids::{SpanId, TraceId};
use serde::Deserialize;
use std::borrow::Cow;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct JsonSpan<'a> {
    #[serde(borrow)]
    trace_id: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    parent_id: Cow<'a, str>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    timestamp: Whole,
    duration: Whole,
    #[serde(borrow)]
    local_endpoint: Endpoint<'a>,
    #[serde(borrow)]
    remote_endpoint: Endpoint<'a>,
    #[serde(borrow)]
    annotations: Vec<Annotation<'a>>,
    #[serde(borrow)]
    tags: Members<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Endpoint<'a> {
    #[serde(borrow)]
    service_name: Cow<'a, str>,
    #[serde(borrow)]
    ipv4: Cow<'a, str>,
    #[serde(borrow)]
    ipv6: Cow<'a, str>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Annotation<'a> {
    timestamp: Whole,
    #[serde(borrow)]
    value: Cow<'a, str>,
}

/// Reads one span. Times are microseconds there.
///
/// # Errors
/// It is none.
pub(super) fn read(text: &[u8], names: &mut Names) -> Result<Decoded, serde_json::Error> {
    let json: JsonSpan<'_> = json::read(text)?;
    let mut decoded = Decoded::default();
    match span(&json, names) {
        Some(span) => decoded.spans.push(span),
        None => decoded.invalid += 1,
    }
    Ok(decoded)
}

fn span(json: &JsonSpan<'_>, names: &mut Names) -> Option<Span> {
    let mut maker = Maker::default();
    let local = &json.local_endpoint;
    maker.note("service.name", Cow::Borrowed(&*local.service_name));
    let ip = if local.ipv4.is_empty() {
        &local.ipv6
    } else {
        &local.ipv4
    };
    maker.note("ip", Cow::Borrowed(&**ip));
    let tag = |name: &str| {
        let tag = json.tags.0.iter().find(|(key, _)| key == name)?;
        Some(tag.1.get().trim_matches('"'))
    };
    let mut attributes = String::new();
    let mut object = Object::begin(&mut attributes);
    for (key, value) in &json.tags.0 {
        object.key(key).push_str(value.get());
    }
    let peer = &json.remote_endpoint.service_name;
    if !peer.is_empty() && tag("peer.service").is_none() {
        push_string(object.key("peer.service"), peer);
    }
    object.end();
    let extra = (!json.annotations.is_empty()).then(|| {
        Box::new(Extra {
            events: Some(events(&json.annotations)),
            ..Extra::default()
        })
    });
    let times = Times::lasting_us(json.timestamp.0, json.duration.0)?;
    Some(Span {
        trace_id: TraceId(id_of(&json.trace_id)?),
        span_id: SpanId(id_of(&json.id)?),
        parent: parent_of(&json.parent_id).ok()?,
        origin: maker.origin(names),
        operation: names.name(&json.name),
        kind: SpanKind::from_name(&json.kind),
        start_ns: times.start_ns,
        duration_ns: times.duration_ns,
        negative: times.negative,
        unfinished: times.unfinished,
        // Whatever the tag says, that it is there is the error.
        error: tag("error").is_some_and(|value| value != "false"),
        http_status: tag("http.status_code").and_then(http_status),
        attributes: (attributes != "{}").then(|| attributes.into()),
        extra,
    })
}

fn events(annotations: &[Annotation<'_>]) -> Box<str> {
    let mut text = String::from("[");
    for (place, annotation) in annotations.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        let mut object = Object::begin(&mut text);
        push_instant(object.key("t_ns"), of_us(annotation.timestamp.0));
        push_string(object.key("name"), &annotation.value);
        object.end();
    }
    text.push(']');
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_read_with_its_endpoints_and_annotations() {
        let text = r#"{"id":"352bff9a74ca9ad2","traceId":"5af7183fb1d4cf5f","parentId":"6b221d5bc9e6496c","name":"get /api","timestamp":1556604172355737,
            "duration":1431,"kind":"SERVER","localEndpoint":{"serviceName":"backend","ipv4":"192.168.99.1","port":3306},
            "remoteEndpoint":{"serviceName":"db","ipv4":null},"annotations":[{"timestamp":1556604172355738,"value":"ws"}],
            "tags":{"http.method":"GET","http.status_code":"503","error":""}}"#;
        let decoded = read(text.as_bytes(), &mut Names::default()).unwrap();
        let span = &decoded.spans[0];
        assert_eq!(
            span.trace_id.to_string(),
            "00000000000000005af7183fb1d4cf5f"
        );
        assert_eq!(
            (&*span.origin.service, span.origin.ip.as_deref()),
            ("backend", Some("192.168.99.1"))
        );
        assert_eq!(
            (span.kind, span.error, span.http_status),
            (Some(SpanKind::Server), true, Some(503))
        );
        assert_eq!(
            (span.start_ns, span.duration_ns),
            (1_556_604_172_355_737_000, 1_431_000)
        );
        assert_eq!(
            span.attributes.as_deref(),
            Some(
                r#"{"http.method":"GET","http.status_code":"503","error":"","peer.service":"db"}"#
            )
        );
        assert_eq!(
            span.extra.as_ref().unwrap().events.as_deref(),
            Some(r#"[{"t_ns":1556604172355738000,"name":"ws"}]"#)
        );
        let none = br#"{"id":"1","traceId":"2"}"#;
        assert_eq!(read(none, &mut Names::default()).unwrap().invalid, 1);
    }
}
