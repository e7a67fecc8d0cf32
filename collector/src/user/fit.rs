//! Which type a column has, and whether a value fits it.

use super::{Grid, UserTableError, Value, number};
use crate::schema::ColumnType;
use crate::sink::Cell;

/// The columns with their types: declared, known by the format, or the narrowest that takes all values; none where there are no
/// values.
pub(super) fn columns(
    grid: &Grid,
    declared: &[(String, ColumnType)],
) -> Result<Vec<(String, Option<ColumnType>)>, UserTableError> {
    if let Some((column, _)) = declared.iter().find(|(name, _)| !grid.names.contains(name)) {
        return Err(UserTableError::Missing {
            column: column.clone(),
            there: grid.names.join(", "),
        });
    }
    let kind = |(at, name): (usize, &String)| {
        let declared = declared
            .iter()
            .find(|(declared, _)| declared == name)
            .map(|(_, kind)| *kind);
        let kind = declared
            .or(grid.kinds[at])
            .or_else(|| narrowest(grid.rows.iter().map(|row| &row[at])));
        (name.clone(), kind)
    };
    Ok(grid.names.iter().enumerate().map(kind).collect())
}

fn narrowest<'a>(values: impl Iterator<Item = &'a Value> + Clone) -> Option<ColumnType> {
    let mut some = values.filter(|value| **value != Value::Null).peekable();
    some.peek()?;
    let takes = |kind| some.clone().all(|value| value_fits(value, kind));
    [ColumnType::Flag, ColumnType::Int, ColumnType::Float]
        .into_iter()
        .find(|kind| takes(*kind) && (*kind != ColumnType::Float || !are_ids(some.clone())))
        .or(Some(ColumnType::Text))
}

/// Whether these are hexadecimal ids that happen to be written like numbers: `12e5` and no fraction anywhere.
fn are_ids<'a>(values: impl Iterator<Item = &'a Value> + Clone) -> bool {
    let cells = values.filter_map(|value| match value {
        Value::Cell(text) => Some(text),
        _ => None,
    });
    cells.clone().any(|text| number::is_like_hex(text))
        && !cells.clone().any(|text| text.contains('.'))
}

/// Whether a value is the same in a column of this type.
fn value_fits(value: &Value, kind: ColumnType) -> bool {
    match (value, kind) {
        (Value::Cell(text), ColumnType::Flag) => flag(text).is_some(),
        // What begins with a zero is a name: as a number it would lose it.
        (Value::Cell(text), _) if is_padded(text) => false,
        (Value::Cell(text) | Value::Number(text), ColumnType::Int) => text.parse::<i64>().is_ok(),
        (Value::Cell(text) | Value::Number(text), ColumnType::Float) => {
            number::exact(text).is_some()
        }
        // Whole numbers beside fractions are doubles only where a double holds them as they are.
        (Value::Int(whole), ColumnType::Float) => whole.unsigned_abs() <= 1 << f64::MANTISSA_DIGITS,
        (Value::Flag(_), ColumnType::Flag)
        | (Value::Int(_), ColumnType::Int)
        | (Value::Float(_), ColumnType::Float) => true,
        _ => false,
    }
}

fn is_padded(text: &str) -> bool {
    let digits = text.trim_start_matches(['-', '+']).as_bytes();
    digits.len() > 1 && digits[0] == b'0' && digits[1].is_ascii_digit()
}

fn flag(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// The value in its column's type.
///
/// # Errors
/// It does not fit.
pub(super) fn value(value: Value, kind: ColumnType, column: &str) -> Result<Value, String> {
    let misfit = |shown: &str| {
        Err(format!(
            "`{shown:.80}` in column `{column}` is not {}",
            describe(kind)
        ))
    };
    let value = match value {
        Value::Cell(text) | Value::Number(text) => Value::Text(text),
        value => value,
    };
    match (value, kind) {
        (Value::Null, _) => Ok(Value::Null),
        (Value::Text(text), ColumnType::Flag) => flag(&text)
            .map(Value::Flag)
            .map_or_else(|| misfit(&text), Ok),
        (Value::Text(text), ColumnType::Int) => {
            text.parse().map(Value::Int).or_else(|_| misfit(&text))
        }
        (Value::Text(text), ColumnType::Float) => {
            number::parse(&text).map_or_else(|| misfit(&text), |value| Ok(Value::Float(value)))
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "a column of doubles was asked for"
        )]
        (Value::Int(value), ColumnType::Float) => Ok(Value::Float(value as f64)),
        (Value::Int(value), ColumnType::Text) => Ok(Value::Text(value.to_string())),
        (Value::Float(value), ColumnType::Text) => Ok(Value::Text(value.to_string())),
        (Value::Flag(value), ColumnType::Text) => Ok(Value::Text(value.to_string())),
        (Value::Text(text), ColumnType::Bytes) => Ok(Value::Bytes(text.into_bytes())),
        (value, kind) => {
            let fits = matches!(
                (&value, kind),
                (Value::Flag(_), ColumnType::Flag)
                    | (Value::Int(_), ColumnType::Int)
                    | (Value::Float(_), ColumnType::Float)
                    | (Value::Text(_), ColumnType::Text)
                    | (Value::Bytes(_), ColumnType::Bytes)
            );
            if fits {
                Ok(value)
            } else {
                misfit(&format!("{value:?}"))
            }
        }
    }
}

const fn describe(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Int => "a whole number",
        ColumnType::Float => "a number",
        ColumnType::Text => "text",
        ColumnType::Flag => "true or false",
        ColumnType::Bytes => "bytes",
    }
}

/// The cell of a value that fits.
pub(super) fn cell(value: &Value) -> Cell<'_> {
    match value {
        Value::Null => Cell::Null,
        Value::Flag(value) => Cell::Flag(*value),
        Value::Int(value) => Cell::Int(*value),
        Value::Float(value) => Cell::Float(*value),
        Value::Text(value) | Value::Cell(value) | Value::Number(value) => Cell::Text(value),
        Value::Bytes(value) => Cell::Bytes(value),
    }
}
