//! What the dataset holds: its tables and columns, apart from how they are written.
//!
//! Every table starts with `run_id`, `case_id` and the case's factor columns ([`CaseLabels`]); [`Table::columns`] are
//! those that follow. Instants are int64 nanoseconds since the epoch in UTC (`*_ns`): the one form that pandas, polars,
//! DuckDB and R all read without losing nanoseconds or guessing a time zone. Durations are int64 nanoseconds.

mod dictionary;
mod tables;

use aefm_workloads::labels::{CaseLabels, FactorValue};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use serde::Serialize;
use std::borrow::Cow;
use std::sync::Arc;

pub use dictionary::dictionary;
pub use tables::{
    CASES, EDGES, INTERFERENCE, LOAD, METRICS, QUALITY, REQUESTS, SERVICES, SPANS, TABLES, TRACES,
    USAGE, user_table,
};

/// Version of all tables together: raised when a column changes its name or meaning, not when one is added.
pub const SCHEMA_VERSION: u32 = 2;

/// The type of a column, by its Parquet form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ColumnType {
    /// int64.
    Int,
    /// double.
    Float,
    /// UTF-8 string.
    Text,
    /// boolean.
    Flag,
    /// Binary.
    Bytes,
}

/// One column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name; a unit comes last in it.
    pub name: Cow<'static, str>,
    /// Its type.
    pub kind: ColumnType,
    /// Never null.
    pub required: bool,
    /// Nearly every value differs, so that a dictionary would only cost.
    pub unique: bool,
    /// What it says, for the data dictionary.
    pub doc: Cow<'static, str>,
}

/// One table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name, which is its folder's, too.
    pub name: Cow<'static, str>,
    /// What one row is.
    pub row: Cow<'static, str>,
    /// Its own columns, which follow the labels.
    pub columns: Cow<'static, [Column]>,
}

impl ColumnType {
    /// The Arrow type.
    #[must_use]
    pub const fn arrow(self) -> DataType {
        match self {
            Self::Int => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Text => DataType::Utf8,
            Self::Flag => DataType::Boolean,
            Self::Bytes => DataType::Binary,
        }
    }

    /// The type of a factor's column.
    #[must_use]
    pub const fn of(value: &FactorValue) -> Self {
        match value {
            FactorValue::Text(_) => Self::Text,
            FactorValue::Int(_) => Self::Int,
            FactorValue::Float(_) => Self::Float,
        }
    }
}

impl Table {
    /// The Arrow schema of this table for a case of these labels.
    #[must_use]
    pub fn schema(&self, labels: &CaseLabels) -> SchemaRef {
        let ids = ["run_id", "case_id"].map(|name| Field::new(name, DataType::Utf8, false));
        let factors = labels
            .factors
            .iter()
            .map(|(name, value)| Field::new(name, ColumnType::of(value).arrow(), false));
        let own = self
            .columns
            .iter()
            .map(|column| Field::new(&*column.name, column.kind.arrow(), !column.required));
        Arc::new(Schema::new(
            ids.into_iter()
                .chain(factors)
                .chain(own)
                .collect::<Vec<_>>(),
        ))
    }

    /// Whether one of this table's columns, or one of the ids before them, has this name.
    #[must_use]
    pub fn has_column(&self, name: &str) -> bool {
        name == "run_id"
            || name == "case_id"
            || self.columns.iter().any(|column| column.name == name)
    }
}

/// The table in which a factor of this name would collide with a column, if there is one: an axis cannot have this name.
#[must_use]
pub fn reserved(name: &str) -> Option<&'static str> {
    if name == "case" {
        return Some("every table's partition");
    }
    TABLES
        .iter()
        .find(|table| table.has_column(name))
        .and_then(|table| match &table.name {
            Cow::Borrowed(name) => Some(*name),
            Cow::Owned(_) => None,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_table_has_a_column_twice_and_every_column_is_documented() {
        for table in TABLES {
            let names: BTreeSet<_> = table.columns.iter().map(|column| &column.name).collect();
            assert_eq!(names.len(), table.columns.len(), "{}", table.name);
            assert!(
                table.columns.iter().all(|column| column.doc.len() > 5),
                "{}",
                table.name
            );
        }
    }

    #[test]
    fn axes_may_not_take_the_names_of_columns() {
        assert_eq!(reserved("verdict"), Some("cases"));
        assert_eq!(reserved("case_id"), Some("cases"));
        assert_eq!(reserved("rate_hz"), None);
        for kind in aefm_workloads::interference::Kind::ALL {
            assert_eq!(reserved(kind.name()), None);
        }
    }

    #[test]
    fn labels_come_first_in_their_own_order() {
        let labels = CaseLabels {
            run_id: "r".into(),
            case_id: "c".into(),
            factors: vec![
                ("rate_hz".into(), FactorValue::Float(1.0)),
                ("app".into(), FactorValue::Text("x".into())),
            ],
        };
        let schema = QUALITY.schema(&labels);
        let names: Vec<_> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        assert_eq!(
            names[..5],
            ["run_id", "case_id", "rate_hz", "app", "source"]
        );
    }
}
