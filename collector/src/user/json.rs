//! JSON lines into rows.

use super::{Grid, Value};
use serde_json::Value as Json;
use std::collections::HashMap;

/// Reads one object a line. Columns are those of all objects, in the order in which they first come.
pub(super) fn read(bytes: &[u8]) -> Grid {
    let mut grid = Grid::default();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let object = match serde_json::from_slice(line) {
            Ok(Json::Object(object)) => object,
            Ok(_) => {
                grid.unread(|| format!("line {} is no JSON object", number + 1));
                continue;
            }
            Err(error) => {
                grid.unread(|| format!("line {} is not JSON: {error}", number + 1));
                continue;
            }
        };
        let mut row = vec![Value::Null; grid.names.len()];
        for (key, json) in object {
            let place = *places.entry(key).or_insert_with_key(|key| {
                grid.names.push(key.clone());
                grid.names.len() - 1
            });
            row.resize(grid.names.len(), Value::Null);
            row[place] = value(json);
        }
        grid.rows.push(row);
    }
    let width = grid.names.len();
    grid.rows
        .iter_mut()
        .for_each(|row| row.resize(width, Value::Null));
    grid.kinds = vec![None; width];
    grid
}

fn value(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Flag(flag),
        // Whole numbers beyond int64 are kept as numbers, to the precision of a double.
        Json::Number(number) => number
            .as_i64()
            .map(Value::Int)
            .or(number.as_f64().map(Value::Float))
            .unwrap_or(Value::Null),
        Json::String(text) => Value::Text(text),
        nested => Value::Text(nested.to_string()),
    }
}
