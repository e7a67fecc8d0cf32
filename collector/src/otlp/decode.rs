//! `ExportTraceServiceRequest` and `TracesData` (the same on the wire) into spans.
//!
//! Field numbers are those of opentelemetry-proto's `trace/v1/trace.proto`. The tests hold this against the generated
//! types; here nothing is copied that the span does not keep.

use super::value::{key_value, push_value, text};
use super::wire::{Field, Fields, Value, WireError};
use crate::json_text::{Keys, Object, push_instant, push_string};
use crate::span::{
    Extra, Maker, Name, Names, Origin, Span, SpanKind, Times, Told, http_status, parent_in,
};
use aefm_workloads::ids::{SpanId, TraceId};
use std::sync::Arc;

/// What a message held.
#[derive(Debug, Default)]
pub struct Decoded {
    /// Its spans.
    pub spans: Vec<Span>,
    /// Spans that have no valid ids or times and were left out.
    pub invalid: u64,
}

/// Decodes a message.
///
/// # Errors
/// The bytes are not such a message.
pub fn decode(message: &[u8], names: &mut Names) -> Result<Decoded, WireError> {
    let mut decoded = Decoded::default();
    for field in Fields(message) {
        let field = field?;
        if field.number == 1 {
            resource_spans(field.bytes()?, names, &mut decoded)?;
        }
    }
    Ok(decoded)
}

fn resource_spans(
    message: &[u8],
    names: &mut Names,
    decoded: &mut Decoded,
) -> Result<(), WireError> {
    // The resource may follow its spans: it is looked for first.
    let mut resource: &[u8] = &[];
    for field in Fields(message) {
        let field = field?;
        if field.number == 1 {
            resource = field.bytes()?;
        }
    }
    let origin = origin(resource, names)?;
    let mut attributes = String::new();
    for field in Fields(message) {
        let field = field?;
        // 1000 was the number of the same before OTLP 0.15.
        if field.number == 2 || field.number == 1000 {
            for field in Fields(field.bytes()?) {
                let field = field?;
                if field.number == 2 {
                    match span(field.bytes()?, &origin, names, &mut attributes)? {
                        Some(span) => decoded.spans.push(span),
                        None => decoded.invalid += 1,
                    }
                }
            }
        }
    }
    Ok(())
}

fn origin(resource: &[u8], names: &mut Names) -> Result<Arc<Origin>, WireError> {
    let mut maker = Maker::default();
    for field in Fields(resource) {
        let field = field?;
        if field.number != 1 {
            continue;
        }
        let (key, value) = key_value(field.bytes()?)?;
        if let Some(value) = string_value(value)? {
            maker.note(&text(key), text(value));
        }
    }
    Ok(maker.origin(names))
}

fn string_value(message: &[u8]) -> Result<Option<&[u8]>, WireError> {
    let mut value = None;
    for field in Fields(message) {
        let field = field?;
        value = match (field.number, field.value) {
            (1, Value::Bytes(bytes)) if !bytes.is_empty() => Some(bytes),
            _ => None,
        };
    }
    Ok(value)
}

/// The fields of a span in the making.
struct Draft<'a, 'b> {
    trace_id: &'a [u8],
    span_id: &'a [u8],
    parent: &'a [u8],
    operation: Option<Name>,
    kind: u64,
    start_ns: u64,
    end_ns: u64,
    // Borrowed, so that it grows once and not with every span.
    attributes: &'b mut String,
    keys: Keys,
    facts: Facts,
    events: String,
    links: String,
    status_message: &'a [u8],
}

/// What attributes and status say that has a column of its own.
#[derive(Default)]
struct Facts {
    error: bool,
    http_status: Option<u16>,
}

fn span(
    message: &[u8],
    origin: &Arc<Origin>,
    names: &mut Names,
    attributes: &mut String,
) -> Result<Option<Span>, WireError> {
    attributes.clear();
    let mut draft = Draft::new(attributes);
    for field in Fields(message) {
        draft.field(field?, names)?;
    }
    Ok(draft.finish(origin, names))
}

impl<'a, 'b> Draft<'a, 'b> {
    fn new(attributes: &'b mut String) -> Self {
        Self {
            trace_id: &[],
            span_id: &[],
            parent: &[],
            operation: None,
            kind: 0,
            start_ns: 0,
            end_ns: 0,
            attributes,
            keys: Keys::default(),
            facts: Facts::default(),
            events: String::new(),
            links: String::new(),
            status_message: &[],
        }
    }

    fn field(&mut self, field: Field<'a>, names: &mut Names) -> Result<(), WireError> {
        match field.number {
            1 => self.trace_id = field.bytes()?,
            2 => self.span_id = field.bytes()?,
            4 => self.parent = field.bytes()?,
            5 => self.operation = Some(names.name(&text(field.bytes()?))),
            6 => self.kind = field.varint()?,
            7 => self.start_ns = field.fixed64()?,
            8 => self.end_ns = field.fixed64()?,
            9 => self.attribute(field.bytes()?)?,
            11 => push_event(next_of(&mut self.events), field.bytes()?)?,
            13 => push_link(next_of(&mut self.links), field.bytes()?)?,
            15 => self.status(field.bytes()?)?,
            _ => {}
        }
        Ok(())
    }

