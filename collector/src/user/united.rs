//! One type a column over all cases of a table: what one case has as whole numbers and the next as fractions is doubles in both,
//! and a column that only one of them has is null in the other. Readers take all files of a table as one, by the first.
//!
//! So a case can change the types of those before it: their files are written anew, each in one step.

use super::{UserTableError, Value, fit};
use crate::read::{TableError, read_table};
use crate::schema::{ColumnType, user_table};
use crate::sink::{TableWriter, part_path};
use aefm_workloads::labels::{CaseLabels, FactorValue};
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, cast::AsArray};
use arrow_schema::DataType;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// A table of one case, read back or in the making.
#[derive(Debug)]
pub(super) struct CaseTable {
    pub(super) labels: CaseLabels,
    /// The user's columns; none where no value says what it is.
    pub(super) columns: Vec<(String, Option<ColumnType>)>,
    pub(super) rows: Vec<Vec<Value>>,
    /// How values were written that their types print in another way.
    pub(super) written: AsWritten,
}

/// Texts by column and row, of values such as `1.50`: should the column become text, they are what it holds.
pub(super) type AsWritten = HashMap<String, BTreeMap<usize, String>>;

/// How the tables of this process were written, by their files.
pub(super) type Memory = BTreeMap<PathBuf, AsWritten>;

/// The tables of this name that other cases of the same run have.
///
/// # Errors
/// One cannot be read.
pub(super) fn others(
    dir: &Path,
    name: &str,
    labels: &CaseLabels,
    memory: &Memory,
) -> Result<Vec<CaseTable>, TableError> {
    let folder = dir.join(format!("user_{name}"));
    let mut cases: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            Some(
                entry
                    .file_name()
                    .to_str()?
                    .strip_prefix("case=")?
                    .to_owned(),
            )
        })
        .filter(|case| *case != labels.case_id)
        .collect();
    cases.sort_unstable();
    let mut tables = Vec::new();
    for case in cases {
        let path = part_path(dir, &format!("user_{name}"), &case);
        if path.exists() {
            let mut table = read(&path, &case, labels)?;
            table.written = memory.get(&path).cloned().unwrap_or_default();
            // What another run left there is not ours to write.
            tables.extend((table.labels.run_id == labels.run_id).then_some(table));
        }
    }
    Ok(tables)
}

fn read(path: &Path, case: &str, own: &CaseLabels) -> Result<CaseTable, TableError> {
    let head = 2 + own.factors.len();
    let rows = read_table(path)?;
    let schema = rows.schema();
    let kind_of = |kind: &DataType| {
        [
            ColumnType::Int,
            ColumnType::Float,
            ColumnType::Text,
            ColumnType::Flag,
            ColumnType::Bytes,
        ]
        .into_iter()
        .find(|own| own.arrow() == *kind)
    };
    let mut columns: Vec<(String, Option<ColumnType>)> = schema
        .fields()
        .iter()
        .skip(head)
        .map(|field| (field.name().clone(), kind_of(field.data_type())))
        .collect();
    let mut table = CaseTable {
        labels: CaseLabels {
            run_id: own.run_id.clone(),
            case_id: case.to_owned(),
            factors: own.factors.clone(),
        },
        columns: Vec::new(),
        rows: Vec::new(),
        written: AsWritten::new(),
    };
    for batch in rows {
        let batch = batch?;
        if table.rows.is_empty() && batch.num_rows() > 0 {
            if let Value::Text(run_id) = value(batch.column(0), 0) {
                table.labels.run_id = run_id;
            }
            for (place, (_, factor)) in (2..).zip(&mut table.labels.factors) {
                match value(batch.column(place), 0) {
                    Value::Int(value) => *factor = FactorValue::Int(value),
                    Value::Float(value) => *factor = FactorValue::Float(value),
                    Value::Text(value) => *factor = FactorValue::Text(value),
                    _ => {}
                }
            }
        }
        for row in 0..batch.num_rows() {
            let own = batch.columns().iter().skip(head);
            table
                .rows
                .push(own.map(|column| value(column, row)).collect());
        }
    }
    for (place, (_, kind)) in columns.iter_mut().enumerate() {
        if table.rows.iter().all(|row| row[place] == Value::Null) {
            *kind = None;
        }
    }
    table.columns = columns;
    Ok(table)
}

fn value(column: &ArrayRef, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Int64 => Value::Int(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => Value::Float(column.as_primitive::<Float64Type>().value(row)),
        DataType::Boolean => Value::Flag(column.as_boolean().value(row)),
        DataType::Binary => Value::Bytes(column.as_binary::<i32>().value(row).to_owned()),
        DataType::Utf8 => Value::Text(column.as_string::<i32>().value(row).to_owned()),
        // The dataset has no others.
        _ => Value::Null,
    }
}

