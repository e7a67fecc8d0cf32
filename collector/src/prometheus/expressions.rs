//! The user's own PromQL as columns of one table: a row a label set and instant.

use super::Series;
use crate::schema::{ColumnType, user_table};
use crate::sink::{Cell, SinkError, TableWriter, Written};
use aefm_workloads::labels::CaseLabels;
use std::collections::BTreeMap;
use std::path::Path;

/// Labels as a JSON object, and an instant.
type Key = (String, i64);

/// Labels of all series of one expression, as JSON objects. The metric's name is none of them, so that expressions meet;
/// only where two series differ in nothing else it stays.
fn labels_of(all: &[Series]) -> Vec<String> {
    let bare = |series: &Series| -> BTreeMap<String, String> {
        let mut labels = series.labels.clone();
        labels.remove("__name__");
        labels
    };
    let mut times: BTreeMap<BTreeMap<String, String>, usize> = BTreeMap::new();
    for series in all {
        *times.entry(bare(series)).or_default() += 1;
    }
    let own = |series: &Series| {
        let bare = bare(series);
        let labels = if times.get(&bare) == Some(&1) {
            &bare
        } else {
            &series.labels
        };
        serde_json::to_string(labels).unwrap_or_default()
    };
    all.iter().map(own).collect()
}

/// Values of all expressions by label set and instant; null where an expression has none.
fn rows(columns: &[(String, Vec<Series>)]) -> BTreeMap<Key, Vec<Option<f64>>> {
    let mut rows: BTreeMap<Key, Vec<Option<f64>>> = BTreeMap::new();
    for (place, (_, all)) in columns.iter().enumerate() {
        for (series, labels) in all.iter().zip(labels_of(all)) {
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
    use proptest::prelude::*;

    proptest! {
        /// Whatever labels series have, no value of one takes another's place.
        #[test]
        fn every_value_has_a_place(sets in proptest::collection::btree_set(
            proptest::collection::btree_map("__name__|pod|job", "[ab]", 0..4), 1..12))
        {
            let all: Vec<_> = sets
                .into_iter()
                .map(|labels| Series { labels, samples: vec![(1, 1.0), (2, 2.0)] })
                .collect();
            let values = 2 * all.len();
            let rows = rows(&[("both".to_owned(), all)]);
            prop_assert_eq!(rows.values().flatten().flatten().count(), values);
        }
    }

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
