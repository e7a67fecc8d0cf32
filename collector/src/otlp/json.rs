//! OTLP as JSON (`application/json`, files of a collector's file exporter, Jaeger's api_v3): the same spans.
//!
//! Format: <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>: ids in hex, 64-bit numbers as strings,
//! enums as numbers (their names are taken, too).

mod shape;

use super::decode::Decoded;
use crate::json;
use crate::json_text::{Object, push_double, push_instant, push_string};
use crate::sink::Hex;
use crate::span::{
    Extra, Maker, Names, Origin, Span, SpanKind, Times, http_status, id_of, parent_of,
};
use aefm_workloads::ids::{SpanId, TraceId};
use serde_json::value::RawValue;
use shape::{Any, Event, JsonSpan, KeyValue, Link, Message, ResourceSpans, ScopeSpans};
use std::borrow::Cow;
use std::sync::Arc;

/// Why a message cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// Not JSON, or not OTLP.
    #[error("read spans as OTLP's JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The server answered with an error.
    #[error("search traces: the server says: {0}")]
    Server(String),
}

/// Reads a message: `TracesData`, or Jaeger's answer around one.
///
/// # Errors
/// The text is not such a message, or the server's error.
pub fn read(text: &[u8], names: &mut Names) -> Result<Decoded, JsonError> {
    // One span that is none costs itself alone.
    json::read_or(
        text,
        names,
        |message: Message<'_, JsonSpan<'_>>, names| take(&message, names),
        |message: Message<'_, &RawValue>, names| take(&message, names),
    )?
}

fn take<S: Spelt>(message: &Message<'_, S>, names: &mut Names) -> Result<Decoded, JsonError> {
    if let Some(error) = &message.error
        && error.http_code != Some(404)
    {
        return Err(JsonError::Server(error.message.clone()));
    }
    let mut decoded = Decoded::default();
    let wrapped = message
        .result
        .iter()
        .flat_map(|result| &result.resource_spans);
    for resource_spans in message.resource_spans.iter().chain(wrapped) {
        add_resource(resource_spans, names, &mut decoded);
    }
    Ok(decoded)
}

/// Reads one element of a message's `resourceSpans`.
///
/// # Errors
/// The text is none.
pub fn read_resource_spans(text: &[u8], names: &mut Names) -> Result<Decoded, JsonError> {
    let mut decoded = Decoded::default();
    json::read_or(
        text,
        (names, &mut decoded),
        |resource: ResourceSpans<'_, JsonSpan<'_>>, (names, decoded)| {
            add_resource(&resource, names, decoded);
        },
        |resource: ResourceSpans<'_, &RawValue>, (names, decoded)| {
            add_resource(&resource, names, decoded);
        },
    )?;
    Ok(decoded)
}

/// Reads one span, of a service that is not named.
///
/// # Errors
/// The text is none.
pub fn read_span(text: &[u8], names: &mut Names) -> Result<Decoded, JsonError> {
    let scope = ScopeSpans {
        spans: vec![json::read::<JsonSpan<'_>>(text)?],
    };
    let alone = ResourceSpans {
        scope_spans: vec![scope],
        ..ResourceSpans::default()
    };
    let mut decoded = Decoded::default();
    add_resource(&alone, names, &mut decoded);
    Ok(decoded)
}

/// A span as it stands in a message: read, or a text that may be none.
trait Spelt {
    fn span(&self, origin: &Arc<Origin>, names: &mut Names) -> Option<Span>;
}

impl Spelt for JsonSpan<'_> {
    fn span(&self, origin: &Arc<Origin>, names: &mut Names) -> Option<Span> {
        span(self, origin, names)
    }
}

impl Spelt for &RawValue {
    fn span(&self, origin: &Arc<Origin>, names: &mut Names) -> Option<Span> {
        let json: JsonSpan<'_> = json::read(self.get().as_bytes()).ok()?;
        span(&json, origin, names)
    }
}

fn add_resource<S: Spelt>(json: &ResourceSpans<'_, S>, names: &mut Names, decoded: &mut Decoded) {
    let origin = origin(&json.resource.attributes, names);
    let scopes = json
        .scope_spans
        .iter()
        .chain(&json.instrumentation_library_spans);
    for json in scopes.flat_map(|scope| &scope.spans) {
        match json.span(&origin, names) {
            Some(span) => decoded.spans.push(span),
            None => decoded.invalid += 1,
        }
    }
    for inner in &json.resource_spans {
        add_resource(inner, names, decoded);
    }
}

