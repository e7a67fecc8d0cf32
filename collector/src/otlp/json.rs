//! OTLP as JSON (`application/json`, files of a collector's file exporter, Jaeger's api_v3): the same spans.
//!
//! Format: <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>: ids in hex, 64-bit numbers as strings,
//! enums as numbers (their names are taken, too).

use super::decode::{Decoded, NODE_KEYS, POD_KEYS, UNKNOWN_SERVICE};
use crate::json_text::{Object, push_double, push_int, push_string};
use crate::span::{Extra, Names, Origin, Span, SpanKind};
use aefm_workloads::ids::{SpanId, TraceId};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Message<'a> {
    #[serde(borrow, alias = "resource_spans")]
    resource_spans: Vec<ResourceSpans<'a>>,
    // What Jaeger wraps it in.
    #[serde(borrow)]
    result: Option<Box<Message<'a>>>,
    error: Option<ServerError>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ServerError {
    http_code: Option<u16>,
    message: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ResourceSpans<'a> {
    #[serde(borrow)]
    resource: Resource<'a>,
    #[serde(borrow, alias = "scope_spans", alias = "instrumentationLibrarySpans")]
    scope_spans: Vec<ScopeSpans<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Resource<'a> {
    #[serde(borrow)]
    attributes: Vec<KeyValue<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ScopeSpans<'a> {
    #[serde(borrow)]
    spans: Vec<JsonSpan<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct JsonSpan<'a> {
    #[serde(borrow, alias = "trace_id")]
    trace_id: Cow<'a, str>,
    #[serde(borrow, alias = "span_id")]
    span_id: Cow<'a, str>,
    #[serde(borrow, alias = "parent_span_id")]
    parent_span_id: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    kind: Word,
    #[serde(alias = "start_time_unix_nano")]
    start_time_unix_nano: Whole,
    #[serde(alias = "end_time_unix_nano")]
    end_time_unix_nano: Whole,
    #[serde(borrow)]
    attributes: Vec<KeyValue<'a>>,
    #[serde(borrow)]
    events: Vec<Event<'a>>,
    #[serde(borrow)]
    links: Vec<Link<'a>>,
    #[serde(borrow)]
    status: Status<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Event<'a> {
    #[serde(alias = "time_unix_nano")]
    time_unix_nano: Whole,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    attributes: Vec<KeyValue<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Link<'a> {
    #[serde(borrow, alias = "trace_id")]
    trace_id: Cow<'a, str>,
    #[serde(borrow, alias = "span_id")]
    span_id: Cow<'a, str>,
    #[serde(borrow)]
    attributes: Vec<KeyValue<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status<'a> {
    code: Word,
    #[serde(borrow)]
    message: Cow<'a, str>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct KeyValue<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow)]
    value: Any<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Any<'a> {
    #[serde(borrow, alias = "string_value")]
    string_value: Option<Cow<'a, str>>,
    #[serde(alias = "bool_value")]
    bool_value: Option<bool>,
    #[serde(alias = "int_value")]
    int_value: Option<Whole>,
    #[serde(alias = "double_value")]
    double_value: Option<f64>,
    #[serde(borrow, alias = "array_value")]
    array_value: Option<Values<'a>>,
    #[serde(borrow, alias = "kvlist_value")]
    kvlist_value: Option<Pairs<'a>>,
    #[serde(borrow, alias = "bytes_value")]
    bytes_value: Option<Cow<'a, str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Values<'a> {
    #[serde(borrow)]
    values: Vec<Any<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Pairs<'a> {
    #[serde(borrow)]
    values: Vec<KeyValue<'a>>,
}

/// A 64-bit number, as a number or as a string.
#[derive(Clone, Copy, Debug, Default)]
struct Whole(i64);

/// An enum's value: its number, or the last part of its name.
#[derive(Clone, Debug, Default)]
struct Word {
    number: u64,
    name: Option<String>,
}

struct WholeVisitor;

impl Visitor<'_> for WholeVisitor {
    type Value = Whole;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, or a string of one")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Whole, E> {
        Ok(Whole(i64::try_from(number).unwrap_or(i64::MAX)))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Whole, E> {
        Ok(Whole(number))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Whole, E> {
        // Numbers like 1.6e18, which some write.
        Ok(Whole(number as i64))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Whole, E> {
        let number = text.parse::<i128>().map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))?;
        Ok(Whole(i64::try_from(number).unwrap_or(if number > 0 { i64::MAX } else { i64::MIN })))
    }
}

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WholeVisitor)
    }
}

struct WordVisitor;

impl Visitor<'_> for WordVisitor {
    type Value = Word;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the number or the name of an enum's value")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Word, E> {
        Ok(Word { number, name: None })
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Word, E> {
        Ok(Word::default())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Word, E> {
        Ok(Word { number: 0, name: text.rsplit('_').next().map(str::to_owned) })
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordVisitor)
    }
}

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
    let message: Message<'_> = serde_json::from_slice(text)?;
    if let Some(error) = &message.error
        && error.http_code != Some(404)
    {
        return Err(JsonError::Server(error.message.clone()));
    }
    let mut decoded = Decoded::default();
    let wrapped = message.result.map(|result| result.resource_spans);
    for resource_spans in message.resource_spans.iter().chain(wrapped.iter().flatten()) {
        let origin = origin(&resource_spans.resource.attributes, names);
        for json in resource_spans.scope_spans.iter().flat_map(|scope| &scope.spans) {
            match span(json, &origin, names) {
                Some(span) => decoded.spans.push(span),
                None => decoded.invalid += 1,
            }
        }
    }
    Ok(decoded)
}

