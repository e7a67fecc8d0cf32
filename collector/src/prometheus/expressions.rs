//! The user's own PromQL as columns of one table: a row a label set and instant.

use super::Series;
use crate::schema::{ColumnType, user_table};
use crate::sink::{Cell, SinkError, TableWriter, Written};
use aefm_workloads::labels::CaseLabels;
use std::collections::BTreeMap;
use std::path::Path;

/// Labels as a JSON object, and an instant.
type Key = (String, i64);

/// Values of all expressions by label set and instant; null where an expression has none.
fn rows(columns: &[(String, Vec<Series>)]) -> BTreeMap<Key, Vec<Option<f64>>> {
    let mut rows: BTreeMap<Key, Vec<Option<f64>>> = BTreeMap::new();
    for (place, (_, all)) in columns.iter().enumerate() {
        for series in all {
            let labels: BTreeMap<_, _> = series
                .labels
                .iter()
                .filter(|(name, _)| *name != "__name__")
                .collect();
            let labels = serde_json::to_string(&labels).unwrap_or_default();
            for (t_ns, value) in &series.samples {
                let row = rows
                    .entry((labels.clone(), *t_ns))
                    .or_insert_with(|| vec![None; columns.len()]);
                row[place] = Some(*value);
            }
        }
    }
    rows
}

/// Writes `user_<name>` of a case: `t_ns`, `labels` (a JSON object), and a column an expression.
///
/// # Errors
/// The table could not be written.
pub fn write_expressions(
    dir: &Path,
    labels: &CaseLabels,
    name: &str,
    columns: &[(String, Vec<Series>)],
) -> Result<Written, SinkError> {
    let own = [
        ("t_ns".to_owned(), ColumnType::Int),
        ("labels".to_owned(), ColumnType::Text),
    ];
    let values = columns
        .iter()
        .map(|(name, _)| (name.clone(), ColumnType::Float));
    let table = user_table(name, &own.into_iter().chain(values).collect::<Vec<_>>());
    let mut writer = TableWriter::create(dir, &table, labels)?;
    for ((of, t_ns), values) in &rows(columns) {
        let own = [Cell::Int(*t_ns), Cell::Text(of)];
        let row: Vec<_> = own
            .into_iter()
            .chain(values.iter().map(|value| Cell::from(*value)))
            .collect();
        writer.push(&row)?;
    }
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_meet_where_their_labels_and_instants_are_equal() {
        let series = |labels: &[(&str, &str)], samples: &[(i64, f64)]| Series {
            labels: labels
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            samples: samples.to_vec(),
        };
        let columns = [
            (
                "depth".to_owned(),
                vec![series(
                    &[("pod", "a"), ("__name__", "depth")],
                    &[(1, 5.0), (2, 6.0)],
                )],
            ),
            (
                "rate".to_owned(),
                vec![
                    series(&[("pod", "a")], &[(2, 0.5)]),
                    series(&[], &[(2, 9.0)]),
                ],
            ),
        ];
        let rows: Vec<_> = rows(&columns).into_iter().collect();
        assert_eq!(
            rows,
            [
                (("{\"pod\":\"a\"}".to_owned(), 1), vec![Some(5.0), None]),
                (
                    ("{\"pod\":\"a\"}".to_owned(), 2),
                    vec![Some(6.0), Some(0.5)]
                ),
                (("{}".to_owned(), 2), vec![None, Some(9.0)]),
            ]
        );
    }
}
