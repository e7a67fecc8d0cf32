//! The shapes of Jaeger's JSON, as far as they are of use.

use crate::json_text::Object;
use crate::span::SpanKind;
use foldhash::fast::RandomState;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

/// Most spans' attributes are no longer.
const ATTRIBUTES_BYTES: usize = 512;

/// An answer of `/api/traces`.
#[derive(Debug, Deserialize)]
pub(super) struct Answer<'a> {
    #[serde(borrow, default)]
    pub(super) data: Option<Vec<Trace<'a>>>,
    #[serde(default)]
    pub(super) errors: Option<Vec<ApiError>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ApiError {
    #[serde(default)]
    pub(super) msg: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Trace<'a> {
    #[serde(rename = "traceID", borrow, default)]
    pub(super) trace_id: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) spans: Vec<JsonSpan<'a>>,
    #[serde(borrow, default)]
    pub(super) processes: HashMap<Cow<'a, str>, Process<'a>, RandomState>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Process<'a> {
    #[serde(borrow, default)]
    pub(super) service_name: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) tags: Vec<Tag<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct JsonSpan<'a> {
    #[serde(rename = "traceID", borrow, default)]
    pub(super) trace_id: Cow<'a, str>,
    #[serde(rename = "spanID", borrow)]
    pub(super) span_id: Cow<'a, str>,
    // Before references there was this.
    #[serde(rename = "parentSpanID", borrow, default)]
    pub(super) parent_span_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) operation_name: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) references: Option<Vec<Reference<'a>>>,
    pub(super) start_time: i64,
    pub(super) duration: i64,
    #[serde(default)]
    pub(super) tags: Attributes,
    #[serde(borrow, default)]
    pub(super) logs: Option<Vec<Log<'a>>>,
    #[serde(rename = "processID", borrow, default)]
    pub(super) process_id: Cow<'a, str>,
    // Some exporters put the process into the span.
    #[serde(borrow, default)]
    pub(super) process: Option<Process<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reference<'a> {
    #[serde(borrow, default)]
    pub(super) ref_type: Cow<'a, str>,
    #[serde(rename = "traceID", borrow, default)]
    pub(super) trace_id: Cow<'a, str>,
    #[serde(rename = "spanID", borrow)]
    pub(super) span_id: Cow<'a, str>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Tag<'a> {
    #[serde(borrow)]
    pub(super) key: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) value: &'a RawValue,
}

#[derive(Debug, Deserialize)]
pub(super) struct Log<'a> {
    pub(super) timestamp: i64,
    #[serde(borrow, default)]
    pub(super) fields: Vec<Tag<'a>>,
}

/// A span's tags, and what they say about it. They become text while they are read: they are most of what there is.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    /// A JSON object; none where there are no tags.
    pub(super) text: Option<Box<str>>,
    pub(super) kind: Option<SpanKind>,
    pub(super) error: bool,
    pub(super) http_status: Option<u16>,
}

impl Attributes {
    fn note(&mut self, tag: &Tag<'_>) {
        let value = tag.value.get().trim_matches('"');
        match &*tag.key {
            "span.kind" => self.kind = SpanKind::from_name(value),
            "error" => self.error |= value == "true",
            "otel.status_code" => self.error |= value == "ERROR",
            "http.status_code" | "http.response.status_code" => {
                self.http_status = value.parse().ok()
            }
            _ => {}
        }
    }
}

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AttributesVisitor)
    }
}

struct AttributesVisitor;

impl<'de> Visitor<'de> for AttributesVisitor {
    type Value = Attributes;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of tags, or null")
    }

    fn visit_unit<E>(self) -> Result<Attributes, E> {
        Ok(Attributes::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut tags: A) -> Result<Attributes, A::Error> {
        let mut attributes = Attributes::default();
        let mut next = tags.next_element::<Tag<'_>>()?;
        if next.is_none() {
            return Ok(attributes);
        }
        let mut text = String::with_capacity(ATTRIBUTES_BYTES);
        let mut object = Object::begin(&mut text);
        while let Some(tag) = next {
            attributes.note(&tag);
            object.key(&tag.key).push_str(tag.value.get());
            next = tags.next_element()?;
        }
        object.end();
        attributes.text = Some(text.into());
        Ok(attributes)
    }
}
