//! The JSON of OTLP as it is written: both spellings of its names, of 64-bit numbers and of enums.

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Message<'a> {
    #[serde(borrow, alias = "resource_spans")]
    pub(super) resource_spans: Vec<ResourceSpans<'a>>,
    // What Jaeger wraps it in.
    #[serde(borrow)]
    pub(super) result: Option<Box<Message<'a>>>,
    pub(super) error: Option<ServerError>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ServerError {
    pub(super) http_code: Option<u16>,
    pub(super) message: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ResourceSpans<'a> {
    #[serde(borrow)]
    pub(super) resource: Resource<'a>,
    #[serde(borrow, alias = "scope_spans", alias = "instrumentationLibrarySpans")]
    pub(super) scope_spans: Vec<ScopeSpans<'a>>,
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
    pub(super) values: Vec<Any<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Pairs<'a> {
    #[serde(borrow)]
    pub(super) values: Vec<KeyValue<'a>>,
}

/// A 64-bit number, as a number or as a string.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Whole(pub(super) i64);

/// An enum's value: its number, or the last part of its name.
#[derive(Clone, Debug, Default)]
pub(super) struct Word {
    pub(super) number: u64,
    pub(super) name: Option<String>,
}

pub(super) struct WholeVisitor;

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
        let number = text
            .parse::<i128>()
            .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))?;
        Ok(Whole(i64::try_from(number).unwrap_or(if number > 0 {
            i64::MAX
        } else {
            i64::MIN
        })))
    }
}

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WholeVisitor)
    }
}

pub(super) struct WordVisitor;

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
        Ok(Word {
            number: 0,
            name: text.rsplit('_').next().map(str::to_owned),
        })
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordVisitor)
    }
}