fn origin(attributes: &[KeyValue<'_>], names: &mut Names) -> Arc<Origin> {
    let mut maker = Maker::default();
    for pair in attributes {
        if let Some(text) = pair.value.string_value.as_deref() {
            maker.note(&pair.key, Cow::Borrowed(text));
        }
    }
    maker.origin(names)
}

fn span(json: &JsonSpan<'_>, origin: &Arc<Origin>, names: &mut Names) -> Option<Span> {
    let times = Times::between(json.start_time_unix_nano.0, json.end_time_unix_nano.0)?;
    let status = &json.status;
    let mut span = Span {
        trace_id: TraceId(id_of(&json.trace_id)?),
        span_id: SpanId(id_of(&json.span_id)?),
        parent: parent_of(&json.parent_span_id).ok()?,
        origin: Arc::clone(origin),
        operation: names.name(&json.name),
        kind: json.kind.name.as_deref().map_or_else(
            || SpanKind::from_number(json.kind.number),
            SpanKind::from_name,
        ),
        start_ns: times.start_ns,
        duration_ns: times.duration_ns,
        negative: times.negative,
        unfinished: times.unfinished,
        error: status.code.number == 2
            || status
                .code
                .name
                .as_deref()
                .is_some_and(|name| name.eq_ignore_ascii_case("error")),
        http_status: None,
        attributes: None,
        extra: None,
    };
    let mut text = String::new();
    if !json.attributes.is_empty() {
        json.attributes.iter().for_each(|pair| pair.note(&mut span));
        push_pairs(&mut text, &json.attributes);
        span.attributes = Some(text.into());
    }
    let extra = Extra {
        events: (!json.events.is_empty()).then(|| events(&json.events)),
        links: (!json.links.is_empty()).then(|| links(&json.links)),
        status_message: (!status.message.is_empty())
            .then(|| status.message.clone().into_owned().into()),
    };
    span.extra = (extra != Extra::default()).then(|| Box::new(extra));
    Some(span)
}

impl KeyValue<'_> {
    fn note(&self, span: &mut Span) {
        let value = &self.value;
        match &*self.key {
            "http.response.status_code" | "http.status_code" => {
                let written = value.int_value.or(value.double_value);
                let written = written.map(|number| number.get().trim_matches('"'));
                span.http_status = written
                    .or(value.string_value.as_deref())
                    .and_then(http_status);
            }
            "error" => {
                span.error |=
                    value.bool_value == Some(true) || value.string_value.as_deref() == Some("true");
            }
            _ => {}
        }
    }
}

fn push_pairs(out: &mut String, pairs: &[KeyValue<'_>]) {
    let mut object = Object::begin(out);
    for pair in pairs {
        pair.value.push(object.key(&pair.key));
    }
    object.end();
}

impl Any<'_> {
    fn push(&self, out: &mut String) {
        if let Some(text) = self.string_value.as_deref().or(self.bytes_value.as_deref()) {
            push_string(out, text);
        } else if let Some(flag) = self.bool_value {
            out.push_str(if flag { "true" } else { "false" });
        } else if let Some(number) = self.int_value {
            let digits = number.get().trim_matches('"');
            if json::is_integer(digits) {
                out.push_str(digits);
            } else {
                push_string(out, digits);
            }
        } else if let Some(number) = self.double_value {
            match number.get().trim_matches('"').parse() {
                Ok(number) => push_double(out, number),
                Err(_) => push_string(out, number.get()),
            }
        } else if let Some(pairs) = &self.kvlist_value {
            push_pairs(out, &pairs.values);
        } else if let Some(list) = &self.array_value {
            out.push('[');
            for (place, value) in list.values.0.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                value.push(out);
            }
            out.push(']');
        } else {
            out.push_str("null");
        }
    }
}

