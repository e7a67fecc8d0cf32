//! The shapes of Jaeger's JSON, as far as they are of use.

use crate::json::{Members, Whole};
use crate::json_text::Object;
use crate::span::{SpanKind, http_status};
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
#[serde(bound(deserialize = "'de: 'a, S: Deserialize<'de>"))]
pub(super) struct Answer<'a, S> {
    #[serde(default = "Vec::new")]
    pub(super) data: Vec<Trace<'a, S>>,
    #[serde(default)]
    pub(super) errors: Vec<ApiError>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ApiError {
    #[serde(default)]
    pub(super) msg: String,
}

/// `S`: a span, or its text where one of them is not as it should be.
#[derive(Debug, Deserialize)]
#[serde(
    rename_all = "camelCase",
    bound(deserialize = "'de: 'a, S: Deserialize<'de>")
)]
pub(super) struct Trace<'a, S> {
    #[serde(rename = "traceID", borrow, default)]
    pub(super) trace_id: Cow<'a, str>,
    #[serde(default = "Vec::new")]
    pub(super) spans: Vec<S>,
    #[serde(borrow, default)]
    pub(super) processes: HashMap<Cow<'a, str>, Process<'a>, RandomState>,
    // An answer in the place of a trace: what a line that broke off was followed by.
    #[serde(default = "Vec::new")]
    pub(super) data: Vec<Trace<'a, S>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Process<'a> {
    #[serde(borrow, default)]
    pub(super) service_name: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) tags: Vec<Tag<'a>>,
    #[serde(borrow, default)]
    pub(super) tag: Members<'a>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct JsonSpan<'a> {
    #[serde(rename = "traceID", borrow, default)]
    pub(super) trace_id: Cow<'a, str>,
    #[serde(rename = "spanID", borrow, default)]
    pub(super) span_id: Cow<'a, str>,
    // Before references there was this.
    #[serde(rename = "parentSpanID", borrow, default)]
    pub(super) parent_span_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) operation_name: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) references: Vec<Reference<'a>>,
    #[serde(default)]
    pub(super) start_time: Whole,
    #[serde(default)]
    pub(super) duration: Whole,
    #[serde(default)]
    pub(super) tags: Attributes,
    // Elasticsearch may hold some tags as one object, whose keys have @ in place of dots.
    #[serde(borrow, default)]
    pub(super) tag: Members<'a>,
    #[serde(borrow, default)]
    pub(super) logs: Vec<Log<'a>>,
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
    #[serde(rename = "spanID", borrow, default)]
    pub(super) span_id: Cow<'a, str>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Tag<'a> {
    #[serde(borrow, default)]
    pub(super) key: Cow<'a, str>,
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
}

impl Tag<'_> {
    /// The value as JSON. Elasticsearch holds all of them as texts: what is a number or a flag by its type becomes one.
    pub(super) fn value(&self) -> &str {
        let value = self.value.map_or("null", RawValue::get);
        let inside = value
            .strip_prefix('"')
            .and_then(|value| value.strip_suffix('"'));
        let Some(inside) = inside.filter(|_| self.kind != "string") else {
            return value;
        };
        let is_of_kind = match &*self.kind {
            "bool" => matches!(inside, "true" | "false"),
            "int64" => inside
                .parse::<i64>()
                .is_ok_and(|_| !inside.starts_with('+')),
            "float64" => serde_json::from_str::<f64>(inside).is_ok(),
            _ => false,
        };
        if is_of_kind { inside } else { value }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Log<'a> {
    #[serde(default)]
    pub(super) timestamp: Whole,
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
    /// Adds those that Elasticsearch holds as one object.
    pub(super) fn add(&mut self, fields: &Members<'_>) {
        if fields.0.is_empty() {
            return;
        }
        let mut text = String::from(self.text.take().unwrap_or_default());
        let mut object = Object::resume(&mut text);
        for (key, value) in &fields.0 {
            let key = key.replace('@', ".");
            self.note(&key, value.get());
            object.key(&key).push_str(value.get());
        }
        object.end();
        self.text = Some(text.into());
    }

    fn note(&mut self, key: &str, value: &str) {
        let value = value.trim_matches('"');
        match key {
            "span.kind" => self.kind = SpanKind::from_name(value),
            "error" => self.error |= value == "true",
            "otel.status_code" => self.error |= value == "ERROR",
            "http.status_code" | "http.response.status_code" => {
                self.http_status = http_status(value);
            }
            _ => {}
        }
    }
}

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(AttributesVisitor)
    }
}

struct AttributesVisitor;

impl<'de> Visitor<'de> for AttributesVisitor {
    type Value = Attributes;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of tags")
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
            attributes.note(&tag.key, tag.value());
            object.key(&tag.key).push_str(tag.value());
            next = tags.next_element()?;
        }
        object.end();
        attributes.text = Some(text.into());
        Ok(attributes)
    }
}
