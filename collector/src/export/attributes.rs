//! Attributes, which tables hold as JSON text, in the forms of OTLP and of Jaeger: in their own order, as they were.

use crate::json::Members;
use crate::json_text::{Object, push_string};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What the tables hold is JSON; what is none (a file that someone else wrote) has no members.
pub(super) fn members(text: &str) -> Vec<(Cow<'_, str>, &RawValue)> {
    serde_json::from_str(text).map_or_else(|_| Vec::new(), |Members(members)| members)
}

/// Likewise the objects of an array.
pub(super) fn objects(text: &str) -> Vec<Members<'_>> {
    serde_json::from_str(text).unwrap_or_default()
}

/// What a JSON text is.
enum Kind {
    Text,
    Flag,
    Int,
    Float,
    List,
    Object,
    Null,
}

fn kind(value: &str) -> Kind {
    match value.as_bytes().first() {
        Some(b'"') => Kind::Text,
        Some(b't' | b'f') => Kind::Flag,
        Some(b'[') => Kind::List,
        Some(b'{') => Kind::Object,
        Some(b'n') | None => Kind::Null,
        Some(_) if value.parse::<i64>().is_ok() => Kind::Int,
        // Beyond what a double holds it stays readable as text.
        Some(_) if value.parse::<f64>().is_ok_and(f64::is_finite) => Kind::Float,
        Some(_) => Kind::Text,
    }
}

/// Appends the elements of OTLP's `attributes`: `{"key":..,"value":{..}}`, separated by commas.
pub(super) fn push_otlp<'a>(
    out: &mut String,
    members: impl IntoIterator<Item = (&'a str, &'a RawValue)>,
) {
    for (place, (key, value)) in members.into_iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        let mut pair = Object::begin(out);
        push_string(pair.key("key"), key);
        push_any(pair.key("value"), value.get());
        pair.end();
    }
}

/// Appends OTLP's `AnyValue`.
fn push_any(out: &mut String, value: &str) {
    let mut any = Object::begin(out);
    match kind(value) {
        Kind::Text if value.starts_with('"') => any.key("stringValue").push_str(value),
        Kind::Text => push_string(any.key("stringValue"), value),
        Kind::Flag => any.key("boolValue").push_str(value),
        Kind::Int => push_string(any.key("intValue"), value),
        Kind::Float => any.key("doubleValue").push_str(value),
        Kind::List => {
            let list = any.key("arrayValue");
            list.push_str("{\"values\":[");
            let values: Vec<&RawValue> = serde_json::from_str(value).unwrap_or_default();
            for (place, value) in values.into_iter().enumerate() {
                if place > 0 {
                    list.push(',');
                }
                push_any(list, value.get());
            }
            list.push_str("]}");
        }
        Kind::Object => {
            let pairs = any.key("kvlistValue");
            pairs.push_str("{\"values\":[");
            let members = members(value);
            push_otlp(pairs, members.iter().map(|(key, value)| (&**key, *value)));
            pairs.push_str("]}");
        }
        Kind::Null => {}
    }
    any.end();
}

/// Appends a tag of Jaeger's; what is neither text, flag nor number becomes the text of its JSON, as Jaeger has it.
pub(super) fn push_tag(out: &mut String, key: &str, value: &str) {
    let mut tag = Object::begin(out);
    push_string(tag.key("key"), key);
    let (name, is_raw) = match kind(value) {
        Kind::Text => ("string", value.starts_with('"')),
        Kind::Flag => ("bool", true),
        Kind::Int => ("int64", true),
        Kind::Float => ("float64", true),
        Kind::List | Kind::Object | Kind::Null => ("string", false),
    };
    push_string(tag.key("type"), name);
    let out = tag.key("value");
    if is_raw {
        out.push_str(value);
    } else {
        push_string(out, value);
    }
    tag.end();
}
