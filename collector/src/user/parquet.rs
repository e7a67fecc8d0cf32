//! Parquet into rows.

use super::{Grid, Value};
use crate::schema::ColumnType;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, cast::AsArray};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType, TimeUnit};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// Reads a whole Parquet file. A column that cannot be taken costs itself.
///
/// # Errors
/// It is none, or none of its columns can be taken.
pub(super) fn read(bytes: &[u8]) -> Result<Grid, String> {
    let file = bytes::Bytes::copy_from_slice(bytes);
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| error.to_string())?;
    let schema = builder.schema().clone();
    let batches: Vec<_> = builder
        .build()
        .map_err(|error| error.to_string())?
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    let mut grid = Grid::default();
    let rows = batches.iter().map(|batch| batch.num_rows()).sum();
    grid.rows.resize_with(rows, Vec::new);
    for (place, field) in schema.fields().iter().enumerate() {
        let name = field.name();
        let Some((kind, _)) = target(field.data_type()) else {
            let is = field.data_type();
            grid.without.push(format!(
                "column `{name}` is {is}, which is not flat: write it as several columns"
            ));
            continue;
        };
        let parts: Result<Vec<_>, _> = batches
            .iter()
            .map(|batch| values(batch.column(place)))
            .collect();
        match parts {
            Ok(parts) => {
                grid.names.push(name.clone());
                // Of a number as it is written the values say which type is wide enough.
                grid.kinds
                    .push((!is_written(field.data_type())).then_some(kind));
                for (row, value) in grid.rows.iter_mut().zip(parts.into_iter().flatten()) {
                    row.push(value);
                }
            }
            Err(reason) => grid.without.push(format!("column `{name}`: {reason}")),
        }
    }
    if grid.names.is_empty() && !grid.without.is_empty() {
        return Err(grid.without.join("; "));
    }
    Ok(grid)
}

/// Whether numbers of this type can have more digits than the dataset's types: their values are taken as they are written.
fn is_written(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, values) => is_written(values),
        DataType::UInt64
        | DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => true,
        _ => false,
    }
}

/// The dataset's type for an Arrow type, and the Arrow type to cast to; none for nested ones.
fn target(kind: &DataType) -> Option<(ColumnType, DataType)> {
    let own = match kind {
        DataType::Dictionary(_, values) => return target(values),
        DataType::Boolean => ColumnType::Flag,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => {
            ColumnType::Text
        }
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => ColumnType::Bytes,
        // Instants, durations and times of day become nanoseconds, as everywhere in the dataset.
        DataType::Timestamp(..)
        | DataType::Duration(_)
        | DataType::Date32
        | DataType::Date64
        | DataType::Time32(_)
        | DataType::Time64(_) => ColumnType::Int,
        DataType::Float16 | DataType::Float32 | DataType::Float64 => ColumnType::Float,
        DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => ColumnType::Float,
        integer if integer.is_integer() => ColumnType::Int,
        _ => return None,
    };
    Some((own, own.arrow()))
}

fn values(column: &ArrayRef) -> Result<Vec<Value>, String> {
    let (kind, arrow) = target(column.data_type()).ok_or("it is nested")?;
    // A value that does not fit is an error, not a null.
    let strict = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let cast = |column: &ArrayRef, to: &DataType| {
        cast_with_options(column, to, &strict).map_err(|error| error.to_string())
    };
    let column_kind = column.data_type();
    let column = match nanoseconds(column.data_type()) {
        _ if is_written(column.data_type()) => cast(column, &DataType::Utf8)?,
        Some(nanoseconds) => cast(&cast(column, &nanoseconds)?, &arrow)?,
        None => cast(column, &arrow)?,
    };
    if is_written(column_kind) {
        let texts = column.as_string::<i32>();
        let number =
            |text: Option<&str>| text.map_or(Value::Null, |text| Value::Number(text.to_owned()));
        return Ok(texts.iter().map(number).collect());
    }
    let value = |row: usize| match kind {
        _ if column.is_null(row) => Value::Null,
        ColumnType::Int => Value::Int(column.as_primitive::<Int64Type>().value(row)),
        ColumnType::Float => Value::Float(column.as_primitive::<Float64Type>().value(row)),
        ColumnType::Text => Value::Text(column.as_string::<i32>().value(row).to_owned()),
        ColumnType::Flag => Value::Flag(column.as_boolean().value(row)),
        ColumnType::Bytes => Value::Bytes(column.as_binary::<i32>().value(row).to_owned()),
    };
    Ok((0..column.len()).map(value).collect())
}

/// The same in nanoseconds, for what has a unit.
fn nanoseconds(kind: &DataType) -> Option<DataType> {
    match kind {
        DataType::Dictionary(_, values) => nanoseconds(values),
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => {
            Some(DataType::Timestamp(TimeUnit::Nanosecond, None))
        }
        DataType::Duration(_) => Some(DataType::Duration(TimeUnit::Nanosecond)),
        DataType::Time32(_) | DataType::Time64(_) => Some(DataType::Time64(TimeUnit::Nanosecond)),
        _ => None,
    }
}
