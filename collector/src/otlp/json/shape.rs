//! The JSON of OTLP as it is written: both spellings of its names, of 64-bit numbers and of enums.

use crate::json::{Whole, WithNulls, Word};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Message<'a> {
    // Tempo calls them batches.
    #[serde(borrow, alias = "resource_spans", alias = "batches")]
    pub(super) resource_spans: Vec<ResourceSpans<'a>>,
    // What Jaeger wraps it in, and Tempo.
    #[serde(borrow, alias = "trace")]
    pub(super) result: Option<Box<Message<'a>>>,
    pub(super) error: Option<ServerError>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ServerError {
    #[serde(alias = "http_code")]
    pub(super) http_code: Option<u16>,
    pub(super) message: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ResourceSpans<'a> {
    #[serde(borrow)]
    pub(super) resource: Resource<'a>,
    #[serde(
        borrow,
        alias = "scope_spans",
        alias = "instrumentationLibrarySpans",
        alias = "instrumentation_library_spans"
    )]
    pub(super) scope_spans: Vec<ScopeSpans<'a>>,
    // A message in the place of an element: what a line that broke off was followed by.
    #[serde(borrow, alias = "resource_spans", alias = "batches")]
    pub(super) resource_spans: Vec<ResourceSpans<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Resource<'a> {
    #[serde(borrow)]
    pub(super) attributes: Vec<KeyValue<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ScopeSpans<'a> {
    #[serde(borrow)]
    pub(super) spans: Vec<JsonSpan<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct JsonSpan<'a> {
    #[serde(borrow, alias = "trace_id")]
    pub(super) trace_id: Cow<'a, str>,
    #[serde(borrow, alias = "span_id")]
    pub(super) span_id: Cow<'a, str>,
    #[serde(borrow, alias = "parent_span_id")]
    pub(super) parent_span_id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    pub(super) kind: Word,
    #[serde(alias = "start_time_unix_nano")]
    pub(super) start_time_unix_nano: Whole,
    #[serde(alias = "end_time_unix_nano")]
    pub(super) end_time_unix_nano: Whole,
    #[serde(borrow)]
    pub(super) attributes: Vec<KeyValue<'a>>,
    #[serde(borrow)]
    pub(super) events: Vec<Event<'a>>,
    #[serde(borrow)]
    pub(super) links: Vec<Link<'a>>,
    #[serde(borrow)]
    pub(super) status: Status<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Event<'a> {
    #[serde(alias = "time_unix_nano")]
    pub(super) time_unix_nano: Whole,
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) attributes: Vec<KeyValue<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Link<'a> {
    #[serde(borrow, alias = "trace_id")]
    pub(super) trace_id: Cow<'a, str>,
    #[serde(borrow, alias = "span_id")]
    pub(super) span_id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) attributes: Vec<KeyValue<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Status<'a> {
    pub(super) code: Word,
    #[serde(borrow)]
    pub(super) message: Cow<'a, str>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct KeyValue<'a> {
    #[serde(borrow)]
    pub(super) key: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) value: Any<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Any<'a> {
    #[serde(borrow, alias = "string_value")]
    pub(super) string_value: Option<Cow<'a, str>>,
    #[serde(alias = "bool_value")]
    pub(super) bool_value: Option<bool>,
    #[serde(alias = "int_value")]
    pub(super) int_value: Option<Whole>,
    // As it was written, to the last digit; what has no number is a string.
    #[serde(borrow, alias = "double_value")]
    pub(super) double_value: Option<&'a RawValue>,
    #[serde(borrow, alias = "array_value")]
    pub(super) array_value: Option<Values<'a>>,
    #[serde(borrow, alias = "kvlist_value")]
    pub(super) kvlist_value: Option<Pairs<'a>>,
    #[serde(borrow, alias = "bytes_value")]
    pub(super) bytes_value: Option<Cow<'a, str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Values<'a> {
    #[serde(borrow)]
    pub(super) values: WithNulls<Any<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Pairs<'a> {
    #[serde(borrow)]
    pub(super) values: Vec<KeyValue<'a>>,
}
