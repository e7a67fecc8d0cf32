//! Spans as the console exporters of OpenTelemetry's Python and Go SDKs print them: one document a span.

use crate::json::{self, Members, Word};
use crate::json_text::{Object, push_instant, push_string};
use crate::otlp::decode::Decoded;
use crate::sink::Hex;
use crate::span::{
    Extra, Maker, Names, Span, SpanKind, Times, Told, http_status, id_of, parent_of,
};
use aefm_workloads::ids::{SpanId, TraceId};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Printed<'a> {
    #[serde(borrow, alias = "Name")]
    name: Cow<'a, str>,
    #[serde(borrow, alias = "SpanContext")]
    context: Context<'a>,
    // Python has the id, Go the whole context.
    #[serde(borrow)]
    parent_id: Cow<'a, str>,
    #[serde(borrow, rename = "Parent")]
    parent: Context<'a>,
    #[serde(alias = "SpanKind")]
    kind: Word,
    #[serde(borrow, alias = "StartTime")]
    start_time: Cow<'a, str>,
    #[serde(borrow, alias = "EndTime")]
    end_time: Cow<'a, str>,
    #[serde(borrow, alias = "Status")]
    status: Status<'a>,
    #[serde(borrow, alias = "Attributes")]
    attributes: Pairs<'a>,
    #[serde(borrow, alias = "Events")]
    events: Vec<Event<'a>>,
    #[serde(borrow, alias = "Links")]
    links: Vec<Link<'a>>,
    #[serde(borrow, alias = "Resource")]
    resource: Resource<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Context<'a> {
    #[serde(borrow, alias = "TraceID")]
    trace_id: Cow<'a, str>,
    #[serde(borrow, alias = "SpanID")]
    span_id: Cow<'a, str>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status<'a> {
    #[serde(alias = "Code")]
    status_code: Word,
    #[serde(borrow, alias = "Description")]
    description: Cow<'a, str>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Event<'a> {
    #[serde(borrow, alias = "Name")]
    name: Cow<'a, str>,
    #[serde(borrow, alias = "Time")]
    timestamp: Cow<'a, str>,
    #[serde(borrow, alias = "Attributes")]
    attributes: Pairs<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Link<'a> {
    #[serde(borrow, alias = "SpanContext")]
    context: Context<'a>,
    #[serde(borrow, alias = "Attributes")]
    attributes: Pairs<'a>,
}

/// Python's object of attributes, or Go's list of keys and typed values.
#[derive(Default)]
struct Pairs<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// Python's object with `attributes` in it, or Go's list.
#[derive(Default)]
struct Resource<'a>(Pairs<'a>);

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Typed<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow)]
    value: TypedValue<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct TypedValue<'a> {
    #[serde(borrow)]
    value: Option<&'a RawValue>,
}

fn pairs(raw: &RawValue) -> Result<Pairs<'_>, serde_json::Error> {
    let text = raw.get();
    if text.starts_with('{') {
        return json::read::<Members<'_>>(text.as_bytes()).map(|members| Pairs(members.0));
    }
    let list: Vec<Typed<'_>> = json::read(text.as_bytes())?;
    let pairs = list
        .into_iter()
        .filter_map(|typed| Some((typed.key, typed.value.value?)));
    Ok(Pairs(pairs.collect()))
}

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Option::<&'de RawValue>::deserialize(deserializer)?;
        raw.map_or_else(|| Ok(Self::default()), pairs)
            .map_err(serde::de::Error::custom)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Resource<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Pairs(outer) = Pairs::deserialize(deserializer)?;
        let inner = outer.iter().find(|(key, _)| key == "attributes");
        match inner {
            Some((_, raw)) => pairs(raw).map(Resource).map_err(serde::de::Error::custom),
            None => Ok(Self(Pairs(outer))),
        }
    }
}