/// The columns of all tables, in the order in which they first come, each with the narrowest type that holds all its values as
/// they are.
pub(super) fn columns<'a>(
    tables: &(impl Iterator<Item = &'a CaseTable> + Clone),
) -> Vec<(String, ColumnType)> {
    let mut united: Vec<(String, Option<ColumnType>)> = Vec::new();
    for (name, kind) in tables.clone().flat_map(|table| &table.columns) {
        match united.iter_mut().find(|(own, _)| own == name) {
            None => united.push((name.clone(), *kind)),
            Some((_, own)) => {
                let whole = || tables.clone().all(|table| fits_double(table, name));
                *own = match (*own, *kind) {
                    (None, other) | (other, None) => other,
                    (Some(own), Some(kind)) => Some(wider(own, kind, whole)),
                };
            }
        }
    }
    let text = |(name, kind): (String, Option<_>)| (name, kind.unwrap_or(ColumnType::Text));
    united.into_iter().map(text).collect()
}

fn wider(one: ColumnType, other: ColumnType, fits_double: impl Fn() -> bool) -> ColumnType {
    use ColumnType::{Bytes, Float, Int, Text};
    match (one, other) {
        _ if one == other => one,
        (Bytes, _) | (_, Bytes) => Bytes,
        (Int, Float) | (Float, Int) if fits_double() => Float,
        _ => Text,
    }
}

/// Whether the whole numbers of this column are the same as doubles.
fn fits_double(table: &CaseTable, name: &str) -> bool {
    let Some(place) = table.columns.iter().position(|(own, _)| own == name) else {
        return true;
    };
    let exact = |value: &Value| match value {
        Value::Int(value) => value.unsigned_abs() <= 1 << f64::MANTISSA_DIGITS,
        _ => true,
    };
    table.rows.iter().all(|row| exact(&row[place]))
}

impl CaseTable {
    /// Whether its file has exactly these columns.
    pub(super) fn has(&self, columns: &[(String, ColumnType)]) -> bool {
        let same = |((own, kind), (name, wanted)): (
            &(String, Option<ColumnType>),
            &(String, ColumnType),
        )| { own == name && kind.unwrap_or(ColumnType::Text) == *wanted };
        self.columns.len() == columns.len() && self.columns.iter().zip(columns).all(same)
    }

    /// Writes it with these columns, in which all its values fit; says how many rows it has.
    ///
    /// # Errors
    /// It could not be written.
    pub(super) fn write(
        self,
        dir: &Path,
        name: &str,
        columns: &[(String, ColumnType)],
    ) -> Result<u64, UserTableError> {
        let places: Vec<_> = columns
            .iter()
            .map(|(name, _)| self.columns.iter().position(|(own, _)| own == name))
            .collect();
        let mut writer = TableWriter::create(dir, &user_table(name, columns), &self.labels)?;
        for (number, mut row) in self.rows.into_iter().enumerate() {
            let values: Vec<Value> = places
                .iter()
                .zip(columns)
                .map(|(place, (name, kind))| {
                    let text = self.written.get(name).and_then(|rows| rows.get(&number));
                    if let (ColumnType::Text, Some(text)) = (kind, text) {
                        return Value::Text(text.clone());
                    }
                    let value = place.map_or(Value::Null, |place| {
                        std::mem::replace(&mut row[place], Value::Null)
                    });
                    widened(value, *kind)
                })
                .collect();
            writer.push(&values.iter().map(fit::cell).collect::<Vec<_>>())?;
        }
        Ok(writer.finish()?.rows)
    }
}

/// A value in the type that [`columns`] found wide enough for it.
fn widened(value: Value, kind: ColumnType) -> Value {
    match (value, kind) {
        (Value::Null, _) => Value::Null,
        #[expect(
            clippy::cast_precision_loss,
            reason = "only whole numbers that a double holds are widened to it"
        )]
        (Value::Int(value), ColumnType::Float) => Value::Float(value as f64),
        (value @ Value::Bytes(_), _) => value,
        (value, ColumnType::Text) => Value::Text(printed(value)),
        (value, ColumnType::Bytes) => Value::Bytes(printed(value).into_bytes()),
        (value, _) => value,
    }
}

/// A value as text.
pub(super) fn printed(value: Value) -> String {
    match value {
        Value::Int(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Flag(value) => value.to_string(),
        Value::Text(value) | Value::Cell(value) | Value::Number(value) => value,
        Value::Null | Value::Bytes(_) => String::new(),
    }
}
