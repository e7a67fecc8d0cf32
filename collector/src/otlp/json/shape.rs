//! The JSON of OTLP as it is written: both spellings of its names, of 64-bit numbers and of enums.

use crate::json::{Whole, WithNulls, Word};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// `S`: a span, or its text where one of them is not as it should be.
#[derive(Debug, Deserialize)]
#[serde(
    rename_all = "camelCase",
    default,
    bound(deserialize = "'de: 'a, S: Deserialize<'de>")
)]
pub(super) struct Message<'a, S> {
    // Tempo calls them batches.
    #[serde(alias = "resource_spans", alias = "batches")]
    pub(super) resource_spans: Vec<ResourceSpans<'a, S>>,
    // What Jaeger wraps it in, and Tempo.
    #[serde(alias = "trace")]
    pub(super) result: Option<Box<Message<'a, S>>>,
    pub(super) error: Option<ServerError>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ServerError {
    #[serde(alias = "http_code")]
    pub(super) http_code: Option<u16>,
    pub(super) message: String,
}

#[derive(Debug, Deserialize)]
#[serde(
    rename_all = "camelCase",
    default,
    bound(deserialize = "'de: 'a, S: Deserialize<'de>")
)]
pub(super) struct ResourceSpans<'a, S> {
    pub(super) resource: Resource<'a>,
    #[serde(alias = "scope_spans")]
    pub(super) scope_spans: Vec<ScopeSpans<S>>,
    // Their name before OTLP 0.15. Collectors of that time wrote both.
    #[serde(alias = "instrumentation_library_spans")]
    pub(super) instrumentation_library_spans: Vec<ScopeSpans<S>>,
    // A message in the place of an element: what a line that broke off was followed by.
    #[serde(alias = "resource_spans", alias = "batches")]
    pub(super) resource_spans: Vec<ResourceSpans<'a, S>>,
}

// Derived, these would ask for a span that has a default.
impl<S> Default for Message<'_, S> {
    fn default() -> Self {
        Self {
            resource_spans: Vec::new(),
            result: None,
            error: None,
        }
    }
}

impl<S> Default for ResourceSpans<'_, S> {
    fn default() -> Self {
        Self {
            resource: Resource::default(),
            scope_spans: Vec::new(),
            instrumentation_library_spans: Vec::new(),
            resource_spans: Vec::new(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Resource<'a> {
    #[serde(borrow)]
    pub(super) attributes: Vec<KeyValue<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "S: Deserialize<'de>"))]
pub(super) struct ScopeSpans<S> {
    #[serde(default = "Vec::new")]
    pub(super) spans: Vec<S>,
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
    // Numbers as they were written, to the last digit; what has no number is a string.
    #[serde(borrow, alias = "int_value")]
    pub(super) int_value: Option<&'a RawValue>,
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
