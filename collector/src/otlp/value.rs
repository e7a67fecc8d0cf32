//! OTLP's attribute values as JSON text, straight from the wire.

use super::wire::{Fields, Value, WireError};
use crate::json_text::{Object, push_double, push_int, push_string};
use base64::Engine as _;
use std::borrow::Cow;

/// Arrays and maps within values are followed so far.
const DEPTH: usize = 16;

/// Text as it came; what is not UTF-8 is replaced, never refused.
pub(super) fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// The key and the value's message of a `KeyValue`.
pub(super) fn key_value(message: &[u8]) -> Result<(&[u8], &[u8]), WireError> {
    let (mut key, mut value): (&[u8], &[u8]) = (&[], &[]);
    for field in Fields(message) {
        let field = field?;
        match field.number {
            1 => key = field.bytes()?,
            2 => value = field.bytes()?,
            _ => {}
        }
    }
    Ok((key, value))
}

/// Appends an `AnyValue`; an empty one is null.
pub(super) fn push_value(out: &mut String, message: &[u8], depth: usize) -> Result<(), WireError> {
    if depth > DEPTH {
        return Err(WireError::Depth);
    }
    // The last member of a oneof wins.
    let mut last = None;
    for field in Fields(message) {
        last = Some(field?);
    }
    let Some(field) = last else {
        out.push_str("null");
        return Ok(());
    };
    match (field.number, field.value) {
        (1, Value::Bytes(bytes)) => push_string(out, &text(bytes)),
        (2, Value::Varint(number)) => out.push_str(if number == 0 { "false" } else { "true" }),
        (3, Value::Varint(number)) => push_int(out, number.cast_signed()),
        (4, Value::Fixed64(bits)) => push_double(out, f64::from_bits(bits)),
        (5, Value::Bytes(list)) => push_array(out, list, depth)?,
        (6, Value::Bytes(list)) => push_object(out, list, depth)?,
        (7, Value::Bytes(bytes)) => push_string(
            out,
            &base64::engine::general_purpose::STANDARD.encode(bytes),
        ),
        (1..=7, _) => return Err(WireError::Type(field.number)),
        _ => out.push_str("null"),
    }
    Ok(())
}

fn push_array(out: &mut String, list: &[u8], depth: usize) -> Result<(), WireError> {
    out.push('[');
    let mut first = true;
    for field in Fields(list) {
        let field = field?;
        if field.number == 1 {
            if !std::mem::take(&mut first) {
                out.push(',');
            }
            push_value(out, field.bytes()?, depth + 1)?;
        }
    }
    out.push(']');
    Ok(())
}

fn push_object(out: &mut String, list: &[u8], depth: usize) -> Result<(), WireError> {
    let mut object = Object::begin(out);
    for field in Fields(list) {
        let field = field?;
        if field.number == 1 {
            let (key, value) = key_value(field.bytes()?)?;
            push_value(object.key(&text(key)), value, depth + 1)?;
        }
    }
    object.end();
    Ok(())
}