/// Reads one span.
///
/// # Errors
/// It is none, or an instant in it cannot be read.
pub(super) fn read(text: &[u8], names: &mut Names) -> Result<Decoded, serde_json::Error> {
    let printed: Printed<'_> = json::read(text)?;
    let mut decoded = Decoded::default();
    match span(&printed, names) {
        Some(span) => decoded.spans.push(span),
        None => decoded.invalid += 1,
    }
    Ok(decoded)
}

fn instant(text: &str) -> Option<i64> {
    let instant: jiff::Timestamp = text.parse().ok()?;
    i64::try_from(instant.as_nanosecond()).ok()
}

/// The same of a span: Go's zero is the first day of the first year.
fn told(text: &str) -> Told {
    match instant(text) {
        Some(ns) => Told::Is(ns),
        None if text.is_empty() || text.starts_with("0001-01-01T00:00:00") => Told::Absent,
        None => Told::Beyond,
    }
}

fn span(printed: &Printed<'_>, names: &mut Names) -> Option<Span> {
    let times = Times::between(told(&printed.start_time), told(&printed.end_time))?;
    let mut maker = Maker::default();
    for (key, value) in &printed.resource.0.0 {
        if let Ok(text) = serde_json::from_str::<Cow<'_, str>>(value.get()) {
            maker.note(key, text);
        }
    }
    let is_error = |word: &Word| {
        let name = word.name.as_deref().unwrap_or_default();
        name.eq_ignore_ascii_case("error")
    };
    let status = &printed.status;
    let http_status = printed
        .attributes
        .0
        .iter()
        .filter(|(key, _)| key == "http.status_code" || key == "http.response.status_code")
        .find_map(|(_, value)| http_status(value.get().trim_matches('"')));
    let extra = Extra {
        events: (!printed.events.is_empty()).then(|| events(&printed.events)),
        links: (!printed.links.is_empty()).then(|| links(&printed.links)),
        status_message: (!status.description.is_empty()).then(|| (&*status.description).into()),
    };
    let mut attributes = String::new();
    let mut object = Object::begin(&mut attributes);
    push_pairs(&mut object, "", &printed.attributes);
    object.end();
    let mut parent = None;
    for text in [&printed.parent_id, &printed.parent.span_id] {
        parent = parent.or(parent_of(text).ok()?);
    }
    Some(Span {
        trace_id: TraceId(id_of(&printed.context.trace_id)?),
        span_id: SpanId(id_of(&printed.context.span_id)?),
        parent,
        origin: maker.origin(names),
        operation: names.name(&printed.name),
        kind: printed.kind.name.as_deref().map_or_else(
            || SpanKind::from_number(printed.kind.number),
            SpanKind::from_name,
        ),
        start_ns: times.start_ns,
        duration_ns: times.duration_ns,
        negative: times.negative,
        unfinished: times.unfinished,
        error: is_error(&status.status_code),
        http_status,
        attributes: (!printed.attributes.0.is_empty()).then(|| attributes.into()),
        extra: (extra != Extra::default()).then(|| Box::new(extra)),
    })
}

fn push_pairs(object: &mut Object<'_>, prefix: &str, pairs: &Pairs<'_>) {
    for (key, value) in &pairs.0 {
        object.key(&format!("{prefix}{key}")).push_str(value.get());
    }
}

