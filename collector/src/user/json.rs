//! JSON into rows: objects one a line, one after the other, over many lines, or in arrays.

use super::{Grid, Value};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::fmt;

/// Reads all objects. Columns are those of all of them, in the order in which they first come. What is no object costs
/// itself: reading goes on at the next line that can begin one.
pub(super) fn read(bytes: &[u8]) -> Grid {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut rows = Rows::default();
    let mut at = 0;
    // Where arrays that are open began.
    let mut open: Vec<usize> = Vec::new();
    while let Some(byte) = bytes.get(at) {
        match byte {
            byte if byte.is_ascii_whitespace() || *byte == b',' => at += 1,
            b'[' => {
                open.push(at);
                at += 1;
            }
            b']' if !open.is_empty() => {
                open.pop();
                at += 1;
            }
            _ => at = rows.take(bytes, at),
        }
    }
    if let Some(begin) = open.first() {
        let line = line(bytes, *begin);
        rows.grid
            .unread(|| format!("the array that begins in line {line} does not end"));
    }
    rows.finish()
}

fn line(bytes: &[u8], at: usize) -> usize {
    1 + bytes[..at].iter().filter(|byte| **byte == b'\n').count()
}

#[derive(Default)]
struct Rows {
    grid: Grid,
    places: HashMap<String, usize>,
}

impl Rows {
    /// Takes the value that begins at `at`; says where to go on.
    fn take(&mut self, bytes: &[u8], at: usize) -> usize {
        let mut values =
            serde_json::Deserializer::from_slice(&bytes[at..]).into_iter::<&RawValue>();
        let value = values.next();
        let end = at + values.byte_offset();
        match value {
            Some(Ok(value)) => {
                match serde_json::from_str::<Object<'_>>(value.get()) {
                    Ok(object) => self.row(object, || line(bytes, at)),
                    Err(error) if value.get().starts_with('{') => self
                        .grid
                        .unread(|| format!("line {} is not JSON: {error}", line(bytes, at))),
                    Err(_) => self
                        .grid
                        .unread(|| format!("line {} is no JSON object", line(bytes, at))),
                }
                end
            }
            Some(Err(error)) => {
                self.grid
                    .unread(|| format!("line {} is not JSON: {error}", line(bytes, at)));
                next(bytes, at)
            }
            None => bytes.len(),
        }
    }

    fn row(&mut self, Object(members): Object<'_>, line: impl Fn() -> usize) {
        let mut row: Vec<Option<Value>> = vec![None; self.grid.names.len()];
        for (key, raw) in members {
            let grid = &mut self.grid;
            let place = *self.places.entry(key).or_insert_with_key(|key| {
                grid.names.push(key.clone());
                grid.names.len() - 1
            });
            row.resize(self.grid.names.len(), None);
            if row[place].replace(value(raw)).is_some() {
                // Neither of its values is more its value than the other.
                let key = self.grid.names[place].clone();
                return self
                    .grid
                    .unread(|| format!("line {} has the key `{key}` twice", line()));
            }
        }
        self.grid.rows.push(
            row.into_iter()
                .map(|value| value.unwrap_or(Value::Null))
                .collect(),
        );
    }

    fn finish(mut self) -> Grid {
        let width = self.grid.names.len();
        for row in &mut self.grid.rows {
            row.resize(width, Value::Null);
        }
        self.grid.kinds = vec![None; width];
        self.grid
    }
}

/// Where reading goes on behind something broken: at the next line, and behind half an object at the next that begins one.
fn next(bytes: &[u8], at: usize) -> usize {
    let begins = |at: usize| matches!(bytes.get(at), None | Some(b'{' | b'['));
    let is_object = begins(at);
    let ends = bytes.iter().enumerate().skip(at);
    ends.filter(|(_, byte)| **byte == b'\n')
        .map(|(place, _)| place + 1)
        .find(|place| !is_object || begins(*place))
        .unwrap_or(bytes.len())
}

/// Members as they come, with what they have as it is written.
struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Members).map(Self)
    }
}

/// A value as it is written: a text stays text whatever it looks like, a number keeps its digits.
fn value(raw: &RawValue) -> Value {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'n') => Value::Null,
        Some(b't') => Value::Flag(true),
        Some(b'f') => Value::Flag(false),
        Some(b'"') => Value::Text(serde_json::from_str(text).unwrap_or_else(|_| text.to_owned())),
        Some(b'{' | b'[') => Value::Text(compact(text)),
        _ => Value::Number(text.to_owned()),
    }
}

/// The same JSON without what stands between its parts.
fn compact(text: &str) -> String {
    let (mut is_text, mut is_escaped) = (false, false);
    let keep = |char: &char| {
        let keeps = is_text || !char.is_ascii_whitespace();
        if !is_escaped && *char == '"' {
            is_text = !is_text;
        }
        is_escaped = is_text && !is_escaped && *char == '\\';
        keeps
    };
    text.chars().filter(keep).collect()
}