fn events(events: &[Event<'_>]) -> Box<str> {
    array(events, |event, object| {
        push_instant(object.key("t_ns"), event.time_unix_nano.0.number());
        push_string(object.key("name"), &event.name);
        push_members(object, &event.attributes);
    })
}

fn links(links: &[Link<'_>]) -> Box<str> {
    array(links, |link, object| {
        // As everywhere in the dataset, so that they can be joined; what is no id stays as it came.
        match id_of::<16>(&link.trace_id) {
            Some(id) => push_string(object.key("trace_id"), Hex::<32>::of(&id).as_str()),
            None => push_string(object.key("trace_id"), &link.trace_id),
        }
        match id_of::<8>(&link.span_id) {
            Some(id) => push_string(object.key("span_id"), Hex::<16>::of(&id).as_str()),
            None => push_string(object.key("span_id"), &link.span_id),
        }
        push_members(object, &link.attributes);
    })
}

fn push_members(object: &mut Object<'_>, pairs: &[KeyValue<'_>]) {
    for pair in pairs {
        pair.value
            .push(object.key(&format!("attributes.{}", pair.key)));
    }
}

fn array<T>(items: &[T], mut push: impl FnMut(&T, &mut Object<'_>)) -> Box<str> {
    let mut text = String::from("[");
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        let mut object = Object::begin(&mut text);
        push(item, &mut object);
        object.end();
    }
    text.push(']');
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_numbers_and_enums_are_read() {
        let text = r#"{"result":{"resourceSpans":[{"resource":{"attributes":[
            {"key":"service.name","value":{"stringValue":"geo"}},{"key":"k8s.pod.name","value":{"stringValue":"geo-0"}}]},
            "scopeSpans":[{"scope":{"name":"x"},"spans":[
              {"traceId":"000102030405060708090A0B0C0D0E0F","spanId":"0011223344556677","parentSpanId":"","name":"a","kind":2,
               "startTimeUnixNano":"1600000000000000001","endTimeUnixNano":1600000000000000011,
               "attributes":[{"key":"http.status_code","value":{"intValue":"404"}},{"key":"l","value":{"arrayValue":{"values":[{"doubleValue":0.5},{}]}}}],
               "events":[{"timeUnixNano":"5","name":"e","attributes":[{"key":"k","value":{"boolValue":true}}]}],
               "status":{"code":"STATUS_CODE_ERROR","message":"no"}},
              {"traceId":"000102030405060708090a0b0c0d0e0f","spanId":"too short","name":"b"},
              {"traceId":"000102030405060708090a0b0c0d0e0f","spanId":"1011223344556677","startTimeUnixNano":"1","kind":"SPAN_KIND_CLIENT"}]}]}]}}"#;
        let decoded = read(text.as_bytes(), &mut Names::default()).unwrap();
        assert_eq!((decoded.spans.len(), decoded.invalid), (2, 1));
        let span = &decoded.spans[0];
        assert_eq!(
            (span.start_ns, span.duration_ns, span.kind),
            (1_600_000_000_000_000_001, 10, Some(SpanKind::Server))
        );
        assert_eq!(
            (span.error, span.http_status, span.parent),
            (true, Some(404), None)
        );
        assert_eq!(
            span.attributes.as_deref(),
            Some(r#"{"http.status_code":404,"l":[0.5,null]}"#)
        );
        let extra = span.extra.as_ref().unwrap();
        assert_eq!(
            extra.events.as_deref(),
            Some(r#"[{"t_ns":5,"name":"e","attributes.k":true}]"#)
        );
        assert_eq!(decoded.spans[1].kind, Some(SpanKind::Client));
        assert_eq!(span.origin.pod.as_deref(), Some("geo-0"));
    }

    /// Spans of a document, or that it holds none.
    fn spans(document: &serde_json::Value) -> (Vec<Span>, u64) {
        let read = read(document.to_string().as_bytes(), &mut Names::default()).unwrap();
        (read.spans, read.invalid)
    }

    #[test]
    fn null_is_absent_at_every_place_but_in_lists_of_values() {
        let text = include_str!("../../../tests/collector/saved/otlp/pretty.json");
        let document: serde_json::Value = serde_json::from_str(text).unwrap();
        let pairs = crate::json::tests::nulled(&document);
        assert!(pairs.len() > 40);
        for (null, absent) in pairs {
            assert_eq!(spans(&null), spans(&absent), "{null}");
        }
        let list = serde_json::json!({"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "01", "spanId": "02", "startTimeUnixNano": 1, "attributes": [
            {"key": "l", "value": {"arrayValue": {"values": [{"intValue": 1}, null, {"stringValue": "x"}]}}}]}]}]}]});
        assert_eq!(
            spans(&list).0[0].attributes.as_deref(),
            Some(r#"{"l":[1,null,"x"]}"#)
        );
    }

    #[test]
    fn what_is_not_otlp_is_an_error_and_nothing_found_is_not() {
        assert!(matches!(
            read(b"[", &mut Names::default()),
            Err(JsonError::Json(_))
        ));
        let error = br#"{"error":{"httpCode":500,"message":"storage"}}"#;
        assert!(matches!(
            read(error, &mut Names::default()),
            Err(JsonError::Server(_))
        ));
        let none = br#"{"error":{"httpCode":404,"message":"No traces found"}}"#;
        assert!(read(none, &mut Names::default()).unwrap().spans.is_empty());
        assert!(
            read(br#"{"result":{"resourceSpans":[]}}"#, &mut Names::default())
                .unwrap()
                .spans
                .is_empty()
        );
    }
}
