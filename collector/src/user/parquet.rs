//! Parquet into rows.

use super::{Grid, Value};
use crate::schema::ColumnType;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, cast::AsArray};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType, TimeUnit};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// Reads a whole Parquet file.
///
/// # Errors
/// It is none, or a column is nested, or a value has no place in the dataset's types.
pub(super) fn read(bytes: &[u8]) -> Result<Grid, String> {
    let file = bytes::Bytes::copy_from_slice(bytes);
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| error.to_string())?;
    let schema = builder.schema().clone();
    let mut grid = Grid::default();
    for field in schema.fields() {
        let (kind, _) = target(field.data_type()).ok_or_else(|| {
            format!(
                "column `{}` is {}, which is not flat: write it as several columns",
                field.name(),
                field.data_type()
            )
        })?;
        grid.names.push(field.name().clone());
        grid.kinds.push(Some(kind));
    }
    for batch in builder.build().map_err(|error| error.to_string())? {
        let batch = batch.map_err(|error| error.to_string())?;
        let begin = grid.rows.len();
        grid.rows.resize_with(begin + batch.num_rows(), Vec::new);
        for (column, name) in batch.columns().iter().zip(&grid.names) {
            let values = values(column).map_err(|reason| format!("column `{name}`: {reason}"))?;
            for (row, value) in grid.rows[begin..].iter_mut().zip(values) {
                row.push(value);
            }
        }
    }
    Ok(grid)
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
        // Instants become nanoseconds, as everywhere in the dataset; of a duration the unit is the file's.
        DataType::Timestamp(..) | DataType::Duration(_) | DataType::Date32 | DataType::Date64 => {
            ColumnType::Int
        }
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
    let column = match column.data_type() {
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => cast(
            &cast(column, &DataType::Timestamp(TimeUnit::Nanosecond, None))?,
            &arrow,
        )?,
        _ => cast(column, &arrow)?,
    };
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