    fn attribute(&mut self, message: &[u8]) -> Result<(), WireError> {
        let (key, value) = key_value(message)?;
        self.facts.attribute(key, value)?;
        self.attributes
            .push(if self.attributes.is_empty() { '{' } else { ',' });
        self.keys.note(key);
        push_string(self.attributes, &text(key));
        self.attributes.push(':');
        push_value(self.attributes, value, 0)
    }

    fn status(&mut self, message: &'a [u8]) -> Result<(), WireError> {
        for field in Fields(message) {
            let field = field?;
            match field.number {
                2 => self.status_message = field.bytes()?,
                3 => self.facts.error |= field.varint()? == 2,
                _ => {}
            }
        }
        Ok(())
    }

    fn finish(self, origin: &Arc<Origin>, names: &mut Names) -> Option<Span> {
        let trace_id: [u8; 16] = self.trace_id.try_into().ok().filter(|id| *id != [0; 16])?;
        let span_id: [u8; 8] = self.span_id.try_into().ok().filter(|id| *id != [0; 8])?;
        let close = |mut text: String, end| {
            text.push(end);
            text.into_boxed_str()
        };
        let extra = Extra {
            events: (!self.events.is_empty()).then(|| close(self.events, ']')),
            links: (!self.links.is_empty()).then(|| close(self.links, ']')),
            status_message: (!self.status_message.is_empty())
                .then(|| text(self.status_message).into_owned().into_boxed_str()),
        };
        let told = |ns: u64| instant(ns).map_or(Told::Beyond, Told::Is);
        let times = Times::between(told(self.start_ns), told(self.end_ns))?;
        Some(Span {
            trace_id: TraceId(trace_id),
            span_id: SpanId(span_id),
            parent: parent_in(self.parent).ok()?,
            origin: Arc::clone(origin),
            operation: self.operation.unwrap_or_else(|| names.name("")),
            kind: SpanKind::from_number(self.kind),
            start_ns: times.start_ns,
            duration_ns: times.duration_ns,
            negative: times.negative,
            unfinished: times.unfinished,
            error: self.facts.error,
            http_status: self.facts.http_status,
            attributes: (!self.attributes.is_empty()).then(|| {
                self.attributes.push('}');
                self.keys.settle(self.attributes, 0);
                self.attributes.as_str().into()
            }),
            extra: (extra != Extra::default()).then(|| Box::new(extra)),
        })
    }
}

impl Facts {
    fn attribute(&mut self, key: &[u8], value: &[u8]) -> Result<(), WireError> {
        match key {
            b"http.response.status_code" | b"http.status_code" => {
                for field in Fields(value) {
                    match field?.value {
                        Value::Varint(number) => self.http_status = u16::try_from(number).ok(),
                        Value::Bytes(bytes) => self.http_status = http_status(&text(bytes)),
                        _ => {}
                    }
                }
            }
            // What Jaeger's clients said before spans had a status.
            b"error" => {
                for field in Fields(value) {
                    self.error |= matches!(field?.value, Value::Varint(1) | Value::Bytes(b"true"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// An instant, unless it lies beyond the year 2262.
fn instant(ns: u64) -> Option<i64> {
    i64::try_from(ns).ok()
}

/// The array, opened or with its comma.
fn next_of(array: &mut String) -> &mut String {
    array.push(if array.is_empty() { '[' } else { ',' });
    array
}

fn push_event(out: &mut String, message: &[u8]) -> Result<(), WireError> {
    let mut object = Object::begin(out);
    for field in Fields(message) {
        let field = field?;
        match field.number {
            1 => push_instant(object.key("t_ns"), instant(field.fixed64()?)),
            2 => push_string(object.key("name"), &text(field.bytes()?)),
            3 => push_attribute(&mut object, field.bytes()?)?,
            _ => {}
        }
    }
    object.end();
    Ok(())
}

fn push_link(out: &mut String, message: &[u8]) -> Result<(), WireError> {
    let mut object = Object::begin(out);
    for field in Fields(message) {
        let field = field?;
        let hex = |bytes: &[u8]| {
            bytes
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        };
        match field.number {
            1 => push_string(object.key("trace_id"), &hex(field.bytes()?)),
            2 => push_string(object.key("span_id"), &hex(field.bytes()?)),
            4 => push_attribute(&mut object, field.bytes()?)?,
            _ => {}
        }
    }
    object.end();
    Ok(())
}

/// An event's or link's attribute beside its own members, under a name that cannot be one of these.
fn push_attribute(object: &mut Object<'_>, message: &[u8]) -> Result<(), WireError> {
    let (key, value) = key_value(message)?;
    push_value(object.key(&format!("attributes.{}", text(key))), value, 0)
}

#[cfg(test)]
mod tests;
