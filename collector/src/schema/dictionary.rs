//! The data dictionary, generated from the schemas: `docs/dataset.md` cannot fall behind.

use super::{Column, ColumnType, SCHEMA_VERSION, TABLES, Table};
use std::fmt::Write as _;

const HEAD: &str = "# The dataset

Generated from the schemas (`AEFM_UPDATE=1 cargo test -p aefm-collector dictionary` writes it anew); do not edit.

A run's folder `data/<experiment>/<run>/` has one folder a table, and in it one file a case:
`<table>/case=<id>/part-0.parquet`. A file appears complete or not at all; names that begin with a dot are unfinished.

Every row of every table begins with `run_id`, `case_id` and the case's factors (`app`, `workload`, `rate_hz`, `round`,
one column an interference kind, one an axis of yours), so that one file is enough to learn from.
Instants (`*_ns`) are int64 nanoseconds since the epoch in UTC, durations int64 nanoseconds; ids are lower-case hex.
Quantiles are values that occurred (the smallest one that at least that share of all do not exceed); beyond 262,144
values of one key they are exact to three digits.
";

const RECIPES: &str = "
## Reading it

[reading.md](reading.md) has recipes for pandas, polars, DuckDB and R.

The `hdr` column holds HdrHistograms (V2, not compressed): add those of many seconds before you take a quantile.
";

/// The dictionary as Markdown.
#[must_use]
pub fn dictionary() -> String {
    let mut text = format!("{HEAD}\nSchema version {SCHEMA_VERSION}.\n");
    for table in TABLES {
        write_table(&mut text, table);
    }
    text.push_str(RECIPES);
    text
}

fn write_table(text: &mut String, table: &Table) {
    // A String takes whatever it is given.
    let _ = write!(
        text,
        "\n## `{}`\nOne row is {}.\n\n| column | type | meaning |\n| --- | --- | --- |\n",
        table.name, table.row
    );
    for column in table.columns.iter() {
        let _ = writeln!(
            text,
            "| `{}` | {} | {} |",
            column.name,
            kind(column),
            column.doc
        );
    }
}

fn kind(column: &Column) -> String {
    let name = match column.kind {
        ColumnType::Int => "int64",
        ColumnType::Float => "double",
        ColumnType::Text => "string",
        ColumnType::Flag => "boolean",
        ColumnType::Bytes => "binary",
    };
    if column.required {
        name.to_owned()
    } else {
        format!("{name}, null")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dictionary_is_what_the_schemas_say() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/dataset.md");
        if std::env::var_os("AEFM_UPDATE").is_some() {
            std::fs::write(path, dictionary()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == dictionary(),
            "docs/dataset.md is not what the schemas say; run this test with AEFM_UPDATE=1"
        );
    }
}