fn origin(attributes: &[KeyValue<'_>], names: &mut Names) -> Arc<Origin> {
    let text = |key: &&str| {
        let pair = attributes.iter().find(|pair| pair.key == **key)?;
        pair.value.string_value.as_deref().filter(|text| !text.is_empty())
    };
    let service = text(&"service.name").unwrap_or(UNKNOWN_SERVICE);
    names.origin(service, POD_KEYS.iter().find_map(text), NODE_KEYS.iter().find_map(text))
}

fn span(json: &JsonSpan<'_>, origin: &Arc<Origin>, names: &mut Names) -> Option<Span> {
    let (start_ns, end_ns) = (json.start_time_unix_nano.0, json.end_time_unix_nano.0);
    let status = &json.status;
    let mut span = Span {
        trace_id: TraceId(id(&json.trace_id)?),
        span_id: SpanId(id(&json.span_id)?),
        parent: id(&json.parent_span_id).map(SpanId),
        origin: Arc::clone(origin),
        operation: names.name(&json.name),
        kind: json.kind.name.as_deref().map_or_else(|| SpanKind::from_number(json.kind.number), SpanKind::from_name),
        start_ns,
        duration_ns: end_ns.saturating_sub(start_ns).max(0),
        negative: end_ns < start_ns,
        error: status.code.number == 2 || status.code.name.as_deref() == Some("ERROR"),
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
        status_message: (!status.message.is_empty()).then(|| status.message.clone().into_owned().into()),
    };
    span.extra = (extra != Extra::default()).then(|| Box::new(extra));
    Some(span)
}

impl KeyValue<'_> {
    fn note(&self, span: &mut Span) {
        let value = &self.value;
        match &*self.key {
            "http.response.status_code" | "http.status_code" => {
                let number = value.int_value.and_then(|number| u16::try_from(number.0).ok());
                span.http_status = number.or_else(|| value.string_value.as_deref()?.parse().ok());
            }
            "error" => span.error |= value.bool_value == Some(true) || value.string_value.as_deref() == Some("true"),
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
            push_int(out, number.0);
        } else if let Some(number) = self.double_value {
            push_double(out, number);
        } else if let Some(pairs) = &self.kvlist_value {
            push_pairs(out, &pairs.values);
        } else if let Some(list) = &self.array_value {
            out.push('[');
            for (place, value) in list.values.iter().enumerate() {
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
        push_int(object.key("t_ns"), event.time_unix_nano.0);
        push_string(object.key("name"), &event.name);
        push_members(object, &event.attributes);
    })
}

fn links(links: &[Link<'_>]) -> Box<str> {
    array(links, |link, object| {
        push_string(object.key("trace_id"), &link.trace_id);
        push_string(object.key("span_id"), &link.span_id);
        push_members(object, &link.attributes);
    })
}

fn push_members(object: &mut Object<'_>, pairs: &[KeyValue<'_>]) {
    for pair in pairs {
        pair.value.push(object.key(&format!("attributes.{}", pair.key)));
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

/// An id of exactly this length in hex, not all zero.
fn id<const N: usize>(hex: &str) -> Option<[u8; N]> {
    if hex.len() != 2 * N || !hex.is_ascii() {
        return None;
    }
    let mut bytes = [0; N];
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * place..2 * place + 2], 16).ok()?;
    }
    (bytes != [0; N]).then_some(bytes)
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
              {"traceId":"000102030405060708090a0b0c0d0e0f","spanId":"short","name":"b"},
              {"traceId":"000102030405060708090a0b0c0d0e0f","spanId":"1011223344556677","kind":"SPAN_KIND_CLIENT"}]}]}]}}"#;
        let decoded = read(text.as_bytes(), &mut Names::default()).unwrap();
        assert_eq!((decoded.spans.len(), decoded.invalid), (2, 1));
        let span = &decoded.spans[0];
        assert_eq!(
            (span.start_ns, span.duration_ns, span.kind),
            (1_600_000_000_000_000_001, 10, Some(SpanKind::Server))
        );
        assert_eq!((span.error, span.http_status, span.parent), (true, Some(404), None));
        assert_eq!(span.attributes.as_deref(), Some(r#"{"http.status_code":404,"l":[0.5,null]}"#));
        let extra = span.extra.as_ref().unwrap();
        assert_eq!(extra.events.as_deref(), Some(r#"[{"t_ns":5,"name":"e","attributes.k":true}]"#));
        assert_eq!(decoded.spans[1].kind, Some(SpanKind::Client));
        assert_eq!(span.origin.pod.as_deref(), Some("geo-0"));
    }

    #[test]
    fn what_is_not_otlp_is_an_error_and_nothing_found_is_not() {
        assert!(matches!(read(b"[", &mut Names::default()), Err(JsonError::Json(_))));
        let error = br#"{"error":{"httpCode":500,"message":"storage"}}"#;
        assert!(matches!(read(error, &mut Names::default()), Err(JsonError::Server(_))));
        let none = br#"{"error":{"httpCode":404,"message":"No traces found"}}"#;
        assert!(read(none, &mut Names::default()).unwrap().spans.is_empty());
        assert!(read(br#"{"result":{"resourceSpans":[]}}"#, &mut Names::default()).unwrap().spans.is_empty());
    }
}