fn events(events: &[Event<'_>]) -> Box<str> {
    list(events, |event, object| {
        push_instant(object.key("t_ns"), instant(&event.timestamp));
        push_string(object.key("name"), &event.name);
        push_pairs(object, "attributes.", &event.attributes);
    })
}

fn links(links: &[Link<'_>]) -> Box<str> {
    list(links, |link, object| {
        if let Some(id) = id_of::<16>(&link.context.trace_id) {
            push_string(object.key("trace_id"), Hex::<32>::of(&id).as_str());
        }
        if let Some(id) = id_of::<8>(&link.context.span_id) {
            push_string(object.key("span_id"), Hex::<16>::of(&id).as_str());
        }
        push_pairs(object, "attributes.", &link.attributes);
    })
}

fn list<T>(items: &[T], mut push: impl FnMut(&T, &mut Object<'_>)) -> Box<str> {
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

    const PYTHON: &str = r#"{
        "name": "hello", "context": {"trace_id": "0x5b8aa5a2d2c872e8321cf37308d69df2", "span_id": "0x051581bf3cb55c13", "trace_state": "[]"},
        "kind": "SpanKind.SERVER", "parent_id": null, "start_time": "2022-04-29T18:52:58.114201Z", "end_time": "2022-04-29T18:52:58.114687Z",
        "status": {"status_code": "ERROR", "description": "no"}, "attributes": {"http.route": "some_route1", "http.status_code": 500},
        "events": [{"name": "hey there!", "timestamp": "2022-04-29T18:52:58.114561Z", "attributes": {"event_attributes": 1}}],
        "links": [], "resource": {"attributes": {"service.name": "web", "telemetry.sdk.language": "python"}, "schema_url": ""}}"#;

    const GO: &str = r#"{"Name":"foo","SpanContext":{"TraceID":"5b8aa5a2d2c872e8321cf37308d69df2","SpanID":"051581bf3cb55c13","TraceFlags":"01","Remote":false},
        "Parent":{"TraceID":"5b8aa5a2d2c872e8321cf37308d69df2","SpanID":"5fb397be34d26b51","Remote":true},"SpanKind":2,
        "StartTime":"2020-12-08T20:23:00.000000001Z","EndTime":"2020-12-08T21:23:00+01:00","Attributes":[{"Key":"key","Value":{"Type":"INT64","Value":3}}],
        "Events":null,"Links":[{"SpanContext":{"TraceID":"01","SpanID":"02"},"Attributes":null}],"Status":{"Code":"Unset","Description":""},
        "Resource":[{"Key":"service.name","Value":{"Type":"STRING","Value":"geo"}}],"InstrumentationLibrary":{"Name":"x"}}"#;

    fn read_one(text: &str) -> Span {
        let decoded = read(text.as_bytes(), &mut Names::default()).unwrap();
        assert_eq!((decoded.spans.len(), decoded.invalid), (1, 0));
        decoded.spans.into_iter().next().unwrap()
    }

    #[test]
    fn pythons_and_gos_spans_are_read() {
        let span = read_one(PYTHON);
        assert_eq!(span.span_id.to_string(), "051581bf3cb55c13");
        assert_eq!(
            (&*span.origin.service, span.kind),
            ("web", Some(SpanKind::Server))
        );
        assert_eq!(
            (span.start_ns, span.duration_ns),
            (1_651_258_378_114_201_000, 486_000)
        );
        assert_eq!(
            (span.error, span.http_status, span.parent),
            (true, Some(500), None)
        );
        assert_eq!(
            span.attributes.as_deref(),
            Some(r#"{"http.route":"some_route1","http.status_code":500}"#)
        );
        let extra = span.extra.unwrap();
        assert_eq!(
            extra.events.as_deref(),
            Some(
                r#"[{"t_ns":1651258378114561000,"name":"hey there!","attributes.event_attributes":1}]"#
            )
        );
        let span = read_one(GO);
        assert_eq!(span.parent.unwrap().to_string(), "5fb397be34d26b51");
        assert_eq!(
            (&*span.origin.service, span.kind, span.negative),
            ("geo", Some(SpanKind::Server), true)
        );
        assert_eq!(span.attributes.as_deref(), Some(r#"{"key":3}"#));
        assert!(
            span.extra
                .unwrap()
                .links
                .unwrap()
                .contains("0000000000000002")
        );
    }

    #[test]
    fn a_span_without_instants_is_counted() {
        let text =
            r#"{"name":"x","context":{"trace_id":"0x1","span_id":"0x2"},"start_time":"soon"}"#;
        assert_eq!(
            read(text.as_bytes(), &mut Names::default())
                .unwrap()
                .invalid,
            1
        );
    }
}
